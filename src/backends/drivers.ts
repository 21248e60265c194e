/**
 * Packages that backends need, by backend. A region imports them before its first call: on a busy host that takes longer than a call may,
 * and processes that start together would each create for themselves.
 */
import type { CacheBackend } from '../api.js';

const drivers = new WeakMap<CacheBackend, () => Promise<unknown>>();

/** The same backend, which imports its package by `load`. */
export function withDriver<B extends CacheBackend>(backend: B, load: () => Promise<unknown>): B {
  drivers.set(backend, load);
  return backend;
}

export function needsDriver(backend: CacheBackend): boolean {
  return drivers.has(backend);
}

/** A package that is missing is told by the calls. */
export async function loadDriver(backend: CacheBackend): Promise<void> {
  await drivers
    .get(backend)?.()
    .catch(() => {});
}
