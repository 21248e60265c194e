/** Python's suite of every backend, serializer and mutex (7.16 to 7.18), and what it leaves unasserted (section 8), on every store. */
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { AsyncCreationRunner, CacheBackend, Lease, Serializer, Storable } from '../../src/api.js';
import { CachedValue } from '../../src/api.js';
import { CantDeserializeError, ReentrantCreationError, ValidationError } from '../../src/errors.js';
import { dogpileLock, LocalMutex } from '../../src/lock/index.js';
import { type CacheRegion, makeRegion } from '../../src/region/region.js';
import { jsonSerializer } from '../../src/serializers.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { backendSetUps, configureWith, type MadeBackend } from '../support/backends.js';
import { serverSetUps, stopServers } from '../support/server-backends.js';
import { stageOn } from './support/variants.js';

/** A numbered creator that notes how many run at once. */
const watched = (turns = 3) => {
  const watch = { running: 0, most: 0, made: 0 };
  const create = async () => {
    watch.most = Math.max(watch.most, ++watch.running);
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    watch.running--;
    return ++watch.made;
  };
  return { watch, create };
};

const setUps = [...backendSetUps, ...serverSetUps];
afterAll(stopServers);

for (const on of setUps) {
  const stage = stageOn({ name: on.name, on });
  const stored = (text: string): Storable =>
    on.stores === 'bytes' ? Buffer.from(`{"ct":1,"v":2}|"${text}"`) : new CachedValue(text, { ct: 1, v: 2 });
  const plain = (value: Storable | undefined) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value);

  describe(`the backend ${on.name}`, () => {
    it('[py 167–170] nothing is undefined, to delete nothing is no error, what was set is got, what was deleted is gone', async () => {
      const { region } = await stage();
      const { actualBackend: backend } = region;
      expect(await backend.get('some_key')).toBeUndefined();
      await backend.delete('some_key');
      await backend.set('some_key', stored('some value'));
      expect(plain(await backend.get('some_key'))).toEqual(plain(stored('some value')));
      await backend.delete('some_key');
      expect(await backend.get('some_key')).toBeUndefined();
    });

    it('[py 1, 27, 171] there is one word for "no value" and that is undefined (differs)', async () => {
      const { region } = await stage();
      expect(await region.get('random key')).toBeUndefined();
      expect(`${await region.get('random key')}`).toBe('undefined');
      expect(await region.getCachedValue('random key')).toBeUndefined();
    });

    it('[py 172, 173] a lock that is held is locked, released it is not; asking takes nothing', async () => {
      const { region } = await stage();
      expect(await region.keyIsLocked('some key')).toBe(false);
      expect(await region.keyIsLocked('some key')).toBe(false);
      const gate = new Gate();
      const call = region.getOrCreate('some key', () => gate.passed());
      await gate.arrived;
      expect(await region.keyIsLocked('some key')).toBe(true);
      expect(await region.keyIsLocked('other key')).toBe(false);
      gate.open();
      await call;
      await region.idle();
      expect(await region.keyIsLocked('some key')).toBe(false);
    });

    it('[py 185] ten callers, five rounds of expired values: more than two creations, never two at once', async () => {
      const { region, clock } = await stage({ expirationTime: '250ms' });
      const { watch, create } = watched();
      for (let round = 0; round < 5; round++) {
        const values = await Promise.all(Array.from({ length: 10 }, () => region.getOrCreate('some key', create)));
        for (const value of values) expect(value).toBeGreaterThan(0);
        await clock.advance('300ms');
      }
      expect(watch.made).toBe(5);
      expect(watch.most).toBe(1);
    });

    it('[py 186] five callers with overlapping keys: never two creators of one key', async () => {
      const { region } = await stage();
      const running = new Set<string>();
      let collisions = 0;
      let created = 0;
      const creator = async (keys: string[]) => {
        for (const key of keys) {
          if (running.has(key)) collisions++;
          running.add(key);
          created++;
        }
        for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
        for (const key of keys) running.delete(key);
        return keys.map((key) => `value of ${key}`);
      };
      const calls = Array.from({ length: 5 }, (_, caller) => {
        const keys = Array.from({ length: 8 }, (_key, at) => `key ${(caller * 3 + at * 5) % 16}`);
        return region.getOrCreateMulti(keys, creator).then((values) => {
          expect(values).toEqual(keys.map((key) => `value of ${key}`));
        });
      });
      await Promise.all(calls);
      expect(collisions).toBe(0);
      expect(created).toBe(16);
    });

    it('[py 189] a decorated function is cached; to invalidate what is not cached is harmless; invalidated it is called again', async () => {
      const { region } = await stage();
      let count = 0;
      const fn = region.cacheOnArguments()(async function fn(a: number) {
        return `${a} ${++count}`;
      });
      await fn.invalidate(1);
      expect(await fn(1)).toBe('1 1');
      expect(await fn(1)).toBe('1 1');
      await fn.invalidate(1);
      expect(await fn(1)).toBe('1 2');
    });

    it('[py 191] arguments are left as they are; unknown ones are refused (differs)', async () => {
      const made = await on.make();
      const region = makeRegion({ clock: new FakeClock() });
      if (typeof made.target === 'string') {
        const args = Object.freeze({ ...made.arguments });
        region.configure(made.target, { arguments: args });
        await region.set('k', 1);
        expect(args).toEqual(made.arguments);
        expect(() => makeRegion().configure(made.target as string, { arguments: { ...args, foo: 'bar' } })).toThrow(
          ValidationError,
        );
      } else {
        expect(() => makeRegion().configure(on.name, { arguments: { foo: 'bar' } })).toThrow(ValidationError);
      }
      await region.close();
      await made.dispose();
    });
  });

  describe(`serializers on ${on.name}`, () => {
    it('[py 192] a deserializer that throws CantDeserializeError: get gives nothing, getOrCreate creates anew', async () => {
      let knows = true;
      const picky: Serializer = {
        ...jsonSerializer,
        deserialize: (bytes) => {
          if (!knows) throw new CantDeserializeError('not mine');
          return jsonSerializer.deserialize(bytes);
        },
      };
      const { region } = await stage({}, { serializer: picky });
      await region.set('some key', 'some value');
      expect(await region.get('some key')).toBe('some value');
      knows = false;
      expect(await region.get('some key')).toBeUndefined();
      expect(await region.getOrCreate('some key', () => 'new')).toBe('new');
      knows = true;
      expect(await region.get('some key')).toBe('new');
    });

    it('[py 193–195, E34] bytes are stored; what follows the first "|" is what the serializer gave, and is what the deserializer gets', async () => {
      const gave = Uint8Array.of(1, 0x7c, 2, 0, 255);
      const got: number[][] = [];
      const deserialize = (bytes: Uint8Array) => {
        got.push([...bytes]);
        return 'what it was';
      };
      const { region, stored: read } = await stage(
        {},
        { serializer: { name: 'mine', serialize: () => gave, deserialize } },
      );
      await region.set('some_key', 'some value');
      const bytes = (await read('some_key')) as Uint8Array;
      expect(bytes).toBeInstanceOf(Uint8Array);
      expect([...bytes.subarray(bytes.indexOf(0x7c) + 1)]).toEqual([...gave]);
      expect(JSON.parse(Buffer.from(bytes.subarray(0, bytes.indexOf(0x7c))).toString())).toMatchObject({ v: 2 });
      expect(await region.get('some_key')).toBe('what it was');
      expect(got).toEqual([[...gave]]);
    });
  });

  describe(`elections on ${on.name}`, () => {
    it('[py 203] the creator of "foo" may ask for "bar"', async () => {
      const { region } = await stage();
      const bar = vi.fn(() => 'bar');
      for (let i = 0; i < 3; i++) {
        expect(await region.getOrCreate('foo', () => region.getOrCreate('bar', bar))).toBe('bar');
      }
      expect(bar).toHaveBeenCalledTimes(1);
    });

    it('[py 74–77, 244, 245, E26] a runner: not for what is missing; for what is stale once, after which the old value is given', async () => {
      const runner = vi.fn<AsyncCreationRunner>(async (_region, _key, create) => create());
      const { region, clock } = await stage(
        { expirationTime: '1s' },
        { asyncCreationRunner: runner, keyMangler: (key) => `m:${key}` },
      );
      let made = 0;
      const creator = () => ++made;
      expect(await region.getOrCreate('some_key', creator)).toBe(1);
      expect(runner).not.toHaveBeenCalled();
      await clock.advance('2s');
      expect(await region.getOrCreate('some_key', creator)).toBe(1);
      await region.idle();
      expect(await region.getOrCreate('some_key', creator)).toBe(2);
      expect(runner).toHaveBeenCalledTimes(1);
      expect(runner.mock.calls[0]?.slice(0, 2)).toEqual([region, 'some_key']);
      expect(runner.mock.calls[0]?.[3]).toMatchObject({ release: expect.any(Function) });
      expect(await region.keyIsLocked('some_key')).toBe(false);
      await region.invalidate({ hard: false });
      expect(await region.getOrCreate('some_key', creator)).toBe(2);
      await region.idle();
      expect(await region.get('some_key')).toBe(3);
      expect(runner).toHaveBeenCalledTimes(2);
    });

    it('[py 77] a runner that rejects has released', async () => {
      const runner: AsyncCreationRunner = () => Promise.reject(new Error('no worker'));
      const { region, clock } = await stage({ expirationTime: '1s' }, { asyncCreationRunner: runner });
      await region.set('some key', 'old');
      await clock.advance('2s');
      expect(await region.getOrCreate('some key', () => 'new')).toBe('old');
      await region.idle();
      expect(await region.keyIsLocked('some key')).toBe(false);
    });

    // Where the clock leaps, what is under way to a server is late.
    if (!serverSetUps.some((server) => server === on))
      it('[py E21] a runner that has lost its mutex without releasing it blocks a key for lockMaxHold, not for ever (differs)', async () => {
        const runner = vi.fn<AsyncCreationRunner>(() => {});
        const { region, clock } = await stage({ expirationTime: '1s' }, { asyncCreationRunner: runner });
        await region.set('some key', 'old');
        await clock.advance('2s');
        for (let i = 0; i < 3; i++) expect(await region.getOrCreate('some key', () => 'new')).toBe('old');
        expect(runner).toHaveBeenCalledTimes(1);
        await clock.advance('6m');
        await vi.waitUntil(async () => !(await region.keyIsLocked('some key')), { timeout: 20_000 });
        expect(await region.getOrCreate('some key', () => 'new')).toBe('old');
        expect(runner).toHaveBeenCalledTimes(2);
        const [, , , mutex] = runner.mock.calls[1] ?? [];
        await mutex?.release();
      });

    it('[py E25] a runner is never used for many keys', async () => {
      const runner = vi.fn<AsyncCreationRunner>();
      const { region, clock } = await stage({ expirationTime: '1s' }, { asyncCreationRunner: runner });
      await region.getOrCreateMulti(['a'], () => [1]);
      await clock.advance('2s');
      expect(await region.getOrCreateMulti(['a', 'b'], (keys) => keys.map(() => 2))).toEqual([2, 2]);
      expect(runner).not.toHaveBeenCalled();
    });

    it('[py E19] a creator that asks for its own key: the stale value, or an error instead of a deadlock (differs)', async () => {
      const { region, clock } = await stage({ expirationTime: '1s' });
      const again = (): Promise<unknown> => region.getOrCreate('some key', again);
      await expect(region.getOrCreate('some key', again)).rejects.toThrow(ReentrantCreationError);
      await region.set('some key', 'old');
      await clock.advance('2s');
      expect(await region.getOrCreate('some key', () => again().then((value) => `${value} and new`))).toBe(
        'old and new',
      );
    });

    it('[py E22] many keys: duplicates are allowed, and are sorted by code point', async () => {
      const { region } = await stage();
      const asked: string[][] = [];
      const creator = (keys: string[]) => {
        asked.push(keys);
        return keys.map((key) => `value of ${key}`);
      };
      expect(await region.getOrCreateMulti(['b', '10', 'b', '9'], creator)).toEqual([
        'value of b',
        'value of 10',
        'value of b',
        'value of 9',
      ]);
      expect(asked).toEqual([['10', '9', 'b']]);
    });

    it('[py E23] a creator that gives too few or too many values, or none, is an error, and nothing is stored (differs)', async () => {
      const { region } = await stage();
      for (const given of [[1], [1, 2, 3], null, undefined, 'ab', new Set([1, 2])]) {
        await expect(region.getOrCreateMulti(['a', 'b'], () => given as never)).rejects.toThrow(ValidationError);
      }
      expect(await region.getMulti(['a', 'b'])).toEqual([undefined, undefined]);
      expect(await region.keyIsLocked('a')).toBe(false);
      expect(await region.getOrCreateMulti(['a', 'b'], () => new Map([['b', 2]]))).toEqual([undefined, 2]);
    });

    it('[py E24] stale a that another creates, stale b: the creator gets b alone', async () => {
      const { region, clock } = await stage({ expirationTime: '1s' });
      await region.setMulti({ a: 'old a', b: 'old b' });
      await clock.advance('2s');
      const gate = new Gate();
      const other = region.getOrCreate('a', () => gate.passed().then(() => 'new a'));
      await gate.arrived;
      const creator = vi.fn((keys: string[]) => keys.map((key) => `new ${key}`));
      expect(await region.getOrCreateMulti(['a', 'b'], creator)).toEqual(['old a', 'new b']);
      expect(creator.mock.calls[0]?.[0]).toEqual(['b']);
      gate.open();
      expect(await other).toBe('new a');
    });

    it('[py E29] decorating before configure() is fine, calling before is not', async () => {
      const region = makeRegion({ clock: new FakeClock() });
      const fn = region.cacheOnArguments()(async function fn() {
        return 1;
      });
      await expect(fn()).rejects.toThrow(/No backend is configured/);
      const made = await on.make();
      configureWith(region, made);
      expect(await fn()).toBe(1);
      await region.close();
      await made.dispose();
    });
  });
}

