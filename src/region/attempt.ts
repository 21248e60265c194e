/**
 * One flight's attempt to be the creator: acquire, look again, create, commit, release (semantics §2). Decides how a creation runs
 * and is stored; who is elected is `lock/election.ts`, who is told of it `flight.ts`.
 */
import type { AsyncCreationRunner, Awaitable, CachedValue, Lease, RecordsRequest, Storable } from '../api.js';
import { CreationTimeoutError } from '../errors.js';
import { elect, type Sighting } from '../lock/election.js';
import { isPromiseLike } from '../promises.js';
import type { Call } from './call.js';
import { SingleCreation } from './context.js';
import type { Core } from './core.js';
import { entryOf, type Failed, fenceOf, generationUnder, runCreator, ttlOf } from './creating.js';
import type { Flight } from './flight.js';
import type { Generation } from './generations.js';
import { acquireAlone, LoneLease } from './lone-lease.js';
import { type Look, withoutFresh } from './look.js';
import type { Read } from './reads.js';

export interface Manner {
  /** Wait for a new value although there may be a stale one. */
  readonly waitForNew?: boolean;
  /** Create also when the second look finds a fresh value. */
  readonly anew?: boolean;
  /** The fresh value that is refreshed early: create if the second look still finds that one. */
  readonly early?: CachedValue | undefined;
  /** Stale, and a runner is to create: told when it has been called, or why not. */
  readonly handOver?: { resolve(): void; reject(reason: unknown): void };
}

interface Attempt {
  readonly core: Core;
  readonly flight: Flight;
  readonly call: Call;
  readonly manner: Manner;
  /** The records that the acquire brings along, where the store keeps generations. */
  readonly records: RecordsRequest | undefined;
}

/** Starts the flight; it is the region's from here on, and tells its waiters itself. */
export function launch(core: Core, flight: Flight, call: Call, seen: Look, manner: Manner): void {
  const seenTags = seen.state === 'missing' ? [] : (seen.value.metadata.t ?? []);
  const records = core.shared?.request([...new Set([...seenTags, ...call.settings.tags])]);
  core.behind(
    fly({ core, flight, call, manner, records }, seen).then(
      () => {
        flight.end({ kind: 'again' });
        manner.handOver?.resolve();
      },
      (error: unknown) => {
        // What goes wrong before the end is told to who waits, or was an event where it happened; after it, it is one here.
        const isTold = flight.end({ kind: 'failed', reason: error }) || flight.abandoned.aborted;
        if (!isTold) core.report('release', error, call.key);
        manner.handOver?.reject(error);
      },
    ),
  );
}

async function fly(attempt: Attempt, seen: Look): Promise<void> {
  const { core, flight, call, manner, records } = attempt;
  if (seen.state === 'fresh') return;
  // A look and an acquire of one instant leave nothing between them to look for again, where the lock is the process's own.
  let isSure = seen.sync;
  let readAt = 0;
  const elected = await elect<CachedValue>({
    seen,
    waitForNew: manner.waitForNew ?? false,
    acquire: (wait) => {
      readAt = core.flights.tick();
      // Once a call has run into its deadline, the rest of the flight goes on without the store.
      if (seen.state === 'missing' && seen.isDown) return acquireAlone(core, { call, flight, wait });
      return acquire(attempt, wait, () => {
        isSure = false;
      });
    },
    lookAgain: async (lease) => {
      if (flight.isDeserted || (lease instanceof LoneLease && !lease.hasWaited)) return seen;
      // What came with a lease of the store's is newer than the look: another process may have committed in between.
      if (isSure && !(lease instanceof LoneLease || 'stored' in lease)) return seen;
      const again = await lookUnder(core, lease, call, { records, sentAt: readAt });
      readAt = again.readAt;
      return isWanted(again, manner) ? withoutFresh(again) : again;
    },
    create: (lease, again) => create(attempt, lease, again),
    release: (lease) => core.giveBack(lease, call.key),
  });
  if (elected.role === 'reader') flight.end({ kind: 'found', entry: elected.found.value, readAt });
}

/** Whether a fresh value is to be replaced. */
export function isWanted(seen: Look, { anew, early }: Pick<Manner, 'anew' | 'early'>): boolean {
  if (anew) return true;
  return early !== undefined && seen.state === 'fresh' && seen.value.metadata.ct === early.metadata.ct;
}

/** `waited` is told as soon as time passes between the look and the lease. */
async function acquire(
  { core, flight, call, records }: Attempt,
  wait: boolean,
  waited: () => void,
): Promise<Lease | undefined> {
  try {
    const first = core.store.locks.tryAcquire(call.name, records);
    if (isPromiseLike(first)) waited();
    const lease = await first;
    if (lease || !wait) return lease;
    waited();
    core.waits(call.key, 'elsewhere');
    flight.waitsElsewhere();
    return await core.store.locks.acquire(call.name, flight.abandoned, records);
  } catch (error) {
    if (flight.abandoned.aborted) throw error;
    core.unreadable('acquire', error, call.key);
    return acquireAlone(core, { call, flight, wait });
  }
}

/** The second look: what came with the lease, else a read. */
function lookUnder(core: Core, lease: Lease, call: Call, acquired: Pick<Read, 'records' | 'sentAt'>): Awaitable<Look> {
  if ('stored' in lease)
    return core.looks.judge(call.key, { ...acquired, stored: lease.stored, sync: false }, call.asked);
  return core.looks.look(call.key, call.name, call.asked, call.settings.tags);
}

