/** The suite that third parties run, over memcached, by each client package, bare and through a proxy. */
import { afterAll, beforeAll } from 'vitest';
import { ProxyBackend } from '../../../src/proxy.js';
import { prove } from '../../conformance/support/prove.js';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { ask } from '../../services/server.js';
import { PACKAGES } from './support/packages.js';

let server: RunningMemcached;
beforeAll(async () => {
  server = await startMemcached();
});
afterAll(() => server.stop());

const except = {
  'region: a failure reaches all who wait, once and untouched, and frees the key':
    'A region tells its callers before it releases: the release is on its way then, not yet done.',
};

for (const { name, open } of PACKAGES) {
  // Deadlines are not what these laws are about.
  const make = () => open(server.url, { timeout: '9s' });
  const fresh = async () => {
    await ask(server.port, 'flush_all\r\n');
    return make();
  };
  const lapsing = () => open(server.url, { timeout: '9s', lockMaxHold: '200ms' });
  prove(name, { create: fresh, second: make, lapsing, except });
  prove(`${name} behind a proxy`, {
    create: async () => ProxyBackend.wrap(ProxyBackend, await fresh()),
    second: () => ProxyBackend.wrap(ProxyBackend, make()),
    lapsing: () => ProxyBackend.wrap(ProxyBackend, lapsing()),
    except,
  });
}
