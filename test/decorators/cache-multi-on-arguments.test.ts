import { describe, expect, it, vi } from 'vitest';
import type { Policy, RegionOptions } from '../../src/api.js';
import { KeyGenerationError, ValidationError } from '../../src/errors.js';
import { pythonFunctionMultiKeyGenerator } from '../../src/keys.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const setUp = (policy: Policy = {}, options: RegionOptions = {}) => {
  const clock = new FakeClock();
  const region = makeRegion({ clock, ...options }).configure('memory', { expirationTime: '10s', ...policy });
  let count = 0;
  /** Notes what it is called with, and gives a new value for each id. */
  const generate = vi.fn(async function generate(ids: number[]) {
    const call = ++count;
    return ids.map((id) => `${call}: ${id}`);
  });
  const asked = () => generate.mock.calls.map(([ids]) => ids);
  return { clock, region, generate, asked };
};

describe('a cached function of many ids', () => {
  it('[py 108, 136, 137] is called with what is missing, in the order of the keys; results in the order of the ids', async () => {
    const { region, generate, asked } = setUp();
    const cached = region.cacheMultiOnArguments({ namespace: 'g' })(generate);
    expect(await cached([2, 8, 10])).toEqual(['1: 2', '1: 8', '1: 10']);
    expect(await cached([2, 3, 10])).toEqual(['1: 2', '2: 3', '1: 10']);
    expect(asked()).toEqual([[10, 2, 8], [3]]);
  });

  it('[py 107] get gives what is there, in the order of the ids, and creates nothing', async () => {
    const { region, generate } = setUp();
    const cached = region.cacheMultiOnArguments({ namespace: 'g' })(generate);
    await cached([1]);
    expect(await cached.get([3, 1])).toEqual([undefined, '1: 1']);
    expect(generate).toHaveBeenCalledTimes(1);
  });

  it('[py 109, 138, 139] set and invalidate', async () => {
    const { region, generate, asked } = setUp();
    const cached = region.cacheMultiOnArguments({ namespace: 'g' })(generate);
    await cached.set(
      new Map([
        [1, 'x'],
        [2, 'y'],
      ]),
    );
    expect(await cached([1, 2])).toEqual(['x', 'y']);
    await cached.invalidate([2]);
    expect(await cached([1, 2])).toEqual(['x', '1: 2']);
    expect(asked()).toEqual([[2]]);
  });

  it('[py 111] refresh creates all of them, whatever is there', async () => {
    const { region, generate } = setUp();
    const cached = region.cacheMultiOnArguments({ namespace: 'g' })(generate);
    await cached([1, 2]);
    expect(await cached.refresh([2, 1])).toEqual(['2: 2', '2: 1']);
    expect(await cached([1, 2])).toEqual(['2: 1', '2: 2']);
  });

  it('[py 114] its own generator supersedes the region’s; keys belong to ids by their position', async () => {
    const { region, generate } = setUp();
    const cached = region.cacheMultiOnArguments({
      functionMultiKeyGenerator:
        () =>
        (...ids) =>
          ids.map(String).reverse(),
    })(generate);
    await cached.set(
      new Map([
        [1, 'one'],
        [2, 'two'],
      ]),
    );
    expect(await region.getMulti(['1', '2'])).toEqual(['two', 'one']);
    expect(await cached.get([1, 2])).toEqual(['one', 'two']);
    const wrong = region.cacheMultiOnArguments({ functionMultiKeyGenerator: () => () => ['k'] })(generate);
    await expect(wrong([1, 2])).rejects.toThrow('must give an array of 2 keys, one for each id; it gave 1 keys.');
    const none = region.cacheMultiOnArguments({ functionMultiKeyGenerator: () => () => [5] as never })(generate);
    await expect(none([1])).rejects.toBeInstanceOf(KeyGenerationError);
  });

  it('[py 148] has Python’s keys where it is to share them', async () => {
    const { region, generate } = setUp();
    const functionMultiKeyGenerator = pythonFunctionMultiKeyGenerator({ module: 'tests.cache', name: 'generate' });
    const cached = region.cacheMultiOnArguments({ namespace: 'foo', functionMultiKeyGenerator })(generate);
    expect(cached.keysFor([1, 10])).toEqual(['tests.cache:generate|foo|1', 'tests.cache:generate|foo|10']);
    await cached([1]);
    expect(await region.get('tests.cache:generate|foo|1')).toBe('1: 1');
  });

  it('[py 150] keeps its name, its length and the original', () => {
    const { region } = setUp();
    async function loadUsers(ids: number[]) {
      return ids;
    }
    const cached = region.cacheMultiOnArguments()(loadUsers);
    expect([cached.name, cached.length, cached.original]).toEqual(['loadUsers', 1, loadUsers]);
  });

  it('takes the same id twice, none at all, and more than a call may have arguments', async () => {
    const { region, generate, asked } = setUp();
    const cached = region.cacheMultiOnArguments({ namespace: 'g' })(generate);
    expect(await cached([1, 1, 2, 1])).toEqual(['1: 1', '1: 1', '1: 2', '1: 1']);
    expect(asked()).toEqual([[1, 2]]);
    expect(await cached([])).toEqual([]);
    expect(await cached.get([])).toEqual([]);
    await cached.set(new Map());
    await cached.invalidate([]);
    expect(generate).toHaveBeenCalledTimes(1);
    expect(cached.keysFor(Array.from({ length: 300_000 }, (_, id) => id))).toHaveLength(300_000);
  });

  it('takes ids that are no text: the function gets them as they are', async () => {
    const { region } = setUp();
    const seen: unknown[] = [];
    const cached = region.cacheMultiOnArguments()(async function load(ids: { team: string; day: Date }[]) {
      seen.push(...ids);
      return ids.map(({ team }) => team);
    });
    const id = { team: 'blue', day: new Date(0) };
    expect(await cached([id])).toEqual(['blue']);
    expect(seen[0]).toBe(id);
    expect(await cached.get([{ day: new Date(0), team: 'blue' }])).toEqual(['blue']);
  });

  it('ids of one key are one id', async () => {
    const { region } = setUp();
    const functionMultiKeyGenerator = pythonFunctionMultiKeyGenerator({ module: 'm' });
    const asked: unknown[] = [];
    const cached = region.cacheMultiOnArguments({ functionMultiKeyGenerator })(async function load(
      ids: (number | bigint)[],
    ) {
      asked.push(ids);
      return ids.map(String);
    });
    expect(await cached([1, 1n])).toEqual(['1', '1']);
    expect(asked).toEqual([[1]]);
    const asMap = region.cacheMultiOnArguments({ functionMultiKeyGenerator, asMap: true })(async function loadMap(
      ids: (number | bigint)[],
    ) {
      return new Map(ids.map((id) => [id, String(id)]));
    });
    expect(await asMap([1, 1n])).toEqual(
      new Map<number | bigint, string>([
        [1, '1'],
        [1n, '1'],
      ]),
    );
  });

  it('has keys with what `key` says of an id', async () => {
    const { region } = setUp();
    const cached = region.cacheMultiOnArguments({ key: ({ id }: { id: number; handle: () => void }) => [id] })(
      async function load(ids: { id: number; handle: () => void }[]) {
        return ids.map(({ id }) => id * 2);
      },
    );
    const handle = () => {};
    expect(await cached([{ id: 1, handle }])).toEqual([2]);
    expect(cached.keysFor([{ id: 1, handle }])).toEqual(['load|1']);
    const pairs = region.cacheMultiOnArguments({ key: (id: number) => ['tenant', id] })(async function pairs(
      ids: number[],
    ) {
      return ids;
    });
    expect(pairs.keysFor([1, 2])).toEqual(['pairs|"tenant",1', 'pairs|"tenant",2']);
    const custom = region.cacheMultiOnArguments({
      key: (id: number) => (id === 1 ? [id] : ['a', id]),
      functionMultiKeyGenerator:
        () =>
        (...ids) =>
          ids.map((id) => JSON.stringify(id)),
    })(async (ids: number[]) => ids);
    expect(custom.keysFor([1, 2])).toEqual(['1', '["a",2]']);
  });

  it('keeps `this`', async () => {
    const { region } = setUp();
    const cached = region.cacheMultiOnArguments()(async function add(this: { base: number }, ids: number[]) {
      return ids.map((id) => this.base + id);
    });
    expect(await (cached as (this: object, ids: number[]) => Promise<number[]>).call({ base: 5 }, [1])).toEqual([6]);
  });

  it('has its tags by id', async () => {
    const { region, generate } = setUp();
    const cached = region.cacheMultiOnArguments({ namespace: 'g', tags: (id: number) => [`user:${id}`] })(generate);
    await cached([1, 2]);
    await cached.set(
      new Map([
        [3, 'said'],
        [4, 'said'],
      ]),
    );
    await region.invalidateTags(['user:1', 'user:3']);
    expect(await cached.get([1, 2, 3, 4])).toEqual([undefined, '1: 2', undefined, 'said']);
    const fixed = region.cacheMultiOnArguments({ namespace: 'h', tags: ['users'] })(generate);
    await fixed([1]);
    await fixed.set(new Map([[2, 'said']]));
    await region.invalidateTags(['users']);
    expect(await fixed.get([1, 2])).toEqual([undefined, undefined]);
  });

  it('sets values of different tags by one command', async () => {
    const { region } = setUp();
    const set = vi.spyOn(region.actualBackend, 'set');
    const setMulti = vi.spyOn(region.actualBackend, 'setMulti');
    const cached = region.cacheMultiOnArguments({ tags: (id: number) => [`user:${id}`] })(async function load(
      ids: number[],
    ) {
      return ids;
    });
    const values = new Map([1, 2, 3].map((id) => [id, id * 10]));
    await cached.set(values);
    expect([setMulti.mock.calls.length, set.mock.calls.length]).toEqual([1, 0]);
    await region.invalidateTags(['user:2']);
    expect(await cached.get([1, 2, 3])).toEqual([10, undefined, 30]);
  });

  it('fails with what the tags of one fail with, and sets none', async () => {
    const { region } = setUp();
    const cached = region.cacheMultiOnArguments({ tags: (id: number) => [id === 2 ? '' : 'ok'] })(async function load(
      ids: number[],
    ) {
      return ids;
    });
    const values = new Map([1, 2].map((id) => [id, id]));
    await expect(cached.set(values)).rejects.toThrow('A tag must be text');
    expect(await cached.get([1, 2])).toEqual([undefined, undefined]);
  });

  it('set keeps values for as long as the policy of the decorator says', async () => {
    const { region, generate, clock } = setUp({ expirationTime: '1s', keepStale: 0 }, { random: () => 0.5 });
    const longer = region.cacheMultiOnArguments({ namespace: 'longer', expirationTime: '1h' })(generate);
    const spread = region.cacheMultiOnArguments({ namespace: 'spread', expirationTime: '1h', jitter: 1 })(generate);
    for (const cached of [longer, spread]) await cached.set(new Map([[1, 'said']]));
    await clock.advance('29m');
    expect([await longer.get([1]), await spread.get([1])]).toEqual([['said'], ['said']]);
    await clock.advance('2m');
    expect([await longer.get([1]), await spread.get([1])]).toEqual([['said'], [undefined]]);
  });

  it('has a policy of its own, which governs get', async () => {
    const { region, generate, clock } = setUp();
    const cached = region.cacheMultiOnArguments({ namespace: 'g', expirationTime: '20s' })(generate);
    await cached([1]);
    await clock.advance('15s');
    expect(await cached.get([1])).toEqual(['1: 1']);
    await clock.advance('6s');
    expect(await cached.get([1])).toEqual([undefined]);
  });

  it('that gives something else than it should rejects, and nothing is cached', async () => {
    const { region } = setUp();
    const giving = (namespace: string, made: unknown) =>
      region.cacheMultiOnArguments({ namespace })(async (_ids: number[]) => made as number[])([1, 2]);
    await expect(giving('few', [1])).rejects.toThrow(
      'must give an array of 2 values, one for each id it was called with, in their order; it gave 1 values.',
    );
    await expect(giving('none', undefined)).rejects.toBeInstanceOf(ValidationError);
    await expect(giving('map', new Map([[1, 1]]))).rejects.toThrow('Say asMap: true for a function that gives a Map.');
    expect(await region.getMulti(['few:|1', 'map:|1'])).toEqual([undefined, undefined]);
  });

  it('is called with an array', async () => {
    const { region, generate } = setUp();
    const cached = region.cacheMultiOnArguments({ namespace: 'g' })(generate);
    for (const ids of [1, undefined, 'ids', new Set([1])])
      await expect(cached(ids as never)).rejects.toThrow('is called with an array of ids, not');
    expect(() => cached.keysFor(1 as never)).toThrow(ValidationError);
    await expect(cached.set({ 1: 'x' } as never)).rejects.toThrow('takes a Map of values by id, not an object.');
  });

  it('may sort the array that it is given', async () => {
    const { region } = setUp();
    const cached = region.cacheMultiOnArguments({ asMap: true })(async function load(ids: number[]) {
      return new Map(ids.splice(0).map((id) => [id, id * 2]));
    });
    expect(await cached([1, 2])).toEqual(
      new Map([
        [1, 2],
        [2, 4],
      ]),
    );
  });
});

