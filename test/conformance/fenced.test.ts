import type { CacheBackend } from '../../src/api.js';
import { ProxyBackend } from '../../src/proxy.js';
import { fencedOptions } from './support/fenced.js';
import { prove } from './support/prove.js';

prove('[py 167-203] a store with leases and generations, and two processes', fencedOptions());

const bare = fencedOptions();
const through = (backend: CacheBackend | PromiseLike<CacheBackend>) =>
  Promise.resolve(backend).then((made) => ProxyBackend.wrap(new ProxyBackend(), made));
prove('the same through a plain proxy', {
  create: () => through(bare.create()),
  second: () => through(bare.second?.() ?? bare.create()),
});
