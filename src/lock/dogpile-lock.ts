/**
 * The dogpile lock without a cache (Python's dogpile.core `Lock`): the election told with functions of the caller. Decides when a
 * value is stale; who creates is the election's.
 */
import type { Awaitable, CacheMutex, Clock, Duration, Lease } from '../api.js';
import { systemClock } from '../clock.js';
import { durationOption } from '../duration.js';
import { elect, type Sighting } from './election.js';
import { newToken } from './lease.js';

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

/**
 * The value: the one there is while it is fresh; a stale one at once while another creates; a new one for who was elected. What
 * `look` (other than `NeedRegeneration`), `create` or a runner that is called in vain throw comes out, and the lock is released.
 */
export async function dogpileLock<T>(options: DogpileLockOptions<T>): Promise<T> {
  const { look, create, runner, clock = systemClock } = options;
  const expiration = durationOption(options.expirationTime ?? Number.POSITIVE_INFINITY, 'expirationTime');
  const mutex = leasing(options.mutex);

  const sight = async (): Promise<Sighting<T>> => {
    try {
      const { value, createdTime } = await look();
      if (!(createdTime > 0)) return { state: 'missing' };
      return { state: clock.now() - createdTime > expiration ? 'stale' : 'fresh', value };
    } catch (error) {
      if (error instanceof NeedRegeneration) return { state: 'missing' };
      throw error;
    }
  };

  const seen = await sight();
  if (seen.state === 'fresh') return seen.value;
  const lease = await mutex.acquire({ wait: seen.state === 'missing' });
  if (lease === undefined) {
    if (seen.state === 'stale') return seen.value;
    throw new NeedRegeneration('The mutex was not acquired, although it was asked to wait.');
  }

  if (seen.state === 'stale' && runner) {
    await handOver(runner, create, lease);
    return seen.value;
  }

  let made: Made<T> | undefined;
  const outcome = await elect<T>({
    seen,
    waitForNew: false,
    acquire: () => lease,
    // A stale value was read a moment ago: it is read once, as in Python. A missing one may have come while we waited.
    lookAgain: () => (seen.state === 'missing' ? sight() : seen),
    create: async () => {
      made = await create();
    },
    release: (held) => held.release(),
  });
  if (outcome.role === 'reader') return outcome.found.value;
  if (made === undefined) throw new NeedRegeneration('create() gave nothing.');
  return made.value;
}

/** From here on the runner owns the lease: it ends when `create` has settled, when the runner says so, or when the runner fails. */
async function handOver<T>(
  runner: NonNullable<DogpileLockOptions<T>['runner']>,
  create: () => Awaitable<Made<T>>,
  lease: Lease,
): Promise<void> {
  const release = async () => lease.release();
  const run = async () => {
    try {
      await create();
    } finally {
      await release();
    }
  };
  try {
    const running = runner(run, { release });
    // The stale value is served meanwhile, so nobody is there to hear of a failure but the process.
    Promise.resolve(running).catch(async (error: unknown) => {
      await release();
      process.emitWarning(error instanceof Error ? error : String(error), 'DogpileLockRunner');
    });
  } catch (error) {
    await release();
    throw error;
  }
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
