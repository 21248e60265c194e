/** 10,000 callers of one creation, in one process. The time is that of one caller. */
import { makeRegion } from 'dogpile-cache';
import { compare } from '../harness.mjs';
import { handWritten, lru } from '../peers.mjs';

export const title = '10,000 callers of one creation in one process, per caller';

const HOUR = 3_600_000;
const CALLERS = 10_000;

export async function run(options) {
  let creations = 0;
  const create = () => {
    creations++;
    return new Promise((resolve) => setImmediate(resolve, { id: 5 }));
  };
  const region = makeRegion().configure('memory', { expirationTime: HOUR });
  const byHand = handWritten(HOUR);
  const cache = lru(HOUR, create);
  let next = 0;
  /** One sample is whole crowds. */
  const crowd = (call) => async (operations) => {
    for (let left = operations; left > 0; left -= CALLERS) {
      const key = `user:${next++}`;
      const callers = Math.min(left, CALLERS);
      const before = creations;
      await Promise.all(Array.from({ length: callers }, () => call(key)));
      if (creations - before !== 1) throw new Error(`${creations - before} creations for one crowd`);
    }
  };
  const results = await compare(
    [
      { name: 'one promise that all await', run: crowd(onePromise(create)) },
      { name: 'region.getOrCreate', run: crowd((key) => region.getOrCreate(key, create)) },
      { name: 'single flight by hand', run: crowd((key) => byHand.getOrCreate(key, create)) },
      { name: 'lru-cache fetch', run: crowd((key) => cache.fetch(key)) },
    ],
    { ...options, most: CALLERS },
  );
  await region.close();
  return results;
}

function onePromise(create) {
  const promises = new Map();
  return async (key) => {
    const known = promises.get(key);
    if (known) return known;
    promises.clear();
    const made = create();
    promises.set(key, made);
    return made;
  };
}
