import { describe, expect, it } from 'vitest';
import type { CacheBackend, CacheMutex, Lease } from '../../../src/api.js';
import { LocalLocks } from '../../../src/lock/local-locks.js';
import { newFile, opened } from './support/folder.js';

const bytes = Buffer.from('v');

function mutexOf(backend: CacheBackend<Uint8Array>, key: string): CacheMutex {
  const mutex = backend.mutex?.(key);
  if (!mutex) throw new Error('The file backend has a lock.');
  return mutex;
}

async function acquired(backend: CacheBackend<Uint8Array>, key: string): Promise<Lease> {
  const lease = await mutexOf(backend, key).acquire({ wait: false });
  if (!lease) throw new Error('It is free.');
  return lease;
}

/** Longer than any test: who is not woken does not come. */
const lockSleep = '1h';

describe('waiters in the same process', () => {
  it.each(['release', 'commit', 'delete', 'set', 'close'])(
    'are woken by a %s, in another backend object too',
    async (by) => {
      const filename = newFile();
      const one = await opened({ filename });
      const other = await opened({ filename, lockSleep });
      const lease = await acquired(one, 'k');
      const waiting = mutexOf(other, 'k').acquire();
      if (by === 'release') await lease.release();
      if (by === 'commit') expect(await one.set('k', bytes, { lease })).toBe(true);
      if (by === 'delete') await one.delete('k');
      if (by === 'set') await one.set('k', bytes);
      if (by === 'close') await one.close?.();
      expect(await waiting).toBeDefined();
    },
  );
});

describe('a lease of a process', () => {
  it.each([true, false])(
    'that is asked for with a signal that has aborted (wait: %s) rejects with its reason',
    async (wait) => {
      const backend = await opened({ filename: newFile() });
      const reason = new Error('changed my mind');
      await expect(
        (async () => mutexOf(backend, 'k').acquire({ wait, signal: AbortSignal.abort(reason) }))(),
      ).rejects.toBe(reason);
    },
  );

  it.each(['delete', 'set'] as const)('is voided by a %s of one who takes no part in the election', async (verb) => {
    const filename = newFile();
    const backend = await opened({ filename });
    const alone = await opened({ filename, distributedLock: false });
    const lease = await acquired(backend, 'k');
    await (verb === 'set' ? alone.set('k', bytes) : alone.delete('k'));
    expect(await backend.set('k', bytes, { lease })).toBe(false);
  });

  it('that is voided here is told at once, not when it is renewed', async () => {
    const backend = await opened({ filename: newFile() });
    const lease = await acquired(backend, 'k');
    const lost: string[] = [];
    lease.whenLost?.((why) => lost.push(why));
    await backend.delete('k');
    expect(lost).toEqual(['voided']);
    expect(await backend.set('k', bytes, { lease })).toBe(false);
  });

  it('lapses when it is held for too long, and another takes it over at once', async () => {
    const filename = newFile();
    const backend = await opened({ filename, lockMaxHold: '50ms' });
    const other = await opened({ filename });
    const lease = await acquired(backend, 'k');
    expect(await new Promise((resolve) => lease.whenLost?.(resolve))).toBe('lapsed');
    const next = await acquired(other, 'k');
    expect(await backend.set('k', bytes, { lease })).toBe(false);
    expect(await other.set('k', bytes, { lease: next })).toBe(true);
  });

  it('is not taken for dead by others of its own backend object, which share its open file', async () => {
    const backend = await opened({ filename: newFile() });
    const lease = await acquired(backend, 'k');
    expect(await mutexOf(backend, 'k').acquire({ wait: false })).toBe(undefined);
    expect((await backend.acquireMulti?.(['k', 'l', 'l']))?.size).toBe(1);
    expect(await backend.set('k', bytes, { lease })).toBe(true);
  });

  it('says what was stored when it was won', async () => {
    const backend = await opened({ filename: newFile() });
    expect((await acquired(backend, 'k')).stored).toBe(undefined);
    await backend.set('k', bytes);
    expect(Buffer.from((await acquired(backend, 'k')).stored as Uint8Array).toString()).toBe('v');
  });

  it('of two processes that ask for the same keys in other orders, each key has one', async () => {
    const filename = newFile();
    const [one, other] = [await opened({ filename }), await opened({ filename })];
    const keys = Array.from({ length: 50 }, (_, at) => `k${at}`);
    const won = [await one.acquireMulti?.(keys.slice(0, 30)), await other.acquireMulti?.([...keys].reverse())];
    expect(won.map((leases) => leases?.size)).toEqual([30, 20]);
  });
});

describe('a lock of the user', () => {
  const locks = new LocalLocks();
  const mutex = (key: string): CacheMutex => ({
    locked: () => locks.locked(key),
    acquire: (how) => locks.acquire(key, how),
  });

  it('[py 215] elects; what is written under it is fenced by the file', async () => {
    const filename = newFile();
    const backend = await opened({ filename, mutex });
    const other = await opened({ filename });
    const lease = await acquired(backend, 'k');
    expect(await locks.locked('k')).toBe(true);
    await other.delete('k');
    expect(await backend.set('k', bytes, { lease })).toBe(false);
    expect(await locks.locked('k')).toBe(false);
  });

  it('[py 218, 219] is given back by its lease alone, once', async () => {
    const backend = await opened({ filename: newFile(), mutex });
    const first = await acquired(backend, 'k');
    await first.release();
    const second = await acquired(backend, 'k');
    await first.release();
    expect(await locks.locked('k')).toBe(true);
    await second.release();
    expect(locks.size).toBe(0);
  });
});
