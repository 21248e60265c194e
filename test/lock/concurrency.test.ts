/**
 * Ten tasks that use one value over and over (Python's ConcurrencyTest), in seconds of a clock that is moved by hand: how many
 * creators, who waits, how old a value may be, how long it all takes.
 */
import { describe, expect, it } from 'vitest';
import { dogpileLock, LocalMutex, type Made, NameRegistry, NeedRegeneration } from '../../src/lock/index.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const TASKS = 10;

/** Milliseconds, all but `usages`. */
interface Parameters {
  readonly expiration: number;
  readonly creation: number;
  readonly usages: number;
  /** How long a task works with a value, and how long it rests before it asks again. */
  readonly usage: number;
  readonly delay: number;
  /** The store forgets a value after so long. */
  readonly ttl?: number;
}

interface Result {
  readonly values: readonly (string | undefined)[];
  readonly mostCreators: number;
  readonly generations: number;
  /** How long each call that waited for more than 10 ms did. */
  readonly waits: readonly number[];
  readonly oldest: number;
  readonly time: number;
  readonly forgotten: number;
}

async function run({
  expiration,
  creation,
  usages,
  usage,
  delay,
  ttl = Number.POSITIVE_INFINITY,
}: Parameters): Promise<Result> {
  const clock = new FakeClock();
  const start = clock.now();
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.setTimeout(resolve, ms));
  const registry = new NameRegistry(() => new LocalMutex({ clock }));
  const values: (string | undefined)[] = [];
  const waits: number[] = [];
  let made: Made<string> | undefined;
  let [creators, mostCreators, generations, oldest, forgotten] = [0, 0, 0, 0, 0];

  const look = (): Made<string> => {
    if (!made) throw new NeedRegeneration();
    if (clock.now() - made.createdTime > ttl) {
      made = undefined;
      forgotten++;
      throw new NeedRegeneration();
    }
    return made;
  };
  const create = async (): Promise<Made<string>> => {
    creators++;
    mostCreators = Math.max(mostCreators, creators);
    await sleep(creation);
    creators--;
    generations++;
    made = { value: `generation ${generations} at ${clock.now()}`, createdTime: clock.now() };
    return made;
  };
  const task = async (which: number) => {
    for (let turn = 0; turn < usages; turn++) {
      const asked = clock.now();
      const value = await dogpileLock({
        mutex: registry.get('the value'),
        look,
        create,
        expirationTime: expiration,
        clock,
      });
      const waited = clock.now() - asked;
      if (waited > 10) waits.push(waited);
      values.push(value);
      oldest = Math.max(oldest, clock.now() - Number(value.split(' at ')[1]));
      await sleep(usage);
      await sleep(delay + which);
    }
  };

  const tasks = Array.from({ length: TASKS }, (_, which) => task(which));
  let isDone = false;
  const done = Promise.all(tasks).finally(() => {
    isDone = true;
  });
  while (!isDone) await clock.advance(50);
  await done;
  return { values, mostCreators, generations, waits, oldest, time: clock.now() - start, forgotten };
}

const SETS: Record<string, Parameters> = {
  'quick creations': { expiration: 2000, creation: 500, usages: 6, usage: 1000, delay: 200 },
  'creations as long as the expiration time': { expiration: 2000, creation: 2000, usages: 6, usage: 300, delay: 200 },
  'creations of no time': { expiration: 1000, creation: 0, usages: 10, usage: 100, delay: 50 },
  'quick uses': { expiration: 1000, creation: 300, usages: 30, usage: 20, delay: 10 },
  'slow uses': { expiration: 1000, creation: 300, usages: 4, usage: 2500, delay: 100 },
  '[py 159] creations longer than the expiration time': {
    expiration: 2000,
    creation: 2500,
    usages: 8,
    usage: 500,
    delay: 200,
  },
  '[py 157] a store that forgets after what a value may live': {
    expiration: 2000,
    creation: 500,
    usages: 8,
    usage: 300,
    delay: 100,
    ttl: (2000 + 500) * 1.1,
  },
};

describe('ten tasks', () => {
  for (const [name, parameters] of Object.entries(SETS)) {
    it(`[py 151–156] ${name}: one creator, no empty value, waits in the first round only, none too old, in time`, async () => {
      const { expiration, creation, usages, usage, delay } = parameters;
      const { values, mostCreators, generations, waits, oldest, time, forgotten } = await run(parameters);
      expect(mostCreators).toBe(1);
      expect(values).toHaveLength(TASKS * usages);
      expect(values.filter((value) => !value)).toEqual([]);
      expect(oldest).toBeLessThanOrEqual((expiration + creation + usage + delay + TASKS) * 1.1);
      const expected = Math.ceil(time / expiration);
      expect(generations).toBeLessThanOrEqual(expected);
      expect(waits.length).toBeLessThanOrEqual(expected + TASKS - 1);
      const longest = usages * (usage + delay + TASKS) * 1.1 + waits.reduce((sum, each) => sum + each, 0);
      expect(time).toBeLessThanOrEqual(longest * 1.1);
      expect(forgotten).toBe(0);
    });
  }

  it('[py 158] a store that forgets before a value expires: whoever comes then waits, and nobody gets nothing', async () => {
    const parameters = { expiration: 2000, creation: 500, usages: 8, usage: 300, delay: 100, ttl: 1600 };
    const { values, mostCreators, generations, waits, forgotten } = await run(parameters);
    expect(forgotten).toBeGreaterThan(0);
    expect(mostCreators).toBe(1);
    expect(values.filter((value) => !value)).toEqual([]);
    expect(waits.length).toBeLessThanOrEqual(generations * TASKS);
    expect(waits.length).toBeGreaterThan(TASKS);
  });

  it('[py 203] the creator of foo may ask for bar; the second time bar comes from the cache', async () => {
    const region = makeRegion().configure('memory');
    let bars = 0;
    const bar = () => region.getOrCreate('bar', () => `bar ${++bars}`);
    const foo = (value: string) => region.getOrCreate(value, async () => `${value} with ${await bar()}`);
    expect([await foo('foo'), await foo('another'), bars]).toEqual(['foo with bar 1', 'another with bar 1', 1]);
    await region.close();
  });
});
