import { describe, expect, it, vi } from 'vitest';
import { CachedValue } from '../../src/api.js';
import { ValidationError } from '../../src/errors.js';
import { LocalTags } from '../../src/region/invalidation.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { GenerationBackend, GenerationStoreState } from './support/generation-backend.js';
import { kinds, setUp } from './support/kinds.js';

for (const [kind, backend] of Object.entries(kinds)) {
  describe(`tags, on ${kind}`, () => {
    it('named by the call, by the creator, by set: one command makes what bears them missing', async () => {
      const { region } = setUp(backend());
      await region.getOrCreate('call', () => 1, { tags: ['user:5'] });
      await region.getOrCreate('creator', ({ tag }) => (tag('user:5', 'team:1'), 2));
      await region.set('set', 3, { tags: ['user:5'] });
      await region.setMulti({ many: 4 }, { tags: ['team:1'] });
      await region.getOrCreateMulti(['a', 'b'], ([a = ''], { tag }) => (tag(a, 'user:5'), [5, 6]), { tags: ['both'] });
      await region.set('none', 7);
      const keys = ['call', 'creator', 'set', 'many', 'a', 'b', 'none'];
      expect(await region.getMulti(keys)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      await region.invalidateTags(['user:5']);
      expect(await region.getMulti(keys)).toEqual([undefined, undefined, undefined, 4, undefined, 6, 7]);
      await region.invalidateTags(['team:1', 'both']);
      expect(await region.getMulti(keys)).toEqual([
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        undefined,
        7,
      ]);
      expect(await region.getOrCreate('call', () => 'new', { tags: ['user:5'] })).toBe('new');
      expect(await region.get('call')).toBe('new');
    });

    it('soft: one creates, the others are served the stale value', async () => {
      const { region } = setUp(backend());
      await region.set('k', 'old', { tags: ['t'] });
      await region.invalidateTags(['t'], { hard: false });
      expect(await region.get('k')).toBeUndefined();
      const gate = new Gate();
      const creating = region.getOrCreate('k', () => gate.passed().then(() => 'new'), { tags: ['t'] });
      await gate.arrived;
      expect(await region.getOrCreate('k', () => 'never')).toBe('old');
      gate.open();
      expect(await creating).toBe('new');
      expect(await region.get('k')).toBe('new');
    });

    it('invalidated while a value is created that bears it, named before or at the end: its value is not valid', async () => {
      for (const when of ['before', 'at the end']) {
        const { region } = setUp(backend());
        const gate = new Gate();
        const create = async ({ tag }: { tag(...tags: string[]): void }) => {
          await gate.passed();
          if (when === 'at the end') tag('t');
          return 'old';
        };
        const creating = region.getOrCreate('k', create, when === 'before' ? { tags: ['t'] } : {});
        await gate.arrived;
        await region.invalidateTags(['t']);
        const after = region.getOrCreate('k', () => 'new');
        gate.open();
        expect(await creating).toBe('old');
        expect(await after).toBe('new');
        expect(await region.get('k')).toBe('new');
      }
    });

    it('wrong tags are a ValidationError before anything is asked or written', async () => {
      const { region } = setUp(backend());
      const create = vi.fn(() => 1);
      for (const tags of ['text', [5], [''], ['\ud800']] as never[]) {
        await expect(region.getOrCreate('k', create, { tags })).rejects.toThrow(ValidationError);
        await expect(region.set('k', 1, { tags })).rejects.toThrow(ValidationError);
        await expect(region.invalidateTags(tags)).rejects.toThrow(ValidationError);
      }
      expect(create).not.toHaveBeenCalled();
      await expect(region.getOrCreate('k', ({ tag }) => tag(5 as never))).rejects.toThrow(ValidationError);
      expect(await region.get('k')).toBeUndefined();
    });
  });
}

describe('tags in a store that several processes share', () => {
  const setUpBoth = () => {
    const state = new GenerationStoreState();
    const here = { backend: new GenerationBackend(state) };
    const { region, clock } = setUp(here.backend);
    const there = setUp(new GenerationBackend(state), {}, { clock }).region;
    return { state, backend: here.backend, here: region, there };
  };

  it('a tag invalidated in one process is gone for the next read of another', async () => {
    const { here, there } = setUpBoth();
    await here.getOrCreate('k', () => 1, { tags: ['t'] });
    expect(await there.get('k')).toBe(1);
    await there.invalidateTags(['t']);
    expect(await here.get('k')).toBeUndefined();
  });

  it('the records of tags are one more command, however many keys and tags', async () => {
    const { backend, here } = setUpBoth();
    await here.getOrCreateMulti(['a', 'b', 'c'], (keys, { tag }) => {
      for (const key of keys) tag(key, `only ${key}`, 'all');
      return keys;
    });
    await here.idle();
    backend.calls.length = 0;
    expect(await here.getMulti(['a', 'b', 'c'])).toEqual(['a', 'b', 'c']);
    expect(backend.calls).toEqual(['getMulti a b c', 'read default']);
    backend.calls.length = 0;
    expect(await here.getOrCreateMulti(['a', 'b'], () => [])).toEqual(['a', 'b']);
    expect(await here.get('c')).toBe('c');
    expect(backend.calls).toEqual(['getMulti a b', 'read default', 'get c', 'read default']);
  });

  it("an evicted tag's record never revives an entry", async () => {
    const { state, here, there } = setUpBoth();
    await here.set('k', 1, { tags: ['t'] });
    await there.invalidateTags(['t']);
    state.tags.clear();
    expect(await here.get('k')).toBeUndefined();
    await there.set('other', 2, { tags: ['t'] });
    expect(await here.get('k')).toBeUndefined();
    expect(await here.get('other')).toBe(2);
  });

  it('a commit with a tag whose record was evicted while some tag was invalidated is refused', async () => {
    const { state, here, there } = setUpBoth();
    const gate = new Gate();
    const creating = here.getOrCreate('k', () => gate.passed().then(() => 'old'), { tags: ['t'] });
    await gate.arrived;
    await there.invalidateTags(['t']);
    state.tags.clear();
    gate.open();
    expect(await creating).toBe('old');
    expect(await there.get('k', { ignoreExpiration: true })).toBeUndefined();
  });
});

describe('tags that are remembered in the process', () => {
  it('so many one by one, older ones together: what was invalidated stays so', () => {
    const clock = new FakeClock();
    const tags = new LocalTags(clock);
    const entry = (t: string) => new CachedValue(1, { ct: clock.now() / 1000, v: 2, t: [t] });
    const old = entry('t 0');
    tags.invalidate(['t 0'], true);
    for (let n = 1; n < 20_000; n++) tags.invalidate([`t ${n}`], true);
    expect(tags.cutOf(old)).toBe('hard');
    expect(tags.cutOf(new CachedValue(1, { ct: clock.now() / 1000 + 100, v: 2, t: ['t 0'] }))).toBeUndefined();
    expect(tags.cutOf(new CachedValue(1, { ct: 1, v: 2 }))).toBeUndefined();
  });
});
