import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CacheBackend, ConfigureOptions } from '../../src/api.js';
import { LockTimeoutError, ValidationError } from '../../src/errors.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { FencedBackend, LaterBackend, SharedStore } from './support/later-backend.js';

const kinds = {
  memory: () => 'memory' as const,
  'a store that answers later': () => new LaterBackend(),
  'a store with leases': () => new FencedBackend(new SharedStore()),
};

for (const [kind, backend] of Object.entries(kinds)) {
  const setUp = (policy: ConfigureOptions = {}) => {
    const clock = new FakeClock();
    const region = makeRegion({ clock });
    const made: string | CacheBackend = backend();
    if (typeof made === 'string') region.configure(made, { expirationTime: '10s', ...policy });
    else region.configure(made, { expirationTime: '10s', ...policy });
    const asked: string[][] = [];
    let run = 0;
    const creator = vi.fn(async (keys: string[]) => {
      asked.push(keys);
      run++;
      const round = run;
      return keys.map((key) => `${key} ${round}`);
    });
    return { clock, region, creator, asked, settle: () => clock.advance(0) };
  };

  describe(`getOrCreateMulti on ${kind}`, () => {
    it('[py 32, 42] values in the caller’s order, duplicates allowed; the creator gets each key once, sorted', async () => {
      const { region, creator, asked } = setUp();
      expect(await region.getOrCreateMulti(['k3', 'k2', 'k5', 'k3'], creator)).toEqual([
        'k3 1',
        'k2 1',
        'k5 1',
        'k3 1',
      ]);
      expect(asked).toEqual([['k2', 'k3', 'k5']]);
    });

    it('sorts by code point, as Python: U+FFFD comes before an emoji', async () => {
      const { region, creator, asked } = setUp();
      await region.getOrCreateMulti(['😀', '\uFFFD', 'a', 'ab', ''], creator);
      expect(asked).toEqual([['', 'a', 'ab', '\uFFFD', '😀']]);
    });

    it('creates only what is missing or stale', async () => {
      const { region, creator, asked, clock } = setUp();
      await region.getOrCreateMulti(['a', 'b'], creator);
      await clock.advance('6s');
      await region.getOrCreateMulti(['c'], creator);
      await clock.advance('6s');
      expect(await region.getOrCreateMulti(['a', 'b', 'c', 'd'], creator)).toEqual(['a 3', 'b 3', 'c 2', 'd 3']);
      expect(asked).toEqual([['a', 'b'], ['c'], ['a', 'b', 'd']]);
    });

    it('[py 178] no keys: no values, and no call', async () => {
      const { region, creator } = setUp();
      expect(await region.getOrCreateMulti([], creator)).toEqual([]);
      expect(creator).not.toHaveBeenCalled();
    });

    it('a Map may leave keys out: they come back undefined, and are asked for again', async () => {
      const { region } = setUp();
      const creator = vi.fn(
        async (keys: string[]) => new Map(keys.filter((key) => key !== 'b').map((key) => [key, undefined])),
      );
      expect(await region.getOrCreateMulti(['a', 'b'], creator)).toEqual([undefined, undefined]);
      await region.getOrCreateMulti(['a', 'b'], creator);
      expect(creator.mock.calls.map(([keys]) => keys)).toEqual([['a', 'b'], ['b']]);
    });

    it('an array of another length, or no array at all, is an error, and nothing is stored', async () => {
      const { region } = setUp();
      await expect(region.getOrCreateMulti(['a', 'b'], () => ['one'])).rejects.toThrow(ValidationError);
      await expect(region.getOrCreateMulti(['a', 'b'], (() => ({ a: 1 })) as never)).rejects.toThrow(
        'or a Map; it gave an object.',
      );
      expect(await region.getMulti(['a', 'b'])).toEqual([undefined, undefined]);
      expect(await region.keyIsLocked('a')).toBe(false);
    });

    it('a failure rejects the call and everybody who waits on one of its keys, with that very reason', async () => {
      const { region, settle } = setUp();
      const gate = new Gate();
      const many = region.getOrCreateMulti(['a', 'b'], async () => {
        await gate.passed();
        return [];
      });
      await gate.arrived;
      const one = region.getOrCreate('b', () => 'never');
      one.catch(() => {});
      await settle();
      gate.fail(null);
      const outcomes = await Promise.allSettled([many, one]);
      expect(outcomes).toEqual([
        { status: 'rejected', reason: null },
        { status: 'rejected', reason: null },
      ]);
    });

    it('[py J3, J4] calls for one and for many share creations both ways', async () => {
      const { region, creator, asked } = setUp();
      const gate = new Gate();
      const one = region.getOrCreate('b', async () => {
        await gate.passed();
        return 'b alone';
      });
      await gate.arrived;
      const many = region.getOrCreateMulti(['a', 'b', 'c'], creator);
      gate.open();
      expect(await one).toBe('b alone');
      expect(await many).toEqual(['a 1', 'b alone', 'c 1']);
      expect(asked).toEqual([['a', 'c']]);

      const second = new Gate();
      const batch = region.getOrCreateMulti(['x', 'y'], async (keys) => {
        await second.passed();
        return keys;
      });
      await second.arrived;
      const joined = region.getOrCreate('y', () => 'alone');
      second.open();
      expect(await batch).toEqual(['x', 'y']);
      expect(await joined).toBe('y');
    });

    it('many calls for overlapping keys create each key once', async () => {
      const { region, asked } = setUp();
      const creator = async (keys: string[]) => {
        asked.push(keys);
        await Promise.resolve();
        return keys;
      };
      const calls = Array.from({ length: 20 }, (_, at) => [`k${at % 5}`, `k${(at + 1) % 5}`, `k${(at + 2) % 5}`]);
      const results = await Promise.all(calls.map((keys) => region.getOrCreateMulti(keys, creator)));
      expect(results).toEqual(calls);
      expect(asked.flat().sort()).toEqual(['k0', 'k1', 'k2', 'k3', 'k4']);
    });

    it('[py E24] stale keys that another creates are served stale, the others are created', async () => {
      const { region, creator, clock, asked, settle } = setUp();
      await region.getOrCreateMulti(['a', 'b'], creator);
      await clock.advance('11s');
      const gate = new Gate();
      const elsewhere = region.getOrCreate('a', async () => {
        await gate.passed();
        return 'new a';
      });
      await gate.arrived;
      const many = region.getOrCreateMulti(['a', 'b'], creator);
      await settle();
      expect(await many).toEqual(['a 1', 'b 2']);
      gate.open();
      await elsewhere;
      expect(asked).toEqual([['a', 'b'], ['b']]);
    });

    it('background: stale keys are served at once and created behind', async () => {
      const { region, creator, clock } = setUp({ background: true });
      await region.getOrCreateMulti(['a', 'b'], creator);
      await clock.advance('11s');
      expect(await region.getOrCreateMulti(['a', 'b'], creator)).toEqual(['a 1', 'b 1']);
      await region.idle();
      expect(await region.getMulti(['a', 'b'])).toEqual(['a 2', 'b 2']);
    });

    it('[py 67, 179] shouldCache sees each value on its own; rejected ones are returned', async () => {
      const { region } = setUp();
      const options = { shouldCache: (value: string) => value !== 'b' };
      expect(await region.getOrCreateMulti(['a', 'b'], (keys) => keys, options)).toEqual(['a', 'b']);
      expect(await region.getMulti(['a', 'b'])).toEqual(['a', undefined]);
    });

    it('a delete of one key during the creation is final for that key alone', async () => {
      const { region } = setUp();
      const gate = new Gate();
      const many = region.getOrCreateMulti(['a', 'b'], async (keys) => {
        await gate.passed();
        return keys;
      });
      await gate.arrived;
      await region.delete('a');
      gate.open();
      expect(await many).toEqual(['a', 'b']);
      expect(await region.getMulti(['a', 'b'])).toEqual([undefined, 'b']);
      expect(region.statistics.refusedCommits).toBe(1);
    });

    it('each verb of the context is for one of the keys', async () => {
      const { region, clock } = setUp();
      await region.getOrCreateMulti(['a', 'b', 'c'], (keys, { expireAfter, dontCache }) => {
        expireAfter('a', '1s');
        dontCache('b');
        expect(() => dontCache('z')).toThrow(ValidationError);
        return keys;
      });
      await clock.advance('2s');
      expect(await region.getMulti(['a', 'b', 'c'])).toEqual([undefined, undefined, 'c']);
      await region.getOrCreateMulti(['a', 'b', 'c'], (keys, { stale }) => {
        expect([...stale.keys()]).toEqual(['a']);
        return keys;
      });
    });

    it('an aborted call rejects with its reason; the creation is aborted when nobody waits for any of its keys', async () => {
      const { region } = setUp();
      const gate = new Gate();
      const controller = new AbortController();
      let signal: AbortSignal | undefined;
      const many = region.getOrCreateMulti(
        ['a', 'b'],
        async (keys, context) => {
          signal = context.signal;
          await gate.passed();
          return keys;
        },
        { signal: controller.signal },
      );
      await gate.arrived;
      const one = region.getOrCreate('b', () => 'alone');
      await new Promise(setImmediate);
      controller.abort('enough');
      await expect(many).rejects.toBe('enough');
      expect(signal?.aborted).toBe(false);
      gate.open();
      expect(await one).toBe('b');
    });

    it('one that is aborted by who hears of its misses creates nothing', async () => {
      const { region } = setUp();
      const controller = new AbortController();
      const abort = () => controller.abort('enough');
      subscribe('dogpile.cache:miss', abort);
      onTestFinished(() => void unsubscribe('dogpile.cache:miss', abort));
      const create = vi.fn((keys: string[]) => keys);
      await expect(region.getOrCreateMulti(['a', 'b'], create, { signal: controller.signal })).rejects.toBe('enough');
      await region.idle();
      expect(create).not.toHaveBeenCalled();
    });

    it('a call that fails waits for nothing any more: what nobody else wants is aborted', async () => {
      const { region, settle } = setUp();
      const controller = new AbortController();
      const gates = [new Gate(), new Gate()] as const;
      let signal: AbortSignal | undefined;
      const longer = region.getOrCreate(
        'a',
        async (context) => {
          signal = context.signal;
          await gates[0].passed();
          return 'a';
        },
        { signal: controller.signal },
      );
      const failing = region.getOrCreate('b', () => gates[1].passed().then(() => Promise.reject('no')));
      await Promise.all(gates.map(({ arrived }) => arrived));
      const many = region.getOrCreateMulti(['a', 'b'], () => []);
      const outcomes = Promise.allSettled([longer, failing, many]);
      await settle();
      controller.abort('enough');
      await settle();
      expect(signal?.aborted).toBe(false);
      gates[1].open();
      expect((await outcomes).map((one) => 'reason' in one && one.reason)).toEqual(['enough', 'no', 'no']);
      expect(signal?.aborted).toBe(true);
      gates[0].open();
    });

    it('lockWait bounds the wait for what others create', async () => {
      const { region, clock, creator, settle } = setUp();
      const gate = new Gate();
      const creating = region.getOrCreate('b', async () => {
        await gate.passed();
        return 'b';
      });
      await gate.arrived;
      const many = region.getOrCreateMulti(['a', 'b'], creator, { lockWait: '1s' });
      const failed = expect(many).rejects.toThrow(LockTimeoutError);
      await settle();
      await clock.advance('2s');
      await failed;
      gate.open();
      await creating;
      expect(await region.get('a')).toBe('a 1');
    });

    it('leaves nothing behind', async () => {
      const { region, creator, clock } = setUp();
      await Promise.all([region.getOrCreateMulti(['a', 'b'], creator), region.getOrCreateMulti(['b', 'c'], creator)]);
      await region.idle();
      expect(clock.pending).toBe(0);
    });
  });
}

