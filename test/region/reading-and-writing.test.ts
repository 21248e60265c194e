import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { CachedValue, type ConfigureOptions } from '../../src/api.js';
import { memoryBackend, memorySerializedBackend } from '../../src/backends/memory.js';
import { SerializationError, ValidationError } from '../../src/errors.js';
import { makeRegion } from '../../src/region/region.js';
import { registerBackend } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { LaterBackend } from './support/later-backend.js';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text));
const onBytes = (policy: ConfigureOptions = {}) => {
  const clock = new FakeClock();
  const backend = memorySerializedBackend();
  const region = makeRegion({ clock }).configure(backend, policy);
  const put = (key: string, text: string) => backend.set(key, bytes(text));
  /** Now, in seconds. */
  const now = () => clock.now() / 1000;
  return { clock, backend, region, put, now };
};

describe('what others have written', () => {
  it('[py E7] a value of another version: get gives it, getOrCreate and getOrCreateMulti create anew', async () => {
    for (const v of ['1', '3', '"2"', 'null']) {
      const { region, put, now } = onBytes();
      await put('k', `{"ct":${now()},"v":${v}}|"old"`);
      expect(await region.get('k')).toBe('old');
      expect(await region.getMulti(['k'])).toEqual(['old']);
      expect(await region.getCachedValue('k')).toMatchObject({ payload: 'old' });
      const stale = vi.fn();
      expect(await region.getOrCreate('k', (context) => stale(context.stale) ?? 'new')).toBe('new');
      expect(stale).toHaveBeenCalledExactlyOnceWith(undefined);
      await put('k', `{"ct":${now()},"v":${v}}|"old"`);
      expect(await region.getOrCreateMulti(['k'], () => ['newer'])).toEqual(['newer']);
    }
  });

  it('[py E7] ... with no version too (differs)', async () => {
    const { region, put, now } = onBytes();
    await put('k', `{"ct":${now()}}|"old"`);
    expect(await region.get('k')).toBe('old');
    expect(await region.getOrCreate('k', () => 'new')).toBe('new');
  });

  it('[py E8] created at zero or before: a value for get, none for getOrCreate', async () => {
    for (const ct of ['0', '-5', '0.0']) {
      const { region, put } = onBytes();
      await put('k', `{"ct":${ct},"v":2}|"old"`);
      expect(await region.get('k')).toBe('old');
      expect(await region.getOrCreate('k', () => 'new')).toBe('new');
    }
  });

  it('[py E6] a stamp in milliseconds is stale, never "for ever" (differs)', async () => {
    const { region, put, clock } = onBytes();
    await put('k', `{"ct":${clock.now()},"v":2}|"old"`);
    expect(await region.get('k')).toBeUndefined();
    expect(await region.get('k', { ignoreExpiration: true })).toBe('old');
    expect(await region.getOrCreate('k', ({ stale }) => `${stale?.payload} and new`)).toBe('old and new');
    expect(await region.get('k')).toBe('old and new');
  });

  it('[py E6] a clock that is a little ahead is trusted', async () => {
    const { region, put, now, clock } = onBytes({ expirationTime: '10s' });
    await put('k', `{"ct":${now() + 30},"v":2}|"ahead"`);
    expect(await region.get('k')).toBe('ahead');
    await clock.advance('41s');
    expect(await region.get('k')).toBeUndefined();
  });

  it('Python’s entries are read, with and without blanks and whatever else they say', async () => {
    const { region, put, now } = onBytes({ expirationTime: '10s' });
    await put('k', `{"ct": ${now()}, "v": 2}|{"a": 1, "b": [1, 2.5, null, true, "h\\u00e9"]}`);
    expect(await region.getOrCreate('k', () => 'new')).toEqual({ a: 1, b: [1, 2.5, null, true, 'hé'] });
    await put('k', `{"x": [1], "v": 2.0, "ct": ${Math.floor(now())}}|1`);
    expect(await region.getOrCreate('k', () => 'new')).toBe(1);
  });

  it('garbage is missing, for one and for many, and overwritten by the next creation', async () => {
    const garbage = ['', '|', 'x', '{}|1', '{"ct":1,"v":2}', '{"ct":1,"v":2}|{', '\ud800', '[]|1', 'null|null'];
    const { region, put } = onBytes();
    for (const [at, text] of garbage.entries()) await put(`k${at}`, text);
    const keys = garbage.map((_, at) => `k${at}`);
    expect(await region.getMulti(keys)).toEqual(garbage.map(() => undefined));
    expect(await region.getOrCreate('k0', () => 'new')).toBe('new');
    expect((await region.getOrCreateMulti(keys, (asked) => asked)).slice(1)).toEqual(keys.slice(1));
    expect((await region.getMulti(keys)).slice(1)).toEqual(keys.slice(1));
    expect(region.statistics.backendErrors).toBe(0);
  });

  it('a store that answers with something else altogether: missing', async () => {
    for (const answer of ['text', 5, {}, null, [], new ArrayBuffer(4), Symbol('s')]) {
      const backend = Object.assign(new LaterBackend(), { get: async () => answer, getMulti: async () => [answer] });
      const region = makeRegion().configure(backend as never);
      expect(await region.get('k')).toBeUndefined();
      expect(await region.getMulti(['k'])).toEqual([undefined]);
      expect(await region.getOrCreate('k', () => 1)).toBe(1);
    }
  });

  it('a store that answers for many with too few or too many: what is not there is missing', async () => {
    for (const answer of [[], [undefined, undefined, undefined, undefined]]) {
      const backend = Object.assign(new LaterBackend(), { getMulti: async () => answer });
      const region = makeRegion().configure(backend as never);
      expect(await region.getMulti(['a', 'b'])).toEqual([undefined, undefined]);
      expect(await region.getOrCreateMulti(['a', 'b'], () => [1, 2])).toEqual([1, 2]);
    }
  });
});

