/** The suite that third parties run, over memcached, with the leases of the server and with those that Python shares. */
import { afterAll, beforeAll } from 'vitest';
import type { CacheBackend } from '../../../src/api.js';
import { memcachedBackend } from '../../../src/backends/memcached.js';
import { ProxyBackend } from '../../../src/proxy.js';
import { prove } from '../../conformance/support/prove.js';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { ask } from '../../services/server.js';

let server: RunningMemcached;
beforeAll(async () => {
  server = await startMemcached();
});
afterAll(() => server.stop());

const plain = (backend: CacheBackend) => backend;
const through = (backend: CacheBackend) => ProxyBackend.wrap(new ProxyBackend(), backend);

for (const lease of ['server', 'key'] as const) {
  for (const [how, wrap] of [
    ['bare', plain],
    ['through a plain proxy', through],
  ] as const) {
    const open = (more: object = {}) =>
      wrap(memcachedBackend({ url: server.url, lease, lockSleep: 5, timeout: '9s', ...more }));
    prove(`memcached, lease: '${lease}', ${how}`, {
      create: async () => {
        await ask(server.port, 'flush_all\r\n');
        return open();
      },
      second: () => open(),
      lapsing: () => open({ lockMaxHold: '200ms' }),
    });
  }
}