describe('getOrCreateMulti over several processes', () => {
  const two = () => {
    const store = new SharedStore();
    const clock = new FakeClock();
    const backends = [new FencedBackend(store), new FencedBackend(store)] as const;
    const regions = backends.map((backend) => makeRegion({ clock }).configure(backend, { expirationTime: '10s' }));
    const [here, there] = regions;
    if (!here || !there) throw new Error('two regions');
    return { here, there, clock, backends };
  };

  it('[py J1] missing keys are created once: who waits looks again', async () => {
    const { here, there } = two();
    const gate = new Gate();
    const first = here.getOrCreateMulti(['a', 'b', 'c'], async (keys) => {
      await gate.passed();
      return keys.map((key) => `${key} here`);
    });
    await gate.arrived;
    const creator = vi.fn((keys: string[]) => keys.map((key) => `${key} there`));
    const second = there.getOrCreateMulti(['c', 'b', 'd'], creator);
    await new Promise(setImmediate);
    gate.open();
    expect(await first).toEqual(['a here', 'b here', 'c here']);
    expect(await second).toEqual(['c here', 'b here', 'd there']);
    expect(creator.mock.calls.map(([keys]) => keys)).toEqual([['d']]);
  });

  it('a lease of what turns out to be there is given back before the rest is created', async () => {
    const { here, there, backends } = two();
    const [backend] = backends;
    backend.pause = async (verb, [key]) => {
      if (verb === 'acquire' && key === 'b') await there.set('b', 'said');
    };
    const gate = new Gate();
    const call = here.getOrCreateMulti(['a', 'b', 'c'], async (keys) => {
      await gate.passed();
      return keys.map((key) => `${key} here`);
    });
    await gate.arrived;
    const locked = await Promise.all(['a', 'b', 'c'].map((key) => backend.mutex(key).locked()));
    expect(locked).toEqual([true, false, true]);
    gate.open();
    expect(await call).toEqual(['a here', 'said', 'c here']);
  });

  it('who creates holds nothing while it waits for others: crossed batches end', async () => {
    const { here, there } = two();
    const results = await Promise.all([
      here.getOrCreateMulti(['a', 'b', 'c', 'd'], async (keys) => keys),
      there.getOrCreateMulti(['d', 'c', 'b', 'a'], async (keys) => keys),
    ]);
    expect(results).toEqual([
      ['a', 'b', 'c', 'd'],
      ['d', 'c', 'b', 'a'],
    ]);
  });
});
