/**
 * One key: look, elect, create, commit (semantics §2, §3). The story of a call; who may join and who is answered is `flights.ts`,
 * who creates `lock/election.ts`.
 */
import type {
  AnyFunction,
  AsyncCreationRunner,
  Awaitable,
  CachedValue,
  Clock,
  Creator,
  Lease,
  RecordsRequest,
  Storable,
} from '../api.js';
import { LockTimeoutError, ReentrantCreationError } from '../errors.js';
import { elect, type Sighting } from '../lock/election.js';
import { isPromiseLike } from '../promises.js';
import { type Creation, closesCircle, enclosingCreation, isCreatedAbove, SingleCreation } from './context.js';
import type { Core, Look } from './core.js';
import { entryOf, type Failed, fenceOf, generationUnder, giveBack, runCreator, ttlOf } from './creating.js';
import type { Flight, Outcome } from './flights.js';
import { expirationOf, type Freshness, judge } from './freshness.js';
import type { Generation } from './generations.js';
import type { Read } from './reads.js';
import { freshnessOf, type Settings } from './settings.js';
import { NO_LEASE } from './store.js';

/** One call for one key. */
export interface Call {
  readonly key: string;
  readonly name: string;
  readonly creator: Creator<unknown, unknown>;
  readonly settings: Settings;
  readonly asked: Freshness;
  /** Begin of the call, in ticks of the flights. */
  readonly began: number;
  /** How long the call still waits for others. */
  readonly patience: Patience;
  /** The cached function and its arguments, for runners. */
  readonly cached: { readonly fn: AnyFunction; readonly args: readonly unknown[] } | undefined;
}

