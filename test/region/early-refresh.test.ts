import { describe, expect, it, vi } from 'vitest';
import type { Metadata } from '../../src/api.js';
import { Gate } from '../../src/testing/gate.js';
import { GenerationBackend, GenerationStoreState } from './support/generation-backend.js';
import { kinds, setUp } from './support/kinds.js';

for (const [kind, backend] of Object.entries(kinds)) {
  describe(`early refresh, on ${kind}`, () => {
    /** An entry whose creation took two seconds, and that expires ten seconds after it. */
    const prepare = async (random: number, earlyRefresh: boolean | number = true) => {
      const chance = { value: random };
      const { region, clock } = setUp(backend(), { earlyRefresh }, { random: () => chance.value });
      const gate = new Gate();
      const creating = region.getOrCreate('k', () => gate.passed().then(() => 'old'));
      await gate.arrived;
      await clock.advance('2s');
      gate.open();
      await creating;
      return { region, clock, chance };
    };

    it('by chance, sooner for what takes long: dt * beta * -ln(random) before expiry', async () => {
      const create = vi.fn(() => 'new');
      const { region, clock } = await prepare(Math.exp(-1));
      await clock.advance(7990);
      expect(await region.getOrCreate('k', create)).toBe('old');
      await region.idle();
      expect(create).not.toHaveBeenCalled();
      await clock.advance(20);
      expect(await region.getOrCreate('k', create)).toBe('old');
      await region.idle();
      expect(create).toHaveBeenCalledTimes(1);
      expect(await region.getOrCreate('k', create)).toBe('new');
    });

    it('the fresh value is given at once, one refresh runs behind, and readers go on', async () => {
      const { region, clock } = await prepare(Math.exp(-3));
      await clock.advance('9s');
      const gate = new Gate();
      const create = vi.fn(() => gate.passed().then(() => 'new'));
      const calls = await Promise.all(Array.from({ length: 100 }, () => region.getOrCreate('k', create)));
      expect(new Set(calls)).toEqual(new Set(['old']));
      await gate.arrived;
      expect(await region.getOrCreateMulti(['k'], () => ['never'])).toEqual(['old']);
      expect(create).toHaveBeenCalledTimes(1);
      gate.open();
      await region.idle();
      expect(await region.get('k')).toBe('new');
    });

    it('many keys: those that are due are refreshed together, behind', async () => {
      const { region, clock, chance } = await prepare(Math.exp(-3));
      await clock.advance('9s');
      await region.set('other', 'young');
      const create = vi.fn((keys: string[]) => keys.map(() => 'new'));
      expect(await region.getOrCreateMulti(['other', 'k'], create)).toEqual(['young', 'old']);
      await region.idle();
      expect(create.mock.calls.map(([keys]) => keys)).toEqual([['k']]);
      chance.value = 0.999;
      expect(await region.getMulti(['other', 'k'])).toEqual(['young', 'new']);
    });

    it('many keys: a call that is refused for one of them leaves none of the others in a refresh that never ends', async () => {
      const { region, clock } = await prepare(Math.exp(-3));
      await clock.advance('9s');
      const boom = new Error('boom');
      const options = { errorBackoff: '1h' };
      await expect(region.getOrCreate('bad', () => Promise.reject(boom), options)).rejects.toBe(boom);
      await expect(region.getOrCreateMulti(['k', 'bad'], () => ['new', 'new'], options)).rejects.toBe(boom);
      await region.idle();
      await clock.advance('10s');
      expect(await region.getOrCreate('k', () => 'new')).toBe('new');
    });

    it('a greater beta refreshes earlier; 0 and false never', async () => {
      for (const [beta, refreshes] of [
        [4, true],
        [1, false],
        [0, false],
        [false, false],
      ] as const) {
        const { region, clock } = await prepare(Math.exp(-1), beta);
        await clock.advance('3s');
        const create = vi.fn(() => 'new');
        await region.getOrCreate('k', create);
        await region.idle();
        expect(create).toHaveBeenCalledTimes(refreshes ? 1 : 0);
      }
    });

    it('a failed refresh changes nothing for the callers', async () => {
      const { region, clock } = await prepare(Math.exp(-3));
      await clock.advance('9s');
      expect(await region.getOrCreate('k', () => Promise.reject(new Error('no')))).toBe('old');
      await region.idle();
      expect(await region.get('k')).toBe('old');
    });
  });

  describe(`jitter, on ${kind}`, () => {
    it("shortens each entry's expiration time by chance, fixed when it is written", async () => {
      const chance = { value: 0.5 };
      const { region, clock } = setUp(backend(), { jitter: 0.2 }, { random: () => chance.value });
      await region.getOrCreate('created', () => 1);
      chance.value = 0;
      await region.set('said', 2);
      chance.value = 0.9;
      await region.setMulti({ a: 3 });
      await clock.advance('9s');
      expect(await region.getMulti(['created', 'said', 'a'])).toEqual([1, 2, undefined]);
      await clock.advance(1);
      expect(await region.getMulti(['created', 'said'])).toEqual([undefined, 2]);
      await clock.advance(999);
      expect(await region.get('said')).toBe(2);
      expect(await region.get('created', { expirationTime: '1h' })).toBe(1);
    });
  });
}

describe('early refresh over the fleet', () => {
  it('another process has refreshed meanwhile: its value stands, nobody creates again', async () => {
    const state = new GenerationStoreState();
    const backend = new GenerationBackend(state);
    const { region, clock } = setUp(backend, { earlyRefresh: true }, { random: () => Math.exp(-3) });
    const gate = new Gate();
    const creating = region.getOrCreate('k', () => gate.passed().then(() => 'old'));
    await gate.arrived;
    await clock.advance('2s');
    gate.open();
    await creating;
    await clock.advance('9s');
    const there = setUp(new GenerationBackend(state), {}, { clock }).region;
    const door = new Gate();
    backend.pause = (verb) => (verb === 'acquire' ? door.passed() : undefined);
    const create = vi.fn(() => 'twice');
    expect(await region.getOrCreate('k', create)).toBe('old');
    await door.arrived;
    await there.set('k', 'theirs');
    door.open();
    await region.idle();
    expect(create).not.toHaveBeenCalled();
    expect(await region.get('k')).toBe('theirs');
  });

  it('what is written says how much of its expiration time is left', async () => {
    const backend = new GenerationBackend(new GenerationStoreState());
    const { region } = setUp(backend, { jitter: 0.5 }, { random: () => 0.5 });
    await region.set('k', 1);
    const { metadata } = (await backend.get('k')) as { metadata: Metadata };
    expect(metadata.j).toBe(0.75);
  });
});
