import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { builtPath } from '../../support/built.js';
import { type Child, crowd, startProcess, startThread } from './support/child.js';
import { newFile, newFolder } from './support/folder.js';

/** Far below the lease's 10 s, far above what a takeover takes. */
const SOON = 5000;

async function two(args: { lockTimeout?: string } = {}, others = args): Promise<[Child, Child]> {
  const filename = newFile();
  return [await startProcess({ filename, ...args }), await startProcess({ filename, ...others })];
}

describe('a lease between processes', () => {
  it('keeps the other out until it is released', async () => {
    const [one, other] = await two();
    expect(await one.call('acquire', { key: 'k', wait: false })).toMatch(/^[0-9a-f]{32}$/);
    expect(await other.call('acquire', { key: 'k', wait: false })).toBe(null);
    expect(await other.call('locked', { key: 'k' })).toBe(true);
    expect(await other.call('acquire', { key: 'another', wait: false })).not.toBe(null);
    const won = other.call('acquire', { key: 'k', wait: true });
    await one.call('release', { key: 'k' });
    expect(await won).toMatch(/^[0-9a-f]{32}$/);
    expect(await one.call('locked', { key: 'k' })).toBe(true);
  });

  it('a creator killed with SIGKILL: another takes over at once, not when the lease has run out', async () => {
    const [one, other] = await two();
    await one.call('acquire', { key: 'k', wait: false });
    const won = other.call('acquire', { key: 'k', wait: true });
    await one.kill();
    const killed = performance.now();
    expect(await won).not.toBe(null);
    expect(performance.now() - killed).toBeLessThan(SOON);
    expect(await other.call('commit', { key: 'k', value: 'v' })).toBe(true);
    expect(await other.call('get', { key: 'k' })).toBe('v');
  });

  it('a holder stopped beyond its deadline has lost it: its commit is refused, and it is told', async () => {
    const [one, other] = await two({ lockTimeout: '300ms' });
    await one.call('acquire', { key: 'k', wait: false });
    await one.kill('SIGSTOP');
    expect(await other.call('acquire', { key: 'k', wait: true })).not.toBe(null);
    await one.kill('SIGCONT');
    expect(await one.call('commit', { key: 'k', value: 'late' })).toBe(false);
    expect(await other.call('commit', { key: 'k', value: 'in time' })).toBe(true);
    expect(await one.call('get', { key: 'k' })).toBe('in time');
  });

  it('one that was taken over from a holder that lives is guarded by its deadline, and by its range once that is free', async () => {
    const [one, other] = await two({ lockTimeout: '400ms' }, { lockTimeout: '3s' });
    await one.call('acquire', { key: 'k', wait: false });
    const sign = join(newFolder(), 'sign');
    const blocked = one.call('block', { sign });
    // It can't renew meanwhile, and holds its range all the same.
    expect(await other.call('acquire', { key: 'k', wait: true })).not.toBe(null);
    writeFileSync(sign, '');
    await blocked;
    expect(await one.call('lost', { key: 'k' })).toBe('voided');
    expect(await one.call('acquire', { key: 'k', wait: false })).toBe(null);
    await one.call('release', { key: 'k' });
    // `other` has renewed by then, and taken the range.
    expect(await one.call('acquire', { key: 'k', wait: 1200 })).toBe(null);
    await other.kill();
    expect(await one.call('acquire', { key: 'k', wait: SOON })).not.toBe(null);
  });

  it('is renewed for as long as it is held, longer than its time', async () => {
    const [one, other] = await two({ lockTimeout: '1500ms' });
    await one.call('acquire', { key: 'k', wait: false });
    expect(await other.call('acquire', { key: 'k', wait: 2000 })).toBe(null);
    expect(await one.call('commit', { key: 'k', value: 'v' })).toBe(true);
  });

  it.each([
    ['delete', { key: 'k' }, null],
    ['set', { key: 'k', value: 'said' }, 'said'],
    ['invalidate', { hard: true }, null],
  ])('is voided by %s in another process: its commit is refused, and it is told', async (verb, args, left) => {
    const [one, other] = await two({ lockTimeout: '600ms' });
    await one.call('acquire', { key: 'k', wait: false });
    await other.call(verb, args);
    expect(await one.call('commit', { key: 'k', value: 'old' })).toBe(false);
    expect(await other.call('get', { key: 'k' })).toBe(left);
    await one.call('acquire', { key: 'l', wait: false });
    await other.call(verb, { ...args, key: 'l' });
    expect(await one.call('lost', { key: 'l' })).toBe('voided');
  });

  it('a soft invalidation by another process voids none', async () => {
    const [one, other] = await two();
    await one.call('acquire', { key: 'k', wait: false });
    await other.call('invalidate', { hard: false });
    expect(await one.call('commit', { key: 'k', value: 'v' })).toBe(true);
  });

  it('a hard invalidation lets others take it over at once', async () => {
    const [one, other] = await two();
    await one.call('acquire', { key: 'k', wait: false });
    await other.call('invalidate', { hard: true });
    expect(await other.call('acquire', { key: 'k', wait: false })).not.toBe(null);
    expect(await one.call('commit', { key: 'k', value: 'old' })).toBe(false);
    expect(await other.call('commit', { key: 'k', value: 'new' })).toBe(true);
  });

  it('what a process writes is what the next look of another finds, at once', async () => {
    const [one, other] = await two();
    for (const value of ['a', 'b', 'c']) {
      await one.call('set', { key: 'k', value });
      expect(await other.call('get', { key: 'k' })).toBe(value);
      await other.call('delete', { key: 'k' });
      expect(await one.call('get', { key: 'k' })).toBe(null);
    }
  });
});

