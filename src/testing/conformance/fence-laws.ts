/** Laws of the fence: what is written under a lease is written if and only if the lease still stands, and ends it. */
import assert from 'node:assert/strict';
import type { CacheBackend, Lease, Storable } from '../../api.js';
import { assertStored, type Bench } from './bench.js';
import { type Draft, mutex, storing } from './law.js';
import { ONE_BY_ONE } from './mutex-laws.js';

const needs = [storing, mutex];

export const fenceLaws: readonly Draft[] = [
  {
    name: 'commit: a set with a lease stores and releases',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      await commits(bench, 'a', 'made', lease);
      assert.equal(await bench.mutex('a').locked(), false, 'A commit must release.');
      const next = await bench.lease('a');
      await lease.release();
      assert.equal(await bench.mutex('a').locked(), true, 'release() after a commit took the next lease down.');
      await refuses(bench, 'a', 'again', lease, 'a lease that has been committed');
      await commits(bench, 'a', 'next', next);
    },
  },
  {
    name: 'commit: with a ttl as well',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      assert.notEqual(
        await bench.backend.set(bench.key('a'), bench.entry('made'), { lease, ttl: 60_000 }),
        false,
        'commit',
      );
      assertStored(await bench.backend.get(bench.key('a')), bench.entry('made'), 'get');
    },
  },
  {
    name: 'commit: refused after a release',
    needs,
    check: async (bench) => {
      await bench.backend.set(bench.key('a'), bench.entry('there'));
      const lease = await bench.lease('a');
      await lease.release();
      await refuses(bench, 'a', 'late', lease, 'a lease that was released');
    },
  },
  {
    name: 'commit: refused after a delete, and the key stays deleted',
    needs,
    check: async (bench) => {
      await bench.backend.set(bench.key('a'), bench.entry('there'));
      const lease = await bench.lease('a');
      await bench.backend.delete(bench.key('a'));
      await refuses(bench, 'a', 'late', lease, 'a lease whose key was deleted');
    },
  },
  {
    name: 'commit: refused after a delete of a key that had no value',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      await bench.backend.delete(bench.key('a'));
      assert.equal(await bench.mutex('a').locked(), false, 'A delete must void the lease: the lock is free.');
      await refuses(bench, 'a', 'late', lease, 'a lease whose key was deleted');
    },
  },
  {
    name: 'commit: refused after a deleteMulti',
    needs,
    check: async (bench) => {
      const leases = [await bench.lease('a'), await bench.lease('b')];
      await bench.backend.deleteMulti(['a', 'b'].map((key) => bench.key(key)));
      for (const [at, lease] of leases.entries())
        await refuses(bench, at === 0 ? 'a' : 'b', 'late', lease, 'a lease whose key was deleted');
    },
  },
  {
    name: 'commit: refused after a set, whose value stays',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      await bench.backend.set(bench.key('a'), bench.entry('said'));
      assert.equal(await bench.mutex('a').locked(), false, 'A set must void the lease: the lock is free.');
      await refuses(bench, 'a', 'late', lease, 'a lease whose key was set');
    },
  },
  {
    name: 'commit: refused after a setMulti, whose values stay',
    needs,
    check: async (bench) => {
      const leases = [await bench.lease('a'), await bench.lease('b')];
      await bench.backend.setMulti(
        new Map([
          [bench.key('a'), bench.entry('said')],
          [bench.key('b'), bench.entry('said')],
        ]),
      );
      for (const [at, lease] of leases.entries())
        await refuses(bench, at === 0 ? 'a' : 'b', 'late', lease, 'a lease whose key was set');
    },
  },
  {
    name: 'commit: a delete or set of another key leaves the lease alone',
    needs,
    check: async (bench) => {
      const lease = await bench.lease('a');
      await bench.backend.delete(bench.key('b'));
      await bench.backend.set(bench.key('c'), bench.entry('said'));
      await bench.backend.deleteMulti([bench.key('d')]);
      await commits(bench, 'a', 'made', lease);
    },
  },
  {
    name: 'commit: refused after another has taken over, who is left alone',
    needs,
    check: async (bench) => {
      const late = await bench.lease('a');
      await bench.backend.delete(bench.key('a'));
      const next = await bench.lease('a');
      await refuses(bench, 'a', 'late', late, 'a lease that another has taken over from');
      await late.release();
      assert.equal(
        await bench.mutex('a').locked(),
        true,
        'A lease that was lost was released, and with it the lease of who took over.',
      );
      await commits(bench, 'a', 'next', next);
      await refuses(bench, 'a', 'late', late, 'a lease that another has taken over from');
    },
  },
  {
    name: 'lease: one that was lost is released, and takes nobody else down',
    needs,
    check: async (bench) => {
      const late = await bench.lease('a');
      await bench.backend.delete(bench.key('a'));
      const next = await bench.lease('a');
      await late.release();
      assert.equal(
        await bench.mutex('a').locked(),
        true,
        'A lease that was lost was released, and with it the lease of who took over.',
      );
      await commits(bench, 'a', 'next', next);
    },
  },
  {
    name: 'commit: of many, those whose leases do not stand are named and not written, the others are',
    needs,
    check: async (bench) => {
      const leases = new Map<string, Lease>();
      for (const key of ['a', 'b', 'c', 'd']) leases.set(bench.key(key), await bench.lease(key));
      await bench.backend.delete(bench.key('b'));
      await bench.backend.set(bench.key('d'), bench.entry('said'));
      const entries = new Map<string, Storable>(['a', 'b', 'c', 'd'].map((key) => [bench.key(key), bench.entry(key)]));
      const refused = await bench.backend.setMulti(entries, { leases });
      assert.deepEqual(
        [...(refused ?? [])].sort(),
        [bench.key('b'), bench.key('d')].sort(),
        'setMulti with leases must answer with the keys refused.',
      );
      const found = await bench.backend.getMulti([...entries.keys()]);
      const expected = [bench.entry('a'), undefined, bench.entry('c'), bench.entry('said')];
      for (const [at, stored] of expected.entries()) assertStored(found[at], stored, `getMulti, place ${at}`);
      for (const key of ['a', 'b', 'c', 'd'])
        assert.equal(await bench.mutex(key).locked(), false, `A commit of many must release "${key}".`);
      for (const lease of leases.values()) await lease.release();
    },
  },
  {
    name: 'commit: of leases that acquireMulti gave',
    needs,
    check: async (bench) => {
      const names = ['a', 'b'].map((key) => bench.key(key));
      const leases = await bench.backend.acquireMulti?.(names);
      if (!leases) return ONE_BY_ONE;
      const refused = await bench.backend.setMulti(new Map(names.map((name) => [name, bench.entry(name)])), { leases });
      assert.equal(refused?.size ?? 0, 0, 'setMulti with leases that stand must refuse none.');
      for (const name of names) assertStored(await bench.backend.get(name), bench.entry(name), 'get');
      assert.equal(await bench.mutex('a').locked(), false, 'A commit of many must release.');
      return undefined;
    },
  },
  {
    name: 'whenLost: told after a commit or release, never',
    needs,
    check: async (bench) => {
      const told: string[] = [];
      const committed = await bench.lease('a');
      committed.whenLost?.(() => told.push('committed'));
      await commits(bench, 'a', 'made', committed);
      const released = await bench.lease('a');
      released.whenLost?.(() => told.push('released'));
      await released.release();
      await bench.backend.delete(bench.key('a'));
      assert.deepEqual(told, [], 'whenLost() must not be told of a lease that has ended by a commit or release.');
    },
  },
  {
    name: 'second: a delete or set by one is final for what the other creates',
    needs,
    uses: 'second',
    check: async (bench) => {
      const other = await bench.second();
      const deleted = await bench.lease('a', other);
      await bench.backend.delete(bench.key('a'));
      await refuses(bench, 'a', 'late', deleted, 'a lease whose key another deleted', other);
      const overruled = await bench.lease('b', other);
      await bench.backend.set(bench.key('b'), bench.entry('said'));
      await refuses(bench, 'b', 'late', overruled, 'a lease whose key another set', other);
      const replaced = await bench.lease('c', other);
      await bench.backend.delete(bench.key('c'));
      const next = await bench.lease('c');
      await refuses(bench, 'c', 'late', replaced, 'a lease that another has taken over from', other);
      await replaced.release();
      await commits(bench, 'c', 'next', next);
      assertStored(await other.get(bench.key('c')), bench.entry('next'), 'get in the second backend');
    },
  },
];

