import { describe, expect, it, vi } from 'vitest';
import type { InvalidationStrategy } from '../../src/api.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { ValidationError } from '../../src/errors.js';
import { cutoffsOf, LocalInvalidation } from '../../src/region/invalidation.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { LaterBackend } from './support/later-backend.js';

describe('invalidation in the process', () => {
  it('keeps two instants; a later one of a kind replaces the earlier', async () => {
    const clock = new FakeClock(1000);
    const local = new LocalInvalidation(clock);
    expect(local.cutoffs()).toEqual({ hard: 0, soft: 0 });
    local.invalidate(true);
    expect(local.cutoffs()).toEqual({ hard: 1000, soft: 0 });
    await clock.advance(500);
    local.invalidate(false);
    expect(local.cutoffs()).toEqual({ hard: 1000, soft: 1500 });
    local.invalidate(true);
    expect(local.cutoffs().hard).toBeGreaterThan(1500);
  });

  it('is judged against the start of a creation: one that began before it is not stored, or stale', async () => {
    for (const hard of [true, false]) {
      const region = makeRegion({ clock: new FakeClock() }).configure(new LaterBackend());
      const gate = new Gate();
      const call = region.getOrCreate('k', () => gate.passed().then(() => 'old'));
      await gate.arrived;
      await region.invalidate({ hard });
      gate.open();
      expect(await call).toBe('old');
      expect(await region.get('k')).toBeUndefined();
      expect(await region.get('k', { ignoreExpiration: true })).toBe(hard ? undefined : 'old');
      expect(await region.getOrCreate('k', () => 'new')).toBe('new');
    }
  });

  it('a soft one with nobody else about is created anew, with the old value at hand; while one creates the others get it', async () => {
    const clock = new FakeClock();
    const region = makeRegion({ clock }).configure('memory');
    await region.set('k', 'old');
    await region.invalidate({ hard: false });
    const gate = new Gate();
    const first = region.getOrCreate('k', ({ stale }) => gate.passed().then(() => `${stale?.payload}, new`));
    await gate.arrived;
    expect(await region.getOrCreate('k', () => 'never')).toBe('old');
    expect(await region.getOrCreateMulti(['k'], () => ['never'])).toEqual(['old']);
    gate.open();
    expect(await first).toBe('old, new');
  });

  it('is one region’s, also where two regions share a store', async () => {
    const [backend, clock] = [memoryBackend(), new FakeClock()];
    const [one, other] = [makeRegion({ clock }).configure(backend), makeRegion({ clock }).configure(backend)];
    await one.set('k', 1);
    await one.invalidate();
    expect(await one.get('k')).toBeUndefined();
    expect(await other.get('k')).toBe(1);
  });

  it('"local" and "shared" are the same where the store keeps no generations', async () => {
    for (const regionInvalidator of ['local', 'shared'] as const) {
      const region = makeRegion().configure('memory', { regionInvalidator });
      await region.set('k', 1);
      await region.invalidate();
      expect(await region.get('k')).toBeUndefined();
      await region.set('k', 2);
      expect(await region.get('k')).toBe(2);
    }
  });

  it.each([[{ hard: 'yes' }], [{ hard: null }], [{ soft: true }], [true], [null]])(
    'refuses %j, and nothing is invalidated',
    async (options) => {
      const region = makeRegion().configure('memory');
      await region.set('k', 1);
      await expect(region.invalidate(options as never)).rejects.toThrow(ValidationError);
      expect(await region.get('k')).toBe(1);
      await region.invalidate({ hard: undefined });
      expect(await region.get('k')).toBeUndefined();
    },
  );
});

describe('a strategy of the user’s', () => {
  const strategy = (): InvalidationStrategy & { at: { hard?: number; soft?: number } } => ({
    at: {},
    invalidate: vi.fn(async () => {}),
    async cutoffs() {
      return this.at;
    },
  });
  const setUp = (regionInvalidator: InvalidationStrategy) => {
    const clock = new FakeClock();
    return { clock, region: makeRegion({ clock }).configure('memory', { regionInvalidator }) };
  };

  it('is told hard or soft, and asked at each read', async () => {
    const mine = strategy();
    const { region, clock } = setUp(mine);
    await region.invalidate();
    await region.invalidate({ hard: false });
    expect(vi.mocked(mine.invalidate).mock.calls).toEqual([[true], [false]]);
    await region.set('k', 1);
    expect(await region.get('k')).toBe(1);
    await clock.advance(10);
    mine.at = { soft: clock.now() };
    expect(await region.get('k')).toBeUndefined();
    expect(await region.getOrCreate('k', ({ stale }) => `${stale?.payload} and new`)).toBe('1 and new');
    await clock.advance(10);
    mine.at = { hard: clock.now() };
    expect(await region.getOrCreateMulti(['k'], (_, { stale }) => [stale.size])).toEqual([0]);
    expect(await region.get('k')).toBeUndefined();
  });

  it('that answers at once is as good; what it leaves open is "never"', async () => {
    const { region } = setUp({ invalidate: () => {}, cutoffs: () => ({}) });
    await region.set('k', 1);
    expect(await region.get('k')).toBe(1);
    expect(await region.getOrCreate('k', () => 2)).toBe(1);
    expect(await cutoffsOf({ invalidate: () => {}, cutoffs: () => ({ hard: undefined, soft: 5 }) })).toEqual({
      hard: 0,
      soft: 5,
    });
  });

  it('that can’t be asked: nothing is known to be valid, and it is an event', async () => {
    for (const cutoffs of [
      () => Promise.reject(new Error('gone')),
      () => {
        throw new Error('gone');
      },
      () => undefined,
      () => ({ hard: Number.NaN }),
      () => ({ soft: '2026-01-01' }),
      () => null,
    ]) {
      const { region } = setUp({ invalidate: () => {}, cutoffs: cutoffs as never });
      await region.set('k', 1);
      expect(await region.get('k')).toBeUndefined();
      expect(await region.getMulti(['k'])).toEqual([undefined]);
      expect(await region.getOrCreate('k', () => 2)).toBe(2);
      expect(await region.getOrCreateMulti(['k'], () => [3])).toEqual([3]);
      expect(await region.get('k', { ignoreExpiration: true })).toBe(3);
      expect(region.statistics.backendErrors).toBeGreaterThanOrEqual(4);
    }
  });

  it('that can’t be told: invalidate() rejects, nothing else has happened', async () => {
    const gone = new Error('gone');
    const { region } = setUp({ invalidate: () => Promise.reject(gone), cutoffs: () => ({}) });
    const gate = new Gate();
    const call = region.getOrCreate('k', () => gate.passed().then(() => 1));
    await gate.arrived;
    await expect(region.invalidate()).rejects.toBe(gone);
    gate.open();
    await call;
    expect(await region.get('k')).toBe(1);
  });

  it('that answers nonsense cuts off nothing, or everything, and throws nothing', async () => {
    for (const at of [{ hard: Number.NaN }, { hard: 'now' }, { hard: Number.POSITIVE_INFINITY }, { soft: -5 }]) {
      const { region } = setUp({ invalidate: () => {}, cutoffs: () => at as never });
      await region.set('k', 1);
      const value = await region.get('k');
      expect(value === undefined || value === 1).toBe(true);
      expect(await region.getOrCreate('k', () => 1)).toBe(1);
    }
  });
});
