/**
 * One key: the story of a call (semantics §1 to §3). Decides what a caller is given: a fresh value, a stale one, a failure that is
 * remembered, or what a flight brings; who is answered by one is `flight.ts`, who creates and how `attempt.ts`.
 */
import type { Awaitable, CachedValue } from '../api.js';
import { LockTimeoutError, ReentrantCreationError } from '../errors.js';
import { isPromiseLike } from '../promises.js';
import { flyAlone } from './alone.js';
import { launch } from './attempt.js';
import type { Call } from './call.js';
import { type Creation, closesCircle, enclosingCreation, isCreatedAbove, SingleCreation } from './context.js';
import type { Core } from './core.js';
import { runCreator } from './creating.js';
import type { Flight } from './flight.js';
import { expirationOf, judge } from './freshness.js';
import { type Look, withoutFresh } from './look.js';
import type { Outcome } from './waiter.js';

/** Throws at once what is known at once: that the caller has given up, or that the store can't be read and `onBackendError` says so. */
export function getOrCreate(core: Core, call: Call): Promise<unknown> {
  call.settings.signal?.throwIfAborted();
  if (core.store.backend.storesNothing) return createAlone(core, call);

  const look = lookFor(core, call);
  core.enter();
  if (!isPromiseLike(look)) return inRounds(core, call, look);
  // The hot path of a hit in a store that answers later: no promise but this one and those of the look.
  return Promise.resolve(look).then(
    (seen) => {
      if (seen.state !== 'fresh' || call.settings.earlyRefresh > 0) return inRounds(core, call, seen);
      core.looked(call.key, seen);
      core.leave();
      return seen.value.payload;
    },
    (error: unknown) => {
      core.leave();
      throw error;
    },
  );
}

function lookFor(core: Core, { key, name, asked, settings }: Call): Awaitable<Look> {
  return core.looks.look(key, name, asked, settings.tags);
}

async function inRounds(core: Core, call: Call, first: Look): Promise<unknown> {
  try {
    core.looked(call.key, first);
    return await rounds(core, call, first);
  } finally {
    core.leave();
  }
}

/** Looks again, until there is something to give. */
async function rounds(core: Core, call: Call, first: Look): Promise<unknown> {
  const { key, name, settings } = call;
  let seen = first;
  let hasTimedOut = false;
  for (;;) {
    if (seen.state === 'fresh') {
      if (isDueEarly(core, call, seen)) {
        launch(core, core.flights.open(name, { unattended: true }), call, withoutFresh(seen), { early: seen.value });
      }
      return seen.value.payload;
    }
    settings.signal?.throwIfAborted();
    core.throwIfClosed();

    const caller = enclosingCreation();
    const current = core.flights.joinable(name);
    if (isReentrant(core, call, caller, current)) {
      if (seen.state === 'stale') return seen.value.payload;
      throw reentrance(key);
    }

    const stale = staleFor(core, seen, call);
    if (stale && current) return stale.payload;
    const failure = current ? undefined : core.backoff.recall(name, settings.errorBackoff);
    if (failure) return insteadOf(failure.reason, stale ?? standIn(core, seen, call));
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
    const soft = softValue(core, seen, call);
    const outcome = await waitFor(flight, call, caller, { first: flight !== current, hasStale: soft !== undefined });
    if (outcome.kind === 'created') return outcome.value;
    if (outcome.kind === 'failed') return insteadOf(outcome.reason, standIn(core, seen, call));
    if (outcome.kind === 'soft') return soft?.payload;
    if (outcome.kind === 'found' && (await isFreshFor(core, outcome.entry, call))) return outcome.entry.payload;
    if (outcome.kind === 'again' && stale && flight !== current) return stale.payload;
    hasTimedOut = outcome.kind === 'timeout';
    const look = lookFor(core, call);
    // No await where the store answers at once: what follows then belongs to the same instant as the look.
    seen = isPromiseLike(look) ? await look : look;
  }
}

/** `refresh`: creates now, whatever there is; after another's creation that is under way. */
export async function refresh(core: Core, call: Call): Promise<unknown> {
  if (core.store.backend.storesNothing) return createAlone(core, call);
  const caller = enclosingCreation();
  if (isReentrant(core, call, caller, undefined)) throw reentrance(call.key);
  for (;;) {
    const seen = await core.looks.look(call.key, call.name, call.asked, call.settings.tags);
    core.throwIfClosed();
    const flight = core.flights.open(call.name, { listed: false });
    launch(core, flight, call, withoutFresh(seen), { waitForNew: true, anew: true });
    const outcome = await waitFor(flight, call, caller, { first: true, hasStale: false });
    if (outcome.kind === 'created') return outcome.value;
    if (outcome.kind === 'failed') throw outcome.reason;
    if (outcome.kind === 'timeout') throw lockTimeout(call);
  }
}

/**
 * XFetch (Vattani et al., VLDB 2015): the closer expiry is, and the longer the value took to make, the likelier this caller starts
 * a refresh; behind him, and by an election that nobody waits for, so that the fleet refreshes once.
 */