/** A creation that may begin. */
interface Ready {
  readonly lease: Lease;
  readonly generation: Generation | undefined;
  readonly creation: SingleCreation;
}

async function create(attempt: Attempt, lease: Lease, seen: Sighting<CachedValue>): Promise<void> {
  const { core, flight, call, manner, records } = attempt;
  // Without a lease nothing is written, nor stamped.
  const generation = records && !(lease instanceof LoneLease) ? await generationUnder(core, records) : undefined;
  if (flight.isDeserted || (lease instanceof LoneLease && !lease.stands)) return;
  const { key, settings } = call;
  const name = core.store.locks.nameOf(call.name);
  const stale = seen.state === 'missing' || flight.isOutdated ? undefined : seen.value;
  const creation = new SingleCreation({ lock: core.store.locks.space, name, key, stale, tags: settings.tags });
  flight.begin(creation, lease);
  lease.whenLost?.((why) => flight.lose(why, core.statistics));
  const ready = { lease, generation, creation };
  if (manner.handOver && core.runner) await handOver(attempt, ready, core.runner, manner.handOver);
  else await make(attempt, ready);
}

/** Calls the creator, commits, and tells the flight. Answers with the failure, if it failed. */
async function make(
  { core, flight, call, manner }: Attempt,
  { lease, generation, creation }: Ready,
): Promise<Failed | undefined> {
  const { key, name, creator, asked, settings } = call;
  const stopLimit = limitCreation(core, call, flight);
  const made = await runCreator(core, [key], creation, {
    isBackground: flight.waiting === 0,
    run: () => creator(creation),
    resultFor: (value) => value,
  });
  stopLimit();
  // It has failed, or its commit is sent now: who comes from here on looks for himself.
  flight.close();
  if ('reason' in made) {
    core.backoff.remember(name, made.reason, settings.errorBackoff);
    // Who is told may try again at once: the lock is free by then.
    await core.giveBack(lease, key);
    flight.end({ kind: 'failed', reason: made.reason });
    return made;
  }
  const plan = creation.entry;
  const isAnew = manner.anew ?? false;
  let entry: Storable | undefined;
  try {
    entry = entryOf(core, { key, ...made, plan, lease, generation, flight, settings, anew: isAnew });
  } catch (reason) {
    if (flight.waiting === 0) core.report('shouldCache', reason, key);
    await core.giveBack(lease, key);
    flight.end({ kind: 'failed', reason });
    return { reason };
  }
  if (entry === undefined) await core.giveBack(lease, key);
  const generationFence = fenceOf(core, generation, new Map([[name, [...plan.tags]]]));
  const options = { ttl: ttlOf(asked, plan.expiration), generation: generationFence };
  const isStored =
    entry !== undefined && (await commit(core, key, () => core.store.commit(name, entry, lease, options)));
  if (isStored) core.backoff.forget(name);
  flight.end({
    kind: 'created',
    value: made.value,
    shared: isStored || (lease instanceof LoneLease && !flight.isVoid),
  });
  return undefined;
}

/** `hardTimeout`, from now on: the callers are told, the creator's signal aborts; the creation goes on. */
export function limitCreation(core: Core, { key, name, settings }: Call, flight: Flight): () => void {
  const { hardTimeout, errorBackoff } = settings;
  if (hardTimeout === Number.POSITIVE_INFINITY) return () => {};
  const expire = () => {
    const reason = new CreationTimeoutError(
      `The creation of "${key}" took longer than hardTimeout (${hardTimeout} ms).`,
    );
    core.backoff.remember(name, reason, errorBackoff);
    flight.timeOut(reason);
  };
  const timer = core.clock.setTimeout(expire, hardTimeout);
  return () => core.clock.clearTimeout(timer);
}

/** Whether it was stored. Trouble of the store is an event. */
async function commit(core: Core, key: string, write: () => Awaitable<boolean>): Promise<boolean> {
  try {
    const isStored = await write();
    if (!isStored) core.refused(key, 'its lease no longer stood in the store');
    return isStored;
  } catch (error) {
    core.statistics.droppedWrites++;
    core.report('set', error, key);
    return false;
  }
}

/** A runner owns the lease until `create` has settled, it says release, it fails, or the flight is detached: the lease is gone then. */
async function handOver(
  attempt: Attempt,
  ready: Ready,
  runner: AsyncCreationRunner,
  caller: NonNullable<Manner['handOver']>,
): Promise<void> {
  const { core, call, flight } = attempt;
  const { lease } = ready;
  await new Promise<void>((done, fail) => {
    flight.whenDetached(done);
    // Also of one that the store can't be told of: it lapses, and nobody here holds it any more.
    const release = async () => {
      try {
        await lease.release();
      } finally {
        done();
      }
    };
    const run = async () => {
      const failure = await make(attempt, ready);
      done();
      if (failure) throw failure.reason;
    };
    // A runner may let go of what create() answers: its failure has been counted and published already.
    const create = () => {
      const running = run();
      running.catch(() => {});
      return running;
    };
    try {
      const running = runner(core.region, call.key, create, { release }, call.cached);
      caller.resolve();
      Promise.resolve(running).catch((error: unknown) => {
        core.report('asyncCreationRunner', error, call.key);
        done();
      });
    } catch (error) {
      fail(error);
    }
  });
}
