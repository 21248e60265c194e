/**
 * One server of several that has failed: its keys are not worth a deadline each. Decides whether it is asked: by one call at a time, ever
 * more seldom and by chance, until it has answered.
 */
import type { Clock } from '../../api.js';

/** Milliseconds between two that ask. */
const SHORTEST = 50;
const LONGEST = 1000;

export class Outage {
  readonly #clock: () => Clock;
  readonly #random: () => number;
  /** In a row. */
  #failures = 0;
  #restsUntil = 0;
  /** The one call that asks whether it is back. */
  #isAsked = false;

  constructor(clock: () => Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether a call may be sent; one that may says what came of it. */
  admits(): boolean {
    if (this.#failures === 0) return true;
    const left = this.#restsUntil - this.#clock().now();
    // A clock that was set back holds nobody off.
    if (this.#isAsked || (left > 0 && left <= LONGEST)) return false;
    this.#isAsked = true;
    return true;
  }

  answered(): void {
    this.#failures = 0;
    this.#restsUntil = 0;
    this.#isAsked = false;
  }

  /** Calls that were under way together fail once. */
  failed(): void {
    const now = this.#clock().now();
    if (now < this.#restsUntil && !this.#isAsked) return;
    this.#isAsked = false;
    this.#failures++;
    const rest = Math.min(LONGEST, SHORTEST * 2 ** Math.min(this.#failures, 10)) * (0.5 + this.#random() / 2);
    this.#restsUntil = now + rest;
  }
}
