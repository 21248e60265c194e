/**
 * Invalidations inside the process: of the whole region, two stamps (Python's default strategy), and of tags. Decides what the
 * cut-offs are; what they do to an entry is `freshness.ts`. Those that the store keeps are `generations.ts`.
 */
import type { Awaitable, CachedValue, Clock, InvalidationStrategy } from '../api.js';
import { stamp } from '../clock.js';
import { ValidationError } from '../errors.js';
import { andThen } from '../promises.js';
import { shown } from '../shown.js';
import { type Cut, type Cutoffs, cutByTime, NO_CUTOFFS, worse } from './freshness.js';

export class LocalInvalidation implements InvalidationStrategy {
  readonly #clock: Clock;
  #cutoffs: Cutoffs = NO_CUTOFFS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  invalidate(hard: boolean): void {
    this.#cutoffs = advanced(this.#cutoffs, hard, stamp(this.#clock));
  }

  cutoffs(): Cutoffs {
    return this.#cutoffs;
  }
}

/** So many tags are remembered one by one; older ones together. */
const MOST_TAGS = 10_000;

/** When each tag was last invalidated, in this process. */
export class LocalTags {
  readonly #clock: Clock;
  /** The longest ago first. Written by `invalidate`. */
  readonly #cutoffs = new Map<string, Cutoffs>();
  /** Stands for every tag that is not remembered: as late as any invalidation that was forgotten. */
  #forgotten: Cutoffs = NO_CUTOFFS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  invalidate(tags: readonly string[], hard: boolean): void {
    const now = stamp(this.#clock);
    for (const tag of tags) {
      const before = this.#cutoffs.get(tag) ?? this.#forgotten;
      this.#cutoffs.delete(tag);
      this.#cutoffs.set(tag, advanced(before, hard, now));
    }
    for (const [tag, { hard: lastHard, soft }] of this.#cutoffs) {
      if (this.#cutoffs.size <= MOST_TAGS) break;
      this.#cutoffs.delete(tag);
      this.#forgotten = { hard: Math.max(lastHard, this.#forgotten.hard), soft: Math.max(soft, this.#forgotten.soft) };
    }
  }

  cutOf(entry: CachedValue): Cut {
    const { t } = entry.metadata;
    if (t === undefined || this.#cutoffs.size === 0) return undefined;
    let cut: Cut;
    for (const tag of t) cut = worse(cut, cutByTime(entry, this.#cutoffs.get(tag) ?? this.#forgotten));
    return cut;
  }
}

function advanced(before: Cutoffs, hard: boolean, now: number): Cutoffs {
  return hard ? { ...before, hard: now } : { ...before, soft: now };
}

/** What a strategy says, with nothing left open. Throws what can't be compared with a time: everything would count as valid. */
export function cutoffsOf(strategy: InvalidationStrategy): Awaitable<Cutoffs> {
  if (strategy instanceof LocalInvalidation) return strategy.cutoffs();
  return andThen(strategy.cutoffs(), ({ hard = 0, soft = 0 }) => {
    for (const at of [hard, soft]) {
      if (typeof at !== 'number' || Number.isNaN(at))
        throw new ValidationError(
          `A regionInvalidator's cutoffs() are times in milliseconds, { hard, soft }, not ${shown(at)}.`,
        );
    }
    return { hard, soft };
  });
}
