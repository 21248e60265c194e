import { describe, expect, it, vi } from 'vitest';
import { CachedValue, type Metadata, type Records } from '../../src/api.js';
import { cutByRecords } from '../../src/region/generations.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { GenerationBackend, GenerationStoreState } from './support/generation-backend.js';

describe('what the records say of an entry', () => {
  const records = (region: Partial<NonNullable<Records['region']>> = {}): Records => ({
    region: { rid: 'r', seq: 9, hard: 3, soft: 5, tagged: 0, at: undefined, ...region },
    tags: new Map([['tag', { rid: 'r', hard: 4, soft: 6 }]]),
  });
  const entry = (metadata: Partial<Metadata>) => new CachedValue('v', { ct: 100, v: 2, ...metadata });
  const rows: [string, Partial<Metadata>, Records, 'hard' | 'soft' | undefined][] = [
    ['stamped at the last hard invalidation or later: valid', { g: ['r', 5] }, records(), undefined],
    ['stamped before the last hard one: missing', { g: ['r', 2] }, records(), 'hard'],
    ['stamped before the last soft one: stale', { g: ['r', 4] }, records(), 'soft'],
    ['of another incarnation: missing', { g: ['other', 99] }, records(), 'hard'],
    ['the record was evicted: missing', { g: ['r', 5] }, { region: undefined, tags: new Map() }, 'hard'],
    ['a stamp that is none: missing', { g: 'hostile' }, records(), 'hard'],
    ['a stamp that is half one: missing', { g: ['r'] }, records(), 'hard'],
    ["Python's, no hard invalidation on record: valid", {}, records(), undefined],
    ["Python's, written before the last hard invalidation: missing", {}, records({ at: 100_000 }), 'hard'],
    ["Python's, written after it: valid", {}, records({ at: 99_999 }), undefined],
    ["Python's, no record at all: valid", {}, { region: undefined, tags: new Map() }, undefined],
    ['its tag was invalidated hard later: missing', { g: ['r', 3], t: ['tag'] }, records({ soft: 0 }), 'hard'],
    ['its tag was invalidated softly later: stale', { g: ['r', 5], t: ['tag'] }, records(), 'soft'],
    ['its tag was invalidated before: valid', { g: ['r', 6], t: ['tag'] }, records(), undefined],
    ['its tag has no record: missing', { g: ['r', 9], t: ['other'] }, records(), 'hard'],
  ];
  for (const [law, metadata, known, cut] of rows) {
    it(law, () => expect(cutByRecords(entry(metadata), known)).toBe(cut));
  }
});

