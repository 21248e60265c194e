import { afterEach, describe, expect, it } from 'vitest';
import type { CacheBackend, ConfigureOptions, RegionOptions } from '../../src/api.js';
import { memoryBackend, memorySerializedBackend } from '../../src/backends/memory.js';
import { CantDeserializeError, SerializationError } from '../../src/errors.js';
import { type CacheRegion, makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { FencedBackend, LaterBackend, SharedStore } from './support/later-backend.js';
import { type Heard, listenTo } from './support/listen.js';

const NOTHING = {
  hits: 0,
  misses: 0,
  stale: 0,
  waits: 0,
  creations: 0,
  failures: 0,
  refusedCommits: 0,
  droppedWrites: 0,
  backendErrors: 0,
  backendTimeouts: 0,
  evictions: 0,
  lockLosses: 0,
};
const counters = ({ statistics }: CacheRegion) => {
  const names = Object.keys(NOTHING) as (keyof typeof NOTHING)[];
  return Object.fromEntries(names.map((name) => [name, statistics[name]]).filter(([, count]) => count !== 0));
};

const heard: Heard[] = [];
afterEach(() => {
  for (const each of heard.splice(0)) each.stop();
});
const setUp = (policy: ConfigureOptions = {}, backend: CacheBackend = memoryBackend(), options: RegionOptions = {}) => {
  const clock = new FakeClock();
  const region = makeRegion({ clock, ...options }).configure(backend, { expirationTime: '10s', ...policy });
  const ears = listenTo(region);
  heard.push(ears);
  /** What was said since the last time, and what was counted in all. */
  const said = () => ears.messages.splice(0);
  return { clock, region, said };
};

describe('what is said and counted', () => {
  it('[py 91, 93] a miss and its creation', async () => {
    const { region, said, clock } = setUp();
    await region.getOrCreate('k', async () => {
      await clock.advance('2s');
      return 'value';
    });
    const created = { key: 'k', background: false, result: 'value' };
    expect(said()).toEqual([
      ['miss', { key: 'k', reason: 'absent' }],
      ['create start', { key: 'k', background: false }],
      ['create asyncEnd', created],
    ]);
    expect(counters(region)).toEqual({ misses: 1, creations: 1 });
    expect(region.statistics.creationTime.count).toBe(1);
    expect(region.statistics.creationTime.total).toBeCloseTo(2000, 1);
    expect(region.statistics.creationTime.max).toBeCloseTo(2000, 1);
  });

  it('hits, with their age, of every verb that reads', async () => {
    const { region, said, clock } = setUp();
    await region.setMulti({ a: 1, b: 2 });
    await clock.advance('3s');
    await region.get('a');
    await region.getCachedValue('a');
    await region.getMulti(['a', 'none', 'b']);
    await region.getOrCreate('a', () => 0);
    await region.getOrCreate('b', () => 0, {});
    await region.getOrCreateMulti(['b', 'a'], () => []);
    expect(said()).toEqual([
      ['hit', { key: 'a', age: 3000 }],
      ['hit', { key: 'a', age: 3000 }],
      ['hit', { key: 'a', age: 3000 }],
      ['miss', { key: 'none', reason: 'absent' }],
      ['hit', { key: 'b', age: 3000 }],
      ['hit', { key: 'a', age: 3000 }],
      ['hit', { key: 'b', age: 3000 }],
      ['hit', { key: 'b', age: 3000 }],
      ['hit', { key: 'a', age: 3000 }],
    ]);
    expect(counters(region)).toEqual({ hits: 8, misses: 1 });
  });

  it('[py 95] stale and missing, each with its reason', async () => {
    const { region, said, clock } = setUp({ keepStale: '1m' });
    await region.set('k', 1);
    await clock.advance('11s');
    await region.get('k');
    await region.set('k', 1);
    await region.invalidate({ hard: false });
    await region.get('k');
    await region.invalidate();
    await region.get('k');
    await region.set('k', 1);
    await clock.advance('71s');
    await region.get('k');
    expect(said()).toEqual([
      ['stale', { key: 'k', age: 11_000, reason: 'expired' }],
      ['invalidate', { hard: false }],
      ['stale', { key: 'k', age: 0, reason: 'soft-invalidated' }],
      ['invalidate', { hard: true }],
      ['miss', { key: 'k', reason: 'hard-invalidated' }],
      ['miss', { key: 'k', reason: 'too-old' }],
    ]);
    expect(counters(region)).toEqual({ stale: 2, misses: 2 });
  });

  it('[py 94] another version and garbage are misses; garbage is an event once', async () => {
    const { region, said } = setUp({}, memorySerializedBackend());
    await region.backend.set('v', Buffer.from('{"ct":1767225600,"v":3}|1'));
    await region.backend.set('g', Buffer.from('garbage'));
    const garbage = { key: 'g', verb: 'decode', error: expect.any(CantDeserializeError) };
    await region.getOrCreate('v', () => 2);
    expect(said()[0]).toEqual(['miss', { key: 'v', reason: 'other-version' }]);
    await region.get('g');
    expect(said()).toEqual([
      ['backend-error', garbage],
      ['miss', { key: 'g', reason: 'garbage' }],
    ]);
    await region.getOrCreate('g', () => 1, {});
    expect(said()).toEqual([
      ['backend-error', garbage],
      ['miss', { key: 'g', reason: 'garbage' }],
      ['create start', { key: 'g', background: false }],
      ['create asyncEnd', { key: 'g', background: false, result: 1 }],
    ]);
    expect(counters(region)).toEqual({ misses: 3, creations: 2 });
  });

  it('... on the short way of getOrCreate too', async () => {
    const { region, said } = setUp({}, memorySerializedBackend());
    await region.backend.set('g', Buffer.from('garbage'));
    await region.getOrCreate('g', () => 1);
    expect(said().filter(([name]) => name === 'backend-error')).toHaveLength(1);
  });

  it('a stale value served while another creates, and one created behind', async () => {
    const { region, said, clock } = setUp({ background: true });
    await region.set('k', 'old');
    await clock.advance('11s');
    await region.getOrCreate('k', () => 'new');
    await region.idle();
    expect(said()).toEqual([
      ['stale', { key: 'k', age: 11_000, reason: 'expired' }],
      ['create start', { key: 'k', background: true }],
      ['create asyncEnd', { key: 'k', background: true, result: 'new' }],
    ]);
    expect(counters(region)).toEqual({ stale: 1, creations: 1 });
  });

  it('who waits here, and who waits for another process', async () => {
    const store = new SharedStore();
    const { region, said, clock } = setUp({}, new FencedBackend(store));
    const other = makeRegion({ clock }).configure(new FencedBackend(store));
    const gate = new Gate();
    const elsewhere = other.getOrCreate('k', () => gate.passed().then(() => 1));
    await gate.arrived;
    const calls = [region.getOrCreate('k', () => 2)];
    await new FakeClock().advance(0);
    calls.push(region.getOrCreate('k', () => 3));
    await new FakeClock().advance(0);
    gate.open();
    expect(await Promise.all([elsewhere, ...calls])).toEqual([1, 1, 1]);
    expect(said().filter(([name]) => name === 'wait')).toEqual([
      ['wait', { key: 'k', where: 'elsewhere' }],
      ['wait', { key: 'k', where: 'here' }],
    ]);
    expect(counters(region)).toMatchObject({ waits: 2, misses: 2 });
    expect(region.statistics.creations).toBe(0);
  });

  it('a failure', async () => {
    const { region, said } = setUp();
    const boom = new Error('boom');
    await expect(region.getOrCreate('k', () => Promise.reject(boom))).rejects.toBe(boom);
    await expect(region.getOrCreateMulti(['a', 'b'], () => Promise.reject(boom))).rejects.toBe(boom);
    const messages = said();
    expect(messages.slice(0, 3)).toEqual([
      ['miss', { key: 'k', reason: 'absent' }],
      ['create start', { key: 'k', background: false }],
      ['create error', { key: 'k', background: false, error: boom }],
    ]);
    expect(messages.slice(5).map(([name, { key, error }]) => [name, key, error])).toEqual([
      ['create start', 'a', undefined],
      ['create start', 'b', undefined],
      ['create error', 'a', boom],
      ['create error', 'b', boom],
    ]);
    expect(counters(region)).toEqual({ misses: 3, failures: 2 });
    expect(region.statistics.creationTime).toEqual({ count: 0, total: 0, max: 0 });
  });

  it('many: each key, one call of the creator', async () => {
    const { region, said, clock } = setUp();
    await region.getOrCreateMulti(['b', 'a', 'b'], async () => {
      await clock.advance('1s');
      return [1, 2];
    });
    expect(said()).toEqual([
      ['miss', { key: 'b', reason: 'absent' }],
      ['miss', { key: 'a', reason: 'absent' }],
      ['create start', { key: 'a', background: false }],
      ['create start', { key: 'b', background: false }],
      ['create asyncEnd', expect.objectContaining({ key: 'a', background: false })],
      ['create asyncEnd', expect.objectContaining({ key: 'b', background: false })],
    ]);
    expect(counters(region)).toEqual({ misses: 2, creations: 2 });
    expect(region.statistics.creationTime.count).toBe(1);
  });

  it('... the result of each is its own', async () => {
    const { region, said } = setUp();
    await region.getOrCreateMulti(['b', 'a'], (keys) => keys.map((key) => `value of ${key}`));
    const results = said().filter(([name]) => name === 'create asyncEnd');
    expect(results.map(([, { key, result }]) => [key, result])).toEqual([
      ['a', 'value of a'],
      ['b', 'value of b'],
    ]);
  });

  it('what can not be read is missing for that reason, whoever asks', async () => {
    const backend = Object.assign(new FencedBackend(new SharedStore()), {
      get: () => Promise.reject(new Error('down')),
      getMulti: () => Promise.reject(new Error('down')),
    });
    const { region, said } = setUp({}, backend);
    await region.get('get');
    await region.getMulti(['getMulti']);
    await region.getOrCreate('getOrCreate', () => 1);
    await region.getOrCreateMulti(['getOrCreateMulti'], () => [1]);
    const misses = new Map(said().flatMap(([name, { key, reason }]) => (name === 'miss' ? [[key, reason]] : [])));
    expect([...misses]).toEqual([
      ['get', 'unreadable'],
      ['getMulti', 'unreadable'],
      ['getOrCreate', 'unreadable'],
      ['getOrCreateMulti', 'unreadable'],
    ]);
  });

  it('a refused commit, with the reason', async () => {
    for (const backend of [memoryBackend(), new FencedBackend(new SharedStore())]) {
      const { region, said } = setUp({}, backend);
      const value = await region.getOrCreate('k', async () => {
        await region.delete('k');
        return 'value';
      });
      expect(value).toBe('value');
      const messages = said();
      expect(messages.filter(([name]) => name === 'delete')).toEqual([['delete', { key: 'k' }]]);
      expect(messages.filter(([name]) => name === 'refuse')).toEqual([
        ['refuse', { key: 'k', reason: 'its key was deleted, set or invalidated meanwhile, or its lease was lost' }],
      ]);
      expect(region.statistics).toMatchObject({ refusedCommits: 1, creations: 1 });
    }
  });

  it('one that the store refuses', async () => {
    const store = new SharedStore();
    const { region, said, clock } = setUp({}, new FencedBackend(store));
    const other = makeRegion({ clock }).configure(new FencedBackend(store));
    await region.getOrCreate('k', () => other.set('k', 'set elsewhere').then(() => 'created'));
    expect(said().filter(([name]) => name === 'refuse')).toEqual([
      ['refuse', { key: 'k', reason: 'its lease no longer stood in the store' }],
    ]);
    expect(await region.get('k')).toBe('set elsewhere');
    expect(region.statistics.refusedCommits).toBe(1);
  });

  it('deletes and invalidations, with their keys as the caller knows them', async () => {
    const { region, said } = setUp({}, memoryBackend(), { keyMangler: (key) => `mangled:${key}` });
    await region.delete('k');
    await region.deleteMulti(['a', 'b']);
    await region.deleteMulti([]);
    await region.invalidate();
    await region.invalidate({ hard: false });
    await region.invalidateTags(['x'], { hard: false });
    await region.get('k');
    expect(said()).toEqual([
      ['delete', { key: 'k' }],
      ['delete', { key: 'a' }],
      ['delete', { key: 'b' }],
      ['invalidate', { hard: true }],
      ['invalidate', { hard: false }],
      ['invalidate', { hard: false, tags: ['x'] }],
      ['miss', { key: 'k', reason: 'absent' }],
    ]);
  });

  it('trouble of the store that no caller is told of, with its verb', async () => {
    const backend = new LaterBackend();
    const { region, said } = setUp({}, backend);
    const gone = new Error('gone');
    backend.pause = () => Promise.reject(gone);
    expect(await region.get('k')).toBeUndefined();
    expect(await region.getMulti(['k'])).toEqual([undefined]);
    expect(await region.getOrCreate('k', () => 1)).toBe(1);
    await expect(region.set('k', 1)).rejects.toBe(gone);
    const errors = said().filter(([name]) => name === 'backend-error');
    expect(errors.map(([, { verb, key, error }]) => [verb, key, error])).toEqual([
      ['get', 'k', gone],
      ['getMulti', undefined, gone],
      ['get', 'k', gone],
      ['get', 'k', gone],
      ['set', 'k', gone],
    ]);
    expect(counters(region)).toEqual({ misses: 3, creations: 1, droppedWrites: 1, backendErrors: 6 });
  });

  it('a value that can’t be serialized: returned, dropped, and an event', async () => {
    const { region, said } = setUp({}, memorySerializedBackend());
    expect(await region.getOrCreate('k', () => 5n)).toBe(5n);
    expect(said().at(-1)).toEqual([
      'backend-error',
      { key: 'k', verb: 'serialize', error: expect.any(SerializationError) },
    ]);
    expect(region.statistics.droppedWrites).toBe(1);
    await expect(region.set('k', 5n)).rejects.toThrow(SerializationError);
  });

  it('a lease that lapses is a lost lock', async () => {
    const { region, clock } = setUp();
    const gate = new Gate();
    const call = region.getOrCreate('k', () => gate.passed().then(() => 1));
    await gate.arrived;
    await clock.advance('5m');
    gate.open();
    await call;
    expect(region.statistics).toMatchObject({ lockLosses: 1, refusedCommits: 1 });
  });

  it('rejected values are no event: shouldCache, dontCache', async () => {
    const { region, said } = setUp();
    await region.getOrCreate('k', () => 1, { shouldCache: () => false });
    await region.getOrCreate('k', ({ dontCache }) => dontCache());
    const names = said().map(([name]) => name);
    expect(new Set(names)).toEqual(new Set(['miss', 'create start', 'create asyncEnd']));
    expect(region.statistics).toMatchObject({ misses: 2, creations: 2, droppedWrites: 0, refusedCommits: 0 });
  });

  it('... and whoever has been told of one may begin the next, without a wait', async () => {
    const { region } = setUp();
    await region.getOrCreate('k', () => 1, { shouldCache: () => false });
    await region.getOrCreate('k', () => 1, { shouldCache: () => false });
    await expect(region.getOrCreate('k', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await region.keyIsLocked('k')).toBe(false);
    await region.getOrCreate('k', () => 1);
    expect(region.statistics.waits).toBe(0);
  });

  it('shouldCache that throws where nobody waits for it is an event', async () => {
    const { region, said, clock } = setUp({ background: true });
    const shouldCache = () => {
      throw new Error('which?');
    };
    const error = expect.objectContaining({ message: 'which?' });
    await region.setMulti({ k: 'old', many: 'old' });
    await clock.advance('11s');
    expect(await region.getOrCreate('k', () => 'new', { shouldCache })).toBe('old');
    await region.idle();
    expect(said().at(-1)).toEqual(['backend-error', { key: 'k', verb: 'shouldCache', error }]);
    expect(await region.getOrCreateMulti(['many'], () => ['new'], { shouldCache })).toEqual(['old']);
    await region.idle();
    expect(said().at(-1)).toEqual(['backend-error', { verb: 'shouldCache', error }]);
    await expect(region.getOrCreate('other', () => 1, { shouldCache })).rejects.toThrow('which?');
    expect(said().at(-1)?.[0]).toBe('create asyncEnd');
  });

  it('what can’t be read is said to be unreadable, whoever asks', async () => {
    const backend = new LaterBackend();
    const { region, said } = setUp({}, backend);
    backend.pause = (verb) => (verb.startsWith('get') ? Promise.reject(new Error('gone')) : undefined);
    await region.get('k');
    await region.getMulti(['k']);
    await region.getOrCreate('k', () => 1);
    await region.getOrCreateMulti(['k'], () => [1]);
    const misses = said().filter(([channel]) => channel === 'miss');
    expect(misses).toEqual(Array(4).fill(['miss', { key: 'k', reason: 'unreadable' }]));
  });

  it('null: every call is a creation, and no lookup', async () => {
    const clock = new FakeClock();
    const region = makeRegion({ clock }).configure('null');
    await region.getOrCreate('k', () => 1);
    await region.getOrCreateMulti(['a', 'b'], () => [1, 2]);
    expect(region.statistics.creations).toBe(3);
  });
});

describe('statistics', () => {
  it('reset() sets everything to zero, evictions too', async () => {
    const region = makeRegion().configure(memoryBackend({ maxEntries: 1 }));
    await region.setMulti({ a: 1, b: 2, c: 3 });
    await region.getOrCreate('c', () => 1);
    await region.getOrCreate('d', () => 1);
    await expect(region.getOrCreate('e', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const { statistics } = region;
    expect(statistics).toMatchObject({ hits: 1, misses: 2, creations: 1, failures: 1, evictions: 3 });
    expect(JSON.parse(JSON.stringify(statistics))).toMatchObject({ hits: 1, evictions: 3 });
    statistics.reset();
    expect(counters(region)).toEqual({});
    expect(statistics.creationTime).toEqual({ count: 0, total: 0, max: 0 });
    await region.set('f', 1);
    expect(counters(region)).toEqual({ evictions: 1 });
  });

  it('creationTime that was read before stays what it was', async () => {
    const { region, clock } = setUp();
    const { creationTime: before } = region.statistics;
    await region.getOrCreate('k', () => clock.advance('1s'));
    region.statistics.reset();
    expect(region.statistics.creationTime).toEqual({ count: 0, total: 0, max: 0 });
    expect(before.count).toBeLessThanOrEqual(1);
  });

  it('evictions are never negative, also when the backend is replaced', async () => {
    const region = makeRegion().configure(memoryBackend({ maxEntries: 1 }));
    await region.setMulti({ a: 1, b: 2, c: 3 });
    region.statistics.reset();
    region.configure('memory', { replaceExistingBackend: true });
    expect(region.statistics.evictions).toBe(0);
  });

  it('are those of one region, whoever else uses the store', async () => {
    const backend = memoryBackend();
    const [one, other] = [makeRegion().configure(backend), makeRegion().configure(backend)];
    await one.getOrCreate('k', () => 1);
    await other.get('k');
    expect(counters(one)).toEqual({ misses: 1, creations: 1 });
    expect(counters(other)).toEqual({ hits: 1 });
  });
});

it('what was copied of the statistics stays as it was', async () => {
  const region = makeRegion().configure('memory');
  const before = { ...region.statistics };
  await region.getOrCreate('k', () => 1);
  expect([before.creationTime.count, region.statistics.creationTime.count]).toEqual([0, 1]);
});
