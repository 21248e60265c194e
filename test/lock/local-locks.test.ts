/** Locks by name inside the process: what the laws of mutexes say of them, and what an attacker tries. */
import { describe, expect, it } from 'vitest';
import type { CacheMutex, Lease } from '../../src/api.js';
import { NameRegistry, ReadWriteMutex } from '../../src/lock/index.js';
import { LocalLocks } from '../../src/lock/local-locks.js';
import { type LocalLease, LocalMutex } from '../../src/lock/local-mutex.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { settle } from '../../src/testing/settle.js';

async function held(locks: LocalLocks, name: string): Promise<LocalLease> {
  const lease = await locks.acquire(name);
  if (!lease) throw new Error('not acquired');
  return lease;
}

describe('locks by name are mutexes', () => {
  it('[py 196] a fresh one is not locked', () => {
    expect(new LocalLocks().mutex('foo').locked()).toBe(false);
  });

  it('[py 197] is acquired without waiting', async () => {
    expect(await new LocalLocks().mutex('foo').acquire()).toBeDefined();
  });

  it('[py 198] a try is refused while it is held, and it says that it is locked', async () => {
    const mutex = new LocalLocks().mutex('foo');
    await mutex.acquire();
    expect(await mutex.acquire({ wait: false })).toBeUndefined();
    expect(mutex.locked()).toBe(true);
  });

  it('[py 199] released, it is free and can be acquired again', async () => {
    const mutex = new LocalLocks().mutex('foo');
    const lease = await mutex.acquire();
    await lease?.release();
    expect(mutex.locked()).toBe(false);
    expect(await mutex.acquire({ wait: false })).toBeDefined();
  });

  it('[py 200] a LocalMutex is a CacheMutex, a LocalLease a Lease', async () => {
    const mutex: CacheMutex = new LocalMutex();
    const lease: Lease | undefined = await mutex.acquire();
    expect(Object.keys(lease ?? {})).toEqual([]);
    expect(typeof lease?.token).toBe('string');
    expect('stored' in (lease ?? {})).toBe(false);
  });

  it('[py 201] five tasks, each with a handle of its own, never meet inside', async () => {
    const locks = new LocalLocks();
    let inside = 0;
    let turns = 0;
    const task = async () => {
      const mutex = locks.mutex('foo');
      for (let round = 0; round < 5; round++) {
        const lease = await mutex.acquire();
        inside++;
        expect(inside).toBe(1);
        await settle();
        turns++;
        inside--;
        await lease?.release();
      }
    };
    await Promise.all(Array.from({ length: 5 }, task));
    expect([turns, locks.size]).toEqual([25, 0]);
  });

  it('[py 202] while foo is held bar can be acquired, but not twice; three rounds', async () => {
    const locks = new LocalLocks();
    for (let round = 0; round < 3; round++) {
      const foo = await locks.mutex('foo').acquire();
      const bar = await locks.mutex('bar').acquire({ wait: false });
      expect(bar).toBeDefined();
      expect(await locks.mutex('bar').acquire({ wait: false })).toBeUndefined();
      await foo?.release();
      await bar?.release();
    }
    expect(locks.size).toBe(0);
  });
});

