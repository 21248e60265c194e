/** Failures that are remembered for a while (`errorBackoff`), in this process. Remembers the failure, never a value. */
import type { Clock } from '../api.js';

export interface Failure {
  readonly reason: unknown;
}

interface Remembered extends Failure {
  readonly at: number;
  readonly timer: unknown;
}

export class Backoff {
  readonly #clock: Clock;
  /** By mangled key, as long as the policy of the failed creation says. */
  readonly #failures = new Map<string, Remembered>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#failures.size;
  }

  remember(name: string, reason: unknown, ms: number): void {
    this.forget(name);
    if (ms <= 0) return;
    const isEnding = ms !== Number.POSITIVE_INFINITY;
    const timer = isEnding ? this.#clock.setTimeout(() => this.#drop(name, failure), ms) : undefined;
    const failure: Remembered = { reason, at: this.#clock.now(), timer };
    this.#failures.set(name, failure);
  }

  /** A failure that is at most so old, in milliseconds. */
  recall(name: string, within: number): Failure | undefined {
    if (within <= 0 || this.#failures.size === 0) return undefined;
    const failure = this.#failures.get(name);
    return failure && this.#clock.now() - failure.at < within ? failure : undefined;
  }

  /** The key was set or deleted. */
  forget(name: string): void {
    const failure = this.#failures.get(name);
    if (failure) this.#drop(name, failure);
  }

  /** The region was invalidated. */
  clear(): void {
    for (const [name, failure] of this.#failures) this.#drop(name, failure);
  }

  #drop(name: string, failure: Remembered): void {
    this.#clock.clearTimeout(failure.timer);
    if (this.#failures.get(name) === failure) this.#failures.delete(name);
  }
}
