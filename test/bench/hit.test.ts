/**
 * A hit in memory costs what a map costs: time in comparison with a bare map, and nothing made on the way. Measured in processes of
 * their own, on a bundle as it is shipped; `bench/` measures the same without the allowance for a machine that others use.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/**
 * The law says 1.5; the rest is for machines where even the best of many samples is disturbed. From Node 24 on a promise costs a
 * third of what it did, because an AsyncLocalStorage takes no hooks any more: there the clock alone, which anything that expires
 * has to read, costs three quarters of a lookup.
 */
const LIMIT = Number.parseInt(process.versions.node, 10) < 24 ? 2 : 3;

let folder = '';
let bundle = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dogpile-hit-'));
  bundle = join(folder, 'dogpile-cache.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('../../src/index.ts', import.meta.url))],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'silent',
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function measure(what: string): Promise<Record<string, number>> {
  const script = fileURLToPath(new URL('./measure-hit.mjs', import.meta.url));
  const flags = ['--expose-gc', '--max-semi-space-size=64'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script, what, bundle, String(LIMIT)]);
  return JSON.parse(stdout);
}

// Five seconds where the machine is quiet.
describe('a hit in memory', { timeout: 120_000 }, () => {
  it('costs at most about half as much again as an awaited lookup in a bare map', async () => {
    expect((await measure('ratio')).hit).toBeLessThanOrEqual(LIMIT);
  });

  it('and the measure can fail: five lookups in place of one are beyond the limit, however often it is tried', async () => {
    expect((await measure('mutant')).hit).toBeGreaterThan(LIMIT);
  });

  it('makes no promise but the one that is returned', async () => {
    const { hit, wrapped } = await measure('promises');
    expect(hit).toBe(1);
    expect(wrapped).toBeGreaterThan(1);
  });

  it('makes nothing else on the way, neither a closure nor options: a promise and a few numbers', async () => {
    const { allowed = 0, hit = 0, withClosure = 0, withOptions = 0 } = await measure('bytes');
    expect(hit).toBeLessThanOrEqual(allowed);
    expect(withClosure).toBeGreaterThan(allowed);
    expect(withOptions).toBeGreaterThan(allowed);
  });
});