describe('who waits', () => {
  it('is granted or aborted, never both: granted in the tick of its abort it has no lease, and the next one gets it', async () => {
    const locks = new LocalLocks();
    const holder = await held(locks, 'a');
    const controller = new AbortController();
    // Heard before the waiter's own listener: the lock is released while the abort is being told.
    controller.signal.addEventListener('abort', () => holder.release());
    const aborted = locks.acquire('a', { signal: controller.signal });
    const next = locks.acquire('a');
    controller.abort('no');
    await expect(aborted).rejects.toBe('no');
    const lease = await next;
    expect(lease?.stands).toBe(true);
    lease?.release();
    expect(locks.size).toBe(0);
  });

  it('whose abort is kept from it by another listener is not granted a lease either', async () => {
    const locks = new LocalLocks();
    const holder = await held(locks, 'a');
    const controller = new AbortController();
    controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
    const aborted = locks.acquire('a', { signal: controller.signal });
    controller.abort('no');
    holder.release();
    await expect(aborted).rejects.toBe('no');
    expect(locks.size).toBe(0);
  });

  it('and is granted before its abort has the lease, and gives it back', async () => {
    const locks = new LocalLocks();
    const holder = await held(locks, 'a');
    const controller = new AbortController();
    const granted = locks.acquire('a', { signal: controller.signal });
    holder.release();
    controller.abort('no');
    (await granted)?.release();
    expect(locks.size).toBe(0);
  });

  it('until a limit beyond 2^31 ms waits as long as it says; Infinity sets no timer', async () => {
    const clock = new FakeClock();
    const locks = new LocalLocks({ clock });
    const holder = await held(locks, 'a');
    const forever = locks.acquire('a', { wait: Number.POSITIVE_INFINITY });
    expect(clock.pending).toBe(0);
    let answer: unknown = 'none yet';
    void locks.acquire('a', { wait: 2 ** 33 }).then((lease) => {
      answer = lease;
    });
    await clock.advance(2 ** 33 - 1);
    expect(answer).toBe('none yet');
    await clock.advance(1);
    expect([answer, clock.pending]).toEqual([undefined, 0]);
    holder.release();
    (await forever)?.release();
    expect(locks.size).toBe(0);
  });

  it('a thousand, a third aborted, a third out of time: the rest are served in order, and nothing is left', async () => {
    const clock = new FakeClock();
    const locks = new LocalLocks({ clock });
    const holder = await held(locks, 'a');
    const served: number[] = [];
    const controller = new AbortController();
    const tasks = Array.from({ length: 999 }, async (_, who) => {
      const options = [{}, { signal: controller.signal }, { wait: 10 }][who % 3] ?? {};
      const lease = await locks.acquire('a', options);
      if (!lease) return;
      served.push(who);
      lease.release();
    });
    const all = Promise.allSettled(tasks);
    controller.abort('no');
    await clock.advance(10);
    holder.release();
    const ends = await all;
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(333);
    expect(served).toEqual(Array.from({ length: 333 }, (_, index) => index * 3));
    expect([locks.size, clock.pending]).toEqual([0, 0]);
  });
});

describe('a lease of the process', () => {
  it('a maxHold beyond 2^31 ms is as long as it says', async () => {
    const clock = new FakeClock();
    const lease = await held(new LocalLocks({ clock, maxHold: 2 ** 33 }), 'a');
    await clock.advance(2 ** 33 - 1);
    expect(lease.stands).toBe(true);
    await clock.advance(1);
    expect([lease.stands, clock.pending]).toEqual([false, 0]);
  });

  it('who asks late to be told of a loss is told at once; after a release nobody is', async () => {
    const locks = new LocalLocks();
    const lease = await held(locks, 'a');
    await locks.overrule(['a'], () => {});
    const told: string[] = [];
    lease.whenLost((why) => told.push(why));
    expect(told).toEqual(['voided']);
    const released = await held(locks, 'a');
    released.release();
    released.whenLost((why) => told.push(why));
    await locks.overrule(['a'], () => {});
    expect(told).toEqual(['voided']);
  });

  it('a listener that throws leaves the lock usable, and the operation that overruled it done', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const locks = new LocalLocks();
    const lease = await held(locks, 'a');
    lease.whenLost(() => {
      throw new Error('listener');
    });
    expect(await locks.overrule(['a'], () => 'done')).toBe('done');
    expect((await warned).message).toContain('listener');
    (await held(locks, 'a')).release();
    expect(locks.size).toBe(0);
  });

  it('neither lapses nor is released while it commits; the end of the write ends it', async () => {
    const clock = new FakeClock();
    const locks = new LocalLocks({ clock, maxHold: 1000 });
    const lease = await held(locks, 'a');
    const gate = new Gate();
    const committed = lease.commit(() => gate.passed());
    await gate.arrived;
    lease.release();
    await clock.advance(5000);
    expect([locks.locked('a'), lease.commit(() => {})]).toEqual([true, false]);
    gate.open();
    expect(await committed).toBe(true);
    expect([locks.size, clock.pending]).toEqual([0, 0]);
  });

  it('a write that answers false was refused; its lease has ended all the same', async () => {
    const locks = new LocalLocks();
    expect((await held(locks, 'a')).commit(() => false)).toBe(false);
    expect(await (await held(locks, 'a')).commit(() => Promise.resolve(false))).toBe(false);
    expect(locks.size).toBe(0);
  });
});

