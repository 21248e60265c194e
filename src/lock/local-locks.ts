/**
 * One `LocalMutex` per name, there only while somebody holds it, waits for it or overrules it. Handles by name carry no state,
 * so two handles of one name are one lock, whenever they were made, and nothing is left behind at rest.
 */
import type { AcquireOptions, Awaitable, CacheMutex } from '../api.js';
import { isPromiseLike } from '../promises.js';
import { type LocalLease, LocalMutex, type LocalMutexOptions } from './local-mutex.js';

export class LocalLocks {
  readonly #mutexes = new Map<string, LocalMutex>();
  readonly #options: LocalMutexOptions;

  constructor(options: LocalMutexOptions = {}) {
    this.#options = options;
  }

  /** How many names are in use. */
  get size(): number {
    return this.#mutexes.size;
  }

  tryAcquire(name: string): LocalLease | undefined {
    return this.#of(name).tryAcquire();
  }

  acquire(name: string, options?: AcquireOptions): Promise<LocalLease | undefined> {
    return this.#of(name).acquire(options);
  }

  locked(name: string): boolean {
    return this.#mutexes.get(name)?.locked() ?? false;
  }

  /** Who holds it now. */
  holder(name: string): LocalLease | undefined {
    return this.#mutexes.get(name)?.holder;
  }

  /** The lock of a name as a `CacheMutex`. */
  mutex(name: string): CacheMutex {
    return { acquire: (options) => this.acquire(name, options), locked: () => this.locked(name) };
  }

  /**
   * Runs a delete or set of some names: whoever creates under them has lost his lease, and nobody begins before the operation
   * has settled. Synchronous where the operation is and none of the locks is in use.
   */
  overrule<T>(names: readonly string[], operation: () => Awaitable<T>): Awaitable<T> {
    if (this.#mutexes.size === 0 || !names.some((name) => this.#mutexes.has(name))) {
      const answer = operation();
      return isPromiseLike(answer) ? this.#overrule(names, () => answer) : answer;
    }
    return this.#overrule(names, operation);
  }

  async #overrule<T>(names: readonly string[], operation: () => Awaitable<T>): Promise<T> {
    // Each begins as soon as it is found: whoever loses a lease may give up others of these names, and a lock that is given up
    // and not yet overruled would be gone from the map.
    const mutexes: LocalMutex[] = [];
    const commits: (Promise<void> | undefined)[] = [];
    for (const name of names) {
      const mutex = this.#of(name);
      mutexes.push(mutex);
      commits.push(mutex.beginOverruling());
    }
    try {
      await Promise.all(commits);
      return await operation();
    } finally {
      for (const mutex of mutexes) mutex.endOverruling();
    }
  }

  #of(name: string): LocalMutex {
    const known = this.#mutexes.get(name);
    if (known) return known;
    const mutex: LocalMutex = new LocalMutex(this.#options, () => {
      if (this.#mutexes.get(name) === mutex) this.#mutexes.delete(name);
    });
    this.#mutexes.set(name, mutex);
    return mutex;
  }
}
