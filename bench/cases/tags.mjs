/**
 * What it costs to invalidate a tag, by the number of entries that bear it: 100,000 against one, in each store. The law: the same.
 * Redis takes part where there is a `redis-server` to start.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRegion } from 'dogpile-cache';
import { compare } from '../harness.mjs';
import { startRedis } from '../redis-server.mjs';

export const title = 'invalidateTags of a tag on 100,000 entries, against a tag on one';

const JUDGED = 'the dearest of them';
export const laws = [{ name: JUDGED, most: 1.5 }];

const HOUR = 3_600_000;
const ENTRIES = 100_000;
const AT_ONCE = 1000;

export async function run(options) {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-bench-'));
  const redis = await startRedis(folder);
  const results = [];
  try {
    results.push(await measure('memory', { maxEntries: Number.POSITIVE_INFINITY }, options));
    results.push(await measure('file', { filename: join(folder, 'cache') }, options));
    if (redis) results.push(await measure('redis', { url: redis.url }, options));
  } finally {
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  }
  return [...results, { name: JUDGED, ratio: Math.max(...results.map(({ ratio }) => ratio)) }];
}

async function measure(name, args, options) {
  const region = makeRegion().configure(name, { expirationTime: HOUR, arguments: args });
  try {
    for (let from = 0; from < ENTRIES; from += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, (_, at) => [`many ${from + at}`, from + at]);
      await region.setMulti(new Map(some), { tags: ['many'] });
    }
    await region.set('one', 1, { tags: ['one'] });
    await mustBe(region, [12_345, 1]);
    const invalidate = (tag) => async (operations) => {
      for (let i = 0; i < operations; i++) await region.invalidateTags([tag]);
    };
    const contestants = ['one', 'many'].map((tag) => ({ name: tag, run: invalidate(tag) }));
    const [, many] = await compare(contestants, { ...options, most: 1000 });
    await mustBe(region, [undefined, undefined]);
    return { ...many, name };
  } finally {
    await region.close();
  }
}

async function mustBe(region, expected) {
  const found = await region.getMulti(['many 12345', 'one']);
  if (found.some((value, at) => value !== expected[at])) throw new Error(`There is ${found}, not ${expected}.`);
}
