import { describe, expect, it, vi } from 'vitest';
import type { CacheBackend, ConfigureOptions, RegionOptions } from '../../src/api.js';
import { LockTimeoutError, ReentrantCreationError, ValidationError } from '../../src/errors.js';
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
  const setUp = (policy: ConfigureOptions = {}, options: RegionOptions = {}) => {
    const clock = new FakeClock();
    const region = makeRegion({ clock, ...options });
    const made: string | CacheBackend = backend();
    if (typeof made === 'string') region.configure(made, { expirationTime: '10s', ...policy });
    else region.configure(made, { expirationTime: '10s', ...policy });
    let created = 0;
    const creator = vi.fn(async () => {
      created++;
      return `value ${created}`;
    });
    /** A creator that stands at a gate. */
    const gated = (value: unknown = 'gated') => {
      const gate = new Gate();
      const create = vi.fn(async () => {
        await gate.passed();
        return value;
      });
      return { gate, create };
    };
    const settle = () => clock.advance(0);
    return { clock, region, creator, gated, settle };
  };

  describe(`getOrCreate on ${kind}`, () => {
    it('[py 30, 184] missing: creates, stores, and the next call finds it', async () => {
      const { region, creator } = setUp();
      expect(await region.getOrCreate('k', creator)).toBe('value 1');
      expect(await region.getOrCreate('k', creator)).toBe('value 1');
      expect(await region.get('k')).toBe('value 1');
      expect(creator).toHaveBeenCalledTimes(1);
    });

    it('[py 40] expired: a lone caller creates and gets the new value', async () => {
      const { region, creator, clock } = setUp();
      await region.getOrCreate('k', creator);
      await clock.advance('10s');
      expect(await region.getOrCreate('k', creator)).toBe('value 1');
      await clock.advance(1);
      expect(await region.getOrCreate('k', creator)).toBe('value 2');
    });

    it('expired while another creates: the stale value, at once', async () => {
      const { region, creator, clock, gated, settle } = setUp();
      await region.getOrCreate('k', creator);
      await clock.advance('11s');
      const { gate, create } = gated();
      const creating = region.getOrCreate('k', create);
      await gate.arrived;
      const others = Promise.all([1, 2, 3].map(() => region.getOrCreate('k', creator)));
      await settle();
      expect(await others).toEqual(['value 1', 'value 1', 'value 1']);
      gate.open();
      expect(await creating).toBe('gated');
      expect(await region.getOrCreate('k', creator)).toBe('gated');
      expect(create).toHaveBeenCalledTimes(1);
    });

    it('serveStale: false waits for the new value', async () => {
      const { region, creator, clock, gated, settle } = setUp({ serveStale: false });
      await region.getOrCreate('k', creator);
      await clock.advance('11s');
      const { gate, create } = gated();
      const creating = region.getOrCreate('k', create);
      await gate.arrived;
      const other = region.getOrCreate('k', creator);
      await settle();
      gate.open();
      expect(await Promise.all([creating, other])).toEqual(['gated', 'gated']);
      expect(creator).toHaveBeenCalledTimes(1);
    });

    it('serveStale as a limit: a value that expired longer ago is not served', async () => {
      const { region, creator, clock, gated, settle } = setUp({ serveStale: '5s' });
      await region.getOrCreate('k', creator);
      const run = async (age: string) => {
        await clock.advance(age);
        const { gate, create } = gated('new');
        const creating = region.getOrCreate('k', create);
        await gate.arrived;
        const other = region.getOrCreate('k', creator);
        await settle();
        gate.open();
        await creating;
        return other;
      };
      expect(await run('15s')).toBe('value 1');
      expect(await run('16s')).toBe('new');
    });

    it('many callers of one cold key share one creation', async () => {
      const { region, gated } = setUp();
      const { gate, create } = gated();
      const all = Promise.all(Array.from({ length: 1000 }, () => region.getOrCreate('k', create)));
      await gate.arrived;
      gate.open();
      expect(new Set(await all)).toEqual(new Set(['gated']));
      expect(create).toHaveBeenCalledTimes(1);
      expect(region.statistics.creations).toBe(1);
    });

    it('[py 190] a failure rejects everybody who waits with that very reason, once, whatever it is', async () => {
      for (const reason of [new Error('no'), null, undefined, 'text', 0]) {
        const { region } = setUp();
        const gate = new Gate();
        const create = vi.fn(() => gate.passed());
        const all = Array.from({ length: 100 }, () => region.getOrCreate('k', create));
        await gate.arrived;
        gate.fail(reason);
        for (const outcome of await Promise.allSettled(all)) expect(outcome).toEqual({ status: 'rejected', reason });
        expect(create).toHaveBeenCalledTimes(1);
        expect(region.statistics.failures).toBe(1);
        expect(await region.getOrCreate('k', () => 'again')).toBe('again');
      }
    });

    it('[py E20] a creator that throws at once is a rejection, and the lock is free', async () => {
      const { region } = setUp();
      const broken = () => {
        throw new RangeError('at once');
      };
      await expect(region.getOrCreate('k', broken)).rejects.toThrow('at once');
      expect(await region.keyIsLocked('k')).toBe(false);
    });

    for (const verb of ['delete', 'set', 'invalidate'] as const) {
      it(`${verb} during a creation is final: its value is not stored, newcomers start afresh`, async () => {
        const { region, gated, settle } = setUp();
        const { gate, create } = gated('old');
        const creating = region.getOrCreate('k', create);
        await gate.arrived;
        if (verb === 'delete') await region.delete('k');
        if (verb === 'set') await region.set('k', 'said');
        if (verb === 'invalidate') await region.invalidate();
        const after = region.getOrCreate('k', () => 'new');
        await settle();
        gate.open();
        expect(await creating).toBe('old');
        await region.idle();
        const expected = verb === 'set' ? 'said' : 'new';
        expect(await after).toBe(expected);
        expect(await region.get('k')).toBe(expected);
        expect(region.statistics.refusedCommits).toBe(1);
      });
    }

    it('a soft invalidation during a creation: its value is stored, and stale at once', async () => {
      const { region, gated } = setUp();
      const { gate, create } = gated('old');
      const creating = region.getOrCreate('k', create);
      await gate.arrived;
      await region.invalidate({ hard: false });
      gate.open();
      expect(await creating).toBe('old');
      expect(await region.get('k')).toBeUndefined();
      expect(await region.get('k', { ignoreExpiration: true })).toBe('old');
      expect(await region.getOrCreate('k', () => 'new')).toBe('new');
    });

    it('[py 51–54] a hard invalidation right after a creation counts, and once', async () => {
      const { region, creator } = setUp();
      for (const value of ['value 1', 'value 2', 'value 3']) {
        expect(await region.getOrCreate('k', creator)).toBe(value);
        expect(await region.getOrCreate('k', creator)).toBe(value);
        await region.invalidate();
        expect(await region.get('k')).toBeUndefined();
      }
    });

    it('an aborted caller leaves alone: the others get the value', async () => {
      const { region, gated } = setUp();
      const { gate, create } = gated();
      const controller = new AbortController();
      const aborted = region.getOrCreate('k', create, { signal: controller.signal });
      const other = region.getOrCreate('k', create);
      await gate.arrived;
      controller.abort('enough');
      await expect(aborted).rejects.toBe('enough');
      gate.open();
      expect(await other).toBe('gated');
    });

    it('when nobody is left the creator’s signal aborts, and newcomers do not join', async () => {
      const { region, settle } = setUp();
      const gate = new Gate();
      let signal: AbortSignal | undefined;
      const controller = new AbortController();
      const alone = region.getOrCreate(
        'k',
        async (context) => {
          signal = context.signal;
          await gate.passed();
          return 'late';
        },
        { signal: controller.signal },
      );
      await gate.arrived;
      controller.abort('enough');
      await expect(alone).rejects.toBe('enough');
      expect(signal?.aborted).toBe(true);
      const next = region.getOrCreate('k', () => 'next');
      await settle();
      gate.open();
      expect(['late', 'next']).toContain(await next);
    });

    it('background: whoever finds a stale value gets it, and the creation runs behind', async () => {
      const { region, creator, clock, gated } = setUp({ background: true });
      await region.getOrCreate('k', creator);
      await clock.advance('11s');
      const { gate, create } = gated();
      expect(await region.getOrCreate('k', create)).toBe('value 1');
      await gate.arrived;
      gate.open();
      await region.idle();
      expect(await region.getOrCreate('k', creator)).toBe('gated');
    });

    it('a failure in the background is nobody’s rejection, and is counted', async () => {
      const { region, creator, clock } = setUp({ background: true });
      await region.getOrCreate('k', creator);
      await clock.advance('11s');
      expect(await region.getOrCreate('k', () => Promise.reject(new Error('behind')))).toBe('value 1');
      await region.idle();
      expect(region.statistics.failures).toBe(1);
    });

    it('lockWait: LockTimeoutError for who waits too long, the creation goes on', async () => {
      const { region, gated, clock, settle } = setUp();
      const { gate, create } = gated();
      const creating = region.getOrCreate('k', create, { lockWait: '1s' });
      await gate.arrived;
      const waiting = region.getOrCreate('k', create, { lockWait: '1s' });
      const failed = expect(waiting).rejects.toThrow(LockTimeoutError);
      await settle();
      await clock.advance('2s');
      await failed;
      gate.open();
      expect(await creating).toBe('gated');
    });

    it('[py 64–66] shouldCache: a rejected value is returned, and not stored', async () => {
      const { region } = setUp();
      expect(await region.getOrCreate('k', () => 'no', { shouldCache: () => false })).toBe('no');
      expect(await region.get('k')).toBeUndefined();
      expect(await region.getOrCreate('k', () => 'yes', { shouldCache: (value) => value === 'yes' })).toBe('yes');
      expect(await region.get('k')).toBe('yes');
    });

    it('[py E16] shouldCache that throws: its error comes out, the lock is free, nothing is stored', async () => {
      const { region } = setUp();
      const shouldCache = () => {
        throw new Error('which?');
      };
      await expect(region.getOrCreate('k', () => 1, { shouldCache })).rejects.toThrow('which?');
      expect(await region.keyIsLocked('k')).toBe(false);
      expect(await region.get('k')).toBeUndefined();
    });

    it('shouldCache goes by truth; a promise, which would always be yes, is an error, and nothing is stored', async () => {
      const { region } = setUp();
      for (const answer of [undefined, null, 0, '']) {
        const options = { shouldCache: () => answer as never };
        expect(await region.getOrCreate('k', () => 1, options)).toBe(1);
        expect(await region.getOrCreateMulti(['k'], () => [1], options)).toEqual([1]);
      }
      for (const answer of [Promise.resolve(false), Promise.reject(new Error('unheard'))]) {
        const options = { shouldCache: () => answer as never };
        await expect(region.getOrCreate('k', () => 1, options)).rejects.toThrow('shouldCache must say at once');
        await expect(region.getOrCreateMulti(['k'], () => [1], options)).rejects.toThrow('shouldCache must say');
      }
      expect(await region.keyIsLocked('k')).toBe(false);
      expect(await region.get('k')).toBeUndefined();
      await region.getOrCreate('k', () => 2, { shouldCache: () => 'yes' as never });
      expect(await region.get('k')).toBe(2);
    });

    it('the context: key, stale value, own expiration, dontCache', async () => {
      const { region, clock } = setUp();
      await region.getOrCreate('k', ({ key, stale, expireAfter }) => {
        expect([key, stale]).toEqual(['k', undefined]);
        expireAfter('1s');
        return 'short';
      });
      await clock.advance(1001);
      expect(await region.get('k')).toBeUndefined();
      const value = await region.getOrCreate('k', ({ stale, dontCache }) => {
        expect(stale?.payload).toBe('short');
        dontCache();
        return 'unstored';
      });
      expect(value).toBe('unstored');
      expect(await region.get('k', { ignoreExpiration: true })).toBe('short');
    });

    it('[py E9] null, false, 0, empty text and undefined are values', async () => {
      for (const value of [null, false, 0, '', undefined]) {
        const { region } = setUp();
        const create = vi.fn(() => value);
        expect(await region.getOrCreate<unknown>('k', create)).toBe(value);
        expect(await region.getOrCreate<unknown>('k', create)).toBe(value);
        expect(create).toHaveBeenCalledTimes(1);
        expect((await region.getCachedValue('k'))?.payload).toBe(value);
      }
    });

    it('[py E19] a creator that asks for its own key gets the stale value, or an error instead of a deadlock', async () => {
      const { region, creator, clock } = setUp();
      const inner = () => region.getOrCreate('k', creator);
      await expect(region.getOrCreate('k', inner)).rejects.toThrow(ReentrantCreationError);
      await region.getOrCreate('k', creator);
      await clock.advance('11s');
      expect(await region.getOrCreate('k', async () => `new after ${await inner()}`)).toBe('new after value 1');
    });

    it('a circle of creators is an error instead of a deadlock', async () => {
      const { region } = setUp();
      const first = (): Promise<string> => region.getOrCreate('k1', () => region.getOrCreate('k2', first));
      await expect(first()).rejects.toThrow(ReentrantCreationError);
      const gate = new Gate();
      const one = region.getOrCreate('a', async () => {
        await gate.passed();
        return region.getOrCreate('b', () => 'b');
      });
      const two = region.getOrCreate('b', async () => {
        await gate.arrived;
        const a = region.getOrCreate('a', () => 'a');
        gate.open();
        return a;
      });
      const outcomes = await Promise.allSettled([one, two]);
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    });

    it('[py 203] a creator may ask for other keys', async () => {
      const { region } = setUp();
      expect(await region.getOrCreate('foo', async () => `foo ${await region.getOrCreate('bar', () => 'bar')}`)).toBe(
        'foo bar',
      );
    });

    it('[py 74–77] a runner gets stale keys only, after which the old value is served', async () => {
      const calls: string[] = [];
      let done: Promise<void> | undefined;
      const { region, creator, clock } = setUp(
        {},
        {
          asyncCreationRunner: (_region, key, create) => {
            calls.push(key);
            done = create();
          },
        },
      );
      expect(await region.getOrCreate('k', creator)).toBe('value 1');
      expect(calls).toEqual([]);
      await clock.advance('11s');
      expect(await region.getOrCreate('k', creator)).toBe('value 1');
      expect(calls).toEqual(['k']);
      await done;
      expect(await region.getOrCreate('k', creator)).toBe('value 2');
      expect(calls).toEqual(['k']);
    });

    it('[py E26] a runner that throws: its error comes out, the lock is free', async () => {
      const { region, creator, clock } = setUp(
        {},
        {
          asyncCreationRunner: () => {
            throw new Error('no queue');
          },
        },
      );
      await region.getOrCreate('k', creator);
      await clock.advance('11s');
      await expect(region.getOrCreate('k', creator)).rejects.toThrow('no queue');
      await region.idle();
      expect(await region.keyIsLocked('k')).toBe(false);
    });

    it('a runner that only releases leaves the key to the next call', async () => {
      const runner = vi.fn((_region: unknown, _key: string, _create: unknown, mutex: { release(): Promise<void> }) =>
        mutex.release(),
      );
      const { region, creator, clock } = setUp({}, { asyncCreationRunner: runner });
      await region.getOrCreate('k', creator);
      await clock.advance('11s');
      expect(await region.getOrCreate('k', creator)).toBe('value 1');
      await region.idle();
      expect(await region.getOrCreate('k', creator)).toBe('value 1');
      expect(runner).toHaveBeenCalledTimes(2);
    });

    it('a runner that has handed the work to a queue: what ends its lease ends the attempt', async () => {
      for (const end of ['set', 'delete', 'invalidate'] as const) {
        const { region, creator, clock } = setUp({}, { asyncCreationRunner: () => {} });
        await region.getOrCreate('k', creator);
        await clock.advance('11s');
        expect(await region.getOrCreate('k', creator)).toBe('value 1');
        if (end === 'set') await region.set('k', 'by the worker');
        else if (end === 'delete') await region.delete('k');
        else await region.invalidate();
        await region.close();
      }
    });

    it('[py 31, E18] keyIsLocked is true inside the creator only', async () => {
      const { region } = setUp();
      expect(await region.keyIsLocked('k')).toBe(false);
      expect(await region.getOrCreate('k', () => region.keyIsLocked('k'))).toBe(true);
      expect(await region.keyIsLocked('k')).toBe(false);
    });

    it('a creation that never settles blocks its key for lockMaxHold, not for ever', async () => {
      if (kind === 'a store with leases') return;
      const { region, clock, settle } = setUp();
      const first = region.getOrCreate('k', () => new Promise<string>(() => {}));
      first.catch(() => {});
      await settle();
      const second = region.getOrCreate('k', () => 'second');
      await settle();
      await clock.advance('5m');
      expect(await second).toBe('second');
      expect(region.statistics.lockLosses).toBe(1);
    });

    it('bad input is a rejection, before anything is asked or written', async () => {
      const { region } = setUp();
      await expect(region.getOrCreate(5 as never, () => 1)).rejects.toThrow(ValidationError);
      await expect(region.getOrCreate('k', 'no function' as never)).rejects.toThrow(ValidationError);
      await expect(region.getOrCreate('k', () => 1, { expirationTime: Number.NaN })).rejects.toThrow(ValidationError);
      await expect(region.getOrCreate('k', () => 1, { expirationTimes: 1 } as never)).rejects.toThrow('expirationTime');
    });
  });
}
