/** `dogpile-cache/memcached`: memcached as a backend. The factories check their arguments; nothing is connected before the first use. */
import type { CacheBackend } from '../api.js';
import { openMetaBackend } from './memcached/meta-backend.js';
import { openMemcacheClientBackend, openMemjsBackend, openNodeMemcachedBackend } from './memcached/open-clients.js';
import {
  checkMemcachedArguments,
  type MemcacheClientArguments,
  type MemcachedArguments,
  type MemjsArguments,
  type NodeMemcachedArguments,
} from './memcached-arguments.js';

export { memcachedKeyMangler } from './memcached/keys.js';
export type {
  MemcacheClientArguments,
  MemcacheClientLike,
  MemcachedArguments,
  MemcachedCommonArguments,
  MemjsArguments,
  MemjsLike,
  NodeMemcachedArguments,
  NodeMemcachedLike,
} from './memcached-arguments.js';

/** Our own client, for memcached 1.6 or later: the server's own leases, several servers, TLS. `ValidationError` for its arguments. */
export function memcachedBackend(args?: MemcachedArguments): CacheBackend<Uint8Array> {
  return openMetaBackend(checkMemcachedArguments('memcached', args));
}

/** npm `memcached`: multi-get and CAS, no authentication, no TLS. `ValidationError` for its arguments. */
export function nodeMemcachedBackend(args?: NodeMemcachedArguments): CacheBackend<Uint8Array> {
  return openNodeMemcachedBackend(checkMemcachedArguments('node_memcached', args));
}

/** npm `memjs`: the binary protocol with SASL; neither multi-get nor CAS. `ValidationError` for its arguments. */
export function memjsBackend(args?: MemjsArguments): CacheBackend<Uint8Array> {
  return openMemjsBackend(checkMemcachedArguments('memjs', args));
}

/** npm `memcache-client`: multi-get, CAS and TLS. `ValidationError` for its arguments. */
export function memcacheClientBackend(args?: MemcacheClientArguments): CacheBackend<Uint8Array> {
  return openMemcacheClientBackend(checkMemcachedArguments('memcache_client', args));
}