describe('mutexes of backends that have some', () => {
  const open: { region: CacheRegion; made: MadeBackend }[] = [];
  afterEach(async () => {
    for (const { region, made } of open.splice(0)) {
      await region.close();
      await made.dispose();
    }
  });
  for (const on of setUps.filter(({ hasLocks }) => hasLocks)) {
    const locks = async () => {
      const made = await on.make();
      const region = configureWith(makeRegion(), made);
      open.push({ region, made });
      const { actualBackend: backend }: { actualBackend: CacheBackend } = await region.ready();
      return (key: string) => backend.mutex?.(key) ?? new LocalMutex();
    };

    it(`[py 196–200] ${on.name}: free, held, refused to a second, free again`, async () => {
      const mutexOf = await locks();
      const mutex = mutexOf('foo');
      expect(mutex).toMatchObject({ acquire: expect.any(Function), locked: expect.any(Function) });
      expect(await mutex.locked()).toBe(false);
      const lease = await mutex.acquire();
      expect(lease).toBeDefined();
      expect(await mutexOf('foo').acquire({ wait: false })).toBeUndefined();
      expect(await mutexOf('foo').locked()).toBe(true);
      await lease?.release();
      expect(await mutex.locked()).toBe(false);
      await (await mutex.acquire())?.release();
    });

    it(`[py 201] ${on.name}: of five, each with its own mutex of one key, never two are inside`, async () => {
      const mutexOf = await locks();
      let inside = 0;
      let most = 0;
      await Promise.all(
        Array.from({ length: 5 }, async () => {
          for (let i = 0; i < 4; i++) {
            const lease = await mutexOf('foo').acquire();
            most = Math.max(most, ++inside);
            await new Promise((resolve) => setImmediate(resolve));
            inside--;
            await lease?.release();
          }
        }),
      );
      expect(most).toBe(1);
    });

    it(`[py 202] ${on.name}: while "foo" is held, "bar" can be had without a wait, but not twice; three rounds`, async () => {
      const mutexOf = await locks();
      for (let round = 0; round < 3; round++) {
        const foo = await mutexOf('foo').acquire();
        const bar = (await mutexOf('bar').acquire({ wait: false })) as Lease;
        expect(bar).toBeDefined();
        expect(await mutexOf('bar').acquire({ wait: false })).toBeUndefined();
        await foo?.release();
        await bar.release();
      }
    });
  }
});

