/** The three client packages, each as a backend over a server: what holds for one holds for all. */
import MemcacheClientPackage from 'memcache-client';
import Memcached from 'memcached';
// @ts-expect-error: it has no types of its own
import * as memjs from 'memjs';
import type { CacheBackend } from '../../../../src/api.js';
import { serversFrom } from '../../../../src/backends/memcached/address.js';
import type { MemcachedClient } from '../../../../src/backends/memcached/client.js';
import type { MemjsLike } from '../../../../src/backends/memcached/clients.js';
import { Link, type LinkOptions } from '../../../../src/backends/memcached/link.js';
import { MemcacheClientClient, openMemcacheClient } from '../../../../src/backends/memcached/memcache-client.js';
import { MemjsClient, openMemjs } from '../../../../src/backends/memcached/memjs.js';
import { NodeMemcachedClient, openNodeMemcached } from '../../../../src/backends/memcached/node-memcached.js';
import { memcacheClientBackend, memjsBackend, nodeMemcachedBackend } from '../../../../src/backends/memcached.js';
import type { MemcachedCommonArguments } from '../../../../src/backends/memcached-arguments.js';
import { systemClock } from '../../../../src/clock.js';

export interface Package {
  readonly name: 'node_memcached' | 'memjs' | 'memcache_client';
  /** Whether "unless it has changed" is one step of the server. */
  readonly hasCas: boolean;
  open(url: string | readonly string[], more?: MemcachedCommonArguments): CacheBackend<Uint8Array>;
  /** A client of one's own: backends over it, and what ends it. */
  handIn(url: string): { open(more?: MemcachedCommonArguments): CacheBackend<Uint8Array>; end(): void };
  /** What stands between the backend and the package. */
  connect(url: string): MemcachedClient;
}

function linked<Client>(url: string, open: LinkOptions<Client>['open']) {
  return new Link({ place: url, open, timeout: 2000, clock: () => systemClock });
}
function serverOf(url: string) {
  const [server] = serversFrom('url', url);
  if (!server) throw new Error('There is no server.');
  return server;
}

export const PACKAGES: readonly Package[] = [
  {
    name: 'node_memcached',
    hasCas: true,
    open: (url, more) => nodeMemcachedBackend({ url, ...more }),
    handIn: (url) => {
      const client = new Memcached(url);
      return { open: (more) => nodeMemcachedBackend({ client, ...more }), end: () => client.end() };
    },
    connect: (url) =>
      new NodeMemcachedClient(
        linked(url, (lost) => openNodeMemcached({ default: Memcached as never }, serverOf(url), 2000, lost)),
      ),
  },
  {
    name: 'memjs',
    hasCas: false,
    open: (url, more) => memjsBackend({ url, ...more }),
    handIn: (url) => {
      const client = memjs.Client.create(url, { logger: { log: () => {} } }) as MemjsLike;
      return { open: (more) => memjsBackend({ client, ...more }), end: () => client.close() };
    },
    connect: (url) =>
      new MemjsClient(linked(url, (lost, givenUp) => openMemjs(memjs, serverOf(url), 2000, lost, givenUp))),
  },
  {
    name: 'memcache_client',
    hasCas: true,
    open: (url, more) => memcacheClientBackend({ url, ...more }),
    handIn: (url) => {
      const client = new MemcacheClientPackage.MemcacheClient({ server: url });
      return { open: (more) => memcacheClientBackend({ client, ...more }), end: () => client.shutdown() };
    },
    connect: (url) =>
      new MemcacheClientClient(
        linked(url, (lost, givenUp) =>
          openMemcacheClient(
            MemcacheClientPackage as never,
            serverOf(url),
            { timeout: 2000, tls: undefined },
            lost,
            givenUp,
          ),
        ),
      ),
  },
];
