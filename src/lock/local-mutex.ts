/**
 * A lock inside the process that gives leases. Decides who holds it and who is next; what is created under it, and by which
 * key it is found, is left to others.
 */
import type { AcquireOptions, Awaitable, CacheMutex, Clock, Duration, Lease, LossReason } from '../api.js';
import { systemClock } from '../clock.js';
import { durationOption } from '../duration.js';
import { isPromiseLike } from '../promises.js';
import { newToken } from './lease.js';

export interface LocalMutexOptions {
  /** How long a lease may be held before it lapses and another may take over. Default `Infinity`. */
  maxHold?: Duration | undefined;
  clock?: Clock | undefined;
}

export class LocalMutex implements CacheMutex {
  readonly #maxHold: number;
  readonly #clock: Clock;
  readonly #idle: () => void;
  #holder: LocalLease | undefined;
  /** Who waits, first come first served. */
  readonly #queue = new Set<(lease: LocalLease) => void>();
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

  locked(): boolean {
    return this.#holder !== undefined;
  }

  /**
   * An operation that outranks creations begins: whoever holds the lock has lost it, and nobody gets it before `endOverruling`.
   * A commit that has already been sent can't be called back: the answer settles when it has. Operations don't exclude each other.
   */
  beginOverruling(): Promise<unknown> | undefined {
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
    for (const give of this.#queue) {
      this.#queue.delete(give);
      give(this.#grant());
      return;
    }
    this.#idle();
  }

  #wait(ms: number, signal: AbortSignal | undefined): Promise<LocalLease | undefined> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#queue.delete(give);
        if (timer !== undefined) this.#clock.clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const give = (lease: LocalLease | undefined) => {
        leave();
        resolve(lease);
      };
      const abort = () => {
        leave();
        reject(signal?.reason);
      };
      const timer = ms === Number.POSITIVE_INFINITY ? undefined : this.#clock.setTimeout(() => give(undefined), ms);
      signal?.addEventListener('abort', abort);
      this.#queue.add(give);
    });
  }
}

/** A lease of the process. It ends once: released, committed, overruled, or lapsed after `maxHold`. */
export class LocalLease implements Lease {
  #token: string | undefined;
  #state: 'held' | 'committing' | 'ended' = 'held';
  #lost: ((why: LossReason) => void)[] | undefined;
  #commit: Promise<unknown> | undefined;
  readonly #timer: unknown;
  readonly #clock: Clock;
  readonly #ended: () => void;

  constructor(clock: Clock, maxHold: number, ended: () => void) {
    this.#clock = clock;
    this.#ended = ended;
    this.#timer = maxHold === Number.POSITIVE_INFINITY ? undefined : clock.setTimeout(() => this.#lose('lapsed'), maxHold);
  }

  get token(): string {
    const token = this.#token ?? newToken();
    this.#token = token;
    return token;
  }

  /** Whether a commit would be accepted. */
  get stands(): boolean {
    return this.#state === 'held';
  }

  /**
   * Writes and releases if the lease stands, else answers `false` and writes nothing. From here to the end of the write the
   * lease can't be overruled: who overrules waits for it.
   */
  commit(write: () => Awaitable<boolean | void>): Awaitable<boolean> {
    if (this.#state !== 'held') return false;
    this.#state = 'committing';
    let answer: Awaitable<boolean | void>;
    try {
      answer = write();
    } catch (error) {
      this.#end();
      throw error;
    }
    if (!isPromiseLike(answer)) {
      this.#end();
      return answer !== false;
    }
    const commit = Promise.resolve(answer).then(
      (stored) => {
        this.#end();
        return stored !== false;
      },
      (error: unknown) => {
        this.#end();
        throw error;
      },
    );
    this.#commit = commit.catch(() => {});
    return commit;
  }

  release(): void {
    if (this.#state === 'held') this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }

  whenLost(run: (why: LossReason) => void): void {
    this.#lost ??= [];
    this.#lost.push(run);
  }

  /** Loses the lease; while it commits, waits for that instead. */
  overruled(): Promise<unknown> | undefined {
    if (this.#state === 'held') this.#lose('voided');
    return this.#commit;
  }

  #lose(why: LossReason): void {
    if (this.#state !== 'held') return;
    this.#end();
    for (const run of this.#lost ?? []) run(why);
  }

  #end(): void {
    this.#state = 'ended';
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#ended();
  }
}
