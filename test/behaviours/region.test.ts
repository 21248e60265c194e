/** Python's region suite (7.2 to 7.6) on every store, behind proxies, and with a custom invalidation strategy. */
import { afterAll, describe, expect, it, vi } from 'vitest';
import { CachedValue, type KeyMangler } from '../../src/api.js';
import { stopServers } from '../support/server-backends.js';
import { stageOn, variants } from './support/variants.js';

afterAll(stopServers);

for (const variant of variants)
  describe(`a region on ${variant.name}`, () => {
    const stage = stageOn(variant);
    const upper: KeyMangler = (key) => key.toUpperCase();
    /** A creator that gives "some value 1", "some value 2", … */
    const counting = () => {
      let made = 0;
      return vi.fn(async () => `some value ${++made}`);
    };
    const countingMulti = () => {
      let made = 0;
      return vi.fn(async (keys: string[]) => {
        made++;
        return keys.map((key) => `${key}: value ${made}`);
      });
    };

    describe('configuration', () => {
      it('[py 13, 16–19] a key mangler is the region’s, and all verbs go through it', async () => {
        const { region, stored } = await stage({}, { keyMangler: upper });
        expect(region.keyMangler).toBe(upper);
        await region.set('some_key', 'some value');
        expect(await stored('SOME_KEY')).toBeDefined();
        expect(await stored('some_key')).toBeUndefined();
        expect(await region.get('some_key')).toBe('some value');
        const creator = counting();
        expect(await region.getOrCreate('some_key', creator)).toBe('some value');
        expect(creator).not.toHaveBeenCalled();
        await region.delete('some_key');
        expect(await region.get('some_key')).toBeUndefined();
        expect(await stored('SOME_KEY')).toBeUndefined();
      });

      it('[py 7, 14] without a name and a mangler it has none but what its backend recommends', async () => {
        const { region } = await stage();
        expect(region.name).toBeUndefined();
        expect(region.keyMangler).toBe(region.actualBackend.keyMangler);
      });
    });

    describe('reading and writing', () => {
      it('[py 26, 174] set, then get', async () => {
        const { region } = await stage();
        await region.set('some key', 'some value');
        expect(await region.get('some key')).toBe('some value');
      });

      it('[py 27–29] a missing key is undefined: plainly, with an expiration time, after an invalidation', async () => {
        const { region } = await stage({ expirationTime: '10s' });
        expect(await region.get('some key')).toBeUndefined();
        expect(await region.get('some key', { expirationTime: '10s' })).toBeUndefined();
        await region.invalidate();
        expect(await region.get('some key')).toBeUndefined();
      });

      it('[py 30, 184] getOrCreate of a missing key gives what the creator gives', async () => {
        const { region } = await stage();
        expect(await region.getOrCreate('some key', () => 'some value')).toBe('some value');
        expect(await region.get('some key')).toBe('some value');
      });

      it('[py 31, 171, 172] nobody locks a key by reading it, or by asking whether it is locked', async () => {
        const { region } = await stage();
        expect(await region.get('some key')).toBeUndefined();
        expect(await region.keyIsLocked('some key')).toBe(false);
        expect(await region.keyIsLocked('some key')).toBe(false);
      });

      it('[py E18] keyIsLocked is true inside the creator, under a mangler too (differs)', async () => {
        const { region } = await stage({}, { keyMangler: upper });
        const inside = await region.getOrCreate('some_key', () => region.keyIsLocked('some_key'));
        expect(inside).toBe(true);
        expect(await region.keyIsLocked('some_key')).toBe(false);
      });

      it('[py 32] getOrCreateMulti gives values in the order of the keys', async () => {
        const { region } = await stage();
        const values = await region.getOrCreateMulti(['k3', 'k2', 'k5'], (keys) => keys.map((key) => `value ${key}`));
        expect(values).toEqual(['value k3', 'value k2', 'value k5']);
        expect(await region.get('k2')).toBe('value k2');
      });

      it('[py 33, 187] to delete twice is harmless', async () => {
        const { region } = await stage();
        await region.set('some key', 'some value');
        await region.delete('some key');
        await region.delete('some key');
        expect(await region.get('some key')).toBeUndefined();
      });

      it('[py 34, 175] setMulti: each can be read', async () => {
        const { region } = await stage();
        await region.setMulti({ k1: 'v1', k2: 'v2' });
        await region.setMulti(new Map([['k3', 'v3']]));
        expect(await Promise.all(['k1', 'k2', 'k3'].map((key) => region.get(key)))).toEqual(['v1', 'v2', 'v3']);
      });

      it('[py 35, 180, 181] getMulti: in the order of the keys, undefined where there is none', async () => {
        const { region } = await stage();
        await region.setMulti({ k1: 'v1', k2: 'v2', k3: 'v3' });
        expect(await region.getMulti(['k3', 'none', 'k1', 'k3'])).toEqual(['v3', undefined, 'v1', 'v3']);
        expect(await region.getMulti(['a', 'b'])).toEqual([undefined, undefined]);
      });

      it('[py 36, 182, 183] deleteMulti: what is there goes, what is missing does no harm, the rest stays', async () => {
        const { region } = await stage();
        await region.setMulti({ k1: 'v1', k2: 'v2', k3: 'v3' });
        await region.deleteMulti(['k1', 'none', 'k2']);
        expect(await region.getMulti(['k1', 'k2', 'k3'])).toEqual([undefined, undefined, 'v3']);
        await region.deleteMulti(['none']);
        expect(await region.get('none')).toBeUndefined();
      });

      it('[py 176–178, E37] nothing at all: no values, no error, no creator', async () => {
        const { region } = await stage();
        expect(await region.getMulti([])).toEqual([]);
        await region.setMulti({});
        await region.setMulti(new Map());
        await region.deleteMulti([]);
        const creator = vi.fn(() => []);
        expect(await region.getOrCreateMulti([], creator)).toEqual([]);
        expect(creator).not.toHaveBeenCalled();
      });

      it('[py 190, E20] what the creator throws comes out, and the next call creates', async () => {
        const { region } = await stage();
        const boom = new Error('boom');
        const failing = () => {
          throw boom;
        };
        await expect(region.getOrCreate('some key', failing)).rejects.toBe(boom);
        await expect(region.getOrCreate('some key', () => Promise.reject(undefined))).rejects.toBeUndefined();
        expect(await region.keyIsLocked('some key')).toBe(false);
        expect(await region.getOrCreate('some key', () => 'some value')).toBe('some value');
      });

      it('[py E9] null, false, 0, empty text and undefined are values', async () => {
        const { region } = await stage();
        const creator = counting();
        for (const value of [null, false, 0, '', undefined]) {
          await region.set('some key', value);
          expect(await region.getOrCreate('some key', creator)).toBe(value);
          expect(await region.getCachedValue('some key')).toMatchObject({ payload: value });
        }
        expect(creator).not.toHaveBeenCalled();
        expect(await region.getCachedValue('none')).toBeUndefined();
      });

      it('[py 203] the creator of one key may ask for another, which is served from the cache afterwards', async () => {
        const { region } = await stage();
        const bar = vi.fn(() => 'bar');
        const foo = () => region.getOrCreate('bar', bar).then((value) => `foo ${value}`);
        expect(await region.getOrCreate('foo', foo)).toBe('foo bar');
        expect(await region.getOrCreate('bar', bar)).toBe('bar');
        expect(bar).toHaveBeenCalledTimes(1);
      });

      it('[py E17] a creator with arguments is a closure: it is called with its context alone (differs)', async () => {
        const { region } = await stage();
        const creator = vi.fn(() => 'some value');
        await region.getOrCreate('some key', creator);
        const [said = []] = creator.mock.calls as unknown[][];
        expect(said).toHaveLength(1);
        expect(said[0]).toMatchObject({ key: 'some key', stale: undefined });
      });
    });

    describe('expiration', () => {
      it('[py 37–41, 188] expired: missing for get, there for who ignores it or says "never", created anew by getOrCreate', async () => {
        const { region, clock } = await stage({ expirationTime: '1s' });
        const creator = counting();
        expect(await region.getOrCreate('some key', creator)).toBe('some value 1');
        await clock.advance('2s');
        expect(await region.get('some key')).toBeUndefined();
        expect(await region.get('some key', { ignoreExpiration: true })).toBe('some value 1');
        expect(await region.getOrCreate('some key', creator, { expirationTime: Number.POSITIVE_INFINITY })).toBe(
          'some value 1',
        );
        expect(creator).toHaveBeenCalledTimes(1);
        expect(await region.getOrCreate('some key', creator)).toBe('some value 2');
        expect(await region.get('some key')).toBe('some value 2');
      });

      it('[py 42–45] the same for many: the creator gets sorted keys, the caller his own order', async () => {
        const { region, clock } = await stage({ expirationTime: '1s' });
        const creator = countingMulti();
        const keys = ['k3', 'k2', 'k5'];
        const first = ['k3: value 1', 'k2: value 1', 'k5: value 1'];
        const second = ['k3: value 2', 'k2: value 2', 'k5: value 2'];
        expect(await region.getOrCreateMulti(keys, creator)).toEqual(first);
        await clock.advance('2s');
        expect(await region.get('k2')).toBeUndefined();
        expect(await region.get('k2', { ignoreExpiration: true })).toBe('k2: value 1');
        expect(await region.getMulti(keys, { ignoreExpiration: true })).toEqual(first);
        expect(await region.getOrCreateMulti(keys, creator, { expirationTime: Number.POSITIVE_INFINITY })).toEqual(
          first,
        );
        expect(await region.getOrCreateMulti(keys, creator)).toEqual(second);
        expect(creator.mock.calls.map(([asked]) => asked)).toEqual([
          ['k2', 'k3', 'k5'],
          ['k2', 'k3', 'k5'],
        ]);
        expect(await region.getMulti(keys)).toEqual(second);
      });

      it('[py 46, 47] what was set expires as what was created', async () => {
        const { region, clock } = await stage({ expirationTime: '1s' });
        await region.set('some key', 'some value');
        await clock.advance('2s');
        expect(await region.get('some key')).toBeUndefined();
        expect(await region.get('some key', { ignoreExpiration: true })).toBe('some value');
      });

      it('[py 48] an expiration time of one get holds for that get alone', async () => {
        const { region, clock } = await stage({ expirationTime: '1s' });
        await region.set('some key', 'some value');
        await clock.advance('2s');
        expect(await region.get('some key', { expirationTime: '5s' })).toBe('some value');
        expect(await region.getMulti(['some key'], { expirationTime: '5s' })).toEqual(['some value']);
        expect(await region.get('some key')).toBeUndefined();
      });

      it('[py 49, 50] an expiration time of one getOrCreate is not stored', async () => {
        const { region, clock } = await stage({ expirationTime: '5s' });
        const creator = counting();
        expect(await region.getOrCreate('some key', creator, { expirationTime: '1s' })).toBe('some value 1');
        await clock.advance('2s');
        expect(await region.get('some key')).toBe('some value 1');
        expect(await region.getOrCreate('some key', creator, { expirationTime: '1s' })).toBe('some value 2');
        expect(await region.get('some key')).toBe('some value 2');
      });

      it('[py E1] age equal to the expiration time is still fresh', async () => {
        const { region, clock } = await stage({ expirationTime: '10s' });
        await region.set('some key', 'some value');
        await clock.advance('10s');
        expect(await region.get('some key')).toBe('some value');
        await clock.advance(1);
        expect(await region.get('some key')).toBeUndefined();
      });

      it('[py E2] an expiration time of 0: fresh only while the clock stands still', async () => {
        const { region, clock } = await stage({ expirationTime: 0 });
        const creator = counting();
        expect(await region.getOrCreate('some key', creator)).toBe('some value 1');
        expect(await region.getOrCreate('some key', creator)).toBe('some value 1');
        await clock.advance(1);
        expect(await region.getOrCreate('some key', creator)).toBe('some value 2');
      });

      it('[py E10] a value is as old as the end of its creation, one of many too', async () => {
        const { region, clock } = await stage({ expirationTime: '10s' });
        const start = clock.now();
        await region.getOrCreate('one', () => clock.advance('7s').then(() => 1));
        await region.getOrCreateMulti(['two'], () => clock.advance('7s').then(() => [2]));
        const [one, two] = await Promise.all(['one', 'two'].map((key) => region.getCachedValue(key)));
        expect(one?.cachedTime).toBeCloseTo(start + 7000, 1);
        expect(one?.metadata.dt).toBeCloseTo(7, 3);
        expect(two?.cachedTime).toBeCloseTo(start + 14_000, 1);
      });
    });

    describe('invalidation', () => {
      it('[py 51] hard: what was set is missing', async () => {
        const { region } = await stage();
        await region.set('some key', 'some value');
        await region.invalidate();
        expect(await region.get('some key')).toBeUndefined();
        expect(await region.get('some key', { ignoreExpiration: true })).toBe('some value');
      });

      it('[py 52–54] hard: created again, once, also when the clock stands still', async () => {
        const { region, clock } = await stage();
        const creator = counting();
        expect(await region.getOrCreate('some key', creator)).toBe('some value 1');
        await clock.advance('1s');
        await region.invalidate();
        expect(await region.getOrCreate('some key', creator)).toBe('some value 2');
        expect(await region.getOrCreate('some key', creator)).toBe('some value 2');
        await region.invalidate();
        expect(await region.getOrCreate('some key', creator)).toBe('some value 3');
        expect(await region.getOrCreate('some key', creator)).toBe('some value 3');
      });

      it('[py 55, 56] the same for many', async () => {
        const { region, clock } = await stage();
        const creator = countingMulti();
        const keys = ['k1', 'k2'];
        const round = (count: number) => keys.map((key) => `${key}: value ${count}`);
        expect(await region.getOrCreateMulti(keys, creator)).toEqual(round(1));
        await clock.advance('1s');
        await region.invalidate();
        expect(await region.getOrCreateMulti(keys, creator)).toEqual(round(2));
        expect(await region.getOrCreateMulti(keys, creator)).toEqual(round(2));
        await region.invalidate();
        expect(await region.getOrCreateMulti(keys, creator)).toEqual(round(3));
        expect(await region.getOrCreateMulti(keys, creator)).toEqual(round(3));
      });

      it('[py 57, E11] soft: missing for get, there for who ignores it', async () => {
        const { region } = await stage({ expirationTime: '1s' });
        await region.set('some key', 'some value');
        await region.invalidate({ hard: false });
        expect(await region.get('some key')).toBeUndefined();
        expect(await region.getMulti(['some key'])).toEqual([undefined]);
        expect(await region.getCachedValue('some key')).toBeUndefined();
        expect(await region.get('some key', { ignoreExpiration: true })).toBe('some value');
      });

      it('[py 58] soft, one caller: creates, and gets the new value', async () => {
        const { region } = await stage({ expirationTime: '1s' });
        const creator = counting();
        await region.getOrCreate('some key', creator);
        await region.invalidate({ hard: false });
        expect(await region.getOrCreate('some key', creator)).toBe('some value 2');
        expect(await region.getOrCreate('some key', creator)).toBe('some value 2');
      });

      it('[py E11] soft, while another creates: the old value', async () => {
        const { region } = await stage({ expirationTime: '1s' });
        await region.set('some key', 'old');
        await region.invalidate({ hard: false });
        let meanwhile: unknown;
        const value = await region.getOrCreate('some key', async () => {
          meanwhile = await region.getOrCreate('some key', () => 'never');
          return 'new';
        });
        expect(value).toBe('new');
        expect(meanwhile).toBe('old');
      });

      it('[py 59] soft, many keys, one caller: creates them, and gets the new values', async () => {
        const { region } = await stage({ expirationTime: '1s' });
        const creator = countingMulti();
        await region.getOrCreateMulti(['k1', 'k2'], creator);
        await region.invalidate({ hard: false });
        expect(await region.getOrCreateMulti(['k1', 'k2'], creator)).toEqual(['k1: value 2', 'k2: value 2']);
        expect(await region.getOrCreateMulti(['k1', 'k2'], creator)).toEqual(['k1: value 2', 'k2: value 2']);
      });

      it('[py 60, 61, E11, E12] soft without an expiration time works, whether the key is missing or present (differs)', async () => {
        const { region } = await stage();
        const creator = counting();
        await region.invalidate({ hard: false });
        expect(await region.getOrCreate('some key', creator)).toBe('some value 1');
        await region.invalidate({ hard: false });
        expect(await region.getOrCreate('some key', creator, { expirationTime: Number.POSITIVE_INFINITY })).toBe(
          'some value 2',
        );
        expect(await region.get('some key')).toBe('some value 2');
      });

      it('[py 62, 63] ... and for many keys (differs)', async () => {
        const { region } = await stage();
        const creator = countingMulti();
        await region.invalidate({ hard: false });
        expect(await region.getOrCreateMulti(['k1'], creator)).toEqual(['k1: value 1']);
        await region.invalidate({ hard: false });
        expect(await region.getOrCreateMulti(['k1', 'k2'], creator)).toEqual(['k1: value 2', 'k2: value 2']);
      });

      it('[py E13] a soft invalidation after a hard one does not bring back what that has removed (differs)', async () => {
        const { region } = await stage();
        await region.set('some key', 'old');
        await region.invalidate();
        await region.invalidate({ hard: false });
        const stale = vi.fn();
        await region.getOrCreate('some key', (context) => stale(context.stale));
        expect(stale).toHaveBeenCalledExactlyOnceWith(undefined);
      });
    });

    describe('shouldCache and metadata', () => {
      it('[py 64–66] an accepted value is stored, a rejected one is returned and not, the next accepted one replaces it', async () => {
        const { region } = await stage();
        let value = 5;
        const call = () => region.getOrCreate('some key', () => value, { shouldCache: (made: number) => made !== 0 });
        expect(await call()).toBe(5);
        expect(await region.get('some key')).toBe(5);
        await region.invalidate();
        value = 0;
        expect(await call()).toBe(0);
        expect(await region.get('some key', { ignoreExpiration: true })).toBe(5);
        await region.invalidate();
        value = 7;
        expect(await call()).toBe(7);
        value = 8;
        expect(await call()).toBe(7);
        expect(await region.get('some key')).toBe(7);
      });

      it('[py 67] ... and for many, each value on its own', async () => {
        const { region } = await stage();
        let values = [5, 6];
        const call = () =>
          region.getOrCreateMulti(['k1', 'k2'], () => values, { shouldCache: (made: number) => made % 2 === 1 });
        expect(await call()).toEqual([5, 6]);
        expect(await region.getMulti(['k1', 'k2'])).toEqual([5, undefined]);
        await region.invalidate();
        values = [2, 4];
        expect(await call()).toEqual([2, 4]);
        expect(await region.getMulti(['k1', 'k2'], { ignoreExpiration: true })).toEqual([5, undefined]);
        await region.invalidate();
        values = [9, 11];
        expect(await call()).toEqual([9, 11]);
        expect(await call()).toEqual([9, 11]);
        expect(await region.getMulti(['k1', 'k2'])).toEqual([9, 11]);
      });

      it('[py 179] all of many rejected: returned, and nothing is stored', async () => {
        const { region, stored } = await stage();
        expect(await region.getOrCreateMulti(['k1', 'k2'], () => [1, 2], { shouldCache: () => false })).toEqual([1, 2]);
        expect(await stored('k1')).toBeUndefined();
        expect(await region.getMulti(['k1', 'k2'])).toEqual([undefined, undefined]);
      });

      it('[py E16] shouldCache that throws: its error comes out, nothing is stored, the next call creates', async () => {
        const { region, stored } = await stage();
        const picky = new Error('picky');
        const shouldCache = () => {
          throw picky;
        };
        await expect(region.getOrCreate('some_key', () => 1, { shouldCache })).rejects.toBe(picky);
        await expect(region.getOrCreateMulti(['some_key'], () => [1], { shouldCache })).rejects.toBe(picky);
        expect(await stored('some_key')).toBeUndefined();
        expect(await region.keyIsLocked('some_key')).toBe(false);
        expect(await region.getOrCreate('some_key', () => 2)).toBe(2);
      });

      it('[py 68] getCachedValue: the value, when it was stored, and how old it is when asked', async () => {
        const { region, clock } = await stage();
        const start = clock.now();
        await region.set('some key', 'some value');
        await clock.advance('5s');
        const cached = await region.getCachedValue('some key');
        expect(cached).toBeInstanceOf(CachedValue);
        expect(cached?.payload).toBe('some value');
        expect(cached?.metadata.v).toBe(2);
        expect(cached?.cachedTime).toBeCloseTo(start, 1);
        expect(cached?.age).toBeCloseTo(5000, 1);
        await clock.advance('1s');
        expect(cached?.age).toBeCloseTo(6000, 1);
      });

      it('[py 69–71] getCachedValue of nothing, and of something expired, is undefined, unless that is ignored', async () => {
        const { region, clock } = await stage({ expirationTime: '4s' });
        expect(await region.getCachedValue('some key')).toBeUndefined();
        await region.set('some key', 'some value');
        await clock.advance('5s');
        expect(await region.getCachedValue('some key')).toBeUndefined();
        expect(await region.getCachedValue('some key', { ignoreExpiration: true })).toMatchObject({
          payload: 'some value',
          age: expect.closeTo(5000, 1),
        });
      });
    });
  });
