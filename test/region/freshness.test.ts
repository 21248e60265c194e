import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CachedValue, type Metadata } from '../../src/api.js';
import {
  cutByTime,
  expirationOf,
  type Freshness,
  isMissing,
  isPlainlyFresh,
  judge,
  startOf,
  worse,
} from '../../src/region/freshness.js';

const NOW = 1_700_000_000_000;
/** An entry of an age in milliseconds. */
const aged = (age: number, more: Partial<Metadata> = {}) =>
  new CachedValue('value', { ct: (NOW - age) / 1000, v: 2, ...more });
const asked = (more: Partial<Freshness> = {}): Freshness => ({
  callExpiration: undefined,
  expiration: 10_000,
  keepStale: 60_000,
  ...more,
});
const verdict = (entry: CachedValue, freshness = asked(), cut: 'hard' | 'soft' | undefined = undefined) =>
  judge(entry, freshness, cut, NOW);

describe('missing, stale or fresh', () => {
  it('[py E1] fresh up to its expiration time, expired beyond, gone after keepStale', () => {
    expect(verdict(aged(0))).toBe('fresh');
    expect(verdict(aged(10_000))).toBe('fresh');
    expect(verdict(aged(10_001))).toBe('expired');
    expect(verdict(aged(70_000))).toBe('expired');
    expect(verdict(aged(70_001))).toBe('too-old');
  });

  it('never, and at once', () => {
    const never = asked({ expiration: Number.POSITIVE_INFINITY });
    expect(verdict(aged(NOW), never)).toBe('fresh');
    expect(verdict(aged(NOW), asked({ keepStale: Number.POSITIVE_INFINITY }))).toBe('expired');
    expect(verdict(aged(0), asked({ expiration: 0 }))).toBe('fresh');
    expect(verdict(aged(1), asked({ expiration: 0 }))).toBe('expired');
    expect(verdict(aged(1), asked({ expiration: 0, keepStale: 0 }))).toBe('too-old');
    expect(verdict(aged(5000, { et: Number.MAX_VALUE }))).toBe('fresh');
  });

  it('the call’s expiration time wins over the entry’s own, that over the region’s', () => {
    expect(expirationOf(aged(0), asked())).toBe(10_000);
    expect(expirationOf(aged(0, { et: 5 }), asked())).toBe(5000);
    expect(expirationOf(aged(0, { et: 0 }), asked())).toBe(0);
    expect(expirationOf(aged(0, { et: 5 }), asked({ callExpiration: 1 }))).toBe(1);
    expect(expirationOf(aged(0, { et: 5 }), asked({ callExpiration: 0 }))).toBe(0);
    expect(expirationOf(aged(0, { et: Number.MAX_VALUE }), asked())).toBe(Number.POSITIVE_INFINITY);
  });

  it('[py E6] a stamp up to a minute ahead is now; further ahead it is stale, never "for ever" (differs)', () => {
    expect(verdict(aged(-1000))).toBe('fresh');
    expect(verdict(aged(-60_000))).toBe('fresh');
    expect(verdict(aged(-60_001))).toBe('from-the-future');
    const milliseconds = new CachedValue('value', { ct: NOW, v: 2 });
    expect(verdict(milliseconds, asked({ expiration: Number.POSITIVE_INFINITY }))).toBe('from-the-future');
  });

  it('invalidations come before expiration, hard before all', () => {
    expect(verdict(aged(0), asked(), 'hard')).toBe('hard-invalidated');
    expect(verdict(aged(0), asked(), 'soft')).toBe('soft-invalidated');
    expect(verdict(aged(11_000), asked(), 'soft')).toBe('soft-invalidated');
    expect(verdict(aged(71_000), asked(), 'soft')).toBe('too-old');
    expect(verdict(aged(-100_000), asked(), 'soft')).toBe('soft-invalidated');
  });

  it('what is missing is as good as none; what is stale may be served', () => {
    expect(
      (['hard-invalidated', 'too-old', 'fresh', 'expired', 'soft-invalidated', 'from-the-future'] as const).map(
        isMissing,
      ),
    ).toEqual([true, true, false, false, false, false]);
  });

  it('what is plainly fresh is fresh, and what is fresh is mostly plainly so', () => {
    const ages = [-60_001, -1, 0, 1, 9998, 9999, 10_000, 10_001, 70_001, NOW, NOW + 1, Number.NaN];
    const mores = [{}, { dt: 3 }, { v: 1 }, { et: 0 }, { et: 100 }, { j: 0.5 }, { t: ['news'] }];
    const calls = [asked(), asked({ callExpiration: 1 }), asked({ expiration: 0 }), asked({ expiration: Infinity })];
    for (const age of ages)
      for (const more of mores)
        for (const freshness of calls) {
          const entry = aged(age, more);
          const isCreated = entry.metadata.v === 2 && entry.metadata.ct > 0;
          const isFresh = isCreated && verdict(entry, freshness) === 'fresh';
          if (isPlainlyFresh(entry, freshness, NOW))
            expect({ age, more, freshness, isFresh }).toMatchObject({ isFresh: true });
        }
    expect(isPlainlyFresh(aged(1), asked(), NOW)).toBe(true);
    expect(isPlainlyFresh(aged(9998, { dt: 3 }), asked(), NOW)).toBe(true);
    expect(isPlainlyFresh(aged(9999.5), asked(), NOW)).toBe(false);
  });

  it('never gets fresher with time, and is never fresh for a stricter reader only', () => {
    const order = ['from-the-future', 'fresh', 'expired', 'too-old'];
    const ms = fc.integer({ min: 0, max: 200_000 });
    fc.assert(
      fc.property(ms, ms, ms, ms, (age, later, expiration, stricter) => {
        const entry = aged(age);
        const freshness = asked({ expiration });
        const [now, then] = [judge(entry, freshness, undefined, NOW), judge(entry, freshness, undefined, NOW + later)];
        expect(order.indexOf(then)).toBeGreaterThanOrEqual(order.indexOf(now));
        const strict = judge(entry, asked({ expiration: Math.min(expiration, stricter) }), undefined, NOW);
        if (strict === 'fresh') expect(now).toBe('fresh');
      }),
    );
  });
});

describe('cut-offs', () => {
  const at = (ms: number, dt?: number) =>
    new CachedValue('value', { ct: ms / 1000, v: 2, ...(dt === undefined ? {} : { dt: dt / 1000 }) });

  it('are compared with the start of the creation, and are inclusive', () => {
    expect(startOf(at(10_000))).toBe(10_000);
    expect(startOf(at(10_000, 3000))).toBe(7000);
    expect(cutByTime(at(10_000, 3000), { hard: 6999, soft: 0 })).toBeUndefined();
    expect(cutByTime(at(10_000, 3000), { hard: 7000, soft: 0 })).toBe('hard');
    expect(cutByTime(at(10_000, 3000), { hard: 0, soft: 7000 })).toBe('soft');
    expect(cutByTime(at(10_000), { hard: 9999, soft: 20_000 })).toBe('soft');
    expect(cutByTime(at(10_000), { hard: 10_000, soft: 20_000 })).toBe('hard');
    expect(cutByTime(at(0), { hard: 0, soft: 0 })).toBeUndefined();
  });

  it('of two the worse one counts', () => {
    expect([
      worse(undefined, undefined),
      worse('soft', undefined),
      worse(undefined, 'soft'),
      worse('soft', 'hard'),
      worse('hard', 'soft'),
    ]).toEqual([undefined, 'soft', 'soft', 'hard', 'hard']);
  });
});
