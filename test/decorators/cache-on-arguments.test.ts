import { describe, expect, it, vi } from 'vitest';
import type { Policy, RegionOptions } from '../../src/api.js';
import {
  KeyGenerationError,
  ReentrantCreationError,
  RegionNotConfiguredError,
  ValidationError,
} from '../../src/errors.js';
import { functionKeyGenerator } from '../../src/keys.js';
import { CallPolicy } from '../../src/region/call-options.js';
import { currentCreation } from '../../src/region/context.js';
import type { DecoratorHost } from '../../src/region/decorator-host.js';
import { cacheOnArguments } from '../../src/region/decorators.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { LaterBackend } from '../region/support/later-backend.js';

const setUp = (policy: Policy = {}, options: RegionOptions = {}) => {
  const clock = new FakeClock();
  const region = makeRegion({ clock, ...options }).configure('memory', { expirationTime: '10s', ...policy });
  let count = 0;
  /** A function that says how often it has been called, and with what. */
  const go = vi.fn(async (...args: unknown[]) => `${++count}: ${args.join(' ')}`);
  return { clock, region, go };
};

describe('a cached function', () => {
  it('[py 96, 133] is called once for the same arguments, and for others again', async () => {
    const { region, go } = setUp();
    const cached = region.cacheOnArguments()(async function one(a: number, b: number) {
      return go(a, b);
    });
    expect([await cached(1, 2), await cached(1, 2), await cached(2, 1)]).toEqual(['1: 1 2', '1: 1 2', '2: 2 1']);
    expect(go).toHaveBeenCalledTimes(2);
  });

  it('[py 96] is called again when its value has expired', async () => {
    const { region, go, clock } = setUp();
    const cached = region.cacheOnArguments()(async function one(a: number) {
      return go(a);
    });
    await cached(1);
    await clock.advance('11s');
    expect(await cached(1)).toBe('2: 1');
  });

  it('[py 97] has its namespace before its name in the keys', async () => {
    const { region } = setUp();
    const cached = region.cacheOnArguments({ namespace: 'ns' })(async function one(a: number) {
      return a;
    });
    await cached(1);
    expect(cached.keyFor(1)).toBe('ns:one|1');
    expect(await region.get('ns:one|1')).toBe(1);
  });

  it('[py 98] has an expiration time of its own, which wins over the region, and governs get', async () => {
    const { region, go, clock } = setUp();
    const cached = region.cacheOnArguments({ expirationTime: '20s' })(async function one(a: number) {
      return go(a);
    });
    await cached(1);
    await clock.advance('15s');
    expect(await cached(1)).toBe('1: 1');
    expect(await cached.get(1)).toBe('1: 1');
    await clock.advance('6s');
    expect(await cached.get(1)).toBeUndefined();
    expect(await cached(1)).toBe('2: 1');
  });

  it('[py 99, E27] may have its expiration time from a function, asked once a call; undefined is the region’s', async () => {
    const { region, go, clock } = setUp();
    let time: number | undefined = 5000;
    const expirationTime = vi.fn(() => time);
    const cached = region.cacheOnArguments({ expirationTime })(async function one(a: number) {
      return go(a);
    });
    await cached(1);
    expect(expirationTime).toHaveBeenCalledTimes(1);
    await clock.advance('7s');
    time = undefined;
    expect(await cached(1)).toBe('1: 1');
    expect(expirationTime).toHaveBeenCalledTimes(2);
    time = 5000;
    expect(await cached(1)).toBe('2: 1');
  });

  it('[py 100] with an expiration time of 0 is called every time', async () => {
    const { region, go, clock } = setUp();
    const cached = region.cacheOnArguments({ expirationTime: () => 0 })(async function one(a: number) {
      return go(a);
    });
    await cached(1);
    await clock.advance(1);
    expect(await cached(1)).toBe('2: 1');
    await clock.advance(1);
    expect(await cached(1)).toBe('3: 1');
  });

  it('[py 101–104] invalidate and set concern these arguments alone; a set 0 is a value', async () => {
    const { region, go } = setUp();
    const cached = region.cacheOnArguments()(async function one(a: number): Promise<unknown> {
      return go(a);
    });
    await cached(1);
    await cached(2);
    await cached.invalidate(1);
    expect([await cached(1), await cached(2)]).toEqual(['3: 1', '2: 2']);
    await cached.set('said', 1);
    expect([await cached(1), await cached(2)]).toEqual(['said', '2: 2']);
    await cached.invalidate(1);
    expect(await cached(1)).toBe('4: 1');
    await cached.set(0, 1);
    expect(await cached(1)).toBe(0);
  });

  it('set keeps the value for as long as the policy of the decorator says', async () => {
    const clock = new FakeClock();
    const region = makeRegion({ clock, random: () => 0.5 }).configure('memory', {
      expirationTime: '1s',
      keepStale: 0,
      jitter: 0,
    });
    const longer = region.cacheOnArguments({ expirationTime: '1h' })(async function longer(_id: number) {
      return 'made';
    });
    const spread = region.cacheOnArguments({ expirationTime: '1h', jitter: 1 })(async function spread(_id: number) {
      return 'made';
    });
    await longer.set('said', 1);
    await spread.set('said', 1);
    await clock.advance('29m');
    expect([await longer.get(1), await spread.get(1)]).toEqual(['said', 'said']);
    await clock.advance('2m');
    expect([await longer.get(1), await spread.get(1)]).toEqual(['said', undefined]);
  });

  it('[py 105, 106] get gives what is cached and creates nothing', async () => {
    const { region, go } = setUp();
    const cached = region.cacheOnArguments()(async function one(a: number) {
      return go(a);
    });
    expect(await cached.get(1)).toBeUndefined();
    expect(go).not.toHaveBeenCalled();
    await cached(1);
    expect(await cached.get(1)).toBe('1: 1');
  });

  it('[py 110] refresh calls the function, stores, and returns what it made', async () => {
    const { region, go } = setUp();
    const cached = region.cacheOnArguments()(async function one(a: number) {
      return go(a);
    });
    await cached(1);
    expect(await cached.refresh(1)).toBe('2: 1');
    expect(await cached(1)).toBe('2: 1');
  });

  it('[py E27] refresh and set do not ask shouldCache', async () => {
    const { region, go } = setUp();
    const shouldCache = vi.fn(() => false);
    const cached = region.cacheOnArguments({ shouldCache })(async function one(a: number) {
      return go(a);
    });
    await cached(1);
    expect(await cached(1)).toBe('2: 1');
    expect(shouldCache).toHaveBeenCalledTimes(2);
    await cached.refresh(1);
    expect(await cached(1)).toBe('3: 1');
    await cached.set('said', 1);
    expect(await cached(1)).toBe('said');
    expect(shouldCache).toHaveBeenCalledTimes(2);
  });

  it('[py 112, 113] its own key generator supersedes the region’s; expiration still applies', async () => {
    const { region, go, clock } = setUp({}, { functionKeyGenerator: () => () => 'the region’s' });
    const cached = region.cacheOnArguments({
      functionKeyGenerator: (namespace, fn) => (first) => `${namespace} ${fn.name} ${first}`,
      namespace: 'ns',
    })(async function one(a: number, b: number) {
      return go(a, b);
    });
    expect(cached.keyFor(1, 2)).toBe('ns one 1');
    expect([await cached(1, 2), await cached(1, 3), await cached(2, 3)]).toEqual(['1: 1 2', '1: 1 2', '2: 2 3']);
    await clock.advance('11s');
    expect(await cached(1, 4)).toBe('3: 1 4');
    const other = region.cacheOnArguments()(async () => 1);
    expect(other.keyFor()).toBe('the region’s');
  });

  it('[py 134, 149] keeps its name, its length and the original', () => {
    const { region } = setUp();
    async function loadUser(_id: number, _fields: string) {}
    const cached = region.cacheOnArguments()(loadUser);
    expect(cached.name).toBe('loadUser');
    expect(cached.length).toBe(2);
    expect(cached.original).toBe(loadUser);
    expect(cached.with({ background: true }).name).toBe('loadUser');
    expect(Object.keys(cached)).toEqual([]);
  });

  it('[py 135] may call one of the same name and another namespace; its own key is a ReentrantCreationError', async () => {
    const { region } = setUp();
    const inner = region.cacheOnArguments({ namespace: 'inner' })(async function fn(n: number) {
      return n + 1;
    });
    const outer = region.cacheOnArguments({ namespace: 'outer' })(async function fn(n: number) {
      return inner(n);
    });
    expect(await outer(1)).toBe(2);
    const itself: (n: number) => Promise<number> = region.cacheOnArguments()(async function again(n: number) {
      return itself(n);
    });
    await expect(itself(1)).rejects.toBeInstanceOf(ReentrantCreationError);
  });

  it('[py E28] does not fill in defaults', () => {
    const { region } = setUp();
    const cached = region.cacheOnArguments()(async function f(a: number, _b = 2) {
      return a;
    });
    expect(cached.keyFor(1)).not.toBe(cached.keyFor(1, 2));
    expect(cached.keyFor(1)).not.toBe(cached.keyFor(1, undefined));
  });

  it('[py E29] may be decorated before the region is configured, not called', async () => {
    const region = makeRegion();
    const cached = region.cacheOnArguments()(async function f(a: number) {
      return a;
    });
    for (const call of [cached(1), cached.get(1), cached.set(1, 1), cached.refresh(1), cached.invalidate(1)])
      await expect(call).rejects.toBeInstanceOf(RegionNotConfiguredError);
    expect(cached.keyFor(1)).toBe('f|1');
    region.configure('memory');
    expect(await cached(1)).toBe(1);
  });

  it('keeps `this`', async () => {
    const { region } = setUp();
    const cached = region.cacheOnArguments({
      key(this: { base: number }, n: number) {
        return [this.base, n];
      },
    })(async function add(this: { base: number }, n: number) {
      return this.base + n;
    });
    expect(await cached.call({ base: 1 }, 5)).toBe(6);
    expect(await cached.call({ base: 2 }, 5)).toBe(7);
    expect(await cached.with({}).call({ base: 3 }, 5)).toBe(8);
    expect(await region.get('add|2,5')).toBe(7);
  });

  it('of a sync function promises what that returns', async () => {
    const { region } = setUp();
    const twice = region.cacheOnArguments()(function twice(n: number) {
      return n * 2;
    });
    const promise = twice(2);
    expect(promise).toBeInstanceOf(Promise);
    expect(await promise).toBe(4);
    const failing = region.cacheOnArguments()(function failing(): number {
      throw 'no';
    });
    await expect(failing()).rejects.toBe('no');
  });

  it('is created once for all who ask at once, also where the store answers later', async () => {
    for (const backend of ['memory', new LaterBackend()]) {
      const region = makeRegion().configure(backend as 'memory');
      const gate = new Gate();
      const go = vi.fn(async (n: number) => {
        await gate.passed();
        return n;
      });
      const cached = region.cacheOnArguments({ namespace: 'once' })(go);
      const all = Promise.all([cached(1), cached(1), cached.with({})(1)]);
      await gate.arrived;
      gate.open();
      expect(await all).toEqual([1, 1, 1]);
      expect(go).toHaveBeenCalledTimes(1);
    }
  });

  it('has a key with what `key` says, in place of the arguments', async () => {
    const { region, go } = setUp();
    const cached = region.cacheOnArguments({ key: (id: number, _signal?: AbortSignal) => [id] })(async function load(
      id: number,
      _signal?: AbortSignal,
    ) {
      return go(id);
    });
    await cached(1, new AbortController().signal);
    expect(await cached(1)).toBe('1: 1');
    expect(cached.keyFor(1)).toBe('load|1');
    const wrong = region.cacheOnArguments({ key: (() => 'text') as never, namespace: 'wrong' })(async () => 1);
    await expect(wrong()).rejects.toThrow(
      '`key` must answer with an array, of the values that make up the key, not "text".',
    );
  });

  it('that has no key for its arguments rejects, and calls nothing', async () => {
    const { region, go } = setUp();
    const cached = region.cacheOnArguments()(async function load(handle: () => void) {
      return go(handle);
    });
    for (const call of [
      cached(() => {}),
      cached.get(() => {}),
      cached.set('', () => {}),
      cached.refresh(() => {}),
      cached.invalidate(() => {}),
    ])
      await expect(call).rejects.toThrow('Argument 1 of "load" can\'t be part of a key: it is a function.');
    expect(() => cached.keyFor(() => {})).toThrow(KeyGenerationError);
    expect(go).not.toHaveBeenCalled();
  });

  it('refuses a generator that answers with no text', async () => {
    const { region } = setUp();
    const cached = region.cacheOnArguments({ functionKeyGenerator: () => () => 5 as never })(async () => 1);
    await expect(cached()).rejects.toThrow('A key generator must answer with a string, not 5.');
    expect(() => region.cacheOnArguments({ functionKeyGenerator: () => 'key' as never })(async () => 1)).toThrow(
      ValidationError,
    );
  });

  it('writes its arguments as argumentToString says', async () => {
    const { region } = setUp();
    const cached = region.cacheOnArguments({ argumentToString: (argument) => (argument as URL).href })(
      async function load(url: URL) {
        return url.pathname;
      },
    );
    expect(cached.keyFor(new URL('http://localhost/a'))).toBe('load|http://localhost/a');
    expect(await cached(new URL('http://localhost/a'))).toBe('/a');
  });
});

