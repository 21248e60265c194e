import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Demo, preloads } from './support/run.js';
import { troubleOf } from './support/xml.js';

/** What the tests look at of what it writes. */
interface Written {
  readonly ok: boolean;
  readonly processes: number;
  readonly callers: number;
  readonly checks: readonly { readonly ok?: boolean; readonly text: string }[];
  readonly rounds: readonly {
    readonly name: string;
    readonly creations: number;
    readonly overlaps: number;
    readonly log: readonly object[];
  }[];
}

const SMALL = ['--processes', '2', '--callers', '8'];
const demos: Demo[] = [];
const start = (...[args, preload]: ConstructorParameters<typeof Demo>) => {
  const demo = new Demo(args, preload);
  demos.push(demo);
  return demo;
};
const written = (demo: Demo, name: string): Written => JSON.parse(readFileSync(join(demo.folder, name), 'utf8'));

afterEach(async () => {
  for (const demo of demos.splice(0)) await demo.clear();
});

describe('the demonstration', () => {
  it('shows its rounds, writes its files, keeps its promises, and leaves nothing behind', async () => {
    const demo = start([...SMALL, '--seconds', '3', '--json', 'run.json', '--svg', 'run.svg']);
    expect([await demo.exitCode(), demo.errors]).toEqual([0, '']);

    for (const row of ['calls answered', 'stale served', 'creations', 'per key and expiry', 'p99 of a call'])
      expect(demo.output).toMatch(new RegExp(`^ *${row} .*\\d`, 'm'));
    expect(demo.output).toMatch(/no cache +single flight +dogpile/);
    expect(demo.output).not.toContain('✗ One');
    expect(demo.output, 'no colours where there is no terminal').not.toContain('\x1b');

    const { ok, processes, callers, checks, rounds } = written(demo, 'run.json');
    expect({ ok, processes, callers }).toEqual({ ok: true, processes: 2, callers: 8 });
    expect(rounds.map(({ name }) => name)).toEqual(['no cache', 'single flight', 'dogpile']);
    expect(rounds.at(-1)).toMatchObject({ overlaps: 0 });
    for (const { log, creations } of rounds) expect(log.length).toBeGreaterThanOrEqual(creations);
    for (const { text } of checks) expect(demo.output.replace(/\n +/g, ' ')).toContain(text);

    const svg = readFileSync(join(demo.folder, 'run.svg'), 'utf8');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(troubleOf(svg)).toBeUndefined();

    expect(demo.started.length).toBeGreaterThanOrEqual(3);
    expect([demo.leftovers, demo.living]).toEqual([[], []]);
  });

  it('says so, and exits with 1, when a promise is broken', async () => {
    const demo = start([...SMALL, '--seconds', '3', '--json', 'run.json'], preloads.unlocked);
    expect(await demo.exitCode()).toBe(1);
    // However slow the machine: eight callers a process come before the first has his answer.
    expect(demo.output).toContain('✗ Creations of one key at the same time');
    expect(written(demo, 'run.json').ok).toBe(false);
  });

  it.runIf(existsSync('/dev/full'))('exits with 1 when what it should write can’t be written after all', async () => {
    const demo = start([...SMALL, '--seconds', '1.5', '--json', '/dev/full']);
    expect(await demo.exitCode()).toBe(1);
    expect(demo.errors).toContain("demo: Can't write /dev/full");
    expect([demo.leftovers, demo.living]).toEqual([[], []]);
  });

  it('refuses a wrong option before anything is started, with 2', async () => {
    const demo = start(['--processes', '1']);
    expect(await demo.exitCode()).toBe(2);
    expect(demo.errors).toContain("demo: --processes takes a whole number from 2 to 32, not '1'\n");
    expect(demo.errors).toContain('--help');
    expect([demo.output, demo.started.length]).toEqual(['', 1]);
  });

  it('tells its options', async () => {
    const demo = start(['--help']);
    expect(await demo.exitCode()).toBe(0);
    expect(demo.output).toContain('--seconds N');
    expect(demo.started).toHaveLength(1);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends at once at %s: no process and no folder is left', async (signal, code) => {
    const demo = start([...SMALL, '--seconds', '600']);
    await vi.waitUntil(() => demo.output.includes(' calls '), { timeout: 20_000 });
    expect(demo.leftovers).toHaveLength(1);
    demo.kill(signal);
    expect([await demo.exitCode(), demo.errors]).toEqual([code, '']);
    expect(demo.started).toHaveLength(3);
    expect([demo.leftovers, demo.living]).toEqual([[], []]);
  });

  it('that is killed leaves neither: its processes clear up', async () => {
    const demo = start([...SMALL, '--seconds', '600']);
    await vi.waitUntil(() => demo.output.includes(' calls '), { timeout: 20_000 });
    demo.kill('SIGKILL');
    await vi.waitUntil(() => demo.leftovers.length === 0, { timeout: 20_000 });
  });
});
