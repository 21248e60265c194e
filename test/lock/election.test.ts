/** The table of semantics §2, row by row; and that a lease that was taken is given back once, whatever step throws. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Lease } from '../../src/api.js';
import { LockTimeoutError, ValidationError } from '../../src/errors.js';
import { type Elected, type Election, elect, type Sighting } from '../../src/lock/election.js';
import { dogpileLock, LocalMutex, type Made, NeedRegeneration } from '../../src/lock/index.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { settle } from '../../src/testing/settle.js';

const FRESH: Sighting<string> = { state: 'fresh', value: 'new' };
const STALE = { state: 'stale', value: 'old' } as const;
const MISSING = { state: 'missing' } as const;

/** Runs an election over a real mutex and writes down what is done, in order. */
class Booth {
  readonly mutex = new LocalMutex();
  readonly steps: string[] = [];
  again: Sighting<string> = MISSING;

  elect(election: Partial<Election<string>> = {}): Promise<Elected<string>> {
    return elect<string>({
      seen: MISSING,
      waitForNew: false,
      acquire: (wait) => {
        this.steps.push(wait ? 'acquire, waiting' : 'acquire, trying');
        return this.mutex.acquire({ wait });
      },
      lookAgain: () => {
        this.steps.push('look again');
        return this.again;
      },
      create: () => {
        this.steps.push('create');
      },
      release: (lease) => {
        this.steps.push('release');
        return lease.release();
      },
      ...election,
    });
  }
}

const throwing = (reason: unknown) => () => {
  throw reason;
};

describe('elect, row by row', () => {
  it('stale, somebody creates: tried, not won, refused at once', async () => {
    const booth = new Booth();
    await booth.mutex.acquire();
    expect(await booth.elect({ seen: STALE })).toEqual({ role: 'refused' });
    expect(booth.steps).toEqual(['acquire, trying']);
  });

  it('stale, won: looks again, creates, releases', async () => {
    const booth = new Booth();
    booth.again = STALE;
    expect(await booth.elect({ seen: STALE })).toEqual({ role: 'creator' });
    expect(booth.steps).toEqual(['acquire, trying', 'look again', 'create', 'release']);
    expect(booth.mutex.locked()).toBe(false);
  });

  it('stale, won, but fresh by then: releases and reads', async () => {
    const booth = new Booth();
    booth.again = FRESH;
    expect(await booth.elect({ seen: STALE })).toEqual({ role: 'reader', found: FRESH });
    expect(booth.steps).toEqual(['acquire, trying', 'look again', 'release']);
  });

  it('stale, serveStale: false: waits as if it were missing', async () => {
    const booth = new Booth();
    const holder = await booth.mutex.acquire();
    booth.again = FRESH;
    const election = booth.elect({ seen: STALE, waitForNew: true });
    await settle();
    expect(booth.steps).toEqual(['acquire, waiting']);
    await holder?.release();
    expect(await election).toEqual({ role: 'reader', found: FRESH });
  });

  it('missing: waits, wins, finds it fresh, releases and reads', async () => {
    const booth = new Booth();
    booth.again = FRESH;
    expect(await booth.elect()).toEqual({ role: 'reader', found: FRESH });
    expect(booth.steps).toEqual(['acquire, waiting', 'look again', 'release']);
  });

  it('missing: waits, wins, still finds nothing, creates with what the second look saw', async () => {
    const booth = new Booth();
    booth.again = STALE;
    const seen: Sighting<string>[] = [];
    await booth.elect({ create: (_lease, again) => void seen.push(again) });
    expect(seen).toEqual([STALE]);
    expect(booth.mutex.locked()).toBe(false);
  });

  it('missing, not won in time: refused, and nothing is done after it', async () => {
    const booth = new Booth();
    expect(await booth.elect({ acquire: () => undefined })).toEqual({ role: 'refused' });
    expect(booth.steps).toEqual([]);
  });

  for (const reason of [new Error('no'), undefined, null, 0]) {
    it(`the acquire throws ${String(reason)}: it comes out, nothing is released`, async () => {
      const booth = new Booth();
      await expect(booth.elect({ acquire: throwing(reason) })).rejects.toBe(reason);
      expect(booth.steps).toEqual([]);
    });

    it(`the second look throws ${String(reason)}: released once, it comes out, nothing is created`, async () => {
      const booth = new Booth();
      await expect(booth.elect({ lookAgain: throwing(reason) })).rejects.toBe(reason);
      expect(booth.steps).toEqual(['acquire, waiting', 'release']);
      expect(booth.mutex.locked()).toBe(false);
    });

    it(`the creator throws ${String(reason)}: released once, it comes out`, async () => {
      const booth = new Booth();
      await expect(booth.elect({ create: throwing(reason) })).rejects.toBe(reason);
      expect(booth.steps).toEqual(['acquire, waiting', 'look again', 'release']);
      expect(booth.mutex.locked()).toBe(false);
    });

    it(`the release throws ${String(reason)}: it comes out, and is not tried twice`, async () => {
      const booth = new Booth();
      const release = vi.fn(throwing(reason));
      await expect(booth.elect({ release })).rejects.toBe(reason);
      expect(release).toHaveBeenCalledTimes(1);
    });
  }

  it('creator and release both throw: the creator’s failure comes out, the release’s is a warning', async () => {
    const warnings = watchWarnings();
    const booth = new Booth();
    const failed = booth.elect({ create: throwing('creator'), release: throwing(new Error('store is gone')) });
    await expect(failed).rejects.toBe('creator');
    await settle();
    expect(await warnings()).toEqual([expect.stringContaining('store is gone')]);
  });
});

