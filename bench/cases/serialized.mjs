/** A hit where entries are kept as bytes: a value of about a kibibyte, JSON. */
import { makeRegion } from 'dogpile-cache';
import { compare } from '../harness.mjs';
import { document } from '../values.mjs';

export const title = 'A hit in memory_serialized, 1 KiB of JSON, awaited';

const HOUR = 3_600_000;
const KEY = 'document:5';

export async function run(options) {
  const value = document();
  const bytes = Buffer.from(JSON.stringify(value));
  const map = new Map([[KEY, bytes]]);
  async function lookup(key) {
    return JSON.parse(map.get(key).toString());
  }
  const region = makeRegion().configure('memory_serialized', { expirationTime: HOUR });
  await region.getOrCreate(KEY, () => value);
  const results = await compare(
    [
      {
        name: 'bare Map of bytes, JSON.parse, async lookup',
        async run(operations) {
          for (let i = 0; i < operations; i++) await lookup(KEY);
        },
      },
      {
        name: 'region.getOrCreate',
        async run(operations) {
          for (let i = 0; i < operations; i++) await region.getOrCreate(KEY, () => value);
        },
      },
    ],
    options,
  );
  await region.close();
  return results;
}
