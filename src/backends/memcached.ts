/** `dogpile-cache/memcached`: memcached as a backend. The factories check their arguments; nothing is connected before the first use. */
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