// ------------------------------------------------------------------------------------------------------ dogpileLock

class Place {
  readonly clock = new FakeClock();
  readonly mutex = new LocalMutex();
  made: Made<string> | undefined;
  looks = 0;
  creations = 0;
  creating: () => Promise<void> = async () => {};

  readonly look = (): Made<string> => {
    this.looks++;
    if (!this.made) throw new NeedRegeneration();
    return this.made;
  };
  readonly create = async () => {
    this.creations++;
    await this.creating();
    return this.store(`value ${this.creations}`);
  };
  store(value: string, age = 0): Made<string> {
    this.made = { value, createdTime: this.clock.now() - age };
    return this.made;
  }
  run(options: Partial<Parameters<typeof dogpileLock<string>>[0]> = {}) {
    const { mutex, look, create, clock } = this;
    return dogpileLock({ mutex, look, create, clock, expirationTime: '10s', ...options });
  }
}

/** A real mutex, with how often it was asked and released. */
function counted(mutex: LocalMutex) {
  const counts = { acquired: [] as unknown[], released: 0 };
  const counting = {
    locked: () => mutex.locked(),
    acquire: async (options: { wait?: boolean } = {}): Promise<Lease | undefined> => {
      counts.acquired.push(options.wait);
      const lease = await mutex.acquire(options);
      if (!lease) return undefined;
      const release = async () => {
        counts.released++;
        lease.release();
      };
      return { token: lease.token, release, [Symbol.asyncDispose]: release };
    },
  };
  return { mutex: counting, counts };
}

