/**
 * The dogpile lock without a cache (Python's dogpile.core `Lock`): the election told with functions of the caller. Decides when a
 * value is stale; who creates is the election's.
 */
import type { Awaitable, CacheMutex, Clock, Duration, Lease } from '../api.js';
import { CLOCK_SKEW, systemClock } from '../clock.js';
import { durationOption } from '../duration.js';
import { LockTimeoutError, ValidationError } from '../errors.js';
import { checkFunction, checkMembers, checkObject, refuseUnknown } from '../validation.js';
import { elect, holding, type Sighting } from './election.js';
import { newToken } from './lease.js';
import { warn } from './trouble.js';

export interface Made<T> {
  readonly value: T;
  /** Epoch milliseconds. Zero or less: no value. */
  readonly createdTime: number;
}

/** Thrown by `look`: there is no value (Python's `NeedRegenerationException`). */
export class NeedRegeneration extends Error {
  override readonly name = 'NeedRegeneration';
}

/** A `CacheMutex`, or Python's shape. */
export type MutexLike = CacheMutex | { acquire(wait: boolean): Awaitable<boolean>; release(): Awaitable<void> };

export interface DogpileLockOptions<T> {
  mutex: MutexLike;
  /** The value there is; throws `NeedRegeneration` when there is none. */
  look: () => Awaitable<Made<T>>;
  /** Makes a new value, and stores it where `look` finds it. */
  create: () => Awaitable<Made<T>>;
  /** Age beyond which a value is stale. Default `Infinity`. */
  expirationTime?: Duration | undefined;
  /**
   * Runs `create` for a stale value elsewhere, after the stale value has been served; it must call `create` or
   * `mutex.release()`. Never used when there is no value.
   */
  runner?: ((create: () => Promise<void>, mutex: { release(): Promise<void> }) => void | Promise<void>) | undefined;
  clock?: Clock | undefined;
}

const OPTIONS = [
  'mutex',
  'look',
  'create',
  'expirationTime',
  'runner',
  'clock',
] as const satisfies readonly (keyof DogpileLockOptions<never>)[];

/**
 * The value: the one there is while it is fresh; a stale one at once while another creates; a new one for who was elected. What
 * `look` (other than `NeedRegeneration`), the mutex, `create` or a runner that is called in vain throw comes out, and the lock is
 * released. `LockTimeoutError`: the mutex gave up waiting, and there is still no value.
 */
export async function dogpileLock<T>(options: DogpileLockOptions<T>): Promise<T> {
  const { mutex, look, create, expiration, runner, clock } = checked(options);

  const sight = async (): Promise<Sighting<T>> => {
    try {
      const { value, createdTime } = await look();
      if (!(createdTime > 0)) return { state: 'missing' };
      const age = clock.now() - createdTime;
      return { state: age > expiration || age < -CLOCK_SKEW ? 'stale' : 'fresh', value };
    } catch (error) {
      if (error instanceof NeedRegeneration) return { state: 'missing' };
      throw error;
    }
  };

  const seen = await sight();
  if (seen.state === 'fresh') return seen.value;

  let made: { readonly value: T } | undefined;
  let owner: 'election' | 'runner' = 'election';
  const outcome = await elect<T>({
    seen,
    waitForNew: false,
    acquire: (wait) => mutex.acquire({ wait }),
    // A stale value was read a moment ago: it is read once, as in Python. A missing one may have come while we waited.
    lookAgain: () => (seen.state === 'missing' ? sight() : seen),
    create: async (lease, again) => {
      if (again.state === 'missing' || !runner) {
        made = await create();
        return;
      }
      owner = 'runner';
      made = again;
      await handOver(runner, create, lease);
    },
    release: (lease) => (owner === 'election' ? lease.release() : undefined),
  });
  if (outcome.role === 'reader') return outcome.found.value;
  if (outcome.role === 'creator') return madeValue(made);
  if (seen.state === 'stale') return seen.value;
  // Asked to wait until it is won, the mutex has a limit of its own.
  const last = await sight();
  if (last.state !== 'missing') return last.value;
  throw new LockTimeoutError('The mutex gave up waiting for another’s creation, and there is still no value.');
}

/**
 * The runner owns the lease: it ends when `create` has settled, when the runner says so, or when the runner fails without having
 * called `create`. The stale value is served meanwhile, so what fails later is told to the process.
 */
async function handOver<T>(
  runner: NonNullable<DogpileLockOptions<T>['runner']>,
  create: () => Awaitable<Made<T>>,
  lease: Lease,
): Promise<void> {
  const release = async () => lease.release();
  let running: Promise<void> | undefined;
  let failure: { readonly reason: unknown } | undefined;
  const run = () => {
    running ??= createUnder(lease, create);
    // A runner need not look after what it has started.
    running.catch((reason: unknown) => {
      if (!failure) warn('The creation for a stale value failed', reason);
      failure = { reason };
    });
    return running;
  };
  const giveUp = async () => {
    // A creation that has begun keeps the lease to its end, whatever has become of its runner.
    if (!running) await release();
  };

  let answer: void | Promise<void>;
  try {
    answer = runner(run, { release });
  } catch (reason) {
    await giveUp().catch((error: unknown) => warn('The lock could not be released', error));
    throw reason;
  }
  Promise.resolve(answer)
    .catch((reason: unknown) => {
      if (failure?.reason !== reason || !failure) warn('The runner for a stale value failed', reason);
      return giveUp();
    })
    .catch((error: unknown) => warn('The lock could not be released', error));
}

function createUnder(lease: Lease, create: () => Awaitable<unknown>): Promise<void> {
  return holding(
    lease,
    (held) => held.release(),
    async () => {
      await create();
    },
  );
}

function madeValue<T>(made: { readonly value: T } | undefined): T {
  if (made) return made.value;
  throw new ValidationError('create() must give { value, createdTime }, or a promise of it; it gave nothing.');
}

/** The options with their defaults; a `ValidationError` that says what is wrong with them. */
function checked<T>(options: DogpileLockOptions<T>) {
  refuseUnknown('dogpileLock()', checkObject('The options of dogpileLock()', options), OPTIONS);
  const { mutex, look, create, expirationTime = Number.POSITIVE_INFINITY, runner, clock = systemClock } = options;
  if (runner !== undefined) checkFunction('runner', runner);
  return {
    mutex: leasing(checkMembers('mutex', mutex, ['acquire'])),
    look: checkFunction('look', look),
    create: checkFunction('create', create),
    expiration: durationOption(expirationTime, 'expirationTime'),
    runner,
    clock: checkMembers('clock', clock, ['now', 'setTimeout', 'clearTimeout']),
  };
}

/** Python's shape has its release on the mutex; ours on the lease. */
function leasing(mutex: MutexLike): CacheMutex {
  if (!('release' in mutex)) return mutex;
  return {
    locked: () => false,
    acquire: async ({ wait = true } = {}) => {
      if (!(await mutex.acquire(wait !== false))) return undefined;
      let held = true;
      const release = async () => {
        if (!held) return;
        held = false;
        await mutex.release();
      };
      return { token: newToken(), release, [Symbol.asyncDispose]: release };
    },
  };
}
