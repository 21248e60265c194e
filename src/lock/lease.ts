/**
 * Leases that a store keeps (semantics §4): the token, the renewal, the one release; and the one wait loop of every distributed
 * lock. What acquiring, renewing and releasing mean on a store is the backend's.
 */
import { randomBytes } from 'node:crypto';
import type { Awaitable, Clock, Duration, Lease, LossReason, Storable } from '../api.js';
import { durationOption } from '../duration.js';

/** 128 random bits, in hexadecimal. */
export function newToken(): string {
  return randomBytes(16).toString('hex');
}

export interface KeptLeaseOptions {
  readonly token: string;
  /** What the store held when the lease was won. */
  readonly stored: Storable | undefined;
  /** Milliseconds until the store forgets the lease, from when it was acquired or renewed. */
  readonly timeout: number;
  /** Milliseconds after which it is no longer renewed. */
  readonly maxHold: number;
  readonly clock: Clock;
  /** `false`: it is no longer ours. */
  renew(): Awaitable<boolean>;
  release(): Awaitable<void>;
  /** For a renewal that failed: the next one tries again. */
  report(verb: string, error: unknown): void;
}

export class KeptLease implements Lease {
  readonly token: string;
  readonly stored: Storable | undefined;
  readonly #options: KeptLeaseOptions;
  readonly #since: number;
  #state: 'held' | 'lost' | 'ended' = 'held';
  #lost: ((why: LossReason) => void)[] = [];
  #timer: unknown;
  #released: Promise<void> | undefined;

  constructor(options: KeptLeaseOptions) {
    this.token = options.token;
    this.stored = options.stored;
    this.#options = options;
    this.#since = options.clock.now();
    this.#schedule();
  }

  /** Not released, not committed, and not known to be lost: the store may know better. */
  get stands(): boolean {
    return this.#state === 'held';
  }

  whenLost(run: (why: LossReason) => void): void {
    this.#lost.push(run);
  }

  /** A commit has taken the lease along: nothing is left to renew or release. */
  settle(): void {
    this.#stop('ended');
  }

  /** It is known to be lost. */
  lose(why: LossReason): void {
    if (this.#state !== 'held') return;
    this.#stop('lost');
    for (const run of this.#lost) run(why);
  }

  /** Idempotent. Also of a lost one: a store compares the token, and what else is held for it is given back. */
  release(): Promise<void> {
    if (this.#state === 'ended' && !this.#released) return Promise.resolve();
    this.#stop('ended');
    this.#released ??= Promise.resolve(this.#options.release());
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #stop(state: 'lost' | 'ended'): void {
    this.#state = state;
    this.#options.clock.clearTimeout(this.#timer);
  }

  #schedule(): void {
    const { clock, timeout } = this.#options;
    this.#timer = clock.setTimeout(() => void this.#renew(), timeout / 3);
  }

  async #renew(): Promise<void> {
    const { clock, maxHold, report } = this.#options;
    if (clock.now() - this.#since >= maxHold) return this.lose('lapsed');
    let isOurs = true;
    try {
      isOurs = await this.#options.renew();
    } catch (error) {
      report('renew', error);
    }
    if (this.#state !== 'held') return;
    if (isOurs) this.#schedule();
    else this.lose('voided');
  }
}

export interface WaitOptions {
  readonly wait: boolean | Duration;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds: the first sleep is random up to this, later ones up to twice as much each time, up to `cap`. */
  readonly poll: number;
  /** Default 1000 ms. */
  readonly cap?: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** Subscribes to a wake-up; the answer unsubscribes. */
  readonly wake?: (run: () => void) => () => void;
}

/**
 * Tries until something is won: sleeps between tries with full jitter, or until woken. `undefined`: not won in time. Rejects with
 * `signal.reason` when aborted, and with what a try throws.
 */
export async function waitUntil<T>(attempt: () => Awaitable<T | undefined>, options: WaitOptions): Promise<T | undefined> {
  const { wait, signal, poll, cap = 1000, clock, random, wake } = options;
  const limit = typeof wait === 'boolean' ? Number.POSITIVE_INFINITY : durationOption(wait, 'wait');
  const deadline = clock.now() + limit;
  signal?.throwIfAborted();
  for (let sleep = poll; ; sleep = Math.min(cap, sleep * 2)) {
    // Subscribed before the try, so that a release between the try and the sleep is not missed.
    const nap = new Nap(clock, signal, wake);
    try {
      const won = await attempt();
      if (won !== undefined || wait === false) return won;
      const left = deadline - clock.now();
      if (left <= 0) return undefined;
      await nap.sleep(Math.min(left, random() * sleep));
    } finally {
      nap.end();
    }
  }
}

/** One sleep, ended by time, by a wake-up (also one that came before it began), or by an abort. */
class Nap {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #unsubscribe: (() => void) | undefined;
  #isWoken = false;
  #finish: (() => void) | undefined;

  constructor(clock: Clock, signal: AbortSignal | undefined, wake: WaitOptions['wake']) {
    this.#clock = clock;
    this.#signal = signal;
    this.#unsubscribe = wake?.(() => {
      this.#isWoken = true;
      this.#finish?.();
    });
  }

  async sleep(ms: number): Promise<void> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    if (this.#isWoken) return;
    await new Promise<void>((resolve, reject) => {
      const finish = () => {
        this.#clock.clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        finish();
        reject(signal?.reason);
      };
      const timer = this.#clock.setTimeout(finish, ms);
      signal?.addEventListener('abort', abort);
      this.#finish = finish;
    });
    signal?.throwIfAborted();
  }

  end(): void {
    this.#unsubscribe?.();
  }
}
