/** Laws of a region over the backend: one creation, nobody waits for what exists, invalidation is final, a failure is shared once. */
import assert from 'node:assert/strict';
import { Gate } from '../gate.js';
import { type Bench, begun, pass } from './bench.js';
import { bytes, type Draft, generations, storing } from './law.js';

const needs = [storing];

export const regionLaws: readonly Draft[] = [
  {
    name: 'region: get of nothing, set, get, delete twice',
    needs,
    check: async (bench) => {
      const region = bench.region();
      assert.equal(await region.get('a'), undefined);
      await region.set('a', { name: 'Ada' });
      assert.deepEqual(await region.get('a'), { name: 'Ada' });
      await region.delete('a');
      await region.delete('a');
      assert.equal(await region.get('a'), undefined);
    },
  },
  {
    name: 'region: setMulti, getMulti in order, deleteMulti with missing keys, and all of them of none',
    needs,
    check: async (bench) => {
      const region = bench.region();
      await region.setMulti(
        new Map([
          ['a', 1],
          ['b', 2],
          ['c', 3],
        ]),
      );
      assert.equal(await region.get('b'), 2);
      assert.deepEqual(await region.getMulti(['c', 'nothing', 'a', 'c']), [3, undefined, 1, 3]);
      await region.deleteMulti(['a', 'nothing', 'c']);
      assert.deepEqual(await region.getMulti(['a', 'b', 'c']), [undefined, 2, undefined]);
      assert.deepEqual(await region.getMulti([]), []);
      await region.setMulti({});
      await region.deleteMulti([]);
      assert.deepEqual(
        await region.getOrCreateMulti([], () => assert.fail('A creator must not be called for no keys.')),
        [],
      );
    },
  },
  {
    name: 'region: getOrCreate creates once, and finds it from then on',
    needs,
    check: async (bench) => {
      const region = bench.region();
      assert.equal(await region.getOrCreate('a', async () => 'made'), 'made');
      assert.equal(await region.getOrCreate('a', never), 'made');
      assert.equal(await region.get('a'), 'made');
      assert.equal(region.statistics.creations, 1);
      assert.equal(region.statistics.refusedCommits, 0, 'The write of a creation that nobody disturbed was refused.');
      assert.equal(region.statistics.droppedWrites, 0, 'The write of a creation failed.');
      assert.equal(region.statistics.backendErrors, 0, 'The backend failed behind the caller’s back.');
    },
  },
  {
    name: 'region: many callers, one creation',
    needs,
    check: async (bench) => {
      const region = bench.region();
      const { gate, creator, calls } = gated('made');
      const calling = Array.from({ length: 20 }, () => begun(region.getOrCreate('a', creator)));
      await gate.arrived;
      const later = [begun(region.getOrCreate('a', creator)), begun(region.getOrCreateMulti(['a'], never))];
      gate.open();
      assert.deepEqual(
        await Promise.all(calling),
        Array.from({ length: 20 }, () => 'made'),
      );
      assert.deepEqual(await Promise.all(later), ['made', ['made']]);
      assert.equal(calls(), 1, 'The creator was called more than once.');
    },
  },
  {
    name: 'region: undefined, null, false, 0 and the empty string are values',
    needs,
    check: async (bench) => {
      const region = bench.region();
      for (const [at, value] of [undefined, null, false, 0, ''].entries()) {
        assert.equal(await region.getOrCreate(`made ${at}`, () => value), value);
        assert.equal(
          await region.getOrCreate(`made ${at}`, never),
          value,
          `A cached ${String(value)} was created again.`,
        );
        await region.set(`said ${at}`, value);
        const entry = await region.getCachedValue(`said ${at}`);
        assert.ok(entry, `A cached ${String(value)} was not found.`);
        assert.equal(entry.payload, value);
      }
    },
  },
  {
    name: 'region: who finds a stale value gets it at once while another creates',
    needs,
    check: async (bench) => {
      const region = bench.region({ expirationTime: 1 });
      await region.set('a', 'old');
      await region.set('b', 'old');
      await pass(10);
      assert.equal(await region.get('a'), undefined, 'get must not answer with what has expired.');
      assert.equal(await region.get('a', { ignoreExpiration: true }), 'old');
      const { gate, creator, calls } = gated('new');
      const creating = begun(region.getOrCreate('a', creator));
      await gate.arrived;
      assert.deepEqual(await Promise.all([region.getOrCreate('a', never), region.getOrCreate('a', never)]), [
        'old',
        'old',
      ]);
      gate.open();
      assert.equal(await creating, 'new');
      assert.equal(calls(), 1);
      assert.equal(await region.get('a', { ignoreExpiration: true }), 'new');
    },
  },
  {
    name: 'region: never two creations of one key at once, of many callers and many rounds',
    needs,
    check: async (bench) => {
      const region = bench.region({ expirationTime: 2 });
      let running = 0;
      let created = 0;
      const creator = async () => {
        running++;
        assert.equal(running, 1, 'Two create one key at the same time.');
        await pass(2);
        running--;
        return ++created;
      };
      const calling = async () => {
        for (let round = 0; round < 5; round++) {
          await region.getOrCreate('a', creator);
          await pass(3);
        }
      };
      await Promise.all(Array.from({ length: 10 }, calling));
      assert.ok(created >= 2, 'A value that had expired was never created anew.');
    },
  },
  {
    name: 'region: a delete during a creation is final',
    needs,
    check: async (bench) => {
      const region = bench.region();
      const { gate, creator } = gated('late');
      const creating = begun(region.getOrCreate('a', creator));
      await gate.arrived;
      await region.delete('a');
      assert.equal(
        await region.getOrCreate('a', () => 'new'),
        'new',
        'Who comes after a delete must not wait for what it made void.',
      );
      gate.open();
      assert.equal(await creating, 'late', 'The caller gets what his creator made.');
      assert.equal(await region.get('a'), 'new');
    },
  },
  {
    name: 'region: a delete during a creation leaves nothing, when nobody else creates',
    needs,
    check: async (bench) => {
      const region = bench.region();
      for (const remove of [() => region.delete('a'), () => region.deleteMulti(['a']), () => region.invalidate()]) {
        const { gate, creator } = gated('late');
        const creating = begun(region.getOrCreate('a', creator));
        await gate.arrived;
        await remove();
        gate.open();
        assert.equal(await creating, 'late');
        assert.equal(await region.get('a'), undefined);
        assert.equal(await region.keyIsLocked('a'), false);
      }
    },
  },
  {
    name: 'region: a set during a creation is final',
    needs,
    check: async (bench) => {
      const region = bench.region();
      const { gate, creator } = gated('late');
      const creating = begun(region.getOrCreate('a', creator));
      await gate.arrived;
      await region.set('a', 'said');
      gate.open();
      assert.equal(await creating, 'late');
      assert.equal(await region.get('a'), 'said');
    },
  },
  {
    name: 'region: a hard invalidation leaves nothing, a soft one leaves it to be served while one creates',
    needs,
    check: async (bench) => {
      const region = bench.region();
      await region.setMulti({ a: 1, b: 2 });
      await region.invalidate({ hard: false });
      assert.equal(await region.get('a'), undefined);
      const { gate, creator } = gated('new');
      const creating = begun(region.getOrCreate('a', creator));
      await gate.arrived;
      assert.equal(await region.getOrCreate('a', never), 1);
      gate.open();
      assert.equal(await creating, 'new');
      assert.equal(await region.get('a'), 'new', 'What was created after an invalidation is valid.');
      await region.invalidate();
      assert.deepEqual(await region.getMulti(['a', 'b']), [undefined, undefined]);
      assert.equal(await region.getOrCreate('b', () => 'anew'), 'anew');
      assert.equal(await region.get('b'), 'anew');
    },
  },
  {
    name: 'region: an invalidation of tags leaves what bears none of them',
    needs,
    check: async (bench) => {
      const region = bench.region();
      await region.set('a', 1, { tags: ['red'] });
      await region.set('b', 2, { tags: ['blue', 'red'] });
      await region.set('c', 3, { tags: ['blue'] });
      await region.set('d', 4);
      await region.getOrCreate('e', () => 5, { tags: ['red'] });
      assert.deepEqual(await region.getMulti(['a', 'b', 'c', 'd', 'e']), [1, 2, 3, 4, 5]);
      const { gate, creator } = gated('late');
      const creating = begun(region.getOrCreate('f', creator, { tags: ['red'] }));
      await gate.arrived;
      await region.invalidateTags(['red']);
      gate.open();
      assert.equal(await creating, 'late');
      assert.deepEqual(await region.getMulti(['a', 'b', 'c', 'd', 'e', 'f']), [
        undefined,
        undefined,
        3,
        4,
        undefined,
        undefined,
      ]);
      assert.equal(await region.getOrCreate('a', () => 'new', { tags: ['red'] }), 'new');
      assert.equal(await region.get('a'), 'new');
    },
  },
  {
    name: 'region: a soft invalidation of tags leaves what bears them to be served while one creates',
    needs,
    check: async (bench) => {
      const region = bench.region();
      await region.set('a', 1, { tags: ['red'] });
      await region.set('b', 2, { tags: ['blue'] });
      await region.invalidateTags(['red'], { hard: false });
      assert.deepEqual(await region.getMulti(['a', 'b']), [undefined, 2]);
      const { gate, creator } = gated('new');
      const creating = begun(region.getOrCreate('a', creator, { tags: ['red'] }));
      await gate.arrived;
      assert.equal(await region.getOrCreate('a', never), 1);
      gate.open();
      assert.equal(await creating, 'new');
      assert.equal(await region.get('a'), 'new', 'What was created after an invalidation is valid.');
    },
  },
  {
    name: 'forget: no entry comes back when records are lost, also when they have been made anew',
    needs: [storing, generations],
    uses: 'forget',
    check: async (bench) => {
      const region = bench.region();
      const fill = async () => {
        await region.set('a', 1);
        await region.getOrCreate('b', () => 2, { tags: ['red'] });
        await region.set('c', 3, { tags: ['blue'] });
        assert.deepEqual(await region.getMulti(['a', 'b', 'c']), [1, 2, 3]);
      };
      await fill();
      await region.invalidateTags(['red']);
      await bench.forget('tags');
      const left = [1, undefined, undefined];
      assert.deepEqual(await region.getMulti(['a', 'b', 'c']), left, 'A tag without a record leaves nothing valid.');
      await region.set('d', 4, { tags: ['red', 'blue'] });
      assert.deepEqual(await region.getMulti(['a', 'b']), [1, undefined], 'An entry of before came back.');
      assert.equal(await region.get('d'), 4);
      await region.delete('b');
      await fill();
      await bench.forget('regions');
      assert.deepEqual(await region.getMulti(['a', 'b', 'c']), [undefined, undefined, undefined]);
      await region.set('d', 5);
      assert.deepEqual(
        await region.getMulti(['a', 'b', 'c', 'd']),
        [undefined, undefined, undefined, 5],
        'An entry of before the record was lost came back.',
      );
    },
  },
  {
    name: 'region: a failure reaches all who wait, once and untouched, and frees the key',
    needs,
    check: async (bench) => {
      const region = bench.region();
      for (const reason of [new Error('no database'), null, undefined, 'text']) {
        const gate = new Gate();
        let calls = 0;
        const failing = async () => {
          calls++;
          await gate.passed();
        };
        const calling = Array.from({ length: 5 }, () => begun(region.getOrCreate('a', failing)));
        const settled = Promise.allSettled(calling);
        await gate.arrived;
        gate.fail(reason);
        for (const outcome of await settled) {
          assert.equal(outcome.status, 'rejected');
          assert.ok(
            outcome.status === 'rejected' && Object.is(outcome.reason, reason),
            'A caller was given another reason than what the creator threw.',
          );
        }
        assert.equal(calls, 1, 'A creator that failed was run again by those who had waited.');
        assert.equal(await region.keyIsLocked('a'), false, 'A creator that failed left its lock.');
      }
      assert.equal(await region.getOrCreate('a', () => 'made'), 'made');
    },
  },
  {
    name: 'region: keyIsLocked tells a creation, and takes nothing',
    needs,
    check: async (bench) => {
      const region = bench.region();
      assert.equal(await region.keyIsLocked('a'), false);
      assert.equal(await region.keyIsLocked('a'), false);
      const { gate, creator } = gated('made');
      const creating = begun(region.getOrCreate('a', creator));
      await gate.arrived;
      assert.equal(await region.keyIsLocked('a'), true);
      assert.equal(await region.keyIsLocked('b'), false);
      gate.open();
      await creating;
      assert.equal(await region.keyIsLocked('a'), false);
    },
  },
  {
    name: 'region: a creator may ask for other keys',
    needs,
    check: async (bench) => {
      const region = bench.region();
      let inner = 0;
      const bar = () => region.getOrCreate('bar', async () => ++inner);
      assert.equal(
        await region.getOrCreate('foo', async () => `foo of ${await bar()} and ${await bar()}`),
        'foo of 1 and 1',
      );
      assert.equal(await bar(), 1);
    },
  },
  {
    name: 'region: a caller who leaves does not take the others with him',
    needs,
    check: async (bench) => {
      const region = bench.region();
      const { gate, creator } = gated('made');
      const controller = new AbortController();
      const leaving = begun(region.getOrCreate('a', creator, { signal: controller.signal }));
      const reason = new Error('enough');
      const left = begun(assert.rejects(leaving, (error) => error === reason));
      await gate.arrived;
      const staying = begun(region.getOrCreate('a', never));
      controller.abort(reason);
      await left;
      gate.open();
      assert.equal(await staying, 'made');
      assert.equal(await region.get('a'), 'made');
    },
  },
  {
    name: 'region: many keys, one creator call for those that are missing, in order',
    needs,
    check: async (bench) => {
      const region = bench.region();
      await region.set('b', 'there');
      const asked: string[][] = [];
      const creator = (keys: string[]) => {
        asked.push(keys);
        return keys.map((key) => `new ${key}`);
      };
      assert.deepEqual(await region.getOrCreateMulti(['c', 'b', 'a', 'c'], creator), [
        'new c',
        'there',
        'new a',
        'new c',
      ]);
      assert.deepEqual(asked, [['a', 'c']]);
      assert.deepEqual(await region.getMulti(['a', 'b', 'c']), ['new a', 'there', 'new c']);
      const partly = await region.getOrCreateMulti(['d', 'e'], () => new Map([['e', 'new e']]));
      assert.deepEqual(partly, [undefined, 'new e']);
      assert.deepEqual(await region.getMulti(['d', 'e']), [undefined, 'new e']);
      assert.deepEqual(await Promise.all(['a', 'c', 'd', 'e'].map((key) => region.keyIsLocked(key))), [
        false,
        false,
        false,
        false,
      ]);
    },
  },
  {
    name: 'region: calls for one key and for many share creations, both ways',
    needs,
    check: async (bench) => {
      const region = bench.region();
      const one = gated('one');
      const single = begun(region.getOrCreate('a', one.creator));
      await one.gate.arrived;
      const many = gated(['two']);
      const multi = begun(region.getOrCreateMulti(['a', 'b'], many.creator));
      await many.gate.arrived;
      const joining = begun(region.getOrCreate('b', never));
      one.gate.open();
      many.gate.open();
      assert.deepEqual(await Promise.all([single, multi, joining]), ['one', ['one', 'two'], 'two']);
      assert.deepEqual([one.calls(), many.calls()], [1, 1]);
    },
  },
  {
    name: 'region: what shouldCache refuses is given and not stored, for one key and for many',
    needs,
    check: async (bench) => {
      const region = bench.region();
      const options = { shouldCache: () => false };
      assert.equal(await region.getOrCreate('a', () => 1, options), 1);
      assert.deepEqual(await region.getOrCreateMulti(['a', 'b'], (keys) => keys, options), ['a', 'b']);
      assert.deepEqual(await region.getMulti(['a', 'b']), [undefined, undefined]);
      assert.equal(await region.keyIsLocked('a'), false);
    },
  },
  {
    name: 'region: bytes that are no entry are missing, and overwritten by the next creation',
    needs: [storing, bytes],
    check: async (bench) => {
      const region = bench.region();
      for (const garbage of ['', 'garbage', '{"ct":1,"v":2}|{', '|1', '{}|1', '\xff|\xfe']) {
        await bench.backend.set(bench.key('a'), Buffer.from(garbage, 'latin1'));
        assert.equal(await region.get('a'), undefined, `get of ${JSON.stringify(garbage)}`);
        assert.equal(await region.getOrCreate('a', () => garbage), garbage);
        assert.equal(await region.getOrCreate('a', never), garbage);
      }
    },
  },
  {
    name: 'region: a large value',
    needs,
    check: async (bench) => {
      const region = bench.region();
      const value = { text: 'x'.repeat(200_000) };
      await region.getOrCreate('a', () => value);
      assert.deepEqual(await region.get('a'), value);
    },
  },
  {
    name: 'region: with no keys that clash, whatever they look like',
    needs,
    check: async (bench) => {
      const region = bench.region();
      const keys = [
        '',
        ' ',
        'a b',
        'a\nb',
        'a|b',
        '鍵',
        'é',
        'e\u0301',
        '__proto__',
        'k'.repeat(300),
        'loadUser|5',
        'loadUser|"5"',
      ];
      for (const key of keys) assert.equal(await region.getOrCreate(key, () => `of ${key}`), `of ${key}`);
      assert.deepEqual(
        await region.getMulti(keys),
        keys.map((key) => `of ${key}`),
      );
    },
  },
  {
    name: 'second: two regions over one store make one creation',
    needs,
    uses: 'second',
    check: async (bench) => {
      const two = await regions(bench);
      if (!two) return APART;
      const [one, other] = two;
      const { gate, creator, calls } = gated('made');
      const creating = begun(one.getOrCreate('a', creator));
      await gate.arrived;
      const waiting = begun(other.getOrCreate('a', never));
      assert.equal(await other.keyIsLocked('a'), true);
      await pass(10);
      gate.open();
      assert.deepEqual(await Promise.all([creating, waiting]), ['made', 'made']);
      assert.equal(calls(), 1);
      return undefined;
    },
  },
  {
    name: 'second: what one region deletes or sets stays so, whatever the other was creating',
    needs,
    uses: 'second',
    check: async (bench) => {
      const two = await regions(bench);
      if (!two) return APART;
      const [one, other] = two;
      for (const [overrule, then] of [
        [() => one.delete('a'), undefined],
        [() => one.set('a', 'said'), 'said'],
      ] as const) {
        await one.delete('a');
        const { gate, creator } = gated('late');
        const creating = begun(other.getOrCreate('a', creator));
        await gate.arrived;
        await overrule();
        gate.open();
        assert.equal(await creating, 'late');
        assert.deepEqual([await one.get('a'), await other.get('a')], [then, then]);
      }
      return undefined;
    },
  },
  {
    name: 'second: with generations, an invalidation by one region is final for the other',
    needs: [storing, generations],
    uses: 'second',
    check: async (bench) => {
      const [one, other] = [bench.region(), bench.region({}, await bench.second())];
      await one.set('a', 1);
      await other.set('b', 2);
      await one.invalidate({ hard: false });
      assert.deepEqual([await other.get('a'), await other.get('b')], [undefined, undefined]);
      assert.equal(await other.get('a', { ignoreExpiration: true }), 1);
      const { gate, creator } = gated('late');
      const creating = begun(other.getOrCreate('a', creator));
      await gate.arrived;
      await one.invalidate();
      gate.open();
      assert.equal(await creating, 'late');
      assert.deepEqual(
        [await one.get('a'), await other.get('a'), await other.get('b')],
        [undefined, undefined, undefined],
      );
      assert.equal(await other.getOrCreate('a', () => 'new'), 'new');
      assert.equal(await one.get('a'), 'new');
    },
  },
  {
    name: 'second: with generations, a tag that one region invalidates is gone for the other, whenever it was named',
    needs: [storing, generations],
    uses: 'second',
    check: async (bench) => {
      const [one, other] = [bench.region(), bench.region({}, await bench.second())];
      await one.set('a', 1, { tags: ['red'] });
      await other.getOrCreate('b', ({ tag }) => (tag('red', 'blue'), 2));
      await other.set('c', 3, { tags: ['blue'] });
      assert.deepEqual(await one.getMulti(['a', 'b', 'c']), [1, 2, 3]);
      await one.invalidateTags(['red'], { hard: false });
      assert.deepEqual(await other.getMulti(['a', 'b', 'c']), [undefined, undefined, 3]);
      assert.equal(await other.get('a', { ignoreExpiration: true }), 1);
      const gate = new Gate();
      const creating = begun(
        other.getOrCreate('d', async ({ tag }) => {
          await gate.passed();
          tag('red');
          return 'late';
        }),
      );
      await gate.arrived;
      await one.invalidateTags(['red']);
      gate.open();
      assert.equal(await creating, 'late');
      assert.deepEqual(await other.getMulti(['a', 'b', 'c', 'd']), [undefined, undefined, 3, undefined]);
      assert.equal(await other.getOrCreate('b', () => 'new', { tags: ['red'] }), 'new');
      assert.equal(await one.get('b'), 'new');
    },
  },
  {
    name: 'region: closed twice, it refuses calls',
    needs: [],
    check: async (bench) => {
      const region = bench.region();
      await region.get('a');
      await region.close();
      await region.close();
      await assert.rejects(region.get('a'), { code: 'DOGPILE_REGION_CLOSED' });
    },
  },
];

const APART = 'These two backends have no mutex in common: a region over each elects for itself.';

const never = () => assert.fail('A creator was called although the value is there or being created.');

/** A creator that stands at a gate. */
function gated<T>(value: T) {
  const gate = new Gate();
  let calls = 0;
  const creator = async () => {
    calls++;
    await gate.passed();
    return value;
  };
  return { gate, creator, calls: () => calls };
}

/** Two regions that elect together: over one backend object, or over two whose store has locks. */
async function regions(bench: Bench) {
  const second = await bench.second();
  const isTogether = second === bench.backend || second.mutex?.('') !== undefined;
  if (!isTogether) return undefined;
  return [bench.region(), bench.region({}, second)] as const;
}
