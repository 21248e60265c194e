/** A hit of a cached function: the key is made of the arguments at every call. */
import { makeRegion } from 'dogpile-cache';
import { compare } from '../harness.mjs';
import { handWritten } from '../peers.mjs';

export const title = 'A hit of a cached function, awaited';

const HOUR = 3_600_000;

export async function run(options) {
  async function loadUser(id) {
    return { id };
  }
  async function loadPair(id, team) {
    return { id, team };
  }
  const map = new Map([
    ['loadUser|5', { id: 5 }],
    ['loadPair|5,"red"', { id: 5 }],
  ]);
  async function lookup(id) {
    return map.get(`loadUser|${id}`);
  }
  const region = makeRegion().configure('memory', { expirationTime: HOUR });
  const one = region.cacheOnArguments()(loadUser);
  const two = region.cacheOnArguments()(loadPair);
  const byHand = handWritten(HOUR);
  const memoized = (id) => byHand.getOrCreate(`loadUser|${id}`, () => loadUser(id));
  await one(5);
  await two(5, 'red');
  await memoized(5);
  const results = await compare(
    [
      {
        name: 'bare Map, async lookup with the key made by a template',
        async run(operations) {
          for (let i = 0; i < operations; i++) await lookup(5);
        },
      },
      {
        name: 'cacheOnArguments, one number',
        async run(operations) {
          for (let i = 0; i < operations; i++) await one(5);
        },
      },
      {
        name: 'cacheOnArguments, a number and a string',
        async run(operations) {
          for (let i = 0; i < operations; i++) await two(5, 'red');
        },
      },
      {
        name: 'single flight by hand, key by a template',
        async run(operations) {
          for (let i = 0; i < operations; i++) await memoized(5);
        },
      },
    ],
    options,
  );
  await region.close();
  return results;
}
