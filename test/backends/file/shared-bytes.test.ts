/** Two keys that share a byte of the lock file. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CacheBackend, Lease } from '../../../src/api.js';
import { makeRegion } from '../../../src/index.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { newFile, opened } from './support/folder.js';

// Two keys of one byte are found by nobody: here all of them have one.
vi.mock('../../../src/backends/file/keys.js', async (original) => ({
  ...(await original<typeof import('../../../src/backends/file/keys.js')>()),
  byteOf: () => 2 ** 52,
}));

async function tryFor(backend: CacheBackend<Uint8Array>, key: string): Promise<Lease | undefined> {
  return backend.mutex?.(key)?.acquire({ wait: false });
}

describe('keys that share a byte of the lock file', () => {
  it('have leases of their own, in one backend object and in two', async () => {
    const filename = newFile();
    const [one, other] = [await opened({ filename }), await opened({ filename })];
    const [a, b, c] = [await tryFor(one, 'a'), await tryFor(one, 'b'), await tryFor(other, 'c')];
    expect([a, b, c].every((lease) => lease !== undefined)).toBe(true);
    for (const key of ['a', 'b', 'c']) {
      expect(await tryFor(one, key)).toBe(undefined);
      expect(await tryFor(other, key)).toBe(undefined);
    }
    for (const [backend, key, lease] of [
      [one, 'a', a],
      [other, 'c', c],
      [one, 'b', b],
    ] as const)
      expect(await backend.set(key, Buffer.from('v'), { lease })).toBe(true);
  });

  it('one that is released leaves the sign of life of the other', async () => {
    const filename = newFile();
    const [one, other] = [await opened({ filename }), await opened({ filename })];
    const a = await tryFor(one, 'a');
    const b = await tryFor(one, 'b');
    await a?.release();
    expect(await tryFor(other, 'b')).toBe(undefined);
    expect(await one.set('b', Buffer.from('v'), { lease: b })).toBe(true);
    expect(await tryFor(other, 'b')).toBeDefined();
  });

  it('one without a range of its own is renewed and stands', async () => {
    const filename = newFile();
    const clock = new FakeClock();
    const lockTimeout = '1m';
    const [one, other] = [await opened({ filename, lockTimeout }), await opened({ filename, lockTimeout })];
    for (const backend of [one, other]) backend.attach?.({ clock, random: Math.random, report: () => {} });
    // What records are dated by.
    vi.useFakeTimers({ toFake: ['hrtime'] });
    onTestFinished(() => void vi.useRealTimers());
    const a = await tryFor(one, 'a');
    const b = await tryFor(other, 'b');
    for (let thirds = 0; thirds < 10; thirds++) {
      vi.advanceTimersByTime(20_000);
      await clock.advance(20_000);
      expect(await tryFor(one, 'b')).toBe(undefined);
    }
    expect(await other.set('b', Buffer.from('v'), { lease: b })).toBe(true);
    expect(await one.set('a', Buffer.from('v'), { lease: a })).toBe(true);
  });

  it('a creation that needs another is no deadlock', async () => {
    const region = makeRegion().configure(await opened({ filename: newFile() }));
    const inner = () => region.getOrCreate('inner', () => 2);
    expect(await region.getOrCreate('outer', async () => 1 + (await inner()))).toBe(3);
    expect(await region.getOrCreateMulti(['x', 'y', 'z'], (keys) => keys.map((key) => key))).toEqual(['x', 'y', 'z']);
  });
});
