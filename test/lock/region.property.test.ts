/**
 * The same laws for `getOrCreate` of a region: on a store that answers at once, on one that answers later, and on one that has
 * locks of its own, shared by two regions as by two processes; with callers that abort, creators that throw, deletes and sets.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AcquireOptions, CacheBackend } from '../../src/api.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { LocalLocks } from '../../src/lock/local-locks.js';
import type { LocalLease } from '../../src/lock/local-mutex.js';
import { Core } from '../../src/region/core.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { FencedBackend, LaterBackend, SharedStore } from '../region/support/later-backend.js';
import { Witness, type Witnessed } from './support/witness.js';

const RUNS = 300;

class Failure extends Error {}

interface Caller {
  readonly key: 'a' | 'b';
  readonly region: 0 | 1;
  readonly startsLater: boolean;
  readonly does: 'getOrCreate' | 'delete' | 'set';
  readonly creator: 'gives' | 'throws at once' | 'throws later';
  readonly aborts: boolean;
  readonly serveStale: boolean;
  readonly background: boolean;
}

const caller: fc.Arbitrary<Caller> = fc.record({
  key: fc.constantFrom('a', 'b'),
  region: fc.constantFrom(0, 1),
  startsLater: fc.boolean(),
  does: fc.constantFrom(...Array<'getOrCreate'>(8).fill('getOrCreate'), 'delete', 'set'),
  creator: fc.constantFrom('gives', 'gives', 'throws at once', 'throws later'),
  aborts: fc.boolean(),
  serveStale: fc.constantFrom(true, true, false),
  background: fc.constantFrom(false, false, true),
});

const scenario = fc.record({
  scheduler: fc.scheduler(),
  callers: fc.array(caller, { minLength: 1, maxLength: 8 }),
  there: fc.record({
    a: fc.constantFrom('missing', 'stale', 'fresh'),
    b: fc.constantFrom('missing', 'stale', 'fresh'),
  }),
  picks: fc.infiniteStream(fc.nat(7)),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer S> ? S : never;

/** Where entries are: the backends of two regions over one store, and what is in use of its locks at rest. */
interface Stores {
  readonly backends: readonly [CacheBackend, CacheBackend];
  readonly pausing: readonly LaterBackend[];
  /** Names in use in locks that the backends have of their own. */
  names(): number;
}

const STORES: Record<string, () => Stores> = {
  memory: () => {
    const backend = memoryBackend();
    return { backends: [backend, backend], pausing: [], names: () => 0 };
  },
  'a store that answers later': () => {
    const backend = new LaterBackend();
    return { backends: [backend, backend], pausing: [backend], names: () => 0 };
  },
  'a store with locks of its own, and two processes': () => {
    const store = new SharedStore();
    const backends = [new FencedBackend(store), new FencedBackend(store)] as const;
    return { backends, pausing: backends, names: () => store.locks.size };
  },
};

/** Who witnesses the leases of the run under way, and the cores that take part in it. */
let witness = new Witness();
let cores = new Set<Core>();
/** How a try at a lock is answered; a mutation replaces it. */
const honestly = (locks: LocalLocks, _name: string, give: (from: LocalLocks) => LocalLease | undefined) => give(locks);
let grant = honestly;
/** The same for who waits. */
let wake = (granted: Promise<LocalLease | undefined>) => granted;
/** What calls say of stale values, whatever the callers want. */
let serveStaleAnyway: boolean | undefined;

