/** The region's plain counters. Counts; decides nothing. */
import type { RegionStatistics } from '../api.js';

export class Statistics implements RegionStatistics {
  hits = 0;
  misses = 0;
  stale = 0;
  waits = 0;
  creations = 0;
  failures = 0;
  creationTime = { count: 0, total: 0, max: 0 };
  refusedCommits = 0;
  droppedWrites = 0;
  backendErrors = 0;
  backendTimeouts = 0;
  lockLosses = 0;
  declare readonly evictions: number;
  #evictionsBefore = 0;
  readonly #evicted: () => number;

  /** `evicted`: how many entries the backend has evicted in its life. */
  constructor(evicted: () => number) {
    this.#evicted = evicted;
    // A counter as the others, for who spreads them or writes them as JSON.
    Object.defineProperty(this, 'evictions', { get: () => evicted() - this.#evictionsBefore, enumerable: true });
  }

  /** Another backend is counted from now on: what was counted before stays. */
  backendChanged(change: () => void): void {
    const counted = this.evictions;
    change();
    this.#evictionsBefore = this.#evicted() - counted;
  }

  /** One call of a creator, for so many keys. */
  created(keys: number, ms: number): void {
    this.creations += keys;
    const { count, total, max } = this.creationTime;
    // A new one: who has kept the one of before, or spread all of this, still has what it was then.
    this.creationTime = { count: count + 1, total: total + ms, max: Math.max(max, ms) };
  }

  reset(): void {
    this.hits = this.misses = this.stale = this.waits = this.creations = this.failures = 0;
    this.refusedCommits = this.droppedWrites = this.backendErrors = this.backendTimeouts = this.lockLosses = 0;
    this.creationTime = { count: 0, total: 0, max: 0 };
    this.#evictionsBefore = this.#evicted();
  }
}