describe('dogpileLock, row by row', () => {
  it('[py E38] fresh: looks once, leaves the mutex alone', async () => {
    const place = new Place();
    place.store('there');
    const { mutex, counts } = counted(place.mutex);
    expect(await place.run({ mutex })).toBe('there');
    expect(counts).toEqual({ acquired: [], released: 0 });
    expect(place.looks).toBe(1);
  });

  it('[py E38] expired: tries without waiting, creates, releases once', async () => {
    const place = new Place();
    place.store('old', 11_000);
    const { mutex, counts } = counted(place.mutex);
    expect(await place.run({ mutex })).toBe('value 1');
    expect(counts).toEqual({ acquired: [false], released: 1 });
  });

  it('[py E38] missing: waits, looks again, creates, releases once', async () => {
    const place = new Place();
    const { mutex, counts } = counted(place.mutex);
    expect(await place.run({ mutex })).toBe('value 1');
    expect(counts).toEqual({ acquired: [true], released: 1 });
    expect(place.looks).toBe(2);
  });

  it('[py E38] missing, and an expired one appears while it waits: creates', async () => {
    const place = new Place();
    const holder = await place.mutex.acquire();
    const waiting = place.run();
    await settle();
    place.store('expired already', 60_000);
    holder?.release();
    expect(await waiting).toBe('value 1');
  });

  it('[py E38] missing, and an expired one appears while it waits: a runner creates, and the expired one is served', async () => {
    const place = new Place();
    const holder = await place.mutex.acquire();
    let handed: (() => Promise<void>) | undefined;
    const waiting = place.run({
      runner: (create) => {
        handed = create;
      },
    });
    await settle();
    place.store('expired already', 60_000);
    holder?.release();
    expect(await waiting).toBe('expired already');
    expect([place.creations, place.mutex.locked()]).toEqual([0, true]);
    await handed?.();
    expect([place.made?.value, place.mutex.locked()]).toEqual(['value 1', false]);
  });

  it('missing, and the mutex gives up: what is there by then, else LockTimeoutError', async () => {
    const place = new Place();
    const mutex = { locked: () => true, acquire: () => undefined };
    await expect(place.run({ mutex })).rejects.toThrow(LockTimeoutError);
    const late = {
      locked: () => true,
      acquire: () => {
        place.store('just in time');
        return undefined;
      },
    };
    expect(await place.run({ mutex: late })).toBe('just in time');
  });

  it('[py E39] without an expiration time nothing is ever stale', async () => {
    const place = new Place();
    place.made = { value: 'of 1970', createdTime: 1 };
    expect(await place.run({ expirationTime: undefined })).toBe('of 1970');
  });

  it('[py E39] a created time that is none (0, negative, NaN) is no value', async () => {
    for (const createdTime of [0, -1, Number.NaN]) {
      const place = new Place();
      place.made = { value: 'none', createdTime };
      expect(await place.run()).toBe('value 1');
    }
  });

  it('a value of a clock up to a minute ahead is fresh; of one further ahead it is stale, not fresh for ever', async () => {
    const place = new Place();
    place.store('ahead', -60_000);
    expect(await place.run()).toBe('ahead');
    place.store('microseconds', -60_001);
    expect(await place.run()).toBe('value 1');
  });

  it('the second look throws: released, it comes out', async () => {
    const place = new Place();
    let looks = 0;
    const look = () => {
      looks++;
      throw looks === 1 ? new NeedRegeneration() : new TypeError('broken');
    };
    await expect(place.run({ look })).rejects.toThrow(TypeError);
    expect(place.mutex.locked()).toBe(false);
    expect(place.creations).toBe(0);
  });

  it('options that are wrong are refused before anything is looked at', async () => {
    const place = new Place();
    const wrong = [
      { look: 7 },
      { create: undefined },
      { mutex: {} },
      { expirationTime: 'soon' },
      { runner: true },
      { clock: {} },
      { expiration_time: 5 },
    ];
    for (const options of wrong) await expect(place.run(options as object)).rejects.toThrow(ValidationError);
    await expect(place.run({ expiration_time: 5 } as object)).rejects.toThrow('Did you mean "expirationTime"');
    expect([place.looks, place.mutex.locked()]).toEqual([0, false]);
  });

  it('a create that gives nothing is a ValidationError, and the lock is free', async () => {
    const place = new Place();
    await expect(place.run({ create: (() => {}) as never })).rejects.toThrow(ValidationError);
    expect(place.mutex.locked()).toBe(false);
  });
});