describe('with asMap', () => {
  const make = (options: { shouldCache?: (value: number) => boolean } = {}) => {
    const { region } = setUp();
    const asked: number[][] = [];
    const load = region.cacheMultiOnArguments({ asMap: true, ...options })(async function load(ids: number[]) {
      asked.push(ids);
      return new Map(ids.filter((id) => id < 100).map((id) => [id, id * 10]));
    });
    return { region, load, asked };
  };

  it('[py 140–142] the function gives a Map by id, and so do call, get and refresh', async () => {
    const { load, asked } = make();
    expect(await load([2, 8, 10])).toEqual(
      new Map([
        [2, 20],
        [8, 80],
        [10, 100],
      ]),
    );
    await load.invalidate([2]);
    await load.set(new Map([[8, 5]]));
    expect(await load([2, 8])).toEqual(
      new Map([
        [2, 20],
        [8, 5],
      ]),
    );
    expect(await load.refresh([2, 8])).toEqual(
      new Map([
        [2, 20],
        [8, 80],
      ]),
    );
    expect(await load.get([8, 7])).toEqual(new Map([[8, 80]]));
    expect(asked).toEqual([[10, 2, 8], [2], [2, 8]]);
  });

  it('[py 143–145, E30] ids that it leaves out are absent, not cached, and may be set', async () => {
    const { load, asked } = make();
    expect(await load([1, 100])).toEqual(new Map([[1, 10]]));
    expect(await load([1, 100])).toEqual(new Map([[1, 10]]));
    expect(asked).toEqual([[1, 100], [100]]);
    expect(await load.refresh([100])).toEqual(new Map());
    await load.set(new Map([[100, 7]]));
    expect(await load([1, 100])).toEqual(
      new Map([
        [1, 10],
        [100, 7],
      ]),
    );
  });

  it('[py 146, 147] what shouldCache rejects is returned and created again; it is not asked of absent ones', async () => {
    const shouldCache = vi.fn((value: number) => value !== 10);
    const { load, asked } = make({ shouldCache });
    expect(await load([1, 2, 100])).toEqual(
      new Map([
        [1, 10],
        [2, 20],
      ]),
    );
    expect(await load([1, 2, 100])).toEqual(
      new Map([
        [1, 10],
        [2, 20],
      ]),
    );
    expect(asked).toEqual([
      [1, 100, 2],
      [1, 100],
    ]);
    expect(shouldCache.mock.calls.flat()).toEqual([10, 20, 10]);
  });

  it('[py E30] entries for ids that were not asked for are ignored', async () => {
    const { region } = setUp();
    const load = region.cacheMultiOnArguments({ asMap: true })(async function load(_ids: number[]) {
      return new Map([
        [1, 1],
        [2, 2],
      ]);
    });
    expect(await load([1])).toEqual(new Map([[1, 1]]));
    expect(await load.get([1, 2])).toEqual(new Map([[1, 1]]));
  });

  it('anything but a Map is refused', async () => {
    const { region } = setUp();
    const load = region.cacheMultiOnArguments({ asMap: true })(async function load(ids: number[]) {
      return ids as never;
    });
    await expect(load([1])).rejects.toThrow('With asMap, "load" must give a Map of values by id; it gave an array.');
  });
});

describe('the ids of a call', () => {
  it('are those that it was called with, whatever the caller does with his array afterwards', async () => {
    const { region } = setUp();
    const find = region.cacheMultiOnArguments({ asMap: true })(async function find(ids: number[]) {
      return new Map(ids.map((id) => [id, `value of ${id}`]));
    });
    for (const verb of [find, find.get, find.refresh]) {
      const ids = [1];
      const found = verb(ids);
      ids[0] = 9;
      expect(await found).toEqual(new Map([[1, 'value of 1']]));
    }
  });
});