describe('one call of a cached function', () => {
  it('has the policy that with() says', async () => {
    const { region, go, clock } = setUp();
    const cached = region.cacheOnArguments()(async function one(a: number) {
      return go(a);
    });
    await cached(1);
    await clock.advance('5s');
    expect(await cached.with({ expirationTime: '4s' })(1)).toBe('2: 1');
    await clock.advance('11s');
    expect(await cached.with({ background: true })(1)).toBe('2: 1');
    await region.idle();
    expect(await cached(1)).toBe('3: 1');
  });

  it('ends for its caller when the signal says so, the creation goes on for others', async () => {
    const { region } = setUp();
    const gate = new Gate();
    const cached = region.cacheOnArguments()(async function one(a: number) {
      await gate.passed();
      return a;
    });
    const controller = new AbortController();
    const impatient = cached.with({ signal: controller.signal })(1);
    const patient = cached(1);
    await gate.arrived;
    controller.abort('enough');
    await expect(impatient).rejects.toBe('enough');
    gate.open();
    expect(await patient).toBe(1);
    await expect(cached.with({ signal: AbortSignal.abort('never') })(1)).rejects.toBe('never');
  });

  it('is checked when with() is said', () => {
    const { region } = setUp();
    const cached = region.cacheOnArguments()(async function one() {});
    expect(() => cached.with({ sginal: undefined, expirationtime: 5 } as never)).toThrow(
      'Did you mean "expirationTime"?',
    );
    expect(() => cached.with({ backendTimeout: 5 } as never)).toThrow('It is an option of configure().');
    expect(() => cached.with({ lockWait: 'soon' })).toThrow(ValidationError);
    expect(() => cached.with({ shouldCache: () => true } as never)).toThrow(ValidationError);
    expect(() => cached.with(5 as never)).toThrow(ValidationError);
  });
});