beforeEach(() => {
  const { tryAcquire, acquire } = LocalLocks.prototype;
  vi.spyOn(LocalLocks.prototype, 'tryAcquire').mockImplementation(function (this: LocalLocks, name: string) {
    const lease = grant(this, name, (from) => tryAcquire.call(from, name));
    return lease && watch(name, lease);
  });
  vi.spyOn(LocalLocks.prototype, 'acquire').mockImplementation(async function (
    this: LocalLocks,
    name,
    options?: AcquireOptions,
  ) {
    const lease = await wake(acquire.call(this, name, options));
    return lease && watch(name, lease);
  });
  const { behind } = Core.prototype;
  vi.spyOn(Core.prototype, 'behind').mockImplementation(function (this: Core, work) {
    cores.add(this);
    behind.call(this, work);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  grant = honestly;
  wake = (granted) => granted;
  serveStaleAnyway = undefined;
});

/** However a lease ends, it is told once. */
function watch(name: string, lease: LocalLease): LocalLease {
  const mine = witness;
  mine.granted(name, lease);
  lease.whenLost(() => mine.ended(name, lease));
  const { release, commit } = lease;
  lease.release = () => {
    if (lease.stands) mine.released(name, lease);
    release.call(lease);
  };
  lease.commit = (write) =>
    commit.call(lease, () => {
      // A commit ends it with the write: what is granted after that is granted after this.
      const answer = write();
      if (typeof (answer as PromiseLike<unknown> | undefined)?.then !== 'function') mine.released(name, lease);
      else return Promise.resolve(answer).finally(() => mine.released(name, lease));
      return answer;
    });
  return lease;
}

function lawsOfGetOrCreate(makeStores: () => Stores) {
  return fc.asyncProperty(scenario, async (given) => {
    witness = new Witness();
    cores = new Set();
    const clock = new FakeClock();
    const { backends, pausing, names } = makeStores();
    const regions = backends.map((backend) => makeRegion({ clock }).configure(backend, { expirationTime: '10s' }));
    const region = (caller: Caller) => regions[caller.region] ?? makeRegion();
    await fill(given, regions[0] ?? makeRegion(), clock);
    const { scheduler, callers, picks } = given;
    const turn = (label: string) => scheduler.schedule(Promise.resolve(), label);
    for (const backend of pausing) backend.pause = (verb, keys) => turn(`${verb} ${keys}`);

    // A delete or set voids the leases of its key: who created under one may still be at it when the next begins.
    const overruled = new Set(callers.filter(({ does }) => does !== 'getOrCreate').map(({ key }) => key));
    const create = async (me: Caller, stop: () => Promise<void>) => {
      if (me.creator === 'throws at once') throw new Failure('create');
      await turn('create');
      await stop();
      if (me.creator === 'throws later') throw new Failure('create');
      return `made of ${me.key}`;
    };
    const run = async (me: Caller, call: Witnessed): Promise<unknown> => {
      if (me.does === 'delete') return region(me).delete(me.key);
      if (me.does === 'set') return region(me).set(me.key, `set of ${me.key}`);
      const controller = new AbortController();
      if (me.aborts) void turn('abort').then(() => controller.abort(new Failure('abort')));
      const { serveStale: wanted, background } = me;
      const serveStale = serveStaleAnyway ?? wanted;
      const scope = overruled.has(me.key) ? `${me.key} of ${callers.indexOf(me)}` : me.key;
      return region(me).getOrCreate(me.key, () => witness.creates(scope, call, (stop) => create(me, stop)), {
        signal: controller.signal,
        serveStale,
        background,
      });
    };
    const calls = callers.map(async (me) => {
      if (me.startsLater) await turn('start');
      const holdsValue = given.there[me.key] !== 'missing' && !overruled.has(me.key) && me.serveStale;
      const call: Witnessed = { key: me.key, holdsValue, isCreating: false, isSettled: false };
      const outcome = await witness.call(call, () => run(me, call));
      if (outcome.status === 'rejected' && !(outcome.reason instanceof Failure)) throw outcome.reason;
      if (
        outcome.status === 'fulfilled' &&
        me.does === 'getOrCreate' &&
        !/^(there|made|set) of /.test(String(outcome.value))
      ) {
        witness.faults.push(`a call got ${outcome.value}`);
      }
    });
    await witness.runToTheEnd(
      async () => {
        await scheduler.waitIdle();
      },
      (many) => (many === 0 ? 0 : Number(picks.next().value) % many),
      () => {
        for (const call of witness.calls) {
          if (call.holdsValue && !call.isSettled && !call.isCreating)
            witness.faults.push(`a caller with a value of "${call.key}" waits`);
        }
      },
    );
    const busy =
      [...cores].reduce((sum, core) => sum + core.busy + core.store.locks.inUse, 0) + names() + clock.pending;
    if (busy > 0) witness.faults.push(`${busy} things in use at rest`);
    witness.verdict();
    await Promise.all(calls);
    for (const each of regions) await each.close();
  });
}

async function fill({ there }: Scenario, region: ReturnType<typeof makeRegion>, clock: FakeClock): Promise<void> {
  for (const key of ['a', 'b'] as const) if (there[key] === 'stale') await region.set(key, `there of ${key}`);
  await clock.advance('11s');
  for (const key of ['a', 'b'] as const) if (there[key] === 'fresh') await region.set(key, `there of ${key}`);
}

describe('every order of every await, for getOrCreate', () => {
  for (const [name, stores] of Object.entries(STORES)) {
    it(`the laws hold on ${name}`, async () => {
      await fc.assert(lawsOfGetOrCreate(stores), { numRuns: RUNS });
    });
  }
});

describe('the laws can fail', () => {
  it('for a lock that grants twice', async () => {
    grant = (locks, name, give) => give(locks.locked(name) ? new LocalLocks() : locks);
    await fails(/two live leases|two creators/);
  });

  it('for a lock that does not wake who waits', async () => {
    wake = () => new Promise(() => {});
    await fails(/never settles|in use at rest/, 'a store with locks of its own, and two processes');
  });

  it('for a region that lets callers wait who have a stale value', async () => {
    serveStaleAnyway = false;
    await fails(/with a value of "." waits/);
  });
});

async function fails(fault: RegExp, where = 'a store that answers later'): Promise<void> {
  const stores = STORES[where];
  if (!stores) throw new Error(`no such store: ${where}`);
  const found = await fc.check(lawsOfGetOrCreate(stores), { numRuns: RUNS, endOnFailure: true });
  expect(found.failed).toBe(true);
  expect(String(found.errorInstance)).toMatch(fault);
}