describe('operations that overrule', () => {
  it('one that is said from inside a write waits for that write, and comes last', async () => {
    const locks = new LocalLocks();
    const lease = await held(locks, 'a');
    const order: string[] = [];
    let operation: unknown;
    lease.commit(() => {
      operation = locks.overrule(['a'], () => void order.push('delete'));
      order.push('write');
    });
    await operation;
    expect([order, locks.size]).toEqual([['write', 'delete'], 0]);
  });

  it('of two names: whoever loses one and gives up the other at once lets nobody in before the operation is done', async () => {
    const locks = new LocalLocks();
    const a = await held(locks, 'a');
    const b = await held(locks, 'b');
    a.whenLost(() => b.release());
    const gate = new Gate();
    const operation = locks.overrule(['a', 'b'], () => gate.passed());
    await gate.arrived;
    expect([locks.tryAcquire('a'), locks.tryAcquire('b')]).toEqual([undefined, undefined]);
    gate.open();
    await operation;
    expect(locks.size).toBe(0);
  });

  it('a name given twice, and operations that overlap, end as often as they began', async () => {
    const locks = new LocalLocks();
    const first = new Gate();
    const second = new Gate();
    const lease = await held(locks, 'a');
    const operations = [locks.overrule(['a', 'a'], () => first.passed()), locks.overrule(['a'], () => second.passed())];
    const next = locks.acquire('a');
    let granted = false;
    void next.then(() => {
      granted = true;
    });
    first.open();
    await settle();
    expect([granted, lease.stands]).toEqual([false, false]);
    second.open();
    await Promise.all(operations);
    (await next)?.release();
    expect(locks.size).toBe(0);
  });

  it('one that fails gives the names free', async () => {
    const locks = new LocalLocks();
    for (const fail of [() => Promise.reject(new Error('disk')), throwing(new Error('disk'))]) {
      await held(locks, 'a');
      await expect(locks.overrule(['a', 'b'], fail)).rejects.toThrow('disk');
      expect(locks.size).toBe(0);
    }
    await expect(locks.overrule(['c'], () => Promise.reject(new Error('disk')))).rejects.toThrow('disk');
    expect(locks.size).toBe(0);
  });

  it('a commit that fails is no reason for the operation to fail', async () => {
    const locks = new LocalLocks();
    const lease = await held(locks, 'a');
    const gate = new Gate();
    const commit = lease.commit(() => gate.passed());
    const operation = locks.overrule(['a'], () => 'deleted');
    gate.fail(new Error('write failed'));
    await expect(commit).rejects.toThrow('write failed');
    expect(await operation).toBe('deleted');
  });
});

describe('ReadWriteMutex and NameRegistry', () => {
  it('a stream of readers does not starve a writer, nor a stream of writers a reader', async () => {
    const mutex = new ReadWriteMutex();
    const order: string[] = [];
    const pass = async (mode: 'read' | 'write', name: string) => {
      const granted = await (mode === 'read' ? mutex.acquireRead() : mutex.acquireWrite());
      order.push(name);
      await settle();
      await granted?.[Symbol.asyncDispose]();
    };
    const modes = ['read', 'read', 'write', 'read', 'write', 'write', 'read', 'read'] as const;
    await Promise.all(modes.map((mode, index) => pass(mode, `${mode} ${index}`)));
    expect(order).toEqual(modes.map((mode, index) => `${mode} ${index}`));
  });

  it('a limit beyond 2^31 ms is as long as it says', async () => {
    const clock = new FakeClock();
    const mutex = new ReadWriteMutex({ clock });
    await mutex.acquireWrite();
    let answer: unknown = 'none yet';
    void mutex.acquireRead({ wait: 2 ** 33 }).then((granted) => {
      answer = granted;
    });
    await clock.advance(2 ** 33 - 1);
    expect(answer).toBe('none yet');
    await clock.advance(1);
    expect([answer, clock.pending]).toEqual([undefined, 0]);
  });

  it('a limit that passes in the instant of the grant is one or the other', async () => {
    const clock = new FakeClock();
    const mutex = new ReadWriteMutex({ clock });
    const writer = await mutex.acquireWrite();
    const reading = mutex.acquireRead({ wait: 10 });
    clock.setTimeout(() => void writer?.[Symbol.asyncDispose](), 10);
    await clock.advance(10);
    await (await reading)?.[Symbol.asyncDispose]();
    expect(await mutex.acquireWrite({ wait: false })).toBeDefined();
  });

  it('[py 166] a maker that asks for the very name it makes gives out one object', () => {
    const registry: NameRegistry<{ name: string }> = new NameRegistry((name) => {
      if (depth++ === 0) inner = registry.get(name);
      return { name };
    });
    let depth = 0;
    let inner: unknown;
    expect(registry.get('a')).toBe(inner);
    expect(registry.get('a')).toBe(inner);
  });

  it('[py 166] a maker that throws leaves nothing behind', () => {
    let fails = true;
    const registry = new NameRegistry(() => {
      if (fails) throw new Error('no');
      return {};
    });
    expect(() => registry.get('a')).toThrow('no');
    fails = false;
    expect(registry.get('a')).toBe(registry.get('a'));
  });
});

function throwing(reason: unknown): () => never {
  return () => {
    throw reason;
  };
}