describe('a creation of a cached function', () => {
  it('is currentCreation(): its key, the stale value, its expiration time', async () => {
    const { region, clock } = setUp();
    const seen: unknown[] = [];
    const cached = region.cacheOnArguments()(async function load(id: number) {
      const creation = currentCreation();
      await Promise.resolve();
      seen.push(creation?.key, creation?.stale?.payload, creation?.signal.aborted);
      currentCreation()?.expireAfter('1s');
      return id * 10;
    });
    await cached(1);
    await clock.advance('2s');
    await cached(1);
    expect(seen).toEqual(['load|1', undefined, false, 'load|1', 10, false]);
    expect(currentCreation()).toBeUndefined();
  });

  it('may say dontCache(); called by itself there is no creation', async () => {
    const { region, go } = setUp();
    const cached = region.cacheOnArguments()(async function load(id: number) {
      currentCreation()?.dontCache();
      return go(id, currentCreation()?.key);
    });
    expect([await cached(1), await cached(1)]).toEqual(['1: 1 load|1', '2: 1 load|1']);
    expect(await cached.original(1)).toBe('3: 1 ');
  });

  it('aborts its signal when nobody wants its result any more', async () => {
    const { region, clock } = setUp();
    const gate = new Gate();
    let signal: AbortSignal | undefined;
    const cached = region.cacheOnArguments()(async function load(id: number) {
      signal = currentCreation()?.signal;
      await gate.passed();
      return id;
    });
    const controller = new AbortController();
    const call = cached.with({ signal: controller.signal })(1);
    await gate.arrived;
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    await clock.advance(0);
    expect(signal?.aborted).toBe(true);
    gate.open();
    await region.idle();
  });

  it('is that of refresh as well', async () => {
    const { region } = setUp();
    const cached = region.cacheOnArguments()(async function load(id: number) {
      return `${currentCreation()?.key} ${currentCreation()?.stale?.payload} ${id}`;
    });
    await cached.set('old', 1);
    expect(await cached.refresh(1)).toBe('load|1 old 1');
  });

  it('gets its tags from the options, and from a function of `this` and the arguments', async () => {
    const { region, go } = setUp();
    const fixed = region.cacheOnArguments({ tags: ['users'] })(async function fixed(id: number) {
      return go(id);
    });
    const made = region.cacheOnArguments({ tags: (id: number) => [`user:${id}`] })(async function made(id: number) {
      return go(id);
    });
    await fixed(1);
    await made(1);
    await made(2);
    await made.set('said', 3);
    await fixed.set('said', 2);
    await region.invalidateTags(['user:1', 'user:3', 'users']);
    expect(await fixed.get(1)).toBeUndefined();
    expect(await fixed.get(2)).toBeUndefined();
    expect(await made.get(1)).toBeUndefined();
    expect(await made.get(2)).toBe('3: 2');
    expect(await made.get(3)).toBeUndefined();
    expect(await made.refresh(1)).toBe('4: 1');
    await region.invalidateTags(['user:1']);
    expect(await made.get(1)).toBeUndefined();
  });

  it('fails with what the tags fail with', async () => {
    const { region, go } = setUp();
    const cached = region.cacheOnArguments({ tags: () => ['ok', ''] })(async function f() {
      return go();
    });
    await expect(cached()).rejects.toThrow('A tag must be text');
    await expect(cached.set('v')).rejects.toThrow('A tag must be text');
    expect(go).not.toHaveBeenCalled();
  });
});

