/**
 * The one wait loop of every distributed lock: sleeps with jitter, wake-ups, time limits, aborts. Decides when to try again; what a
 * try is and what it wins is the backend's.
 */
import type { Awaitable, Clock, Duration } from '../api.js';
import { keepsAlive } from '../clock.js';
import { durationOption } from '../duration.js';
import { onAbort } from './aborts.js';
import { after } from './timer.js';

export interface WaitOptions<T> {
  readonly wait: boolean | Duration;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds: the first sleep is random up to this, later ones up to twice as much each time, up to `cap`. */
  readonly poll: number;
  /** Default 1000 ms; the first sleep's too. */
  readonly cap?: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** Subscribes to a wake-up, of others and never of the try itself; the answer unsubscribes. */
  readonly wake?: (run: () => void) => () => void;
  /** What is done with what a try wins while it is aborted. Left out: it is the caller's to see. */
  readonly giveBack?: (won: T) => void;
}

/**
 * Tries until something is won: sleeps between tries with full jitter, or until woken; a last time when the limit has passed.
 * `undefined`: not won in time. Keeps the process alive meanwhile. Rejects with `signal.reason` when aborted, and with what a try throws.
 */
export async function waitUntil<T>(
  attempt: () => Awaitable<T | undefined>,
  options: WaitOptions<T>,
): Promise<T | undefined> {
  const { wait, signal, poll, cap = 1000, clock, random, wake, giveBack } = options;
  const limit = typeof wait === 'boolean' ? Number.POSITIVE_INFINITY : durationOption(wait, 'wait');
  signal?.throwIfAborted();
  let isOver = wait === false || limit === 0;
  let nap: Nap | undefined;
  const stopLimit = isOver
    ? () => {}
    : after(clock, limit, () => {
        isOver = true;
        nap?.wake();
      });
  try {
    for (let sleep = Math.min(cap, Math.max(1, poll)); ; sleep = Math.min(cap, sleep * 2)) {
      const isLast = isOver;
      // Subscribed before the try, so that a release between the try and the sleep is not missed.
      nap = new Nap(clock, signal, wake);
      try {
        const won = await attempt();
        if (won !== undefined && giveBack && signal?.aborted) {
          giveBack(won);
          throw signal.reason;
        }
        if (won !== undefined || isLast) return won;
        await nap.sleep(random() * sleep);
      } finally {
        nap.end();
      }
    }
  } finally {
    stopLimit();
  }
}

/** One sleep, ended by time, by a wake-up (also one that came before it began), or by an abort. */
class Nap {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #unsubscribe: (() => void) | undefined;
  #isWoken = false;
  #finish: (() => void) | undefined;

  constructor(clock: Clock, signal: AbortSignal | undefined, wake: WaitOptions<unknown>['wake']) {
    this.#clock = clock;
    this.#signal = signal;
    this.#unsubscribe = wake?.(() => this.wake());
  }

  wake(): void {
    this.#isWoken = true;
    this.#finish?.();
  }

  async sleep(ms: number): Promise<void> {
    const signal = this.#signal;
    signal?.throwIfAborted();
    if (this.#isWoken) return;
    await new Promise<void>((resolve) => {
      const finish = () => {
        this.#clock.clearTimeout(timer);
        stopListening();
        resolve();
      };
      const stopListening = onAbort(signal, finish);
      const timer = this.#clock.setTimeout(finish, ms);
      // Nothing else may be under way: a process whose caller waits here would end in the middle of his call.
      keepsAlive(timer);
      this.#finish = finish;
    });
    signal?.throwIfAborted();
  }

  end(): void {
    this.#unsubscribe?.();
  }
}
