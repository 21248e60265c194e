/**
 * When a backend is closed: once what goes on in it is done, and by the last region that uses it. Decides how long a region waits for
 * what goes on, and what becomes of what takes longer.
 */
import type { CacheBackend } from '../api.js';
import { keepsAlive } from '../clock.js';
import { RegionClosedError } from '../errors.js';
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

/** The same; after `limit` (milliseconds) what still goes on is ended: who waits for it is told, and its leases are given back. */
export async function atRestWithin(core: Core, limit: number): Promise<void> {
  if (limit === Number.POSITIVE_INFINITY) return atRest(core);
  const { clock } = core;
  let timer: unknown;
  const late = new Promise<'late'>((resolve) => {
    timer = clock.setTimeout(() => resolve('late'), limit);
    // A process that does nothing else would end here, with its leases not given back.
    keepsAlive(timer);
  });
  const outcome = await Promise.race([atRest(core), late]).finally(() => clock.clearTimeout(timer));
  if (outcome !== 'late') return;
  core.end(closed(core.region));
  core.flights.dismissAll(closed(core.region));
  await core.invalidated({ revokes: true });
}

export function closed({ name }: { readonly name: string | undefined }): RegionClosedError {
  return new RegionClosedError(`${thisRegion(name)} is closed. Make another one.`);
}
