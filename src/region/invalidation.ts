/**
 * Invalidation of a whole region inside the process: two stamps (Python's default strategy). Decides what the cut-offs are; what
 * they do to an entry is `freshness.ts`.
 */
import type { Awaitable, Clock, InvalidationStrategy } from '../api.js';
import { stamp } from '../clock.js';
import { andThen } from '../promises.js';
import type { Cutoffs } from './freshness.js';

export class LocalInvalidation implements InvalidationStrategy {
  readonly #clock: Clock;
  #cutoffs: Cutoffs = { hard: 0, soft: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  invalidate(hard: boolean): void {
    const now = stamp(this.#clock);
    this.#cutoffs = hard ? { ...this.#cutoffs, hard: now } : { ...this.#cutoffs, soft: now };
  }

  cutoffs(): Cutoffs {
    return this.#cutoffs;
  }
}

/** What a strategy says, with nothing left open. */
export function cutoffsOf(strategy: InvalidationStrategy): Awaitable<Cutoffs> {
  if (strategy instanceof LocalInvalidation) return strategy.cutoffs();
  return andThen(strategy.cutoffs(), ({ hard = 0, soft = 0 }) => ({ hard, soft }));
}
