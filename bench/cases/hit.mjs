/**
 * One hot key, in memory. The law: `getOrCreate` costs at most 1.5 times the awaited lookup. Before Node 24 every promise of a process
 * costs about three times as much once any AsyncLocalStorage is in use (a tracer's, a framework's, ours while a creation runs), so both
 * states are measured. The law is judged in the second, which is that of most servers; in the first the clock alone, which anything
 * that expires has to read, comes to more than the law allows for everything.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { makeRegion } from 'dogpile-cache';
import { compare } from '../harness.mjs';
import { handWritten, lru, lruWithoutTtl } from '../peers.mjs';

export const title = 'A hit of one hot key, awaited';
const JUDGED = 'region.getOrCreate';
export const laws = [{ name: JUDGED, most: 1.5 }];

const HOUR = 3_600_000;
const KEY = 'user:5';

export async function run(options) {
  const value = { id: 5 };
  const create = () => value;
  const map = new Map([[KEY, value]]);
  async function lookup(key) {
    return map.get(key);
  }
  async function lookupWithClock(key) {
    const now = Date.now();
    return now > 0 ? map.get(key) : undefined;
  }
  const region = makeRegion().configure('memory', { expirationTime: HOUR });
  const byHand = handWritten(HOUR);
  const cache = lru(HOUR, create);
  const plain = lruWithoutTtl(create);
  // Not by a creation: that would use an AsyncLocalStorage.
  await region.set(KEY, value);
  await byHand.getOrCreate(KEY, create);
  await cache.fetch(KEY);
  await plain.fetch(KEY);

  const repeat = (call) =>
    // A loop of its own for each, so that each is compiled for itself.
    new Function('call', 'return async (operations) => { for (let i = 0; i < operations; i++) await call(); }')(call);
  const contestants = [
    ['bare Map, async function lookup(key) { return map.get(key) }', () => lookup(KEY)],
    ['bare Map, await map.get(key)', () => map.get(KEY)],
    ['bare Map, the same function with Date.now() in it', () => lookupWithClock(KEY)],
    [JUDGED, () => region.getOrCreate(KEY, create)],
    ['region.getOrCreate, with options of the call', () => region.getOrCreate(KEY, create, { expirationTime: HOUR })],
    ['region.get', () => region.get(KEY)],
    ['single flight by hand, with a clock', () => byHand.getOrCreate(KEY, create)],
    ['lru-cache fetch, ttl', () => cache.fetch(KEY)],
    ['lru-cache fetch, no ttl', () => plain.fetch(KEY)],
    ['lru-cache get, ttl, awaited', () => cache.get(KEY)],
  ].map(([name, call]) => ({ name, run: repeat(call) }));

  const quiet = await compare(contestants, options);
  await new AsyncLocalStorage().run(1, async () => {});
  const traced = await compare(contestants, options);
  await region.close();
  return [...quiet.map((result) => ({ ...result, name: `no AsyncLocalStorage: ${result.name}` })), ...traced];
}
