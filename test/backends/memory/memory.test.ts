import { LRUCache } from 'lru-cache';
import { describe, expect, it, vi } from 'vitest';
import { type CacheBackend, CachedValue } from '../../../src/api.js';
import { memoryBackend, memorySerializedBackend } from '../../../src/backends/memory.js';
import { ValidationError } from '../../../src/errors.js';
import { makeRegion } from '../../../src/region/region.js';
import { jsonSerializer, v8Serializer } from '../../../src/serializers.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

const entry = (payload: unknown) => new CachedValue(payload, { ct: 1, v: 2 });
const sized = (size: number) => new Uint8Array(size);

describe('memory', () => {
  it('keeps 10,000 entries unless told otherwise, and says how many it threw out', async () => {
    const backend = memoryBackend();
    for (let i = 0; i < 10_005; i++) await backend.set(`k${i}`, entry(i));
    expect((backend as unknown as { evictions: number }).evictions).toBe(5);
    const small = makeRegion().configure('memory', { arguments: { maxEntries: 2 } });
    await small.setMulti({ a: 1, b: 2, c: 3 });
    expect((await small.getMulti(['a', 'b', 'c'])).filter((value) => value !== undefined)).toHaveLength(2);
    expect(small.statistics.evictions).toBe(1);
    const large = memoryBackend({ maxEntries: Number.POSITIVE_INFINITY });
    for (let i = 0; i < 10_005; i++) await large.set(`k${i}`, entry(i));
    expect((large as unknown as { evictions: number }).evictions).toBe(0);
  });

  it('maxSize bounds bytes where bytes are stored, and what sizeOf counts where values are', async () => {
    const bytes = memorySerializedBackend({ maxSize: 10 });
    await bytes.set('a', sized(6));
    await bytes.set('b', sized(5));
    expect(await bytes.getMulti(['a', 'b'])).toEqual([undefined, sized(5)]);
    const sizeOf = vi.fn((stored: unknown, _key: string) => (stored as CachedValue<number>).payload);
    const values = memoryBackend({ maxSize: 10, sizeOf });
    await values.set('a', entry(6));
    await values.set('b', entry(5));
    expect(await values.getMulti(['a', 'b'])).toMatchObject([undefined, { payload: 5 }]);
    expect(sizeOf.mock.calls.map(([, key]) => key)).toEqual(['a', 'b']);
  });

  it('sizeOf that throws or gives no size: set() rejects, a creation returns its value uncached', async () => {
    for (const sizeOf of [
      () => {
        throw new Error('no');
      },
      () => Number.NaN,
      () => -1,
      () => 'large',
      () => '5',
      () => null,
      () => 1n,
      () => undefined,
    ]) {
      const region = makeRegion().configure(memoryBackend({ maxSize: 10, sizeOf: sizeOf as never }));
      await expect(region.set('k', 1)).rejects.toThrow(/^(no$|sizeOf must give a number from 0 on, not )/);
      expect(await region.getOrCreate('k', () => 2)).toBe(2);
      expect(await region.getOrCreateMulti(['k', 'l'], () => [3, 4])).toEqual([3, 4]);
      expect(await region.getMulti(['k', 'l'])).toEqual([undefined, undefined]);
      expect(region.statistics.droppedWrites).toBe(3);
      expect(await region.keyIsLocked('k')).toBe(false);
    }
  });

  it('[py E34] keeps references: what is changed later is changed in the cache; memory_serialized keeps copies', async () => {
    const value = { list: [1] };
    const shared = makeRegion().configure('memory');
    await shared.set('k', value);
    value.list.push(2);
    expect(await shared.get('k')).toBe(value);
    for (const serializer of [undefined, v8Serializer]) {
      const copied = makeRegion({ serializer }).configure('memory_serialized');
      await copied.set('k', value);
      value.list.push(3);
      const read = await copied.get<typeof value>('k');
      expect(read?.list.at(-1)).toBe(value.list.length - 1);
      read?.list.push(99);
      expect(await copied.get('k')).not.toEqual(read);
      value.list = [1, 2];
    }
  });

  it('[py E34] with the region’s serializer stores bytes, metadata first', async () => {
    const clock = new FakeClock(1_000_000);
    const region = makeRegion({ clock, serializer: jsonSerializer }).configure('memory');
    await region.set('k', { a: 1 });
    expect(Buffer.from((await region.backend.get('k')) as Uint8Array).toString()).toBe('{"ct":1000,"v":2}|{"a":1}');
    expect(await region.get('k')).toEqual({ a: 1 });
  });

  it('answers at once', () => {
    const backend = memoryBackend();
    expect(backend.set('k', entry(1))).toBeUndefined();
    expect(backend.get('k')).toMatchObject({ payload: 1 });
    expect(backend.mutex).toBeUndefined();
  });
});