describe('asyncCreationRunner', () => {
  it('[py 78, 79] is given the key, the cached function and its arguments, after the old value has been served', async () => {
    const runs: unknown[] = [];
    const { region, go } = setUp(
      {},
      {
        asyncCreationRunner: async (_region, key, create, _mutex, call) => {
          runs.push(key, call?.fn, call?.args);
          await create();
        },
      },
    );
    const cached = region.cacheOnArguments()(async function go2(a: number, b: number) {
      return go(a, b);
    });
    expect([await cached(1, 2), await cached(1, 2)]).toEqual(['1: 1 2', '1: 1 2']);
    await region.invalidate({ hard: false });
    expect(await cached(1, 2)).toBe('1: 1 2');
    await region.idle();
    expect(runs).toEqual(['go2|1,2', cached, [1, 2]]);
    expect(await cached(1, 2)).toBe('2: 1 2');
  });
});

describe('a hit', () => {
  it('in memory asks for nothing but itself: no creator is made', async () => {
    const hit = Promise.resolve(5);
    const asked: unknown[] = [];
    // The region as a decorated function sees it, with nothing behind it but the hit.
    const host = {
      functionKeyGenerator,
      hit: (key: string, policy: CallPolicy) => {
        asked.push(key, policy);
        return hit;
      },
    } as unknown as DecoratorHost;
    const cached = cacheOnArguments(host)(async function f(n: number) {
      return n;
    });
    expect(cached(1)).toBe(hit);
    expect(asked).toEqual(['f|1', expect.any(CallPolicy)]);
  });
});

describe('options that are changed later', () => {
  it('change nothing: what was checked is what holds', async () => {
    const region = makeRegion().configure('memory');
    const tags = ['t'];
    const cached = region.cacheOnArguments({ tags })(async function cached(n: number) {
      return n;
    });
    const options = { expirationTime: '1m' };
    const patient = cached.with(options);
    options.expirationTime = 'one day';
    tags.push(5 as never);
    expect(await patient(1)).toBe(1);
    await cached.set(2, 2);
    const stored = [await region.getCachedValue(cached.keyFor(1)), await region.getCachedValue(cached.keyFor(2))];
    expect(stored.map((entry) => entry?.metadata.t)).toEqual([['t'], ['t']]);
  });
});