describe('what is a mutex', () => {
  const look = () => ({ value: 1, createdTime: Date.now() });
  const asking = async (mutex: unknown) => dogpileLock({ mutex: mutex as never, look, create: look });

  it.each([
    ['[py 2] a number', 5],
    ['[py 3] a text', 'some string'],
    ['[py 4] something with only release', { release: () => {} }],
    ['nothing', undefined],
    ['null', null],
  ])('%s is none', async (_, mutex) => {
    await expect(asking(mutex)).rejects.toThrow(ValidationError);
  });

  it('[py 5] something with only acquire is one: what it gives is released (differs)', async () => {
    expect(await asking({ acquire: () => undefined, locked: () => false })).toBe(1);
  });

  it('[py 6] something with acquire and release is one, whatever its acquire takes', async () => {
    const release = vi.fn();
    const create = vi.fn(() => ({ value: 2, createdTime: Date.now() }));
    const mutex = { acquire: () => true, release };
    expect(await dogpileLock({ mutex, look: () => ({ value: 1, createdTime: 1 }), create, expirationTime: '1s' })).toBe(
      2,
    );
    expect(release).toHaveBeenCalledTimes(1);
  });
});

it('[py 211] a function decorated on the null backend runs on every call', async () => {
  const fn = vi.fn(async (a: number) => a);
  const cached = makeRegion({ clock: new FakeClock() }).configure('null').cacheOnArguments({ namespace: 'n' })(fn);
  expect([await cached(1), await cached(1), await cached(2)]).toEqual([1, 1, 2]);
  expect(fn).toHaveBeenCalledTimes(3);
});
