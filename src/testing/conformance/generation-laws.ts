/** Laws of generations: the region's record counts its invalidations, comes along with what is read, and fences what is written. */
import assert from 'node:assert/strict';
import type { CacheBackend, GenerationFence, GenerationStore, RecordsRequest, RegionRecord } from '../../api.js';
import { assertStored, type Bench } from './bench.js';
import { type Draft, generations, mutex, storing } from './law.js';

const needs = [storing, generations];
const leased = [storing, generations, mutex];
const REGION = 'users';

export const generationLaws: readonly Draft[] = [
  {
    name: 'generations: a region that nobody has written to has no record, and reading makes none',
    needs,
    check: async (bench) => {
      for (let round = 0; round < 2; round++) {
        const request = requestOf();
        await bench.backend.get(bench.key('a'), { records: request });
        assert.ok(request.found, 'get with a request for records must say what it found.');
        assert.equal(request.found.region, undefined, 'A read must not make a record.');
        assert.equal(
          await recordOf(bench.backend),
          undefined,
          'generations.read must not make a record unless it is told to seed.',
        );
      }
    },
  },
  {
    name: 'generations: seeded once, with a new incarnation; regions have records of their own',
    needs,
    check: async (bench) => {
      const seeded = await seed(bench.backend);
      assert.deepEqual(
        [seeded.seq, seeded.hard, seeded.soft, seeded.tagged],
        [0, 0, 0, 0],
        'The counters of a new record are 0.',
      );
      assert.equal(seeded.at, undefined, 'A new record knows of no invalidation.');
      assert.ok(seeded.rid.length >= 22, `The incarnation "${seeded.rid}" is too short for 128 random bits.`);
      assert.deepEqual(await seed(bench.backend), seeded, 'A record that is there must not be made anew.');
      assert.notEqual(
        (await seed(bench.backend, 'orders')).rid,
        seeded.rid,
        'Each record has an incarnation of its own.',
      );
    },
  },
  {
    name: 'generations: a hard invalidation counts, and says when it was',
    needs,
    check: async (bench) => {
      const before = await seed(bench.backend);
      await storeOf(bench.backend).invalidate(REGION, { hard: true });
      const record = await recordOf(bench.backend);
      assert.deepEqual(record && { ...record, at: undefined }, { ...before, seq: 1, hard: 1, at: undefined });
      assert.ok(record?.at !== undefined && record.at > 0, 'A hard invalidation must be noted with its time.');
    },
  },
  {
    name: 'generations: a soft invalidation counts, and touches nothing else',
    needs,
    check: async (bench) => {
      const before = await seed(bench.backend);
      await storeOf(bench.backend).invalidate(REGION, { hard: true });
      const { at } = (await recordOf(bench.backend)) ?? {};
      await storeOf(bench.backend).invalidate(REGION, { hard: false });
      assert.deepEqual(await recordOf(bench.backend), { ...before, seq: 2, hard: 1, soft: 2, at });
      const other = requestOf('orders');
      await storeOf(bench.backend).read(other);
      assert.equal(other.found?.region, undefined, 'An invalidation of one region must not touch another.');
    },
  },
  {
    name: 'generations: invalidations at once are all counted',
    needs,
    check: async (bench) => {
      await seed(bench.backend);
      await Promise.all(
        Array.from({ length: 20 }, async (_, at) => storeOf(bench.backend).invalidate(REGION, { hard: at % 2 === 0 })),
      );
      assert.equal((await recordOf(bench.backend))?.seq, 20);
    },
  },
  {
    name: 'generations: tags have records that count by the region’s',
    needs,
    check: async (bench) => {
      const before = await seed(bench.backend);
      await storeOf(bench.backend).invalidateTags(REGION, ['red', 'blue'], { hard: true });
      await storeOf(bench.backend).invalidateTags(REGION, ['red'], { hard: false });
      const request = requestOf(REGION, ['red', 'blue', 'green']);
      await storeOf(bench.backend).read(request);
      assert.deepEqual(request.found?.region, { ...before, seq: 2, tagged: 2 });
      assert.deepEqual(request.found?.tags.get('red'), { rid: before.rid, hard: 1, soft: 2 });
      const blue = request.found?.tags.get('blue');
      assert.deepEqual([blue?.rid, blue?.hard], [before.rid, 1]);
      assert.equal(
        request.found?.tags.get('green'),
        undefined,
        'A tag that was never invalidated or written has no record.',
      );
    },
  },
  {
    name: 'generations: records come along with get and getMulti, as they stand',
    needs,
    check: async (bench) => {
      const { backend } = bench;
      await seed(backend);
      await storeOf(backend).invalidateTags(REGION, ['red'], { hard: true });
      const record = await recordOf(backend);
      const [one, many] = [requestOf(REGION, ['red', 'green']), requestOf(REGION, ['red'])];
      await backend.get(bench.key('a'), { records: one });
      await backend.getMulti([bench.key('a'), bench.key('b')], { records: many });
      for (const { found } of [one, many]) {
        assert.deepEqual(found?.region, record);
        assert.deepEqual(found?.tags.get('red'), { rid: record?.rid, hard: 1, soft: 0 });
      }
      assert.equal(one.found?.tags.get('green'), undefined);
    },
  },
  {
    name: 'generations: acquire seeds the record and brings it along',
    needs: leased,
    check: async (bench) => {
      const request = requestOf();
      const lease = await bench.mutex('a').acquire({ records: request });
      assert.ok(request.found?.region, 'acquire with a request for records must seed the record and say what it is.');
      assert.deepEqual(await recordOf(bench.backend), request.found.region);
      await lease?.release();
      const many = requestOf();
      const leases = await bench.backend.acquireMulti?.([bench.key('a')], { records: many });
      if (leases)
        assert.deepEqual(
          many.found?.region,
          request.found.region,
          'acquireMulti with a request for records must say what it found.',
        );
    },
  },
  {
    name: 'generations: a commit is refused after a hard invalidation, and another may take over',
    needs: leased,
    check: async (bench) => {
      const { lease, fence } = await begin(bench, 'a');
      await storeOf(bench.backend).invalidate(REGION, { hard: true });
      const next = await bench.mutex('a').acquire({ wait: false, records: requestOf() });
      assert.ok(next, 'A lease that a hard invalidation has cut off must not keep others from creating.');
      assert.equal(
        await bench.backend.set(bench.key('a'), bench.entry('late'), { lease, generation: fence }),
        false,
        'A commit that is cut off must answer false.',
      );
      assertStored(await bench.backend.get(bench.key('a')), undefined, 'get after a commit that was refused');
      await lease.release();
      const { rid = '', seq = 0 } = (await recordOf(bench.backend)) ?? {};
      const answer = await bench.backend.set(bench.key('a'), bench.entry('next'), {
        lease: next,
        generation: { ...fence, rid, seq },
      });
      assert.notEqual(answer, false, 'Who has taken over must be able to commit.');
    },
  },
  {
    name: 'generations: a commit is refused after a hard invalidation, also when nobody has taken over',
    needs: leased,
    check: async (bench) => {
      const one = await begin(bench, 'a');
      const other = await begin(bench, 'b');
      await storeOf(bench.backend).invalidate(REGION, { hard: true });
      assert.equal(
        await bench.backend.set(bench.key('a'), bench.entry('late'), { lease: one.lease, generation: one.fence }),
        false,
        'set',
      );
      const leases = new Map([[bench.key('b'), other.lease]]);
      const refused = await bench.backend.setMulti(new Map([[bench.key('b'), bench.entry('late')]]), {
        leases,
        generation: other.fence,
      });
      assert.deepEqual([...(refused ?? [])], [bench.key('b')], 'setMulti must name what is cut off.');
      assert.deepEqual([...(await bench.backend.getMulti([bench.key('a'), bench.key('b')]))], [undefined, undefined]);
    },
  },
  {
    name: 'generations: a commit is stored after a soft invalidation, and after a hard one of another region',
    needs: leased,
    check: async (bench) => {
      const { lease, fence } = await begin(bench, 'a');
      await storeOf(bench.backend).invalidate(REGION, { hard: false });
      await storeOf(bench.backend).invalidate('orders', { hard: true });
      const answer = await bench.backend.set(bench.key('a'), bench.entry('made'), { lease, generation: fence });
      assert.notEqual(answer, false);
      assertStored(await bench.backend.get(bench.key('a')), bench.entry('made'), 'get');
    },
  },
  {
    name: 'generations: a commit is refused when one of its tags was invalidated hard meanwhile, not when softly or another',
    needs: leased,
    check: async (bench) => {
      const commit = async (key: string, tag: string) => {
        const { lease, fence } = await begin(bench, key);
        const tags = new Map([[bench.key(key), [tag]]]);
        return async () =>
          (await bench.backend.set(bench.key(key), bench.entry(key), { lease, generation: { ...fence, tags } })) !==
          false;
      };
      const [red, blue, green] = [await commit('a', 'red'), await commit('b', 'blue'), await commit('c', 'green')];
      await storeOf(bench.backend).invalidateTags(REGION, ['red'], { hard: true });
      assert.equal(await red(), false, 'A commit with a tag that was invalidated hard meanwhile must be refused.');
      const then = await commit('d', 'blue');
      await storeOf(bench.backend).invalidateTags(REGION, ['blue'], { hard: false });
      assert.equal(await then(), true, 'A commit with a tag that was invalidated softly must be stored.');
      await (await commit('e', 'green'))();
      assert.equal(
        await (await commit('f', 'red'))(),
        true,
        'A creation that began after the invalidation of its tag must be stored.',
      );
      // Of tags without a record nobody can tell: either is lawful, but nothing may hang or throw.
      await blue();
      await green();
    },
  },
  {
    name: 'generations: a set is refused when the region was invalidated since, and told what it is now',
    needs,
    check: async (bench) => {
      for (const hard of [true, false]) {
        const { rid, seq } = await seed(bench.backend);
        await storeOf(bench.backend).invalidate(REGION, { hard });
        const old: GenerationFence = { region: REGION, rid, seq, moved: undefined };
        const name = bench.key(hard ? 'hard' : 'soft');
        assert.equal(
          await bench.backend.set(name, bench.entry('said'), { generation: old }),
          false,
          'A set with an old generation must answer false.',
        );
        assertStored(await bench.backend.get(name), undefined, 'get after a set that was refused');
        assert.deepEqual(
          old.moved,
          await recordOf(bench.backend),
          'A set that is refused must be told the record there is.',
        );
        const anew: GenerationFence = {
          region: REGION,
          rid: old.moved?.rid ?? '',
          seq: old.moved?.seq ?? 0,
          moved: undefined,
        };
        assert.notEqual(
          await bench.backend.set(name, bench.entry('said'), { generation: anew }),
          false,
          'Stamped anew, it must be stored.',
        );
        assertStored(await bench.backend.get(name), bench.entry('said'), 'get');
      }
    },
  },
  {
    name: 'generations: a set and a setMulti of who knows no record yet are refused, and told',
    needs,
    check: async (bench) => {
      const fence: GenerationFence = { region: REGION, rid: '', seq: 0, moved: undefined };
      assert.equal(await bench.backend.set(bench.key('a'), bench.entry(1), { generation: fence }), false, 'set');
      assert.ok(fence.moved, 'A set that is refused must be told the record there is.');
      const many: GenerationFence = { region: REGION, rid: '', seq: 0, moved: undefined };
      const entries = new Map([
        [bench.key('a'), bench.entry(1)],
        [bench.key('b'), bench.entry(2)],
      ]);
      assert.equal(
        (await bench.backend.setMulti(entries, { generation: many }))?.size,
        2,
        'setMulti must name all of them.',
      );
      assert.deepEqual(many.moved, fence.moved);
      assert.deepEqual([...(await bench.backend.getMulti([...entries.keys()]))], [undefined, undefined]);
      const known: GenerationFence = { region: REGION, rid: fence.moved.rid, seq: fence.moved.seq, moved: undefined };
      assert.equal(
        (await bench.backend.setMulti(entries, { generation: known }))?.size ?? 0,
        0,
        'Stamped anew, they must be stored.',
      );
      assertStored(await bench.backend.get(bench.key('b')), bench.entry(2), 'get');
    },
  },
  {
    name: 'generations: a set is refused when one of its tags was invalidated since, and told what the region’s record is now',
    needs,
    check: async (bench) => {
      for (const hard of [true, false]) {
        const { rid, seq } = await seed(bench.backend);
        await storeOf(bench.backend).invalidateTags(REGION, ['red'], { hard });
        const name = bench.key(hard ? 'hard' : 'soft');
        const tags = new Map([[name, ['red']]]);
        const old: GenerationFence = { region: REGION, rid, seq, tags, moved: undefined };
        assert.equal(
          await bench.backend.set(name, bench.entry('said'), { generation: old }),
          false,
          'A set that is older than the invalidation of its tag must answer false.',
        );
        assertStored(await bench.backend.get(name), undefined, 'get after a set that was refused');
        assert.deepEqual(old.moved, await recordOf(bench.backend));
        const anew: GenerationFence = { ...old, seq: old.moved?.seq ?? 0, moved: undefined };
        assert.notEqual(await bench.backend.set(name, bench.entry('said'), { generation: anew }), false);
        assertStored(await bench.backend.get(name), bench.entry('said'), 'get');
      }
    },
  },
  {
    name: 'forget: a commit is refused when the region’s record is gone, and when it has been seeded anew',
    needs: leased,
    uses: 'forget',
    check: async (bench) => {
      for (const isSeeded of [false, true]) {
        const { lease, fence } = await begin(bench, 'a');
        await bench.forget('regions');
        if (isSeeded) await seed(bench.backend);
        assert.equal(
          await bench.backend.set(bench.key('a'), bench.entry('late'), { lease, generation: fence }),
          false,
          'What was created under a record that is gone must not be stored.',
        );
        assertStored(await bench.backend.get(bench.key('a')), undefined, 'get after a commit that was refused');
        await lease.release();
      }
    },
  },
  {
    name: 'forget: a commit with a tag whose record is gone is refused, if some tag was invalidated meanwhile',
    needs: leased,
    uses: 'forget',
    check: async (bench) => {
      const { lease, fence } = await begin(bench, 'a');
      await storeOf(bench.backend).invalidateTags(REGION, ['red'], { hard: true });
      await bench.forget('tags');
      const tags = new Map([[bench.key('a'), ['red']]]);
      assert.equal(
        await bench.backend.set(bench.key('a'), bench.entry('late'), { lease, generation: { ...fence, tags } }),
        false,
        'It may have been this tag: nobody can tell.',
      );
    },
  },
  {
    name: 'second: an invalidation by one is seen by the other, and final for what it creates',
    needs: leased,
    uses: 'second',
    check: async (bench) => {
      const other = await bench.second();
      const request = requestOf();
      const lease = await bench.mutex('a', other).acquire({ records: request });
      assert.ok(lease && request.found?.region);
      await storeOf(bench.backend).invalidate(REGION, { hard: true });
      assert.equal((await recordOf(other))?.hard, 1, 'generations.read in the second backend');
      const { rid, seq } = request.found.region;
      const generation: GenerationFence = { region: REGION, rid, seq, moved: undefined };
      assert.equal(
        await other.set(bench.key('a'), bench.entry('late'), { lease, generation }),
        false,
        'A commit that another has cut off must answer false.',
      );
    },
  },
];

function requestOf(region = REGION, tags: readonly string[] = []): RecordsRequest {
  return { region, tags, found: undefined };
}

function storeOf({ generations: store }: CacheBackend): GenerationStore {
  assert.ok(store, 'generations must stay declared.');
  return store;
}

async function recordOf(backend: CacheBackend): Promise<RegionRecord | undefined> {
  const request = requestOf();
  await storeOf(backend).read(request);
  assert.ok(request.found, 'generations.read must say what it found.');
  return request.found.region;
}

async function seed(backend: CacheBackend, region = REGION): Promise<RegionRecord> {
  const request = requestOf(region);
  await storeOf(backend).read(request, { seed: true });
  assert.ok(request.found?.region, 'generations.read must seed the record when it is told to.');
  return request.found.region;
}

/** A creation that begins: its lease, and what its write will be stamped with. */
async function begin(bench: Bench, key: string) {
  const request = requestOf();
  const lease = await bench.mutex(key).acquire({ records: request });
  assert.ok(lease && request.found?.region, 'acquire with a request for records must bring the record along.');
  const { rid, seq } = request.found.region;
  const fence: GenerationFence = { region: REGION, rid, seq, moved: undefined };
  return { lease, fence };
}
