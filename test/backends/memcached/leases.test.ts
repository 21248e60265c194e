/** Leases by token: who holds one, who voids it, other programs' locks, and what a late creation may still do. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BackendHost, CacheBackend, Lease } from '../../../src/api.js';
import type { MemcachedClient } from '../../../src/backends/memcached/client.js';
import { MemcachedClientBackend } from '../../../src/backends/memcached/client-backend.js';
import { memcachedKeyMangler } from '../../../src/backends/memcached/keys.js';
import { checkMemcachedArguments, type MemcachedCommonArguments } from '../../../src/backends/memcached-arguments.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { until } from '../../support/wait.js';
import { PACKAGES } from './support/packages.js';
import { raw, secondsLeft, store, stored } from './support/raw.js';

let server: RunningMemcached;
beforeAll(async () => {
  server = await startMemcached();
});
afterAll(() => server.stop());

const bytes = Buffer.from('value');
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();

async function won(backend: CacheBackend<Uint8Array>, key = 'k'): Promise<Lease> {
  const lease = await backend.mutex?.(key)?.acquire({ wait: false });
  if (lease) return lease;
  throw new Error('It is not won.');
}
const lockOf = async (key = 'k') => (await stored(server.port, `_lock${key}`))?.value;

describe.each(PACKAGES)('$name', ({ open, connect, hasCas }) => {
  let backends: CacheBackend<Uint8Array>[];
  /** A process of its own, as far as the store can tell. */
  function process(args?: MemcachedCommonArguments, host?: BackendHost): CacheBackend<Uint8Array> {
    const backend = open(server.url, { timeout: '20s', ...args });
    if (host) backend.attach?.(host);
    backends.push(backend);
    return backend;
  }
  /** One whose calls can be held up. */
  function interrupted(before: Partial<Record<keyof MemcachedClient, () => Promise<unknown>>>) {
    const backend = new MemcachedClientBackend({
      settings: checkMemcachedArguments('memjs'),
      isCarried: () => true,
      keyMangler: memcachedKeyMangler,
      open: () =>
        new Proxy(connect(server.url), {
          get: (client, verb: keyof MemcachedClient) => {
            return async (...args: unknown[]) => {
              await before[verb]?.();
              return Reflect.apply(client[verb], client, args);
            };
          },
        }),
    });
    backends.push(backend);
    return backend;
  }

  let here: CacheBackend<Uint8Array>;
  let there: CacheBackend<Uint8Array>;
  beforeEach(async () => {
    backends = [];
    await raw(server.port, 'flush_all');
    here = process();
    there = process();
  });
  afterEach(async () => {
    for (const backend of backends) await backend.close?.();
  });

  it('a lease is `_lock<key>`, with a token that is recognised as ours, for at least its time', async () => {
    const backend = process({ lockTimeout: '5s' });
    const lease = await won(backend);
    expect(await lockOf()).toBe(`dp1:${lease.token}`);
    expect(await secondsLeft(server.port, '_lockk')).toBeGreaterThanOrEqual(5);
    await lease.release();
    expect(await lockOf()).toBe(undefined);
  });

  it('one that is renewed outlives its time, and commits', async () => {
    const lease = await won(process({ lockTimeout: '2s' }));
    const [backend] = backends.slice(-1);
    await new Promise((resolve) => setTimeout(resolve, 4500));
    expect(await lockOf()).toBe(`dp1:${lease.token}`);
    expect(await backend?.set('k', bytes, { lease })).toBe(true);
    expect(await lockOf()).toBe(undefined);
  });

  it('one whose holder stands still is taken over when its seconds are over; the holder stores nothing then', async () => {
    const host = { clock: new FakeClock(), random: () => 1, report: () => {} };
    const stalled = process({ lockTimeout: '1s' }, host);
    const lost = await won(stalled);
    const lease = await there.mutex?.('k')?.acquire();
    expect(lease?.token).not.toBe(lost.token);
    expect(await stalled.set('k', Buffer.from('late'), { lease: lost })).toBe(false);
    await lost.release();
    expect(await lockOf()).toBe(`dp1:${lease?.token}`);
    expect(await there.set('k', bytes, { lease })).toBe(true);
  });

  it("another program's lock is waited for, and never removed, renewed or taken", async () => {
    await store(server.port, '_lockk', '1', 2);
    expect(await here.mutex?.('k')?.locked()).toBe(true);
    expect(await here.mutex?.('k')?.acquire({ wait: false })).toBe(undefined);
    expect((await here.acquireMulti?.(['k', 'l']))?.has('k')).toBe(false);
    await here.set('k', bytes);
    await here.delete('k');
    await here.deleteMulti(['k']);
    expect(await lockOf()).toBe('1');
    const waiting = here.mutex?.('k')?.acquire();
    await raw(server.port, 'delete _lockk');
    expect(await waiting).toBeDefined();
  });

  it("another program's lock that nobody releases is not waited for longer than lockMaxHold", async () => {
    await store(server.port, '_lockk', '1', 4);
    const backend = process({ lockMaxHold: '200ms' });
    await expect(async () => backend.mutex?.('k')?.acquire()).rejects.toMatchObject({ code: 'DOGPILE_LOCK_TIMEOUT' });
  });

  it("another program's lock that was gone in between is another one, and waited for anew", async () => {
    const clock = new FakeClock();
    const backend = process({ lockMaxHold: '20s' }, { clock, random: () => 1, report: () => {} });
    const mutex = backend.mutex?.('k');
    await store(server.port, '_lockk', '1', 2);
    expect(await mutex?.acquire({ wait: 0 })).toBe(undefined);
    await raw(server.port, 'delete _lockk');
    await backend.delete('k');
    await store(server.port, '_lockk', '1', 2);
    await clock.advance('21s');
    expect(await mutex?.acquire({ wait: 0 })).toBe(undefined);
    await clock.advance('21s');
    await expect(async () => mutex?.acquire({ wait: 0 })).rejects.toMatchObject({ code: 'DOGPILE_LOCK_TIMEOUT' });
  });

  it('a lease whose lock another program has now is lost: not renewed, not committed', async () => {
    const lease = await won(process({ lockTimeout: '300ms' }));
    const [backend] = backends.slice(-1);
    const why = new Promise((resolve) => lease.whenLost?.(resolve));
    await store(server.port, '_lockk', '1', 2);
    expect(await why).toBe('voided');
    expect(await backend?.set('k', bytes, { lease })).toBe(false);
    expect(await lockOf()).toBe('1');
    expect(await here.get('k')).toBe(undefined);
  });

  it('a request that was sent twice, and told of the second, has won', async () => {
    const real = connect(server.url);
    const twice: MemcachedClient['add'] = async (...args) => {
      await real.add(...args);
      return real.add(...args);
    };
    const backend = new MemcachedClientBackend({
      settings: checkMemcachedArguments('memjs'),
      isCarried: () => true,
      keyMangler: memcachedKeyMangler,
      open: () =>
        new Proxy(real, {
          get: (client, verb: keyof MemcachedClient) => (verb === 'add' ? twice : client[verb].bind(client)),
        }),
    });
    backends.push(backend);
    const lease = await won(backend);
    expect(await lockOf()).toBe(`dp1:${lease.token}`);
  });

  it('one of a stale value that vanishes meanwhile is refused, as if it had been deleted, and leaves no lock', async () => {
    await here.set('k', Buffer.from('old'));
    const lease = await won(here);
    await raw(server.port, 'delete k');
    expect(await here.set('k', Buffer.from('new'), { lease })).toBe(false);
    expect(await here.get('k')).toBe(undefined);
    expect(await lockOf()).toBe(undefined);
  });

  it('an abort while it waits rejects with its reason, and leaves the lock to its holder', async () => {
    const lease = await won(here);
    const abort = new AbortController();
    const waiting = there.mutex?.('k')?.acquire({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(await lockOf()).toBe(`dp1:${lease.token}`);
  });

  // What may come between the steps of a commit: the first look at the lock is `find`, the write `add` or `swap`, the last `remove`.
  describe.each([
    ['nothing was stored', undefined, 'add'],
    ['something was stored', 'old', 'swap'],
  ] as const)('where %s', (_, before, write) => {
    async function committed(at: 'add' | 'swap' | 'remove', run: () => Promise<unknown>) {
      if (before) await there.set('k', Buffer.from(before));
      let isArmed = false;
      const backend = interrupted({
        [at]: async () => {
          if (!isArmed) return;
          isArmed = false;
          await run();
        },
      });
      const lease = await won(backend);
      isArmed = true;
      return backend.set('k', Buffer.from('late'), { lease });
    }

    it('a delete before the write is final', async () => {
      expect(await committed(write, async () => there.delete('k'))).toBe(false);
      expect(await here.get('k')).toBe(undefined);
      expect(await lockOf()).toBe(undefined);
    });

    it('a delete right after the write is final', async () => {
      expect(await committed('remove', async () => there.delete('k'))).toBe(false);
      expect(await here.get('k')).toBe(undefined);
    });

    it('a set before the write stays, or is missing by the next round trip where there is no CAS', async () => {
      expect(await committed(write, async () => there.set('k', Buffer.from('said')))).toBe(false);
      const isOverwritten = !hasCas && before !== undefined;
      expect(text(await here.get('k'))).toBe(isOverwritten ? undefined : 'said');
    });

    it('a set right after the write stays', async () => {
      expect(await committed('remove', async () => there.set('k', Buffer.from('said')))).toBe(false);
      expect(text(await here.get('k'))).toBe('said');
    });

    it("another program's set before the write stays, where there is CAS or nothing was stored", async () => {
      const isStored = await committed(write, () => store(server.port, 'k', 'theirs'));
      expect(isStored).toBe(!hasCas && before !== undefined);
      expect(text(await here.get('k'))).toBe(isStored ? 'late' : 'theirs');
      expect(await lockOf()).toBe(undefined);
    });

    it('a connection lost before the write costs the commit, and leaves no lock', async () => {
      const cut = committed(write, async () => {
        throw new Error('gone');
      });
      await expect(cut).rejects.toThrow('gone');
      await until(async () => (await lockOf()) === undefined);
      expect(text(await here.get('k'))).toBe(before);
    });
  });
});