it('a store that answers for many with no array: missing', async () => {
  for (const answer of [undefined, null, 5]) {
    const region = makeRegion().configure(Object.assign(new LaterBackend(), { getMulti: async () => answer }) as never);
    expect(await region.getMulti(['a', 'b'])).toEqual([undefined, undefined]);
    expect(await region.getOrCreateMulti(['a', 'b'], () => [1, 2])).toEqual([1, 2]);
  }
});

describe('writing', () => {
  it('setMulti takes a Map or a plain object; all of them bear one stamp, as in Python', async () => {
    const region = makeRegion({ clock: new FakeClock() }).configure('memory');
    await region.setMulti(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    );
    await region.setMulti(Object.assign(Object.create(null), { c: 3 }));
    const [a, b] = [await region.getCachedValue('a'), await region.getCachedValue('b')];
    expect(a?.cachedTime).toBe(b?.cachedTime);
    expect((await region.getCachedValue('c'))?.cachedTime).toBeGreaterThan(a?.cachedTime ?? Number.POSITIVE_INFINITY);
  });

  it.each([[[['a', 1]]], [null], ['a'], [5], [undefined]])('setMulti refuses %j', async (values) => {
    const region = makeRegion().configure('memory');
    await expect(region.setMulti(values as never)).rejects.toThrow(
      new ValidationError('The values must be a Map or a plain object, by key.'),
    );
  });

  it('what can’t be serialized is refused before anything is written, of many too', async () => {
    const { region, backend } = onBytes();
    await expect(region.set('k', () => {})).rejects.toThrow(SerializationError);
    await expect(region.setMulti({ good: 1, bad: 5n })).rejects.toThrow(SerializationError);
    expect(await backend.getMulti(['k', 'good', 'bad'])).toEqual([undefined, undefined, undefined]);
  });

  it('a set during a creation is final, in the order of the calls', async () => {
    const region = makeRegion().configure('memory');
    const value = await region.getOrCreate('k', async () => {
      await region.set('k', 'set');
      return 'created';
    });
    expect(value).toBe('created');
    expect(await region.get('k')).toBe('set');
  });

  it('wrong options are refused before anything is asked or written', async () => {
    const backend = new LaterBackend();
    const region = makeRegion().configure(backend);
    const wrong = { expirationTme: 5 } as never;
    for (const call of [
      () => region.get('k', wrong),
      () => region.getCachedValue('k', wrong),
      () => region.getMulti(['k'], wrong),
      () => region.set('k', 1, wrong),
      () => region.setMulti({ k: 1 }, wrong),
      () => region.getOrCreate('k', () => 1, wrong),
      () => region.getOrCreateMulti(['k'], () => [1], wrong),
      () => region.invalidate(wrong),
      () => region.getOrCreateMulti(['k'], {} as never),
    ])
      await expect(call()).rejects.toThrow(ValidationError);
    expect(backend.calls).toEqual([]);
  });

  it('a creator that is none is refused before anything is asked, also where there is a value', async () => {
    const backend = new LaterBackend();
    const region = makeRegion().configure(backend);
    await expect(region.getOrCreate('k', undefined as never)).rejects.toThrow(ValidationError);
    expect(backend.calls).toEqual([]);
    const memory = makeRegion().configure('memory');
    await memory.set('k', 1);
    await expect(memory.getOrCreate('k', 'no function' as never)).rejects.toThrow(ValidationError);
  });

  it('the ttl that the store is given is the expiration time and keepStale; none for "never"', async () => {
    const ttls: unknown[] = [];
    const backend = memoryBackend();
    const noted = Object.assign(Object.create(backend) as typeof backend, {
      set: (_key: string, _stored: unknown, options?: { ttl?: number }) => void ttls.push(options?.ttl),
      setMulti: (_entries: unknown, options?: { ttl?: unknown }) => void ttls.push(options?.ttl),
      get: () => undefined,
      getMulti: (keys: string[]) => keys.map(() => undefined),
    });
    Object.defineProperty(noted, 'evictions', { value: 0 });
    const region = makeRegion().configure(noted as never, { expirationTime: '10s', keepStale: '5s' });
    await region.set('k', 1);
    await region.set('k', 1, { expirationTime: '1s' });
    await region.set('k', 1, { expirationTime: Number.POSITIVE_INFINITY });
    await region.getOrCreate('k', () => 1);
    await region.getOrCreate('k', ({ expireAfter }) => expireAfter('2s'));
    await region.getOrCreate('k', () => 1, { expirationTime: '1m' });
    await region.setMulti({ k: 1 });
    expect(ttls).toEqual([15_000, 6000, undefined, 15_000, 7000, 65_000, 15_000]);
  });

  it('CachedValue: age is computed when asked, by the clock of the region', async () => {
    const { region, clock } = onBytes();
    await region.set('k', 1);
    const value = await region.getCachedValue('k');
    await clock.advance('90s');
    expect(value?.age).toBe(90_000);
    expect(new CachedValue(1, { ct: 1, v: 2 }).age).toBeGreaterThan(1_700_000_000_000);
  });
});

