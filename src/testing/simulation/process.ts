/**
 * A simulated process: a clock of its own that may be wrong, and everything that is to happen in it, which waits while it is paused
 * and never happens once it is killed. Decides when its events run; not what runs in it.
 */
import type { Clock } from '../../api.js';
import type { Event, Scheduler } from './scheduler.js';

/** When simulations begin, epoch milliseconds. */
export const EPOCH = Date.UTC(2026, 0);

export class SimulatedProcess {
  readonly name: string;
  readonly clock: Clock;
  /** How far its clock is ahead, in milliseconds. */
  readonly skew: number;
  state: 'running' | 'paused' | 'killed' = 'running';
  /** When it was last paused or resumed. */
  disturbedAt = Number.NEGATIVE_INFINITY;
  /** When a request of it last failed or was lost. */
  troubledAt = Number.NEGATIVE_INFINITY;
  /** No request of it has succeeded since one failed. The network says when one has. */
  isInTrouble = false;
  readonly #scheduler: Scheduler;
  readonly #haste: number;
  /** What came while it was paused, in order. */
  #deferred: (() => void)[] = [];
  /** Timers that are set. */
  readonly #timers = new Set<Event>();

  /** `haste`: how many times shorter it sleeps than it is told to. */
  constructor(name: string, scheduler: Scheduler, { skew, haste }: { readonly skew: number; readonly haste: number }) {
    this.name = name;
    this.skew = skew;
    this.#scheduler = scheduler;
    this.#haste = haste;
    this.clock = {
      now: () => EPOCH + scheduler.now + skew,
      setTimeout: (run, ms) => this.#setTimer(run, ms),
      clearTimeout: (handle) => this.#clearTimer(handle as Event | undefined),
    };
  }

  get isAlive(): boolean {
    return this.state !== 'killed';
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Happens in this process, now or when it goes on. */
  deliver(run: () => void): void {
    if (this.state === 'running') run();
    else if (this.state === 'paused') this.#deferred.push(run);
  }

  /** A request of it has failed, or was lost. */
  meetsTrouble(): void {
    this.troubledAt = this.#scheduler.now;
    this.isInTrouble = true;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimeout(resolve, ms / this.#haste);
    });
  }

  pause(): void {
    if (this.state !== 'running') return;
    this.state = 'paused';
    this.disturbedAt = this.#scheduler.now;
  }

  /** What has come meanwhile happens now, one thing after another. */
  resume(): void {
    if (this.state !== 'paused') return;
    this.state = 'running';
    this.disturbedAt = this.#scheduler.now;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) this.#scheduler.after(0, () => this.deliver(run));
  }

  kill(): void {
    this.state = 'killed';
    this.#deferred = [];
  }

  #setTimer(run: () => void, ms: number): Event {
    const timer = this.#scheduler.after(ms, () =>
      this.deliver(() => {
        if (this.#timers.delete(timer)) run();
      }),
    );
    this.#timers.add(timer);
    return timer;
  }

  #clearTimer(timer: Event | undefined): void {
    if (!timer || !this.#timers.delete(timer)) return;
    timer.cancelled = true;
  }
}