/** `lockWait`, counted from the first time that the call waits. */
export class Patience {
  readonly #limit: number;
  readonly #clock: Clock;
  #until: number | undefined;

  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Milliseconds that are left; the first to ask starts the time. */
  readonly left = (): number => {
    if (this.#limit === Number.POSITIVE_INFINITY) return this.#limit;
    const now = this.#clock.now();
    this.#until ??= now + this.#limit;
    return Math.max(0, this.#until - now);
  };
}

export function callOf(
  core: Core,
  key: string,
  creator: Creator<unknown, unknown>,
  settings: Settings,
  cached?: Call['cached'],
): Call {
  const name = core.store.mangle(key);
  return {
    key,
    name,
    creator,
    settings,
    asked: freshnessOf(settings),
    began: core.flights.tick(),
    patience: new Patience(settings.lockWait, core.clock),
    cached,
  };
}

export async function getOrCreate(core: Core, call: Call): Promise<unknown> {
  const { key, name, settings } = call;
  settings.signal?.throwIfAborted();
  if (core.store.backend.storesNothing) return createAlone(core, call);

  let isFirstLook = true;
  let hasTimedOut = false;
  for (;;) {
    const look = core.look(key, name, call.asked);
    // No await where the store answers at once: what follows then belongs to the same instant as the look.
    const seen = isPromiseLike(look) ? await look : look;
    if (isFirstLook) core.looked(key, seen);
    isFirstLook = false;
    if (seen.state === 'fresh') return seen.value.payload;
    settings.signal?.throwIfAborted();

    const caller = enclosingCreation();
    const current = core.flights.joinable(name);
    if (isReentrant(core, call, caller, current)) {
      if (seen.state === 'stale') return seen.value.payload;
      throw reentrance(key);
    }

    const stale = seen.state === 'stale' && mayServe(core, seen.value, call) ? seen.value : undefined;
    if (stale && current) return stale.payload;
    if (stale && core.runner) {
      await new Promise<void>((resolve, reject) => {
        launch(core, core.flights.open(name, { unattended: true }), call, seen, { handOver: { resolve, reject } });
      });
      return stale.payload;
    }
    if (stale && settings.background) {
      launch(core, core.flights.open(name, { unattended: true }), call, seen, {});
      return stale.payload;
    }
    if (hasTimedOut) throw lockTimeout(call);

    const flight = current ?? core.flights.open(name);
    if (current) core.waits(key, 'here');
    else launch(core, flight, call, seen, { waitForNew: stale === undefined });
    const outcome = await waitFor(flight, call, caller, flight !== current);
    if (outcome.kind === 'created') return outcome.value;
    if (outcome.kind === 'failed') throw outcome.reason;
    if (outcome.kind === 'found' && (await isFreshFor(core, outcome.entry, call))) return outcome.entry.payload;
    if (outcome.kind === 'again' && stale && flight !== current) return stale.payload;
    hasTimedOut = outcome.kind === 'timeout';
  }
}

/** `refresh`: creates now, whatever there is; after another's creation that is under way. */
export async function refresh(core: Core, call: Call): Promise<unknown> {
  if (core.store.backend.storesNothing) return createAlone(core, call);
  const caller = enclosingCreation();
  if (isReentrant(core, call, caller, undefined)) throw reentrance(call.key);
  for (;;) {
    const seen = await core.look(call.key, call.name, call.asked);
    const flight = core.flights.open(call.name, { listed: false });
    launch(core, flight, call, withoutFresh(seen), { waitForNew: true, anew: true });
    const outcome = await waitFor(flight, call, caller, true);
    if (outcome.kind === 'created') return outcome.value;
    if (outcome.kind === 'failed') throw outcome.reason;
    if (outcome.kind === 'timeout') throw lockTimeout(call);
  }
}

/** Whether a creation would wait for itself: by this key, further up its own chain, or round a circle of flights. */
export function isReentrant(
  core: Core,
  call: Call,
  caller: Creation | undefined,
  current: Flight | undefined,
): boolean {
  return isCreatedAbove(caller, core.store.lock, call.name) || (current !== undefined && closesCircle(caller, current));
}

export function reentrance(key: string): ReentrantCreationError {
  return new ReentrantCreationError(
    `The creator of "${key}" asks, directly or through others, for "${key}" itself, and there is no stale value to give it.`,
  );
}

export function lockTimeout({ key, settings }: Call): LockTimeoutError {
  return new LockTimeoutError(`Another's creation of "${key}" was not done within lockWait (${settings.lockWait} ms).`);
}

// --------------------------------------------------------------------------------------------------------- the flight

interface Manner {
  /** Wait for a new value although there may be a stale one. */
  readonly waitForNew?: boolean;
  /** Create also when the second look finds a fresh value. */
  readonly anew?: boolean;
  /** Stale, and a runner is to create: told when it has been called, or why not. */
  readonly handOver?: { resolve(): void; reject(reason: unknown): void };
}

/** One flight's attempt to be the creator. */
interface Attempt {
  readonly core: Core;
  readonly flight: Flight;
  readonly call: Call;
  readonly manner: Manner;
  /** The records that the acquire brings along, where the store keeps generations. */
  readonly records: RecordsRequest | undefined;
}

/** Starts the flight; it is the region's from here on, and tells its waiters itself. */
function launch(core: Core, flight: Flight, call: Call, seen: Look, manner: Manner): void {
  const attempt = { core, flight, call, manner, records: core.shared?.request() };
  core.behind(
    fly(attempt, seen).then(
      () => {
        flight.end({ kind: 'again' });
        manner.handOver?.resolve();
      },
      (error: unknown) => {
        // Nobody hears of what goes wrong after the end, or where nobody waits: it is an event.
        if (!flight.end({ kind: 'failed', reason: error }) && !flight.abandoned.aborted)
          core.report('release', error, call.key);
        manner.handOver?.reject(error);
      },
    ),
  );
}

async function fly(attempt: Attempt, seen: Look): Promise<void> {
  const { core, flight, call, manner, records } = attempt;
  if (seen.state === 'fresh') return;
  // A look and an acquire of one instant leave nothing between them to look for again.
  let isSure = seen.sync;
  let readAt = 0;
  const elected = await elect<CachedValue>({
    seen,
    waitForNew: manner.waitForNew ?? false,
    acquire: (wait) => {
      readAt = core.flights.tick();
      return acquire(attempt, wait, () => {
        isSure = false;
      });
    },
    lookAgain: async (lease) => {
      if (isSure || lease === NO_LEASE || flight.isDeserted) return seen;
      const again = await lookUnder(core, lease, call, { records, sentAt: readAt });
      readAt = again.readAt;
      return manner.anew ? withoutFresh(again) : again;
    },
    create: (lease, again) => create(attempt, lease, again),
    release: (lease) => giveBack(core, lease, call.key),
  });
  if (elected.role === 'reader') flight.end({ kind: 'found', entry: elected.found.value, readAt });
}

/** `waited` is told as soon as time passes between the look and the lease. */
async function acquire(
  { core, flight, call, records }: Attempt,
  wait: boolean,
  waited: () => void,
): Promise<Lease | undefined> {
  try {
    const first = core.store.tryAcquire(call.name, records);
    if (isPromiseLike(first)) waited();
    const lease = await first;
    if (lease || !wait) return lease;
    waited();
    core.waits(call.key, 'elsewhere');
    flight.waitsElsewhere();
    return await core.store.acquire(call.name, flight.abandoned, records);
  } catch (error) {
    if (flight.abandoned.aborted) throw error;
    core.report('acquire', error, call.key);
    return NO_LEASE;
  }
}

/** The second look: what came with the lease, else a read. */
export function lookUnder(
  core: Core,
  lease: Lease,
  call: Call,
  acquired: Pick<Read, 'records' | 'sentAt'>,
): Awaitable<Look> {
  if ('stored' in lease) return core.judge(call.key, { ...acquired, stored: lease.stored, sync: false }, call.asked);
  return core.look(call.key, call.name, call.asked);
}

async function create(attempt: Attempt, lease: Lease, seen: Sighting<CachedValue>): Promise<void> {
  const { core, flight, call, manner, records } = attempt;
  // Without a lease nothing is written, nor stamped.
  const generation = records && lease !== NO_LEASE ? await generationUnder(core, records) : undefined;
  if (flight.isDeserted) return;
  const stale = seen.state === 'missing' ? undefined : seen.value;
  const creation = new SingleCreation(core.store.lock, call.name, call.key, stale);
  flight.begin(creation, lease);
  lease.whenLost?.((why) => flight.lose(why, core.statistics));
  if (manner.handOver && core.runner)
    await handOver(attempt, { lease, generation, creation }, core.runner, manner.handOver);
  else await make(attempt, { lease, generation, creation });
}

/** A creation that may begin. */
interface Ready {
  readonly lease: Lease;
  readonly generation: Generation | undefined;
  readonly creation: SingleCreation;
}

/** Calls the creator, commits, and tells the flight. Answers with the failure, if it failed. */
async function make(
  { core, flight, call, manner }: Attempt,
  { lease, generation, creation }: Ready,
): Promise<Failed | undefined> {
  const { key, name, creator, asked, settings } = call;
  const made = await runCreator(core, [key], creation, flight.waiting === 0, () => creator(creation));
  if ('reason' in made) {
    flight.end({ kind: 'failed', reason: made.reason });
    return made;
  }
  // The commit is sent now: who comes from here on looks for himself.
  flight.close();
  const plan = creation.entry;
  let entry: Storable | undefined;
  try {
    // As in Python, refresh() stores whatever it made.
    const isWanted = manner.anew ? undefined : settings.shouldCache;
    entry = entryOf(core, { key, ...made, plan, lease, generation, flight }, isWanted);
  } catch (reason) {
    flight.end({ kind: 'failed', reason });
    return { reason };
  }
  const written = { ttl: ttlOf(asked, plan.expiration), generation: fenceOf(core, generation) };
  const stored = entry !== undefined && (await commit(core, key, () => core.store.commit(name, entry, lease, written)));
  flight.end({ kind: 'created', value: made.value, stored });
  return undefined;
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

/** A runner owns the lease until `create` has settled, it says release, it fails, or the lease is lost. */
async function handOver(
  attempt: Attempt,
  ready: Ready,
  runner: AsyncCreationRunner,
  caller: NonNullable<Manner['handOver']>,
): Promise<void> {
  const { core, call } = attempt;
  const { lease } = ready;
  await new Promise<void>((done, fail) => {
    lease.whenLost?.(() => done());
    const release = async () => {
      await lease.release();
      done();
    };
    const run = async () => {
      const failure = await make(attempt, ready);
      done();
      if (failure) throw failure.reason;
    };
    try {
      const running = runner(core.region, call.key, run, { release }, call.cached);
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

/** Where the backend elects nobody, every call runs its creator. */
async function createAlone(core: Core, call: Call): Promise<unknown> {
  const creation = new SingleCreation({}, call.name, call.key, undefined);
  const made = await runCreator(core, [call.key], creation, false, () => call.creator(creation));
  if ('reason' in made) throw made.reason;
  return made.value;
}

/** Waits on a flight, and lets others see that the caller's creation does. */
export async function waitFor(
  flight: Flight,
  call: Call,
  caller: Creation | undefined,
  first: boolean,
): Promise<Outcome> {
  const joined = flight.join({ began: call.began, signal: call.settings.signal, patience: call.patience.left, first });
  if (!caller) return joined;
  const edge = {
    get creation() {
      return flight.creation;
    },
  };
  caller.awaiting.add(edge);
  try {
    return await joined;
  } finally {
    caller.awaiting.delete(edge);
  }
}

/** Whether a stale value is young enough to be served. */
export function mayServe(core: Core, entry: CachedValue, { settings, asked }: Call): boolean {
  if (settings.serveStale === Number.POSITIVE_INFINITY) return true;
  if (settings.serveStale === 0) return false;
  return core.clock.now() - entry.cachedTime - expirationOf(entry, asked) <= settings.serveStale;
}

/** What a flight found is judged by its first caller's policy; another may want it fresher. */
export async function isFreshFor(core: Core, entry: CachedValue, call: Call): Promise<boolean> {
  // What the store's records say of it was read with it, after the call began.
  const cut = core.shared ? undefined : await core.cutOf(entry, undefined);
  return judge(entry, call.asked, cut, core.clock.now()) === 'fresh';
}

export function withoutFresh(seen: Look): Look {
  return seen.state === 'fresh' ? { ...seen, state: 'stale', reason: 'expired' } : seen;
}
