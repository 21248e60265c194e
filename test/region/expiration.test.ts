import { describe, expect, it, vi } from 'vitest';
import type { ConfigureOptions } from '../../src/api.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { ValidationError } from '../../src/errors.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const setUp = (policy: ConfigureOptions = {}) => {
  const clock = new FakeClock();
  const backend = memoryBackend();
  const region = makeRegion({ clock }).configure(backend, policy);
  let made = 0;
  const creator = vi.fn(() => ++made);
  return { clock, backend, region, creator };
};

describe('expiration', () => {
  it('a thousand hours pass in no time', async () => {
    const { region, creator, clock } = setUp({ expirationTime: '1000h' });
    await region.getOrCreate('k', creator);
    await clock.advance('1000h');
    expect(await region.getOrCreate('k', creator)).toBe(1);
    await clock.advance(1);
    expect(await region.getOrCreate('k', creator)).toBe(2);
  });

  it('an entry’s own: by set, by the creator; it is kept with the entry and wins over the region’s', async () => {
    const { region, clock, backend } = setUp({ expirationTime: '10s' });
    await region.set('short', 1, { expirationTime: '1s' });
    await region.setMulti({ long: 2 }, { expirationTime: '1m' });
    await region.getOrCreate('created', ({ expireAfter }) => {
      expireAfter('2s');
      return 3;
    });
    await region.getOrCreateMulti(['of many', 'other'], (keys, { expireAfter }) => {
      expireAfter('of many', '2s');
      return keys.map(() => 4);
    });
    await clock.advance('3s');
    const keys = ['short', 'long', 'created', 'of many', 'other'];
    expect(await region.getMulti(keys)).toEqual([undefined, 2, undefined, undefined, 4]);
    const elsewhere = makeRegion({ clock }).configure(backend, { expirationTime: '1ms' });
    expect(await elsewhere.get('long')).toBe(2);
    expect(await elsewhere.get('other')).toBeUndefined();
    await clock.advance('9s');
    expect(await region.getMulti(keys)).toEqual([undefined, 2, undefined, undefined, undefined]);
  });

  it('... and the call’s wins over it', async () => {
    const { region, clock } = setUp({ expirationTime: '10s' });
    await region.set('k', 1, { expirationTime: '1m' });
    await clock.advance('5s');
    expect(await region.get('k', { expirationTime: '1s' })).toBeUndefined();
    expect(await region.getOrCreate('k', () => 2, { expirationTime: '1s' })).toBe(2);
    await region.set('short', 1, { expirationTime: '1s' });
    await clock.advance('5s');
    expect(await region.get('short', { expirationTime: '1m' })).toBe(1);
  });

  it('an entry that never expires by itself says so, also where the region’s are short', async () => {
    const { region, clock } = setUp({ expirationTime: '1s' });
    await region.set('k', 1, { expirationTime: Number.POSITIVE_INFINITY });
    await clock.advance('10000d');
    expect(await region.get('k')).toBe(1);
    const bytes = makeRegion({ clock }).configure('memory_serialized', { expirationTime: '1s' });
    await bytes.set('k', 1, { expirationTime: Number.POSITIVE_INFINITY });
    await clock.advance('10000d');
    expect(await bytes.get('k')).toBe(1);
  });

  it('... once for all keys of a call', async () => {
    const expirationTime = vi.fn(() => '10s');
    const { region } = setUp({ expirationTime });
    await region.getOrCreateMulti(['a', 'b', 'c'], (keys) => keys);
    expect(expirationTime).toHaveBeenCalledTimes(1);
  });

  it('a function is asked at each call', async () => {
    let expirationTime: string | undefined = '10s';
    const { region, clock } = setUp({ expirationTime: () => expirationTime });
    expect(region.expirationTime).toBe(10_000);
    await region.set('k', 1);
    await clock.advance('5s');
    expect(await region.get('k')).toBe(1);
    expirationTime = '1s';
    expect(await region.get('k')).toBeUndefined();
    expirationTime = undefined;
    expect(await region.get('k')).toBe(1);
    expirationTime = 'soon';
    await expect(region.get('k')).rejects.toThrow(ValidationError);
    await expect(region.getOrCreate('k', () => 1)).rejects.toThrow(/The result of expirationTime\(\) must be/);
  });

  it('keepStale: beyond it nothing is left to serve, even if the store still has it', async () => {
    const { region, clock } = setUp({ expirationTime: '10s', keepStale: '5s' });
    const seen: unknown[] = [];
    const creator = ({ stale }: { stale: unknown }) => seen.push(stale);
    await region.set('k', 'old');
    await clock.advance('15s');
    await region.getOrCreate('k', creator, { shouldCache: () => false });
    await clock.advance(1);
    await region.getOrCreate('k', creator, { shouldCache: () => false });
    expect(seen).toMatchObject([{ payload: 'old' }, undefined]);
    expect(await region.get('k', { ignoreExpiration: true })).toBe('old');
  });

  it('expireAfter: what is no duration is the creator’s error, said too late is one too', async () => {
    const { region } = setUp();
    await expect(region.getOrCreate('k', ({ expireAfter }) => expireAfter('soon'))).rejects.toThrow(ValidationError);
    let late: (duration: string) => void = () => {};
    await region.getOrCreate('k', ({ expireAfter }) => {
      late = expireAfter;
    });
    expect(() => late('1s')).toThrow(ValidationError);
  });

  it('stamps go on when the clock goes back: no value is younger than now for long', async () => {
    let now = 1_700_000_000_000;
    const clock = Object.assign(new FakeClock(), { now: () => now });
    const region = makeRegion({ clock }).configure('memory', { expirationTime: '10s' });
    await region.set('k', 1);
    now -= 30_000;
    expect(await region.get('k')).toBe(1);
    now -= 3_600_000;
    expect(await region.get('k')).toBeUndefined();
    await region.set('k', 2);
    expect(await region.get('k')).toBe(2);
    now += 10_001;
    expect(await region.get('k')).toBeUndefined();
  });
});
