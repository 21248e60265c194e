/** Fifty keys in one call. The time is that of a whole call. */
import { makeRegion } from 'dogpile-cache';
import { compare } from '../harness.mjs';

export const title = '50 keys in one call, in memory, per call';

const HOUR = 3_600_000;

export async function run(options) {
  const keys = Array.from({ length: 50 }, (_, id) => `user:${id}`);
  const create = async (missing) => missing.map((key) => ({ key }));
  const map = new Map(keys.map((key) => [key, { key }]));
  const region = makeRegion().configure('memory', { expirationTime: HOUR });
  await region.getOrCreateMulti(keys, create);
  let next = 0;
  const missing = () => {
    next++;
    return keys.map((key) => `${key} of ${next}`);
  };
  async function lookup(wanted) {
    return wanted.map((key) => map.get(key));
  }
  async function make(wanted) {
    const found = wanted.map((key) => map.get(key));
    if (found.every((value) => value !== undefined)) return found;
    const made = await create(wanted);
    wanted.forEach((key, at) => {
      map.set(key, made[at]);
    });
    return made;
  }
  const hits = await compare(
    [
      {
        name: 'bare Map, async lookup of 50',
        async run(operations) {
          for (let i = 0; i < operations; i++) await lookup(keys);
        },
      },
      {
        name: 'region.getMulti, 50 hits',
        async run(operations) {
          for (let i = 0; i < operations; i++) await region.getMulti(keys);
        },
      },
      {
        name: 'region.getOrCreateMulti, 50 hits',
        async run(operations) {
          for (let i = 0; i < operations; i++) await region.getOrCreateMulti(keys, create);
        },
      },
    ],
    options,
  );
  const misses = await compare(
    [
      {
        name: 'bare Map, async get, create, set of 50',
        async run(operations) {
          for (let i = 0; i < operations; i++) await make(missing());
          map.clear();
          for (const key of keys) map.set(key, { key });
        },
      },
      {
        name: 'region.getOrCreateMulti, 50 misses',
        async run(operations) {
          for (let i = 0; i < operations; i++) await region.getOrCreateMulti(missing(), create);
        },
      },
    ],
    { ...options, most: 200 },
  );
  await region.close();
  return [...hits, ...misses];
}
