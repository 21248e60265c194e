/** A clock that stands still until it is told to move: thousand-hour expiration times are tested in microseconds. */
import type { Clock, Duration } from '../api.js';
import { durationOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { settle } from './settle.js';

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  #now: number;
  /** What has been set and is not yet due, in the order it was set. Written by `setTimeout`, `clearTimeout`, `advance`. */
  readonly #timers = new Set<Timer>();

  /** Epoch milliseconds or a date. Default: 2026-01-01T00:00:00Z. */
  constructor(start: number | Date = Date.UTC(2026, 0)) {
    this.#now = Number(start);
    if (!Number.isFinite(this.#now))
      throw new ValidationError('A FakeClock starts at a date or at epoch milliseconds.');
  }

  now(): number {
    return this.#now;
  }

  setTimeout(run: () => void, ms: number): Timer {
    const timer = { at: this.#now + Math.max(0, ms), run };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: unknown): void {
    // Whatever was never one of its timers is not among them.
    this.#timers.delete(handle as Timer);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves on, runs what is due in order, also what is set meanwhile, and lets promises settle before, between and after. */
  async advance(by: Duration): Promise<void> {
    const end = this.#now + durationOption(by, 'by');
    await settle();
    for (let due = this.#due(end); due; due = this.#due(end)) {
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
      await settle();
    }
    // Two that go on at once: who has less far to go does not turn it back.
    this.#now = Math.max(this.#now, end);
    await settle();
  }

  #due(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers)
      if (timer.at <= end && (first === undefined || timer.at < first.at)) first = timer;
    return first;
  }
}
