/** A hit in the LMDB file, of a value of about a kibibyte. The baseline reads and parses the same bytes without a cache around it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRegion } from 'dogpile-cache';
import { open } from 'lmdb';
import { compare } from '../harness.mjs';
import { document } from '../values.mjs';

export const title = 'A hit in the file, 1 KiB of JSON, awaited';

const HOUR = 3_600_000;
const KEY = 'document:5';

export async function run(options) {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-bench-'));
  const value = document();
  const raw = open({ path: join(folder, 'raw.lmdb'), encoding: 'binary' });
  await raw.put(KEY, Buffer.from(JSON.stringify(value)));
  async function lookup(key) {
    return JSON.parse(raw.get(key).toString());
  }
  const region = makeRegion().configure('file', {
    expirationTime: HOUR,
    arguments: { filename: join(folder, 'cache') },
  });
  try {
    await region.getOrCreate(KEY, () => value);
    return await compare(
      [
        {
          name: 'lmdb get, JSON.parse, async lookup',
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
      { ...options, most: 20_000 },
    );
  } finally {
    await region.close();
    await raw.close();
    await rm(folder, { recursive: true, force: true });
  }
}