describe('what a call is given', () => {
  it('is read when it is called: arrays and options that the caller changes afterwards change nothing', async () => {
    const load = () => Promise.resolve({ default: () => memoryBackend() });
    registerBackend('test-given', load);
    for (const name of ['memory', 'test-given']) {
      const region = makeRegion().configure(name);
      const [keys, tags, values] = [['a', 'b'], ['t'], new Map([['b', 2]])];
      const written = [region.set('a', 1, { tags }), region.setMulti(values, { tags })];
      tags[0] = 'u';
      values.clear();
      await Promise.all(written);
      expect((await region.getCachedValue('a'))?.metadata.t).toEqual(['t']);
      const found = [region.getMulti(keys), region.getOrCreateMulti(keys, (missing) => missing)];
      keys.reverse();
      expect(await Promise.all(found)).toEqual([
        [1, 2],
        [1, 2],
      ]);
      const gone = region.deleteMulti(keys);
      keys.length = 0;
      await gone;
      expect(await region.getMulti(['a', 'b'])).toEqual([undefined, undefined]);
    }
  });

  it('setMulti takes a Map of any realm, and refuses what it would write nothing of', async () => {
    const { region } = onBytes();
    await region.setMulti(runInNewContext('new Map([["k", 1]])'));
    expect(await region.get('k')).toBe(1);
    await expect(region.setMulti(new Set(['k']) as never)).rejects.toThrow('must be a Map or a plain object');
  });
});
