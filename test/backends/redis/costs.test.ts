/** What a region's calls cost, in commands counted on the server: the counts are those of the protocol's page. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CacheRegion, makeRegion } from '../../../src/region/region.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { type Observer, observe, type RunningRedis, startRedis } from '../../services/redis.js';
import { until } from '../../support/wait.js';
import { ioredisByUrl, nodeRedisByUrl, type Opened } from './support/clients.js';

let server: RunningRedis;
let observer: Observer;
beforeAll(async () => {
  server = await startRedis();
  observer = await observe(server.url);
});
afterAll(async () => {
  observer.close();
  await server.stop();
});

describe.each([nodeRedisByUrl, ioredisByUrl])('by $way', ({ open }) => {
  let opened: Opened;
  let region: CacheRegion;
  beforeEach(async () => {
    await observer.raw('FLUSHALL');
    opened = await open(server.url);
    region = regionOver(opened);
    // Connected, and its record seeded, as in a process that has served before.
    await region.getOrCreate('warm', () => 1);
    await region.delete('warm');
  });
  afterEach(() => opened.close());

  const names = (commands: readonly string[]) =>
    commands.map((command) => command.split(' ')[0]?.replace('evalsha', 'eval'));
  const costOf = async (run: () => Promise<unknown>) => names(await observer.commandsOf(run));

  it('a hit is one command', async () => {
    await region.getOrCreate('k', () => 1);
    expect(await costOf(() => region.getOrCreate('k', () => 2))).toEqual(['mget']);
    expect(await costOf(() => region.get('k'))).toEqual(['mget']);
  });

  it('hits of different keys that are asked for in one tick are one command, of which a hundred keys at most', async () => {
    const keys = Array.from({ length: 150 }, (_, at) => `k${at}`);
    await region.getOrCreateMulti(keys, (missing) => missing);
    const calls = () => Promise.all(keys.map((key) => region.getOrCreate(key, () => 'not found')));
    expect(await costOf(calls)).toEqual(['mget', 'mget']);
    expect(await calls()).toEqual(keys);
    expect(await costOf(() => Promise.all([region.get('k1'), region.get('k2')]))).toEqual(['mget']);
  });

  it('a miss is three', async () => {
    expect(await costOf(() => region.getOrCreate('k', () => 1))).toEqual(['mget', 'eval', 'eval']);
  });

  it('a miss is three also as the first call of a process', async () => {
    const first = await open(server.url);
    try {
      expect(await costOf(() => regionOver(first).getOrCreate('k', () => 1))).toEqual(['mget', 'eval', 'eval']);
    } finally {
      await first.close();
    }
  });

  it('an expired value is three in all', async () => {
    const clock = new FakeClock();
    region = regionOver(opened, clock);
    await region.getOrCreate('k', () => 1);
    await clock.advance('2h');
    expect(await costOf(() => region.getOrCreate('k', () => 2))).toEqual(['mget', 'eval', 'eval']);
  });

  it('a stale value while another creates is two', async () => {
    const clock = new FakeClock();
    region = regionOver(opened, clock);
    await region.getOrCreate('k', () => 1);
    await clock.advance('2h');
    await observer.raw('SET', '_lockk', 'somebody');
    expect(await costOf(() => region.getOrCreate('k', () => 2))).toEqual(['mget', 'eval']);
    expect(await region.getOrCreate('k', () => 2)).toBe(1);
  });

  it('fifty missing keys are three, fifty hits one', async () => {
    const keys = Array.from({ length: 50 }, (_, at) => `k${at}`);
    const create = (missing: string[]) => missing.map((key) => key.toUpperCase());
    expect(await costOf(() => region.getOrCreateMulti(keys, create))).toEqual(['mget', 'eval', 'eval']);
    expect(await costOf(() => region.getOrCreateMulti(keys, create))).toEqual(['mget']);
    expect(await region.get('k7')).toBe('K7');
  });

  it('a thousand callers of one key in one process read once and ask for the lock once', async () => {
    let creations = 0;
    const calls = () => Array.from({ length: 1000 }, () => region.getOrCreate('k', async () => ++creations));
    expect(await costOf(() => Promise.all(calls()))).toEqual(['mget', 'eval', 'eval']);
    expect(creations).toBe(1);
    expect(await costOf(() => Promise.all(calls()))).toEqual(['mget']);
  });

  it('a thousand callers of an expired key are one read, one attempt and one commit', async () => {
    const clock = new FakeClock();
    region = regionOver(opened, clock);
    await region.getOrCreate('k', () => 0);
    await clock.advance('2h');
    let creations = 0;
    const calls = () => Array.from({ length: 1000 }, () => region.getOrCreate('k', async () => ++creations));
    expect(await costOf(() => Promise.all(calls()))).toEqual(['mget', 'eval', 'eval']);
    expect(creations).toBe(1);
  });

  it('a thousand callers who wait for another process read and ask as one', async () => {
    const holder = await open(server.url);
    const waiter = await open(server.url, { lockSleep: '1h' });
    try {
      const waiting = regionOver(waiter);
      const lease = await holder.backend.mutex('k')?.acquire();
      const calls = Array.from({ length: 1000 }, () => waiting.getOrCreate('k', () => 'mine'));
      const ears = async () => ((await observer.raw('PUBSUB', 'CHANNELS')) as unknown as string[]).length;
      const spent = await costOf(async () => {
        await until(async () => (await ears()) === 1);
        await lease?.release();
        expect(new Set(await Promise.all(calls))).toEqual(new Set(['mine']));
      });
      expect(spent.filter((name) => name === 'mget').length).toBeLessThanOrEqual(1);
      // A try, one that waits, two when listening begins (a message may have been missed), the release, the win, the commit.
      expect(spent.filter((name) => name === 'eval').length).toBeLessThanOrEqual(7);
    } finally {
      await holder.close();
      await waiter.close();
    }
  });

  it('tags that the call names come with the value', async () => {
    const clock = new FakeClock();
    region = regionOver(opened, clock);
    const options = { tags: ['a', 'b', 'c'] };
    const keys = Array.from({ length: 50 }, (_, at) => `k${at}`);
    const create = (missing: string[]) => missing.map(() => 1);
    expect(await costOf(() => region.getOrCreate('k', () => 1, options))).toEqual(['mget', 'eval', 'eval']);
    expect(await costOf(() => region.getOrCreate('k', () => 2, options))).toEqual(['mget']);
    expect(await costOf(() => region.getOrCreateMulti(keys, create, options))).toEqual(['mget', 'eval', 'eval']);
    expect(await costOf(() => region.getOrCreateMulti(keys, create, options))).toEqual(['mget']);
    await clock.advance('2h');
    expect(await costOf(() => region.getOrCreate('k', () => 4, options))).toEqual(['mget', 'eval', 'eval']);
    expect(await costOf(() => region.invalidateTags(['a', 'b']))).toEqual(['eval']);
    expect(await region.getOrCreate('k', () => 5, options)).toBe(5);
    expect(await region.getOrCreateMulti(['k0', 'k1'], (missing) => missing.map(() => 6), options)).toEqual([6, 6]);
  });

  it('others that an entry bears are one more command, whatever their number and that of the keys', async () => {
    const clock = new FakeClock();
    region = regionOver(opened, clock);
    const keys = Array.from({ length: 50 }, (_, at) => `k${at}`);
    await region.getOrCreate('k', ({ tag }) => (tag('a', 'b', 'c'), 1));
    await region.getOrCreateMulti(keys, (missing, { tag }) => {
      for (const key of missing) tag(key, key, 'a');
      return missing;
    });
    expect(await costOf(() => region.get('k'))).toEqual(['mget', 'mget']);
    expect(await costOf(() => region.getOrCreate('k', () => 2))).toEqual(['mget', 'mget']);
    expect(await costOf(() => region.getOrCreate('k', () => 2, { tags: ['a'] }))).toEqual(['mget', 'mget']);
    expect(await costOf(() => region.getMulti(keys))).toEqual(['mget', 'mget']);
    expect(await costOf(() => region.getOrCreateMulti(keys, () => []))).toEqual(['mget', 'mget']);
    await clock.advance('2h');
    expect(await costOf(() => region.getOrCreate('k', () => 3))).toEqual(['mget', 'mget', 'eval', 'eval']);
  });

  it('set, setMulti, delete, deleteMulti and invalidate are one each', async () => {
    await region.get('k');
    expect(await costOf(() => region.set('k', 1))).toEqual(['eval']);
    expect(await costOf(() => region.setMulti({ a: 1, b: 2 }))).toEqual(['eval']);
    expect(await costOf(() => region.delete('k'))).toEqual(['eval']);
    expect(await costOf(() => region.deleteMulti(['a', 'b']))).toEqual(['eval']);
    expect(await costOf(() => region.invalidate())).toEqual(['eval']);
    expect(await costOf(() => region.set('k', 1))).toEqual(['eval', 'eval']);
  });
});

function regionOver({ backend }: Opened, clock?: FakeClock): CacheRegion {
  return makeRegion({ name: 'costs', clock }).configure(backend, { expirationTime: '1h', backendTimeout: '20s' });
}
