/**
 * Callers, throws and aborts at random, every await in every order: at most one live lease per key, every call settles, every
 * lease is released once, nobody who holds a value waits for another, nothing is left at rest. Each law is shown to fail for a
 * lock that breaks it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AcquireOptions, CacheMutex, Lease } from '../../src/api.js';
import { type Elected, type Election, elect, type Sighting } from '../../src/lock/election.js';
import { dogpileLock, type Made, NeedRegeneration } from '../../src/lock/index.js';
import { LocalLocks } from '../../src/lock/local-locks.js';
import { LocalMutex } from '../../src/lock/local-mutex.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Witness, type Witnessed } from './support/witness.js';

const RUNS = 1000;

/** Where locks come from; mutations replace it. */
type Locks = Pick<LocalLocks, 'mutex' | 'size'>;

interface Caller {
  readonly key: 'a' | 'b';
  /** How many steps of the schedule pass before it begins: those of another may be among them. */
  readonly startsLater: boolean;
  readonly fails: 'never' | 'look' | 'second look' | 'create' | 'release';
  readonly throws: 'at once' | 'later';
  /** Gives up waiting for the lock at some time. */
  readonly aborts: boolean;
}

const caller: fc.Arbitrary<Caller> = fc.record({
  key: fc.constantFrom('a', 'b'),
  startsLater: fc.boolean(),
  fails: fc.constantFrom('never', 'never', 'never', 'look', 'second look', 'create', 'release'),
  throws: fc.constantFrom('at once', 'later'),
  aborts: fc.boolean(),
});

