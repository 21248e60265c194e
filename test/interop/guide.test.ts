/** The programs of docs/guide/sharing-with-python.md, run in the order of the page against one server of each kind. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
// Read before the page runs: the deadline of its first call is none for compiling.
import '../../src/backends/memcached.js';
import '../../src/backends/redis.js';
import { PYTHON } from '../../scripts/programs.mjs';
import { ROOT, readPage } from '../docs/page.js';
import { runPage } from '../docs/run.js';
import { type RunningMemcached, startMemcached } from '../services/memcached.js';
import { type RunningRedis, startRedis } from '../services/redis.js';

const PAGE = 'docs/guide/sharing-with-python.md';

let redis: RunningRedis;
let memcached: RunningMemcached;
let folder: string;
beforeAll(async () => {
  [redis, memcached] = await Promise.all([startRedis(), startMemcached()]);
  folder = await mkdtemp(join(tmpdir(), 'dogpile-guide-'));
  process.env.REDIS_URL = redis.url;
  process.env.MEMCACHED = memcached.url;
});
afterAll(async () => {
  delete process.env.REDIS_URL;
  delete process.env.MEMCACHED;
  await rm(folder, { recursive: true, force: true });
  await Promise.all([redis.stop(), memcached.stop()]);
});

it('each finds what the other has loaded', async () => {
  const [users = '', firstUser = '', secondUser = '', shared = '', first = '', second = ''] = await pythonBlocks();
  await writeFile(join(folder, 'users.py'), users);
  await writeFile(join(folder, 'shared.py'), shared);
  await Promise.all([firstUser, first].map(runPython));
  const page = readPage(PAGE);
  await runPage({ ...page, blocks: page.blocks.map((block) => ({ ...block, runs: true })) });
  await Promise.all([secondUser, second].map(runPython));
});

async function pythonBlocks(): Promise<string[]> {
  const text = await readFile(join(ROOT, PAGE), 'utf8');
  return [...text.matchAll(/^```python\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code);
}

/** It prints what its comments say. */
async function runPython(code: string): Promise<void> {
  const expected = [...code.matchAll(/^print\(.*\) {2}# (.*)$/gm)].map(([, comment]) => comment);
  expect(expected.length).toBeGreaterThan(0);
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', code], { cwd: folder });
  expect(stdout.trimEnd().split('\n')).toEqual(expected);
}
