/**
 * When a backend is closed: once what goes on in it is done, and by the last region that uses it. Decides how long a region waits for
 * what goes on, and what becomes of what takes longer.
 */
import type { CacheBackend, Clock } from '../api.js';
import { keepsAlive } from '../clock.js';
import { RegionClosedError } from '../errors.js';
import { onAbort } from '../lock/aborts.js';
import { thisRegion } from '../shown.js';
import type { Core } from './core.js';

/** How many regions use a backend object. Written by `enter` and `leave`. */
const users = new WeakMap<CacheBackend, number>();

export function enter(actual: CacheBackend): void {
  users.set(actual, (users.get(actual) ?? 0) + 1);
}

/** `outermost`: what closes it. */
export async function leave(actual: CacheBackend, outermost: CacheBackend): Promise<void> {
  const left = (users.get(actual) ?? 1) - 1;
  users.set(actual, left);
  if (left === 0) await outermost.close?.();
}

/** Every call that has begun has settled, and so has what nobody waits for. */
export async function atRest(core: Core): Promise<void> {
  await core.settled();
  await core.idle();
}

/**
 * The same of the last of a backend's cores, which waits for those before it; once `late` aborts, what still goes on in any of them is
 * ended: who waits for it is told, and its leases are given back.
 */
export async function atRestUntil(late: AbortSignal, last: Core, cores: Iterable<Core>): Promise<void> {
  const isLate = await new Promise<boolean>((resolve, reject) => {
    if (late.aborted) return resolve(true);
    const stopListening = onAbort(late, () => resolve(true));
    atRest(last)
      .then(() => resolve(false), reject)
      .finally(stopListening);
  });
  if (isLate) await Promise.all([...cores].map(endNow));
}

async function endNow(core: Core): Promise<void> {
  const reason = closed(core.region);
  core.end(reason);
  core.flights.dismissAll(reason);
  await core.invalidated({ revokes: true });
}

/** Aborts after so long, unless it is stopped before. */
export function abortAfter(late: AbortController, limit: number, clock: Clock): () => void {
  if (limit === Number.POSITIVE_INFINITY) return () => {};
  const timer = clock.setTimeout(() => late.abort(), limit);
  // A process that does nothing else would end here, with its leases not given back.
  keepsAlive(timer);
  return () => clock.clearTimeout(timer);
}

export function closed({ name }: { readonly name: string | undefined }): RegionClosedError {
  return new RegionClosedError(`${thisRegion(name)} is closed; for further calls make another one.`);
}
