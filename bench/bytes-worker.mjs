/** Fills one kind of cache and prints how many bytes of heap an entry takes. Run with --expose-gc. */
import { makeRegion } from 'dogpile-cache';
import { handWritten, lru } from './peers.mjs';

const ENTRIES = 100_000;
const HOUR = 3_600_000;
const create = (key) => ({ id: key });

const KINDS = {
  map: {
    name: 'bare Map (baseline)',
    make: () => new Map(),
    put: (map, key) => map.set(key, create(key)),
  },
  region: {
    name: 'region on memory',
    make: () => makeRegion().configure('memory', { expirationTime: HOUR, arguments: { maxEntries: ENTRIES } }),
    put: (region, key) => region.getOrCreate(key, () => create(key)),
  },
  hand: {
    name: 'single flight by hand, with a clock',
    make: () => handWritten(HOUR),
    put: (cache, key) => cache.getOrCreate(key, create),
  },
  lru: {
    name: 'lru-cache fetch, ttl',
    make: () => lru(HOUR, create, ENTRIES),
    put: (cache, key) => cache.fetch(key),
  },
};

const { name, make, put } = KINDS[process.argv[2]];
const keys = Array.from({ length: ENTRIES }, (_, id) => `user:${id}`);
// Everything that is compiled or allocated once is there before it counts.
const warm = make();
for (const key of keys.slice(0, 2000)) await put(warm, key);
const before = heap();
const cache = make();
for (const key of keys) await put(cache, key);
await new Promise((resolve) => setTimeout(resolve, 50));
const bytes = (heap() - before) / ENTRIES;
console.log(JSON.stringify({ name, bytes, kept: typeof cache, keys: keys.length, warm: typeof warm }));

function heap() {
  for (let i = 0; i < 4; i++) globalThis.gc();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}