describe('a store of the user’s', () => {
  it('[py 204, 191] holds the entries; neither it nor the arguments are changed otherwise', async () => {
    const store = new Map<string, unknown>([['untouched', 5]]);
    const args = Object.freeze({ store });
    const region = makeRegion().configure('memory', { arguments: args });
    await region.set('k', 1);
    await region.setMulti({ l: 2 });
    expect([...store.keys()]).toEqual(['untouched', 'k', 'l']);
    expect(store.get('k')).toBeInstanceOf(CachedValue);
    await region.deleteMulti(['k', 'l']);
    await region.close();
    expect([...store]).toEqual([['untouched', 5]]);
    expect(Object.keys(args)).toEqual(['store']);
  });

  it('may be an lru-cache, whose limits hold', async () => {
    const store = new LRUCache<string, CachedValue>({ max: 2 });
    const region = makeRegion().configure(memoryBackend({ store }));
    await region.setMulti({ a: 1, b: 2, c: 3 });
    expect(await region.getMulti(['a', 'b', 'c'])).toEqual([undefined, 2, 3]);
    expect(region.statistics.evictions).toBe(0);
  });

  it('what in it is no entry is missing, an event, and overwritten', async () => {
    const store = new Map<string, unknown>([
      ['k', 'not ours'],
      ['n', null],
      ['f', { payload: 1, metadata: {} }],
    ]);
    const region = makeRegion().configure(memoryBackend({ store }));
    expect(await region.getMulti(['k', 'n', 'f'])).toEqual([undefined, undefined, undefined]);
    expect(await region.getOrCreate('k', () => 1)).toBe(1);
    expect(await region.get('k')).toBe(1);
    expect(region.statistics.backendErrors).toBe(0);
  });

  it('that throws is missing, and an event: the cache is never the outage', async () => {
    const boom = () => {
      throw new Error('boom');
    };
    const store = { get: boom, set: boom, delete: boom, clear: boom };
    const region = makeRegion().configure(memoryBackend({ store }));
    expect(await region.get('k')).toBeUndefined();
    expect(await region.getMulti(['k'])).toEqual([undefined]);
    expect(await region.getOrCreate('k', () => 1, {})).toBe(1);
    expect(await region.getOrCreateMulti(['k'], () => [1])).toEqual([1]);
    await expect(region.set('k', 1)).rejects.toThrow('boom');
    await expect(region.setMulti({ k: 1 })).rejects.toThrow('boom');
    await expect(region.delete('k')).rejects.toThrow('boom');
    await expect(region.deleteMulti(['k'])).rejects.toThrow('boom');
    expect(region.statistics.backendErrors).toBeGreaterThan(0);
    expect(await region.keyIsLocked('k')).toBe(false);
  });

  it('that answers later, and fails then, is waited for', async () => {
    const boom = async () => {
      throw new Error('boom');
    };
    const region = makeRegion().configure(
      memoryBackend({ store: { get: boom, set: boom, delete: boom, clear: boom } }),
    );
    expect(await region.get('k')).toBeUndefined();
    expect(await region.getOrCreate('k', () => 1)).toBe(1);
    await expect(region.set('k', 1)).rejects.toThrow('boom');
    await expect(region.setMulti({ k: 1, l: 2 })).rejects.toThrow('boom');
    await expect(region.delete('k')).rejects.toThrow('boom');
    await expect(region.deleteMulti(['k', 'l'])).rejects.toThrow('boom');
  });

  it('may answer later, one key and many', async () => {
    const entries = new Map<string, unknown>();
    const store = {
      get: async (key: string) => entries.get(key),
      set: async (key: string, stored: unknown) => entries.set(key, stored),
      delete: async (key: string) => entries.delete(key),
      clear: () => entries.clear(),
    };
    const region = makeRegion().configure(memoryBackend({ store }));
    await region.setMulti({ a: 1, b: 2 });
    expect(await region.get('a')).toBe(1);
    expect(await region.getMulti(['b', 'none', 'a'])).toEqual([2, undefined, 1]);
    expect(await region.getOrCreateMulti(['a', 'c'], () => [3])).toEqual([1, 3]);
    await region.deleteMulti(['a', 'b']);
    expect([...entries.keys()]).toEqual(['c']);
  });

  it('... on the short way of getOrCreate too', async () => {
    const get = () => {
      throw new Error('boom');
    };
    const region = makeRegion().configure(memoryBackend({ store: Object.assign(new Map(), { get }) }));
    expect(await region.getOrCreate('k', () => 1)).toBe(1);
  });
});

