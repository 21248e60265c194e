/** The backend of our own client, over servers that a test has started. */
import type { CacheBackend } from '../../../../src/api.js';
import { type MetaSettings, metaBackend } from '../../../../src/backends/memcached/meta-backend.js';
import { checkMemcachedArguments, type MemcachedArguments } from '../../../../src/backends/memcached-arguments.js';

export function openMeta(args: MemcachedArguments): CacheBackend<Uint8Array> {
  return metaBackend(checkMemcachedArguments('memcached', args) as MetaSettings);
}
