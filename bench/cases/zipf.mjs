/** Hits over 10,000 keys, some much more often than others. */
import { makeRegion } from 'dogpile-cache';
import { compare } from '../harness.mjs';
import { handWritten, lru } from '../peers.mjs';
import { randomFrom } from '../random.mjs';

export const title = 'Hits over 10,000 keys, zipf 0.9, awaited';

const HOUR = 3_600_000;
const KEYS = 10_000;
const SEQUENCE = 1 << 16;

export async function run(options) {
  const keys = Array.from({ length: KEYS }, (_, id) => `user:${id}`);
  const sequence = zipf(keys, 0.9);
  const at = (i) => sequence[i & (SEQUENCE - 1)];
  const create = () => ({ id: 5 });
  const map = new Map(keys.map((key) => [key, create()]));
  async function lookup(key) {
    return map.get(key);
  }
  const region = makeRegion().configure('memory', { expirationTime: HOUR });
  const byHand = handWritten(HOUR);
  const cache = lru(HOUR, create);
  for (const key of keys) {
    await region.getOrCreate(key, create);
    await byHand.getOrCreate(key, create);
    await cache.fetch(key);
  }
  const results = await compare(
    [
      {
        name: 'bare Map, async lookup',
        async run(operations) {
          for (let i = 0; i < operations; i++) await lookup(at(i));
        },
      },
      {
        name: 'region.getOrCreate',
        async run(operations) {
          for (let i = 0; i < operations; i++) await region.getOrCreate(at(i), create);
        },
      },
      {
        name: 'single flight by hand, with a clock',
        async run(operations) {
          for (let i = 0; i < operations; i++) await byHand.getOrCreate(at(i), create);
        },
      },
      {
        name: 'lru-cache fetch, ttl',
        async run(operations) {
          for (let i = 0; i < operations; i++) await cache.fetch(at(i));
        },
      },
    ],
    options,
  );
  await region.close();
  return results;
}

/** The same sequence in every run. */
function zipf(keys, exponent) {
  const sums = [];
  let sum = 0;
  for (let rank = 1; rank <= keys.length; rank++) {
    sum += 1 / rank ** exponent;
    sums.push(sum);
  }
  const random = randomFrom(1);
  return Array.from({ length: SEQUENCE }, () => {
    const wanted = random() * sum;
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return keys[low];
  });
}
