/**
 * A lock inside the process that gives leases. Decides who holds it and who is next; what is created under it, and by which
 * key it is found, is left to others.
 */
import type { AcquireOptions, CacheMutex, Clock, Duration } from '../api.js';
import { systemClock } from '../clock.js';
import { durationOption } from '../duration.js';
import { onAbort } from './aborts.js';
import { LocalLease } from './local-lease.js';
import { after } from './timer.js';

export { LocalLease } from './local-lease.js';

export interface LocalMutexOptions {
  /** How long a lease may be held before it lapses and another may take over. Default `Infinity`. */
  maxHold?: Duration | undefined;
  clock?: Clock | undefined;
}

interface Waiter {
  readonly signal: AbortSignal | undefined;
  give(lease: LocalLease): void;
  abort(): void;
}

export class LocalMutex implements CacheMutex {
  readonly #maxHold: number;
  readonly #clock: Clock;
  readonly #idle: () => void;
  #holder: LocalLease | undefined;
  /** Who waits, first come first served. */
  readonly #queue = new Set<Waiter>();
  /** Operations that overrule creations (a delete, a set) and are under way: nobody is granted a lease meanwhile. */
  #overruling = 0;

  /** `idle` is called whenever nobody holds it, waits for it or overrules it any more. */
  constructor(options: LocalMutexOptions = {}, idle: () => void = () => {}) {
    this.#maxHold = durationOption(options.maxHold ?? Number.POSITIVE_INFINITY, 'maxHold');
    this.#clock = options.clock ?? systemClock;
    this.#idle = idle;
  }

  /** Rejects with `signal.reason` when aborted, before or while it waits. */
  async acquire(options: AcquireOptions = {}): Promise<LocalLease | undefined> {
    try {
      const { wait = true, signal } = options;
      const ms = typeof wait === 'boolean' ? Number.POSITIVE_INFINITY : durationOption(wait, 'wait');
      signal?.throwIfAborted();
      const lease = this.tryAcquire();
      return lease || wait === false ? lease : await this.#wait(ms, signal);
    } catch (error) {
      this.#next();
      throw error;
    }
  }

  /** The same as `acquire({ wait: false })`, at once. */
  tryAcquire(): LocalLease | undefined {
    if (this.#holder || this.#overruling > 0) return undefined;
    return this.#grant();
  }

  get holder(): LocalLease | undefined {
    return this.#holder;
  }

  locked(): boolean {
    return this.#holder !== undefined;
  }

  /**
   * An operation that outranks creations begins: whoever holds the lock has lost it, and nobody gets it before `endOverruling`.
   * A commit that has already been sent can't be called back: the answer settles when it has. Operations don't exclude each other.
   */
  beginOverruling(): Promise<void> | undefined {
    this.#overruling++;
    return this.#holder?.overruled();
  }

  endOverruling(): void {
    this.#overruling--;
    this.#next();
  }

  #grant(): LocalLease {
    const lease = new LocalLease(this.#clock, this.#maxHold, () => {
      if (this.#holder !== lease) return;
      this.#holder = undefined;
      this.#next();
    });
    this.#holder = lease;
    return lease;
  }

  #next(): void {
    if (this.#holder || this.#overruling > 0) return;
    for (const waiter of this.#queue) {
      // Its signal is being aborted and this came first: nobody would be there to release what it is given.
      if (waiter.signal?.aborted) waiter.abort();
      else {
        waiter.give(this.#grant());
        return;
      }
    }
    this.#idle();
  }

  #wait(ms: number, signal: AbortSignal | undefined): Promise<LocalLease | undefined> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#queue.delete(waiter);
        stopLimit();
        stopListening();
      };
      const waiter: Waiter = {
        signal,
        give: (lease) => {
          leave();
          resolve(lease);
        },
        abort: () => {
          leave();
          reject(signal?.reason);
        },
      };
      const stopListening = onAbort(signal, waiter.abort);
      const limit = () => {
        leave();
        resolve(undefined);
      };
      const stopLimit = after(this.#clock, ms, limit, { isAwaited: true });
      this.#queue.add(waiter);
    });
  }
}
