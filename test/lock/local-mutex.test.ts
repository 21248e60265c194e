import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { LocalLocks } from '../../src/lock/local-locks.js';
import { LocalMutex } from '../../src/lock/local-mutex.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { builtPath } from '../support/built.js';

const held = async (mutex: LocalMutex) => {
  const lease = await mutex.acquire();
  if (!lease) throw new Error('not acquired');
  return lease;
};

describe('LocalMutex', () => {
  it('[py 196–199] is free, is held by one, refuses a second try, is free again after the release', async () => {
    const mutex = new LocalMutex();
    expect(mutex.locked()).toBe(false);
    const lease = await held(mutex);
    expect(mutex.locked()).toBe(true);
    expect(await mutex.acquire({ wait: false })).toBeUndefined();
    lease.release();
    expect(mutex.locked()).toBe(false);
    expect(await mutex.acquire({ wait: false })).toBeDefined();
  });

  it('[py 201] serves who waits one at a time, in the order of arrival', async () => {
    const mutex = new LocalMutex();
    const order: number[] = [];
    let inside = 0;
    await Promise.all(
      [1, 2, 3, 4, 5].map(async (who) => {
        const lease = await held(mutex);
        inside++;
        expect(inside).toBe(1);
        await Promise.resolve();
        order.push(who);
        inside--;
        lease.release();
      }),
    );
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });

  it('a second release of an old lease does not release the next holder’s', async () => {
    const mutex = new LocalMutex();
    const first = await held(mutex);
    first.release();
    await held(mutex);
    first.release();
    expect(mutex.locked()).toBe(true);
  });

  it('a wait ends at its limit, without a lease and without a trace', async () => {
    const clock = new FakeClock();
    const mutex = new LocalMutex({ clock });
    const lease = await held(mutex);
    const waiting = mutex.acquire({ wait: '1s' });
    await clock.advance(1000);
    expect(await waiting).toBeUndefined();
    lease.release();
    expect(mutex.locked()).toBe(false);
    expect(clock.pending).toBe(0);
  });

  it('an abort ends a wait with its reason, and the next one in the queue is served', async () => {
    const mutex = new LocalMutex();
    const lease = await held(mutex);
    const controller = new AbortController();
    const aborted = mutex.acquire({ signal: controller.signal });
    const next = mutex.acquire();
    controller.abort(null);
    await expect(aborted).rejects.toBeNull();
    lease.release();
    expect(await next).toBeDefined();
  });

  it('a lease lapses at maxHold: its holder is told, another gets it, the late commit is refused', async () => {
    const clock = new FakeClock();
    const mutex = new LocalMutex({ clock, maxHold: '5m' });
    const lease = await held(mutex);
    const losses: string[] = [];
    lease.whenLost((why) => losses.push(why));
    const next = mutex.acquire();
    await clock.advance('5m');
    expect(losses).toEqual(['lapsed']);
    expect(await next).toBeDefined();
    let wrote = false;
    expect(
      lease.commit(() => {
        wrote = true;
      }),
    ).toBe(false);
    expect(wrote).toBe(false);
    expect(mutex.locked()).toBe(true);
  });

  it('a commit releases, also when the write throws', async () => {
    const mutex = new LocalMutex();
    expect((await held(mutex)).commit(() => {})).toBe(true);
    expect(mutex.locked()).toBe(false);
    const lease = await held(mutex);
    expect(() =>
      lease.commit(() => {
        throw new Error('full');
      }),
    ).toThrow('full');
    expect(mutex.locked()).toBe(false);
    const later = await held(mutex);
    await expect(later.commit(() => Promise.reject(new Error('gone')))).rejects.toThrow('gone');
    expect(mutex.locked()).toBe(false);
  });

  it('tokens are long, and never the same', async () => {
    const mutex = new LocalMutex();
    const tokens = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const lease = await held(mutex);
      expect(lease.token).toMatch(/^[0-9a-f]{32}$/);
      tokens.add(lease.token);
      lease.release();
    }
    expect(tokens.size).toBe(100);
  });
});

describe('LocalLocks', () => {
  it('two handles of one name are one lock; [py 202] other names are not concerned', async () => {
    const locks = new LocalLocks();
    const lease = await locks.mutex('a').acquire();
    expect(await locks.mutex('a').acquire({ wait: false })).toBeUndefined();
    expect(await locks.mutex('b').acquire({ wait: false })).toBeDefined();
    await lease?.release();
    expect(await locks.mutex('a').acquire({ wait: false })).toBeDefined();
  });

  it('keeps nothing of a name that is not in use: after a release, a failed try, an aborted wait', async () => {
    const locks = new LocalLocks();
    const lease = await locks.acquire('a');
    await expect(locks.acquire('a', { signal: AbortSignal.abort('no') })).rejects.toBe('no');
    await expect(locks.acquire('b', { signal: AbortSignal.abort('no') })).rejects.toBe('no');
    await expect(locks.acquire('c', { wait: Number.NaN })).rejects.toThrow('wait');
    locks.tryAcquire('a');
    expect(locks.size).toBe(1);
    lease?.release();
    expect(locks.size).toBe(0);
  });

  it('an operation that overrules takes the lease from its holder, and nobody gets one before it has settled', async () => {
    const locks = new LocalLocks();
    const lease = await locks.acquire('a');
    const losses: string[] = [];
    lease?.whenLost((why) => losses.push(why));
    const gate = new Gate();
    const operation = locks.overrule(['a'], () => gate.passed());
    expect(losses).toEqual(['voided']);
    const next = locks.acquire('a');
    await gate.arrived;
    expect(locks.tryAcquire('a')).toBeUndefined();
    expect(lease?.commit(() => {})).toBe(false);
    gate.open();
    await operation;
    const lateComer = await next;
    expect(lateComer?.stands).toBe(true);
    lateComer?.release();
    expect(locks.size).toBe(0);
  });

  it('an operation waits for a commit that has been sent, so that it is the last word', async () => {
    const locks = new LocalLocks();
    const lease = await locks.acquire('a');
    const order: string[] = [];
    let written = () => {};
    const commit = lease?.commit(() => new Promise<void>((resolve) => (written = resolve)));
    const operation = locks.overrule(['a'], () => void order.push('delete'));
    await Promise.resolve();
    order.push('commit');
    written();
    await Promise.all([commit, operation]);
    expect(order).toEqual(['commit', 'delete']);
    expect(locks.size).toBe(0);
  });

  it('an operation on free names answers at once, and throws what it throws', () => {
    const locks = new LocalLocks();
    expect(locks.overrule(['a', 'b'], () => 7)).toBe(7);
    expect(() =>
      locks.overrule(['a'], () => {
        throw new Error('disk');
      }),
    ).toThrow('disk');
    expect(locks.size).toBe(0);
  });
});

it('who waits for a limited time is told when it is over, though nothing else keeps the process alive', async () => {
  const program = `
    const { LocalMutex } = await import(${JSON.stringify(`file://${await builtPath()}/lock/index.js`)});
    const mutex = new LocalMutex();
    await mutex.acquire();
    console.log(await mutex.acquire({ wait: '10ms' }));`;
  const said = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(said).toMatchObject({ stdout: 'undefined\n', status: 0 });
});
