/** The three client packages, each as a backend over a server: what holds for one holds for all. */
import type { CacheBackend } from '../../../../src/api.js';
import { memcacheClientBackend, memjsBackend, nodeMemcachedBackend } from '../../../../src/backends/memcached.js';
import type { MemcachedCommonArguments } from '../../../../src/backends/memcached-arguments.js';

export interface Package {
  readonly name: 'node_memcached' | 'memjs' | 'memcache_client';
  open(url: string | readonly string[], more?: MemcachedCommonArguments): CacheBackend<Uint8Array>;
}

export const PACKAGES: readonly Package[] = [
  { name: 'node_memcached', open: (url, more) => nodeMemcachedBackend({ url, ...more }) },
  { name: 'memjs', open: (url, more) => memjsBackend({ url, ...more }) },
  { name: 'memcache_client', open: (url, more) => memcacheClientBackend({ url, ...more }) },
];
