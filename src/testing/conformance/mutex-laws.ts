/** Laws of the lock: who gets a lease, who waits for it, and that it is given back once and by its holder alone. */
import assert from 'node:assert/strict';
import { begun, pass } from './bench.js';
import { type Draft, mutex, storing } from './law.js';

const needs = [storing, mutex];

export const ONE_BY_ONE = 'This backend has no acquireMulti: leases are acquired one by one.';

/** Timers may fire a little early; a limit is not kept if less than this has passed. */
const grain = (ms: number) => ms - 5;

export const mutexDrafts: readonly Draft[] = [
  {
    name: 'mutex: a fresh one is not locked, and asking takes nothing',
    needs,
    check: async (bench) => {
      assert.equal(await bench.mutex('a').locked(), false, 'locked() of a fresh mutex');
      assert.equal(await bench.mutex('a').locked(), false, 'locked() of a mutex that was only asked');
      await bench.lease('a');
    },
  },
  {
    name: 'mutex: acquired, it is locked, for every handle of the key; released, it is free again',
    needs,
    check: async (bench) => {
      const [one, other] = [bench.mutex('a'), bench.mutex('a')];
      for (let round = 0; round < 3; round++) {
        const lease = await bench.lease('a');
        assert.equal(await one.locked(), true, 'locked() while it is held');
        assert.equal(await other.locked(), true, 'locked() of another handle while it is held');
        await lease.release();
        assert.equal(await one.locked(), false, 'locked() after release()');
        assert.equal(await other.locked(), false, 'locked() of another handle after release()');
      }
    },
  },
  {
    name: 'mutex: inspect says the same as locked, how long the lease has left, and takes nothing',
    needs,
    check: async (bench) => {
      const one = bench.mutex('a');
      if (!one.inspect) return 'This backend has no inspect: how long a lease has left is not known.';
      assert.deepEqual(await one.inspect(), { held: false }, 'inspect() of a fresh mutex');
      const lease = await bench.lease('a');
      const { held, expiresIn = 1 } = await one.inspect();
      assert.equal(held, true, 'inspect() while it is held');
      assert.ok(expiresIn > 0, `A lease that is held has ${expiresIn} ms left.`);
      await lease.release();
      assert.deepEqual(await one.inspect(), { held: false }, 'inspect() after release()');
      return undefined;
    },
  },
  {
    name: 'mutex: acquire({ wait: false }) while it is held answers undefined',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      assert.equal(await bench.mutex('a').acquire({ wait: false }), undefined);
      assert.equal(await bench.mutex('a').locked(), true, 'A try that failed must leave the lock with its holder.');
      await lease.release();
      assert.ok(
        await bench.mutex('a').acquire({ wait: false }),
        'acquire({ wait: false }) of a free lock must answer with a lease.',
      );
    },
  },
  {
    name: 'mutex: acquire() waits until it is released',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      let isReleased = false;
      const takeNext = async () => {
        const next = await bench.lease('a');
        assert.ok(isReleased, 'A second lease was given out while the first was held.');
        await next.release();
      };
      const waiting = begun(takeNext());
      await pass(20);
      isReleased = true;
      await lease.release();
      await waiting;
    },
  },
  {
    name: 'mutex: acquire({ wait: ms }) gives up when its time is over, not before, and leaves nothing behind',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      const before = performance.now();
      assert.equal(await bench.mutex('a').acquire({ wait: 200 }), undefined);
      assert.ok(performance.now() - before >= grain(200), 'acquire({ wait: 200 }) gave up before 200 ms had passed.');
      await lease.release();
      assert.equal(await bench.mutex('a').locked(), false, 'Who gave up must not get the lock later.');
    },
  },
  {
    name: 'mutex: acquire({ wait: ms }) wins when it is released in time',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      const waiting = begun(Promise.resolve(bench.mutex('a').acquire({ wait: 60_000 })));
      await lease.release();
      assert.ok(await waiting, 'acquire({ wait: 60_000 }) must win a lock that is released meanwhile.');
    },
  },
  {
    name: 'mutex: an abort rejects with its reason, before and while it waits, and leaves nothing behind',
    needs,
    check: async (bench) => {
      const reason = new Error('no longer wanted');
      const asking = async (signal: AbortSignal) => bench.mutex('a').acquire({ signal });
      await assert.rejects(
        asking(AbortSignal.abort(reason)),
        (error) => error === reason,
        'acquire() with a signal that is aborted',
      );
      assert.equal(await bench.mutex('a').locked(), false, 'An aborted acquire() must not take the lock.');
      const lease = await bench.lease('a');
      const controller = new AbortController();
      const waiting = begun(
        assert.rejects(
          asking(controller.signal),
          (error) => error === reason,
          'acquire() that is aborted while it waits',
        ),
      );
      await pass(20);
      controller.abort(reason);
      await waiting;
      await lease.release();
      assert.equal(await bench.mutex('a').locked(), false, 'An aborted acquire() must not get the lock later.');
    },
  },
  {
    name: 'mutex: while one key is held, others can be had at once',
    needs,
    check: async (bench) => {
      for (let round = 0; round < 3; round++) {
        const leases = [await bench.lease('foo')];
        for (const key of ['bar', '', 'two words', 'line\nkey', '鍵', 'k'.repeat(300)]) {
          const lease = await bench.mutex(key).acquire({ wait: false });
          assert.ok(lease, `acquire({ wait: false }) of ${JSON.stringify(key)} while "foo" is held`);
          leases.push(lease);
          assert.equal(
            await bench.mutex(key).acquire({ wait: false }),
            undefined,
            `${JSON.stringify(key)} was given out twice.`,
          );
        }
        for (const lease of leases) await lease.release();
      }
    },
  },
  {
    name: 'mutex: of many who wait never two hold it, and all get it',
    needs,
    check: async (bench) => {
      let holders = 0;
      const inside = async () => {
        for (let round = 0; round < 3; round++) {
          const lease = await bench.lease('a');
          holders++;
          assert.equal(holders, 1, 'Two hold the lock of one key.');
          await pass(1);
          holders--;
          await lease.release();
        }
      };
      await Promise.all(Array.from({ length: 5 }, inside));
    },
  },
  {
    name: 'mutex: the value itself is not touched by its lock',
    needs,
    check: async (bench) => {
      await bench.backend.set(bench.key('a'), bench.entry(1));
      const lease = await bench.lease('a');
      const [found] = await bench.backend.getMulti([bench.key('a')]);
      assert.ok(found !== undefined, 'What is stored must be readable while its lock is held.');
      await lease.release();
      assert.ok(
        (await bench.backend.get(bench.key('a'))) !== undefined,
        'What is stored must still be there after release().',
      );
    },
  },
  {
    name: 'lease: release is idempotent, and takes nobody else down',
    needs,
    check: async (bench) => {
      const first = await bench.lease('a');
      await Promise.all([first.release(), first.release()]);
      await first.release();
      const next = await bench.lease('a');
      await first.release();
      await first[Symbol.asyncDispose]();
      assert.equal(
        await bench.mutex('a').locked(),
        true,
        'A lease that has ended was released again, and with it the lease of the next holder.',
      );
      assert.equal(await bench.mutex('a').acquire({ wait: false }), undefined, 'The lock of a holder was given out.');
      await next[Symbol.asyncDispose]();
      assert.equal(await bench.mutex('a').locked(), false, 'asyncDispose must release.');
    },
  },
  {
    name: 'lease: tokens are distinct and can not be guessed',
    needs,
    check: async (bench) => {
      const leases = await Promise.all(Array.from({ length: 16 }, (_, at) => bench.lease(`key ${at}`)));
      for (const lease of leases) await lease.release();
      leases.push(await bench.lease('key 0'));
      for (const [at, { token }] of leases.entries()) {
        assert.ok(token.length >= 22, `The token "${token}" is too short for 128 random bits.`);
        for (const other of leases.slice(0, at)) {
          const differing = [...token].filter((letter, place) => letter !== other.token[place]).length;
          assert.ok(
            differing >= 12,
            `The tokens "${token}" and "${other.token}" are nearly the same: they must be 128 random bits each.`,
          );
        }
      }
    },
  },
  {
    name: 'lease: acquired before anything was stored, or with what is stored',
    needs,
    check: async (bench) => {
      const empty = await bench.lease('a');
      if ('stored' in empty)
        assert.equal(empty.stored, undefined, 'A lease of a key without a value must not come with one.');
      await empty.release();
      await bench.backend.set(bench.key('a'), bench.entry(1));
      const full = await bench.lease('a');
      if ('stored' in full)
        assert.ok(full.stored !== undefined, 'A lease that says what is stored must say it when there is something.');
    },
  },
  {
    name: 'acquireMulti: those that are free, and not those that are held',
    needs,
    check: async (bench) => {
      const held = await bench.lease('b');
      const leases = await bench.backend.acquireMulti?.(['a', 'b', 'c'].map((key) => bench.key(key)));
      if (!leases) return ONE_BY_ONE;
      assert.deepEqual(
        [...leases.keys()].sort(),
        [bench.key('a'), bench.key('c')].sort(),
        'acquireMulti must answer with the leases that were won.',
      );
      for (const key of ['a', 'b', 'c']) assert.equal(await bench.mutex(key).locked(), true, `locked() of "${key}"`);
      await leases.get(bench.key('a'))?.release();
      assert.equal(await bench.mutex('a').locked(), false, 'A lease of acquireMulti is released by itself.');
      assert.equal(await bench.mutex('c').locked(), true, 'A lease of acquireMulti must not be released with another.');
      await leases.get(bench.key('c'))?.release();
      await held.release();
      return undefined;
    },
  },
  {
    name: 'acquireMulti: of no keys',
    needs,
    check: async (bench) => {
      const none = await bench.backend.acquireMulti?.([]);
      if (!none) return ONE_BY_ONE;
      assert.equal(none.size, 0, 'acquireMulti of no keys must give no leases.');
      return undefined;
    },
  },
  {
    name: 'second: a lock that one holds is held for the other',
    needs,
    uses: 'second',
    check: async (bench) => {
      const other = await bench.second();
      const lease = await bench.lease('a');
      assert.equal(await bench.mutex('a', other).locked(), true, 'locked() in the second backend');
      assert.equal(
        await bench.mutex('a', other).acquire({ wait: false }),
        undefined,
        'acquire() in the second backend',
      );
      const waiting = begun(bench.lease('a', other));
      await pass(10);
      await lease.release();
      const next = await waiting;
      assert.equal(
        await bench.mutex('a').acquire({ wait: false }),
        undefined,
        'acquire() in the first backend while the second holds',
      );
      await next.release();
      assert.equal(await bench.mutex('a').locked(), false, 'locked() in the first backend after the second released');
    },
  },
  {
    name: 'second: never two hold it, of many in both',
    needs,
    uses: 'second',
    check: async (bench) => {
      const other = await bench.second();
      let holders = 0;
      const inside = async (_: unknown, at: number) => {
        const lease = await bench.lease('a', at % 2 === 0 ? other : undefined);
        holders++;
        assert.equal(holders, 1, 'Two hold the lock of one key.');
        await pass(1);
        holders--;
        await lease.release();
      };
      await Promise.all(Array.from({ length: 8 }, inside));
    },
  },
  {
    name: 'lapsing: a lease that is held for too long is lost, and another takes over',
    needs,
    uses: 'lapsing',
    check: async (bench) => {
      const late = await bench.lease('a', await bench.lapsing());
      const told = new Promise((resolve) => {
        if (late.whenLost) late.whenLost(resolve);
        else resolve('lapsed');
      });
      // Nobody asks for it meanwhile: who takes it over first, on a machine that stood still, has voided it.
      assert.equal(await told, 'lapsed', 'whenLost() must say that the lease has lapsed.');
      const next = await bench.lease('a');
      assert.equal(
        await bench.backend.set(bench.key('a'), bench.entry('late'), { lease: late }),
        false,
        'A lease that has lapsed must not commit.',
      );
      await late.release();
      assert.equal(
        await bench.mutex('a').locked(),
        true,
        'A lease that has lapsed was released, and with it the lease of who took over.',
      );
      assert.notEqual(
        await bench.backend.set(bench.key('a'), bench.entry('next'), { lease: next }),
        false,
        'Who took over must be able to commit.',
      );
    },
  },
];
