import type { CacheBackend } from '../../src/api.js';
import { memoryBackend, memorySerializedBackend } from '../../src/backends/memory.js';
import { nullBackend } from '../../src/backends/null.js';
import { CompressionProxy } from '../../src/proxies/compression.js';
import { KeyPrefixProxy } from '../../src/proxies/key-prefix.js';
import { LoggingProxy } from '../../src/proxies/logging.js';
import { ProxyBackend } from '../../src/proxy.js';
import { FencedBackend, SharedStore } from '../region/support/later-backend.js';
import { prove } from './support/prove.js';

const stores = {
  memory: () => memoryBackend(),
  memory_serialized: () => memorySerializedBackend(),
  null: () => nullBackend(),
  'a store with leases': () => new FencedBackend(new SharedStore()),
};
/** Bytes below, whatever it stands in front of. */
const ofBytes: (keyof typeof stores)[] = ['memory_serialized'];

const quiet = { debug: () => {} };
const proxies: Record<string, () => ProxyBackend> = {
  'a plain proxy': () => new ProxyBackend(),
  'key prefix': () => new KeyPrefixProxy('shop:'),
  logging: () => new LoggingProxy(quiet),
};

for (const [store, make] of Object.entries(stores)) {
  for (const [name, proxy] of Object.entries(proxies)) {
    prove(`${store} through ${name}`, { create: () => ProxyBackend.wrap(proxy(), make()) });
  }
}
for (const store of ofBytes) {
  prove(`${store} through compression`, { create: () => compressed(stores[store]()) });
  prove(`${store} through compression, prefix and logging`, {
    create: () =>
      ProxyBackend.wrap(
        new LoggingProxy(quiet),
        ProxyBackend.wrap(new KeyPrefixProxy('shop:'), compressed(stores[store]())),
      ),
  });
}

function compressed(backend: CacheBackend): CacheBackend {
  return ProxyBackend.wrap(new CompressionProxy({ threshold: 16 }) as ProxyBackend, backend);
}