export function isDueEarly(core: Core, { settings, asked, name }: Call, { value }: Look & { state: 'fresh' }): boolean {
  if (settings.earlyRefresh === 0) return false;
  const expiry = value.cachedTime + expirationOf(value, asked);
  if (expiry === Number.POSITIVE_INFINITY) return false;
  const took = (value.metadata.dt ?? 0) * 1000;
  const ahead = -took * settings.earlyRefresh * Math.log(core.random());
  if (core.clock.now() + ahead < expiry) return false;
  return !core.flights.joinable(name) && !core.backoff.recall(name, settings.errorBackoff);
}

// ---------------------------------------------------------------------------------------------------- what is given

/** The stale value that is given while another creates, if it may be. */
export function staleFor(core: Core, seen: Look, call: Call): CachedValue | undefined {
  if (seen.state !== 'stale') return undefined;
  const { serveStale } = call.settings;
  return isWithin(core, seen.value, call, serveStale) ? seen.value : undefined;
}

/** The stale value that stands in for a failure. */
export function standIn(core: Core, seen: Look, call: Call): CachedValue | undefined {
  return seen.state === 'stale' && isWithin(core, seen.value, call, call.settings.staleIfError)
    ? seen.value
    : undefined;
}

/** The stale value that is given when a creation takes longer than `softTimeout`: also to who would rather wait for a new one. */
export function softValue(core: Core, seen: Look, call: Call): CachedValue | undefined {
  if (call.settings.softTimeout === Number.POSITIVE_INFINITY || seen.state !== 'stale') return undefined;
  return call.settings.serveStale === 0 ? seen.value : staleFor(core, seen, call);
}

function insteadOf(reason: unknown, value: CachedValue | undefined): unknown {
  if (value) return value.payload;
  throw reason;
}

/** Whether a value expired at most so long ago; 0: never. */
function isWithin(core: Core, entry: CachedValue, { asked }: Call, limit: number): boolean {
  if (limit === Number.POSITIVE_INFINITY) return true;
  return limit > 0 && core.clock.now() - entry.cachedTime - expirationOf(entry, asked) <= limit;
}

/** What a flight found is judged by its first caller's policy; another may want it fresher. */
export async function isFreshFor(core: Core, entry: CachedValue, call: Call): Promise<boolean> {
  // What the store's records say of it was read with it, after the call began.
  const cut = core.shared ? undefined : await core.looks.cutOf(entry, undefined);
  return judge(entry, call.asked, cut, core.clock.now()) === 'fresh';
}

/** Whether a creation would wait for itself: by this key, further up its own chain, or round a circle of flights. */
export function isReentrant(
  core: Core,
  call: Call,
  caller: Creation | undefined,
  current: Flight | undefined,
): boolean {
  return (
    isCreatedAbove(caller, core.store.locks.space, core.store.locks.nameOf(call.name)) ||
    (current !== undefined && closesCircle(caller, current))
  );
}

export function reentrance(key: string): ReentrantCreationError {
  return new ReentrantCreationError(
    `The creator of "${key}" asks, directly or through others, for "${key}" itself, and there is no stale value to give it.`,
  );
}

export function lockTimeout({ key, settings }: Call): LockTimeoutError {
  return new LockTimeoutError(`Another's creation of "${key}" was not done within lockWait (${settings.lockWait} ms).`);
}

/** Where the backend elects nobody, every call runs its creator. */
async function createAlone(core: Core, call: Call): Promise<unknown> {
  const { key, creator, settings } = call;
  // A lock of its own: who asks for what he creates waits for nobody.
  const creation = new SingleCreation({ lock: {}, name: call.name, key, stale: undefined, tags: settings.tags });
  const run = { isBackground: false, run: () => creator(creation), resultFor: (value: unknown) => value };
  const [flight] = flyAlone(core, [call], {
    creation,
    create: () => runCreator(core, [key], creation, run),
    foundFor: (value) => ({ value }),
  });
  const outcome = flight && (await waitFor(flight, call, enclosingCreation(), { first: true, hasStale: false }));
  if (outcome?.kind === 'failed') throw outcome.reason;
  return outcome?.kind === 'created' ? outcome.value : undefined;
}

interface Waiting {
  /** He started the flight. */
  readonly first: boolean;
  /** He has a stale value to take at `softTimeout`. */
  readonly hasStale: boolean;
  /** Ends his wait; his own signal, if there is no other. */
  readonly signal?: AbortSignal;
}

/** Waits on a flight, and lets others see that the caller's creation does. */
export async function waitFor(
  flight: Flight,
  { began, settings, patience }: Call,
  caller: Creation | undefined,
  { first, hasStale, signal = settings.signal }: Waiting,
): Promise<Outcome> {
  const soft = hasStale ? settings.softTimeout : Number.POSITIVE_INFINITY;
  const joined = flight.join({ began, signal, patience: () => patience.left(), first, soft });
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