describe('invalidation shared by several processes', () => {
  const setUp = () => {
    const state = new GenerationStoreState();
    const clock = new FakeClock();
    const process = () => {
      const backend = new GenerationBackend(state);
      const region = makeRegion({ name: 'users', clock }).configure(backend, { expirationTime: '10s' });
      return { backend, region };
    };
    return { state, clock, here: process(), there: process() };
  };

  it('hard: every entry is missing for the next read of every process', async () => {
    const { here, there } = setUp();
    await here.region.getOrCreate('k', () => 1);
    await here.region.set('said', 2);
    expect(await there.region.getMulti(['k', 'said'])).toEqual([1, 2]);
    await there.region.invalidate();
    expect(await here.region.getMulti(['k', 'said'])).toEqual([undefined, undefined]);
    expect(await here.region.getOrCreate('k', () => 'new')).toBe('new');
    expect(await there.region.get('k')).toBe('new');
  });

  it('soft: every entry is stale in every process, one creates and the others are served', async () => {
    const { here, there } = setUp();
    await here.region.getOrCreate('k', () => 'old');
    await there.region.invalidate({ hard: false });
    expect(await here.region.get('k')).toBeUndefined();
    const gate = new Gate();
    const creating = here.region.getOrCreate('k', () => gate.passed().then(() => 'new'));
    await gate.arrived;
    expect(await there.region.getOrCreate('k', () => 'never')).toBe('old');
    gate.open();
    expect(await creating).toBe('new');
    expect(await there.region.get('k')).toBe('new');
  });

  it('hard, in another process, while this one creates: the value is not stored, and its caller gets it', async () => {
    const { here, there } = setUp();
    const gate = new Gate();
    const creating = here.region.getOrCreate('k', () => gate.passed().then(() => 'late'));
    await gate.arrived;
    await there.region.invalidate();
    gate.open();
    expect(await creating).toBe('late');
    expect(await there.region.get('k', { ignoreExpiration: true })).toBeUndefined();
    expect(here.region.statistics.refusedCommits).toBe(1);
  });

  it('soft, in another process, while this one creates: the value is stored, and stale at once', async () => {
    const { here, there } = setUp();
    const gate = new Gate();
    const creating = here.region.getOrCreate('k', () => gate.passed().then(() => 'late'));
    await gate.arrived;
    await there.region.invalidate({ hard: false });
    gate.open();
    await creating;
    expect(await there.region.get('k')).toBeUndefined();
    expect(await there.region.get('k', { ignoreExpiration: true })).toBe('late');
  });

  it.each(['one key', 'many'])(
    '%s: who gives up while the record of the region is read has nothing created',
    async (what) => {
      const { here } = setUp();
      here.backend.bringsRecords = false;
      const gate = new Gate();
      const { read } = here.backend.generations;
      vi.spyOn(here.backend.generations, 'read').mockImplementation(async (request, options) => {
        if (options?.seed) await gate.passed();
        return read(request, options);
      });
      const controller = new AbortController();
      const creator = vi.fn(() => ['value']);
      const { signal } = controller;
      const call =
        what === 'many'
          ? here.region.getOrCreateMulti(['k'], creator, { signal })
          : here.region.getOrCreate('k', creator, { signal });
      await gate.arrived;
      controller.abort('enough');
      await expect(call).rejects.toBe('enough');
      gate.open();
      await here.region.idle();
      expect(creator).not.toHaveBeenCalled();
      expect(await here.region.keyIsLocked('k')).toBe(false);
    },
  );

  it('an evicted record never revives an entry', async () => {
    const { state, here, there } = setUp();
    await here.region.getOrCreate('k', () => 'old');
    state.records.clear();
    expect(await there.region.get('k')).toBeUndefined();
    expect(await there.region.getOrCreate('other', () => 'seeds the record anew')).toBe('seeds the record anew');
    expect(await here.region.get('k')).toBeUndefined();
  });

  it('set after an invalidation is stamped anew, and stands', async () => {
    const { here, there } = setUp();
    await here.region.set('k', 1);
    await there.region.invalidate();
    await here.region.set('k', 2);
    await here.region.setMulti({ a: 3, b: 4 });
    await there.region.invalidate({ hard: false });
    await here.region.setMulti({ b: 5 });
    expect(await there.region.getMulti(['k', 'a', 'b'])).toEqual([undefined, undefined, 5]);
    expect(await there.region.get('k', { ignoreExpiration: true })).toBe(2);
  });

  it('the record comes with the value: a hit is one command, a miss three', async () => {
    const { here } = setUp();
    await here.region.getOrCreate('k', () => 1);
    expect(here.backend.calls.slice(0, 3)).toEqual(['get k', 'acquire k', 'set k']);
    await here.region.idle();
    here.backend.calls.length = 0;
    await here.region.getOrCreate('k', () => 1);
    expect(here.backend.calls).toEqual(['get k']);
  });

  it('where a proxy keeps the records from coming along, they are read', async () => {
    const { here, there } = setUp();
    here.backend.bringsRecords = false;
    await here.region.getOrCreate('k', () => 1);
    const create = vi.fn(() => 2);
    expect(await here.region.getOrCreate('k', create)).toBe(1);
    await there.region.invalidate();
    expect(await here.region.getOrCreate('k', create)).toBe(2);
    expect(create).toHaveBeenCalledTimes(1);
  });

  it("regionInvalidator: 'local' keeps invalidations in the process", async () => {
    const { state, clock, there } = setUp();
    const alone = makeRegion({ name: 'users', clock }).configure(new GenerationBackend(state), {
      regionInvalidator: 'local',
    });
    await alone.set('k', 1);
    await alone.invalidate();
    expect(await alone.get('k')).toBeUndefined();
    expect(await there.region.get('k')).toBe(1);
  });

  it('many keys: read, acquired and committed with the record', async () => {
    const { here, there } = setUp();
    const keys = ['a', 'b', 'c'];
    expect(await here.region.getOrCreateMulti(keys, (missing) => missing.map((key) => `${key}1`))).toEqual([
      'a1',
      'b1',
      'c1',
    ]);
    expect(await there.region.getOrCreateMulti(keys, () => [])).toEqual(['a1', 'b1', 'c1']);
    await here.region.invalidate();
    expect(await there.region.getOrCreateMulti(keys, (missing) => missing.map((key) => `${key}2`))).toEqual([
      'a2',
      'b2',
      'c2',
    ]);
  });

  it('a tag that the call names for the first time: another that is invalidated meanwhile refuses nothing', async () => {
    const { here } = setUp();
    const creations = {
      one: (create: () => Promise<number>) => here.region.getOrCreate('one', create, { tags: ['of one'] }),
      many: async (create: () => Promise<number>) =>
        here.region.getOrCreateMulti(['many'], async () => [await create()], { tags: ['of many'] }),
    };
    for (const [key, call] of Object.entries(creations)) {
      const gate = new Gate();
      const made = call(() => gate.passed().then(() => 1));
      await gate.arrived;
      await here.region.invalidateTags(['other']);
      gate.open();
      await made;
      expect(await here.region.get(key)).toBe(1);
    }
    expect(here.region.statistics.refusedCommits).toBe(0);
  });
});
