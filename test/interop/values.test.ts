/** Values and their creation times, each way between Python's JSON regions and ours. On every store that they share. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { CacheRegion } from '../../src/region/region.js';
import { hear } from './support/errors.js';
import { memcachedPairs } from './support/memcached.js';
import { killAll, type Participant } from './support/participant.js';
import { redisStore } from './support/redis.js';
import type { RunningStore, SharedStore } from './support/store.js';
import { VALUES } from './support/values.js';

const stores: readonly SharedStore[] = [redisStore, ...memcachedPairs];

describe.each(stores)('on $name', ({ start }) => {
  let store: RunningStore;
  let python: Participant;
  /** A Python that was told of no serializer. */
  let stranger: Participant;
  let region: CacheRegion;
  beforeAll(async () => {
    store = await start();
    [python, stranger] = await Promise.all([store.python(), store.python({ serializer: 'pickle' })]);
  });
  afterAll(async () => {
    await killAll();
    await store.stop();
  });
  beforeEach(async () => {
    await store.clear();
    region = store.region();
  });
  afterEach(() => region.close());

  it.each(VALUES)('%s', async (source, value) => {
    await python.run(`region.set("theirs", ${source})`);
    expect(await region.get('theirs')).toEqual(value);
    await region.set('ours', value);
    expect(await python.run(`region.get("ours") == ${source}`)).toBe(true);
  });

  it('many at once', async () => {
    await python.run('region.set_multi({"a": 1, "b": None})');
    expect(await region.getMulti(['b', 'gone', 'a'])).toEqual([null, undefined, 1]);
    await region.setMulti({ c: 3, d: null });
    expect(await python.run('region.get_multi(["d", "gone", "c"])')).toEqual([null, 'NO_VALUE', 3]);
  });

  it('what Python wrote has its creation time, and is as old for us as for Python', async () => {
    const before = Date.now();
    await python.set('k', 'value');
    const cached = await region.getCachedValue('k');
    // Python's clock is finer than the one that this test reads.
    expect(cached?.cachedTime).toBeGreaterThan(before - 1);
    expect(cached?.cachedTime).toBeLessThan(Date.now() + 1);
    expect(cached?.metadata).toEqual({ ct: expect.any(Number), v: 2 });
    await python.run('age("k", 1800)');
    expect((await region.getCachedValue('k'))?.age).toBeGreaterThanOrEqual(1_799_999);
    await python.run('age("k", 1800)');
    expect(await region.get('k')).toBeUndefined();
    expect(await python.get('k')).toBe('NO_VALUE');
    expect(await region.get('k', { ignoreExpiration: true })).toBe('value');
  });

  it('what we wrote has its creation time in seconds, and is as old for Python as for us', async () => {
    await region.set('k', 'value');
    const [, metadata] = (await python.run('region._get_from_backend("k")')) as [unknown, { ct: number; v: number }];
    expect(metadata.v).toBe(2);
    expect(metadata.ct * 1000).toBeCloseTo((await region.getCachedValue('k'))?.cachedTime ?? 0, 0);
    expect(await python.get('k')).toBe('value');
    await python.run('age("k", 3600)');
    expect(await python.get('k')).toBe('NO_VALUE');
    expect(await region.get('k')).toBeUndefined();
    expect(await python.run('region.get("k", ignore_expiration=True)')).toBe('value');
  });

  it('what we say of an entry besides does not trouble Python, which goes by its own expiration time', async () => {
    const policed = store.region({ jitter: 0.5 }, { name: 'with | a pipe' });
    onTestFinished(() => policed.close());
    await policed.getOrCreate(
      'k',
      (context) => {
        context.expireAfter('1s');
        context.tag('a|b', '{"ct": 1}');
        return 'value';
      },
      { tags: ['more'] },
    );
    await python.run('age("k", 100)');
    expect(await policed.get('k')).toBeUndefined();
    expect(await python.get('k')).toBe('value');
    expect(await python.run('region.get_or_create("k", lambda: "created anew")')).toBe('value');
    // Nor does Python know of tags: what it writes has none.
    await python.set('k', 'theirs');
    await policed.invalidateTags(['more']);
    expect(await policed.get('k')).toBe('theirs');
  });

  it('undefined is None over there; null is None, and stays null', async () => {
    await region.set('k', undefined);
    expect(await python.run('region.get("k") is None')).toBe(true);
    expect(await region.getCachedValue('k')).toMatchObject({ payload: undefined });
    await python.set('k', null);
    expect(await region.getCachedValue('k')).toMatchObject({ payload: null });
  });

  it('whole numbers beyond 2**53 lose digits on the way to us, and come out whole as text', async () => {
    await python.run('region.set_multi({"number": 2**64 + 1, "text": str(2**64 + 1)})');
    expect(await region.getMulti(['number', 'text'])).toEqual([2 ** 64, '18446744073709551617']);
    await expect(region.set('k', 2n ** 64n)).rejects.toMatchObject({ code: 'DOGPILE_SERIALIZATION' });
    expect(await python.get('k')).toBe('NO_VALUE');
  });

  it('Infinity and NaN are null where we write them', async () => {
    await region.set('k', [Number.NaN, Number.POSITIVE_INFINITY]);
    expect(await python.run('region.get("k")')).toEqual([null, null]);
  });

  describe('is missing here, and an event, and overwritten by our next creation', () => {
    it.each([
      ["what Python's default serializer (pickle) wrote", () => stranger, '{"a": 1}'],
      ['NaN', () => python, 'float("nan")'],
      ['Infinity', () => python, '[float("inf")]'],
    ] as const)('%s', async (_what, writer, source) => {
      const errors = hear();
      await writer().run(`region.set("k", ${source})`);
      expect(await region.get('k')).toBeUndefined();
      expect(errors).toMatchObject([{ error: { code: 'DOGPILE_CANT_DESERIALIZE' } }]);
      expect(await region.getOrCreate('k', () => 'ours')).toBe('ours');
      expect(await python.get('k')).toBe('ours');
    });
  });

  it("a pickling Python region can't read ours: it raises until somebody deletes the key", async () => {
    await region.set('k', 'ours');
    await expect(stranger.getOrCreate('k').answer).rejects.toThrow(store.strangerRaises);
    await region.delete('k');
    expect(await stranger.get('k')).toBe('NO_VALUE');
  });
});