describe('wrong arguments', () => {
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['no object', 5, /must be an object, not 5/],
    ['an unknown name', { maxEntrys: 5 }, /knows no option "maxEntrys"\. Did you mean "maxEntries"\?/],
    ['Python’s name', { max_entries: 5 }, /Did you mean "maxEntries"\?$/],
    ['no room', { maxEntries: 0 }, /maxEntries must be a whole number from 1 on, or Infinity, not 0/],
    ['a text', { maxEntries: '5' }, /maxEntries must be .*, not "5"/],
    ['a fraction', { maxEntries: 1.5 }, /maxEntries must be/],
    ['maxSize of NaN', { maxSize: Number.NaN, sizeOf: () => 1 }, /maxSize must be/],
    ['sizeOf that is none', { sizeOf: 5 }, /sizeOf must be a function/],
    ['a store that is none', { store: {} }, /store must be an object with get\(\), set\(\), delete\(\), clear\(\)/],
    ['a store with limits', { store: new Map(), maxEntries: 5 }, /A store of your own has its own limits/],
    ['a store with sizeOf', { store: new Map(), sizeOf: () => 1 }, /A store of your own has its own limits/],
  ];
  for (const [what, args, message] of wrong) {
    it(`${what} is a ValidationError, from the factory and from configure()`, () => {
      const region = makeRegion();
      for (const attempt of [
        () => memoryBackend(args as never),
        () => memorySerializedBackend(args as never),
        () => region.configure('memory', { arguments: args as never }),
        () => region.configure('memory_serialized', { arguments: args as never }),
      ]) {
        expect(attempt).toThrow(ValidationError);
        expect(attempt).toThrow(message);
      }
      expect(region.isConfigured).toBe(false);
    });
  }

  it('maxSize of values needs sizeOf; of bytes it does not', () => {
    expect(() => memoryBackend({ maxSize: 5 })).toThrow(/maxSize needs sizeOf where values are stored/);
    expect(() => memorySerializedBackend({ maxSize: 5 })).not.toThrow();
    expect(() => memoryBackend({ maxSize: undefined, maxEntries: undefined, store: undefined })).not.toThrow();
  });
});

it.each([
  ['memory', 'values'],
  ['dogpile.cache.memory', 'values'],
  ['memory_serialized', 'bytes'],
  ['dogpile.cache.memory_serialized', 'bytes'],
] as const)('%s stores %s', (name, stores) => {
  const backend: CacheBackend = makeRegion().configure(name).backend;
  expect(backend.stores).toBe(stores);
});