const scenario = fc.record({
  scheduler: fc.scheduler(),
  callers: fc.array(caller, { minLength: 1, maxLength: 8 }),
  /** What there is of each key when it begins. */
  there: fc.record({
    a: fc.constantFrom('missing', 'stale', 'fresh'),
    b: fc.constantFrom('missing', 'stale', 'fresh'),
  }),
  /** Values grow stale in the middle of it. */
  ages: fc.boolean(),
  picks: fc.infiniteStream(fc.nat(7)),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer S> ? S : never;

class Failure extends Error {}

/** One run of a scenario: the world that its callers share. */
class World {
  readonly witness = new Witness();
  readonly clock = new FakeClock();
  readonly values = new Map<string, Made<string>>();
  readonly locks: Locks;
  readonly scenario: Scenario;

  constructor(scenario: Scenario, locks: Locks) {
    this.scenario = scenario;
    this.locks = locks;
    for (const key of ['a', 'b'] as const) {
      const there = scenario.there[key];
      if (there === 'missing') continue;
      this.values.set(key, {
        value: `there of ${key}`,
        createdTime: this.clock.now() - (there === 'stale' ? 11_000 : 0),
      });
    }
  }

  /** Goes on when the schedule says so. */
  turn(label: string): Promise<void> {
    return this.scenario.scheduler.schedule(Promise.resolve(), label);
  }

  async step(me: Caller, name: Caller['fails'], label: string): Promise<void> {
    if (me.fails === name && me.throws === 'at once') throw new Failure(name);
    await this.turn(label);
    if (me.fails === name) throw new Failure(name);
  }

  sight(key: string): Sighting<string> {
    const made = this.values.get(key);
    if (!made) return { state: 'missing' };
    return { state: this.clock.now() - made.createdTime > 10_000 ? 'stale' : 'fresh', value: made.value };
  }

  /** The lock of a caller: its leases are witnessed, its waits may be aborted. */
  mutexOf(me: Caller): CacheMutex {
    const { witness } = this;
    const inner = this.locks.mutex(me.key);
    const controller = new AbortController();
    if (me.aborts) void this.turn('abort').then(() => controller.abort(new Failure('abort')));
    return {
      locked: () => inner.locked(),
      acquire: async (options: AcquireOptions = {}) => {
        await this.turn('acquire');
        const lease = await inner.acquire({ ...options, signal: controller.signal });
        if (!lease) return undefined;
        const release = async () => {
          witness.released(me.key, given);
          await lease.release();
          await this.step(me, 'release', 'release');
        };
        const given: Lease = { token: lease.token, release, [Symbol.asyncDispose]: release };
        return witness.granted(me.key, given);
      },
    };
  }

  create(me: Caller, call: Witnessed): Promise<Made<string>> {
    return this.witness.creates(me.key, call, async (stop) => {
      await this.step(me, 'create', 'create');
      await stop();
      const made = { value: `made of ${me.key}`, createdTime: this.clock.now() };
      this.values.set(me.key, made);
      return made;
    });
  }

  /** Runs all callers to the end. `run` is what is proved. */
  async play(run: (me: Caller, call: Witnessed) => Promise<string>): Promise<void> {
    const { scheduler, callers, ages, picks } = this.scenario;
    if (ages) void this.turn('age').then(() => this.clock.advance('11s'));
    const calls = callers.map(async (me) => {
      if (me.startsLater) await this.turn('start');
      const call: Witnessed = { key: me.key, holdsValue: false, isCreating: false, isSettled: false };
      const outcome = await this.witness.call(call, () => run(me, call));
      if (outcome.status === 'fulfilled') {
        if (!/^(there|made) of /.test(outcome.value)) this.witness.faults.push(`a call got ${outcome.value}`);
      } else if (!(outcome.reason instanceof Failure)) throw outcome.reason;
    });
    const idle = async () => {
      await scheduler.waitIdle();
    };
    await this.witness.runToTheEnd(
      idle,
      (many) => (many === 0 ? 0 : Number(picks.next().value) % many),
      () => {
        for (const call of this.witness.calls) {
          if (call.holdsValue && !call.isSettled && !call.isCreating) {
            this.witness.faults.push(`a caller with a value of "${call.key}" waits`);
          }
        }
      },
    );
    if (this.locks.size > 0) this.witness.faults.push(`${this.locks.size} names in use at rest`);
    this.witness.verdict();
    // Whatever else went wrong in a call.
    await Promise.all(calls);
  }
}

// ---------------------------------------------------------------------------------------------------------- the laws

/** The laws of `dogpileLock`, over locks that may be mutated. */
function lawsOfDogpileLock(makeLocks: () => Locks = () => new LocalLocks(), lock: typeof dogpileLock = dogpileLock) {
  return fc.asyncProperty(scenario, async (given) => {
    const world = new World(given, makeLocks());
    await world.play((me, call) => {
      let looks = 0;
      const look = async () => {
        looks++;
        const which = looks;
        await world.step(me, which === 1 ? 'look' : 'second look', `look ${which}`);
        const made = world.values.get(me.key);
        if (which === 1) call.holdsValue = made !== undefined;
        if (!made) throw new NeedRegeneration();
        return made;
      };
      const create = () => world.create(me, call);
      return lock({ mutex: world.mutexOf(me), look, create, expirationTime: '10s', clock: world.clock });
    });
  });
}

/** The laws of `elect`, with the story of a call told in the plainest way. */
function lawsOfElect(election: typeof elect = elect, makeLocks: () => Locks = () => new LocalLocks()) {
  return fc.asyncProperty(scenario, async (given) => {
    const world = new World(given, makeLocks());
    await world.play(async (me, call) => {
      await world.step(me, 'look', 'look');
      const seen = world.sight(me.key);
      if (seen.state === 'fresh') return seen.value;
      call.holdsValue = seen.state === 'stale';
      const mutex = world.mutexOf(me);
      let made = '';
      const elected = await election<string>({
        seen,
        waitForNew: false,
        acquire: (wait) => mutex.acquire({ wait }),
        lookAgain: async () => {
          await world.step(me, 'second look', 'look again');
          return world.sight(me.key);
        },
        create: async () => {
          made = (await world.create(me, call)).value;
        },
        release: (lease) => lease.release(),
      });
      if (elected.role === 'reader') return elected.found.value;
      if (elected.role === 'creator') return made;
      return seen.state === 'stale' ? seen.value : 'nothing';
    });
  });
}

describe('every order of every await', () => {
  it('dogpileLock keeps the laws', async () => {
    await fc.assert(lawsOfDogpileLock(), { numRuns: RUNS });
  });

  it('elect keeps the laws', async () => {
    await fc.assert(lawsOfElect(), { numRuns: RUNS });
  });
});

// ----------------------------------------------------------------------------------------------------- they can fail

/** Locks of which one thing is wrong. */
class Mutated extends LocalLocks {
  readonly #change: (mutex: CacheMutex) => CacheMutex;
  constructor(change: (mutex: CacheMutex) => CacheMutex) {
    super();
    this.#change = change;
  }
  override mutex(name: string): CacheMutex {
    return this.#change(super.mutex(name));
  }
}
const mutated = (acquire: (mutex: CacheMutex, options: AcquireOptions) => ReturnType<CacheMutex['acquire']>) => () =>
  new Mutated((mutex) => ({ locked: () => mutex.locked(), acquire: (options = {}) => acquire(mutex, options) }));

const BAD_LOCKS: Record<string, { locks: () => Locks; fault: RegExp }> = {
  'grants twice': {
    fault: /two live leases|two creators/,
    locks: mutated((mutex, options) => (mutex.locked() ? new LocalMutex().acquire(options) : mutex.acquire(options))),
  },
  'forgets to wake the next': {
    fault: /never settles/,
    locks: mutated(async (mutex, options) => {
      if (options.wait !== false && mutex.locked()) return new Promise(() => {});
      return mutex.acquire(options);
    }),
  },
  'lets a try wait': {
    fault: /with a value of "." waits/,
    locks: mutated((mutex, options) => mutex.acquire({ ...options, wait: true })),
  },
  'loses the lease of who is aborted as it is granted': {
    fault: /names in use at rest|never settles/,
    locks: mutated(async (mutex, options) => {
      const lease = await mutex.acquire({ ...options, signal: undefined });
      options.signal?.throwIfAborted();
      return lease;
    }),
  },
  'keeps names that are not in use': {
    fault: /names in use at rest/,
    locks: () => {
      const locks = new LocalLocks();
      void locks.acquire('another');
      return locks;
    },
  },
};

/** An election without its failure half. */
async function withoutFinally<T>({
  seen,
  waitForNew,
  acquire,
  lookAgain,
  create,
  release,
}: Election<T>): Promise<Elected<T>> {
  const lease = await acquire(seen.state === 'missing' || waitForNew);
  if (lease === undefined) return { role: 'refused' };
  const again = await lookAgain(lease);
  if (again.state === 'fresh') {
    await release(lease);
    return { role: 'reader', found: again };
  }
  await create(lease, again);
  await release(lease);
  return { role: 'creator' };
}

const BAD_ELECTIONS: Record<string, { election: typeof elect; fault: RegExp }> = {
  'does not release when a step throws': { election: withoutFinally, fault: /never settles|never released/ },
  'releases before it creates': {
    fault: /two creators|two live leases/,
    election: (parts) => {
      let isReleased = false;
      return elect({
        ...parts,
        create: async (lease, again) => {
          isReleased = true;
          await parts.release(lease);
          await parts.create(lease, again);
        },
        release: (lease) => (isReleased ? undefined : parts.release(lease)),
      });
    },
  },
  'releases twice': {
    fault: /released 2 times/,
    election: (parts) =>
      elect({
        ...parts,
        release: async (lease) => {
          await parts.release(lease);
          await parts.release(lease);
        },
      }),
  },
  'waits although there is a stale value': {
    fault: /with a value of "." waits/,
    election: (parts) => elect({ ...parts, waitForNew: true }),
  },
};

describe('the laws can fail', () => {
  for (const [name, { locks, fault }] of Object.entries(BAD_LOCKS)) {
    it(`for a lock that ${name}`, async () => {
      const found = await fc.check(lawsOfDogpileLock(locks), { numRuns: RUNS, endOnFailure: true });
      expect(found.failed).toBe(true);
      expect(String(found.errorInstance)).toMatch(fault);
    });
  }

  for (const [name, { election, fault }] of Object.entries(BAD_ELECTIONS)) {
    it(`for an election that ${name}`, async () => {
      const found = await fc.check(lawsOfElect(election), { numRuns: RUNS, endOnFailure: true });
      expect(found.failed).toBe(true);
      expect(String(found.errorInstance)).toMatch(fault);
    });
  }
});
