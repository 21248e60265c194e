/** A miss in memory: another key every time, a creator that is an async function and does nothing. */
import { makeRegion } from 'dogpile-cache';
import { compare } from '../harness.mjs';
import { handWritten, lru } from '../peers.mjs';

export const title = 'A miss with a creator that costs nothing, awaited (10,000 entries at most)';

const HOUR = 3_600_000;

export async function run(options) {
  const create = async () => ({ id: 5 });
  const map = new Map();
  const byHand = handWritten(HOUR);
  const cache = lru(HOUR, create);
  const region = makeRegion().configure('memory', { expirationTime: HOUR });
  let next = 0;
  async function make(key) {
    const there = map.get(key);
    if (there !== undefined) return there;
    const value = await create();
    map.set(key, value);
    return value;
  }
  const results = await compare(
    [
      {
        name: 'bare Map, async get, create, set',
        before: () => map.clear(),
        async run(operations) {
          for (let i = 0; i < operations; i++) await make(`user:${next++}`);
        },
      },
      {
        name: 'region.getOrCreate',
        async run(operations) {
          for (let i = 0; i < operations; i++) await region.getOrCreate(`user:${next++}`, create);
        },
      },
      {
        name: 'single flight by hand, with a clock',
        before: () => byHand.clear(),
        async run(operations) {
          for (let i = 0; i < operations; i++) await byHand.getOrCreate(`user:${next++}`, create);
        },
      },
      {
        name: 'lru-cache fetch, ttl',
        async run(operations) {
          for (let i = 0; i < operations; i++) await cache.fetch(`user:${next++}`);
        },
      },
    ],
    { ...options, most: 10_000 },
  );
  await region.close();
  return results;
}
