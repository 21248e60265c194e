/**
 * The dogpile election for one key (semantics §2): who looks becomes a reader or the one creator. Decides nothing but that: how
 * to look, how to wait and what creating means come in as functions.
 */
import type { Awaitable, Lease } from '../api.js';
import { warn } from './trouble.js';

/** What a look found. */
export type Sighting<T> = Fresh<T> | Stale<T> | Missing;
export interface Fresh<T> {
  readonly state: 'fresh';
  readonly value: T;
}
export interface Stale<T> {
  readonly state: 'stale';
  readonly value: T;
}
export interface Missing {
  readonly state: 'missing';
}

export interface Election<T> {
  /** What the look found: stale or missing, else there is nothing to elect. */
  readonly seen: Stale<T> | Missing;
  /** Wait for a new value although there is a stale one. */
  readonly waitForNew: boolean;
  /** `wait: false`: one try; `true`: until it is won. `undefined`: not won. */
  acquire(wait: boolean): Awaitable<Lease | undefined>;
  /** The second look, with what came with the lease where it came. */
  lookAgain(lease: Lease): Awaitable<Sighting<T>>;
  /** Creates and commits under the lease. */
  create(lease: Lease, seen: Stale<T> | Missing): Awaitable<void>;
  /** Gives the lease back, if a commit has not taken it along. What it throws comes out, unless something has been thrown before. */
  release(lease: Lease): Awaitable<void>;
}

/**
 * How it went. `reader`: somebody has created meanwhile, here is what the second look found. `creator`: `create` was called and
 * has settled. `refused`: another holds the lock; who has a stale value serves it.
 */
export type Elected<T> =
  | { readonly role: 'reader'; readonly found: Fresh<T> }
  | { readonly role: 'creator' }
  | { readonly role: 'refused' };

export async function elect<T>({
  seen,
  waitForNew,
  acquire,
  lookAgain,
  create,
  release,
}: Election<T>): Promise<Elected<T>> {
  const lease = await acquire(seen.state === 'missing' || waitForNew);
  if (lease === undefined) return { role: 'refused' };
  return holding(lease, release, async () => {
    const again = await lookAgain(lease);
    if (again.state === 'fresh') return { role: 'reader', found: again };
    await create(lease, again);
    return { role: 'creator' };
  });
}

/** Works under a lease and gives it back. The first failure comes out: the work's, else the release's. */
export async function holding<T>(
  lease: Lease,
  release: (lease: Lease) => Awaitable<void>,
  work: () => Awaitable<T>,
): Promise<T> {
  let done: T;
  try {
    done = await work();
  } catch (failure) {
    try {
      await release(lease);
    } catch (error) {
      warn('A lease could not be released after the work under it had failed', error);
    }
    throw failure;
  }
  await release(lease);
  return done;
}