describe('worker threads over one file', () => {
  it('exclude each other, and the process that started them', async () => {
    const filename = newFile();
    const [one, other, process] = await Promise.all([
      startThread({ filename }),
      startThread({ filename }),
      startProcess({ filename }),
    ]);
    await one.call('acquire', { key: 'k', wait: false });
    expect(await other.call('acquire', { key: 'k', wait: false })).toBe(null);
    expect(await process.call('acquire', { key: 'k', wait: false })).toBe(null);
    const won = other.call('acquire', { key: 'k', wait: true });
    expect(await one.call('commit', { key: 'k', value: 'v' })).toBe(true);
    expect(await won).not.toBe(null);
    expect(await process.call('get', { key: 'k' })).toBe('v');
    await one.call('close');
    expect(await other.call('get', { key: 'k' })).toBe('v');
  });
});

describe('four processes of a hundred callers', () => {
  it('on a cold key: one creation, and its value for all', async () => {
    const filename = newFile();
    const fleet = await Promise.all([1, 2, 3, 4].map(() => startProcess({ filename })));
    const seen = await Promise.all(fleet.map((child) => child.call('callers', { key: 'k', count: 100, takes: 300 })));
    expect(seen.reduce((sum, { creations }) => sum + creations, 0)).toBe(1);
    expect(new Set(seen.flatMap(({ values }) => values)).size).toBe(1);
  });

  it('on an expired one: one creation, and nobody else waits', async () => {
    const filename = newFile();
    const fleet = await Promise.all([1, 2, 3, 4].map(() => startProcess({ filename })));
    const old = await fleet[0]?.call('callers', { key: 'k', count: 1, takes: 0 });
    expect(await crowd(fleet, { key: 'k', count: 100, expirationTime: 0 })).toEqual({
      creations: 1,
      rest: Array(399).fill(old.values[0]),
    });
  });
});

it('a program that has nothing to do but wait for a creation elsewhere waits for it', async () => {
  const filename = newFile();
  const one = await startProcess({ filename });
  await one.call('acquire', { key: 'k', wait: false });
  const built = await builtPath();
  const code = `
    const { makeRegion } = await import(${JSON.stringify(`file://${built}/index.js`)});
    const region = makeRegion().configure('file', { arguments: { filename: ${JSON.stringify(filename)} } });
    await region.get('k');
    console.log('waiting');
    console.log(await region.getOrCreate('k', () => 'mine'));`;
  const program = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void program.kill('SIGKILL'));
  const said: string[] = [];
  for await (const data of program.stdout) {
    said.push(...String(data).trim().split('\n'));
    // Long enough for it to end, should it not wait.
    if (said.length === 1) setTimeout(() => void one.call('release', { key: 'k' }), 500);
  }
  expect(said).toEqual(['waiting', 'mine']);
});