describe('runners of dogpileLock', () => {
  const stalePlace = () => {
    const place = new Place();
    place.store('old', 11_000);
    return place;
  };

  it('[py 161] is called with the mutex held; an asynchronous one releases when it is done', async () => {
    const place = stalePlace();
    const gate = new Gate();
    let lockedOnEntry = false;
    const served = await place.run({
      runner: async (_create, mutex) => {
        lockedOnEntry = place.mutex.locked();
        await gate.passed();
        await mutex.release();
      },
    });
    expect([served, lockedOnEntry, place.mutex.locked()]).toEqual(['old', true, true]);
    gate.open();
    await settle();
    expect(place.mutex.locked()).toBe(false);
  });

  it('one that lets its creation go gets no unhandled rejection from it: the failure is a warning, the lock is free', async () => {
    const warnings = watchWarnings();
    const place = stalePlace();
    place.creating = () => Promise.reject(new Error('database is down'));
    const runner = (create: () => Promise<void>) => {
      void create();
    };
    expect(await place.run({ runner })).toBe('old');
    await settle();
    expect(place.mutex.locked()).toBe(false);
    expect(await warnings()).toEqual([expect.stringContaining('database is down')]);
  });

  it('one that fails after it has begun to create keeps the lock until the creation has ended', async () => {
    const place = stalePlace();
    const gate = new Gate();
    place.creating = () => gate.passed();
    const runner = (create: () => Promise<void>) => {
      void create();
      throw new Error('no queue');
    };
    await expect(place.run({ runner })).rejects.toThrow('no queue');
    expect(place.mutex.locked()).toBe(true);
    expect(await place.run({ runner })).toBe('old');
    gate.open();
    await settle();
    expect([place.creations, place.mutex.locked()]).toEqual([1, false]);
  });

  it('one that calls create twice creates once', async () => {
    const place = stalePlace();
    let both: Promise<unknown> | undefined;
    await place.run({
      runner: (create) => {
        both = Promise.all([create(), create()]);
      },
    });
    await both;
    expect(place.creations).toBe(1);
  });

  it('an asynchronous one that fails without creating releases, with a warning; a release that fails too is another', async () => {
    const warnings = watchWarnings();
    const place = stalePlace();
    await place.run({ runner: () => Promise.reject(new Error('queue is gone')) });
    await settle();
    expect(place.mutex.locked()).toBe(false);
    const release = () => Promise.reject(new Error('store is gone'));
    const lease: Lease = { token: 'x', release, [Symbol.asyncDispose]: release };
    const mutex = { locked: () => true, acquire: () => lease };
    place.store('old', 11_000);
    await place.run({ mutex, runner: () => Promise.reject(new Error('queue is gone')) });
    await settle();
    const [first, second, third] = await warnings();
    expect([first, second, third]).toEqual([
      expect.stringContaining('queue is gone'),
      expect.stringContaining('queue is gone'),
      expect.stringContaining('store is gone'),
    ]);
  });
});

describe('a mutex of Python’s shape', () => {
  it('is released once, and not for a try that was not won', async () => {
    const place = new Place();
    place.store('old', 11_000);
    let isHeld = false;
    let released = 0;
    const mutex = {
      acquire: async (wait: boolean) => {
        if (isHeld && !wait) return false;
        isHeld = true;
        return true;
      },
      release: async () => {
        released++;
        isHeld = false;
      },
    };
    const gate = new Gate();
    place.creating = () => gate.passed();
    const creator = place.run({ mutex });
    await gate.arrived;
    expect(await place.run({ mutex })).toBe('old');
    expect(released).toBe(0);
    gate.open();
    expect(await creator).toBe('value 1');
    expect([released, isHeld]).toEqual([1, false]);
  });
});

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Warnings of the process from now to the end of the test; asked for once they are in. */
function watchWarnings(): () => Promise<string[]> {
  const messages: string[] = [];
  const listen = (warning: Error) => void messages.push(warning.message);
  process.on('warning', listen);
  stops.push(() => process.off('warning', listen));
  return async () => {
    await settle();
    return messages;
  };
}