async function commits(bench: Bench, key: string, payload: string, lease: Lease): Promise<void> {
  const answer = await bench.backend.set(bench.key(key), bench.entry(payload), { lease });
  assert.notEqual(answer, false, 'A set with a lease that stands must not be refused.');
  assertStored(await bench.backend.get(bench.key(key)), bench.entry(payload), 'get after a commit');
}

/** That a commit answers `false` and changes nothing. */
async function refuses(
  bench: Bench,
  key: string,
  payload: string,
  lease: Lease,
  why: string,
  backend: CacheBackend = bench.backend,
): Promise<void> {
  const before = await bench.backend.get(bench.key(key));
  assert.equal(
    await backend.set(bench.key(key), bench.entry(payload), { lease }),
    false,
    `A set with ${why} must answer false.`,
  );
  assertStored(await bench.backend.get(bench.key(key)), before, `A set with ${why} must change nothing; get`);
  const refused = await backend.setMulti(new Map([[bench.key(key), bench.entry(payload)]]), {
    leases: new Map([[bench.key(key), lease]]),
  });
  assert.deepEqual([...(refused ?? [])], [bench.key(key)], `A setMulti with ${why} must name it.`);
  assertStored(await bench.backend.get(bench.key(key)), before, `A setMulti with ${why} must change nothing; get`);
}
