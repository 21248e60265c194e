/**
 * What a configured region is made of, and how it says what goes on in it. Decides nothing of freshness (`look.ts`) or elections
 * (`get-or-create.ts`).
 */
import type { AsyncCreationRunner, Awaitable, Clock, GenerationFence, InvalidationStrategy, Lease } from '../api.js';
import { channels } from '../channels.js';
import {
  BackendTimeoutError,
  BackendUnavailableError,
  CantDeserializeError,
  DriverNotInstalledError,
  ValidationError,
} from '../errors.js';
import { Backoff } from './backoff.js';
import { Flights } from './flights.js';
import { SharedGenerations } from './generations.js';
import { BreakerOpenError } from './guard.js';
import { LocalInvalidation, type LocalTags } from './invalidation.js';
import { type Look, Looks } from './look.js';
import type { CacheRegion } from './region.js';
import type { Settings } from './settings.js';
import type { Statistics } from './statistics.js';
import type { Store } from './store.js';

export interface CoreParts {
  // biome-ignore lint/suspicious/noExplicitAny: regions of any value type
  readonly region: CacheRegion<any>;
  readonly store: Store;
  readonly settings: Settings;
  readonly invalidation: Invalidation;
  /** Invalidations of tags, where the store does not keep them. */
  readonly tags: LocalTags;
  readonly statistics: Statistics;
  readonly clock: Clock;
  readonly random: () => number;
  readonly runner: AsyncCreationRunner | undefined;
  /** A read that fails rejects, instead of counting as missing. */
  readonly throwsOnError: boolean;
  /** The one that this one takes the place of, behind a proxy more: what is being created, and what failed, is one for both. */
  readonly before: Core | undefined;
}

/** Where the region's invalidations are kept: in the store, in this process, or wherever a strategy of the user's keeps them. */
export type Invalidation = SharedGenerations | InvalidationStrategy;

/** A write is stamped anew at most so often: one more round for each invalidation that comes in between. */
const MOST_ROUNDS = 20;

export class Core {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly region: CacheRegion<any>;
  readonly store: Store;
  readonly settings: Settings;
  readonly invalidation: Invalidation;
  /** The same, where the store keeps generations. */
  readonly shared: SharedGenerations | undefined;
  /** The same, where they are kept in this process. */
  readonly local: LocalInvalidation | undefined;
  readonly tags: LocalTags;
  readonly statistics: Statistics;
  readonly clock: Clock;
  readonly random: () => number;
  readonly runner: AsyncCreationRunner | undefined;
  readonly #throwsOnError: boolean;
  readonly flights: Flights;
  readonly backoff: Backoff;
  readonly looks: Looks;
  /** What nobody waits for: background creations, late results, releases. */
  readonly #behind = new Set<Promise<unknown>>();
  /** Calls that have begun and not settled. */
  #calls = 0;
  #settled: (() => void) | undefined;
  #ended: Error | undefined;

  constructor(parts: CoreParts) {
    this.region = parts.region;
    this.store = parts.store;
    this.settings = parts.settings;
    this.invalidation = parts.invalidation;
    this.shared = parts.invalidation instanceof SharedGenerations ? parts.invalidation : undefined;
    this.local = parts.invalidation instanceof LocalInvalidation ? parts.invalidation : undefined;
    this.tags = parts.tags;
    this.statistics = parts.statistics;
    this.clock = parts.clock;
    this.random = parts.random;
    this.runner = parts.runner;
    this.#throwsOnError = parts.throwsOnError;
    this.flights = parts.before?.flights ?? new Flights(parts.clock);
    this.backoff = parts.before?.backoff ?? new Backoff(parts.clock);
    this.looks = new Looks(this);
  }

  // ---------------------------------------------------------------------------------------------- what the user says

  /** `set` or `delete` of these keys has been called. */
  overrule(names: Iterable<string>): void {
    for (const name of names) {
      this.flights.detach(name);
      this.backoff.forget(name);
    }
  }

  /**
   * Writes what the user said, stamped with the region's generation; once more when an invalidation has come in between. `tags`: of
   * each entry, by its name.
   */
  async stamped(
    write: (fence: GenerationFence | undefined) => Awaitable<boolean>,
    tags?: ReadonlyMap<string, readonly string[]>,
  ): Promise<void> {
    const { shared } = this;
    if (!shared) return void (await write(undefined));
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const fence = shared.fence(shared.current, tags);
      if (await write(fence)) return;
      shared.moved(fence);
    }
    throw new BackendUnavailableError(
      'The store refused this write again and again: is the region being invalidated all the time?',
    );
  }

  /** The region or some tags were invalidated. Hard, of the region: creations under way are not stored, their leases are given back. */
  async invalidated({ revokes }: { revokes: boolean }): Promise<void> {
    this.backoff.clear();
    if (!revokes) return this.flights.unlistAll();
    // Under the deadline of the store: a lease that can't be given back lapses.
    await Promise.all(this.flights.revokeAll().map((lease) => this.giveBack(lease)));
  }

  /** Releases a lease; that it can't be told is an event: the lease lapses by itself. */
  async giveBack(lease: Lease, key?: string): Promise<void> {
    try {
      await this.store.locks.release(lease);
    } catch (error) {
      this.report('release', error, key);
    }
  }

  // ------------------------------------------------------------------------------------------------------ observation

  /** Counts a key that was looked up, and says so. */
  looked(key: string, look: Look): void {
    const { region, statistics } = this;
    if (look.state === 'fresh') {
      statistics.hits++;
      if (channels.hit.hasSubscribers) channels.hit.publish({ region, key, age: look.value.age });
    } else if (look.state === 'stale') {
      statistics.stale++;
      if (channels.stale.hasSubscribers)
        channels.stale.publish({ region, key, age: look.value.age, reason: look.reason });
    } else {
      statistics.misses++;
      if (channels.miss.hasSubscribers) channels.miss.publish({ region, key, reason: look.reason });
    }
  }

  waits(key: string, where: 'here' | 'elsewhere'): void {
    this.statistics.waits++;
    if (channels.wait.hasSubscribers) channels.wait.publish({ region: this.region, key, where });
  }

  /** A creation's value was not stored, because its lease no longer stood. */
  refused(key: string, reason: string): void {
    this.statistics.refusedCommits++;
    if (channels.refuse.hasSubscribers) channels.refuse.publish({ region: this.region, key, reason });
  }

  /** A read failed: an event, and missing; or what the caller is told. */
  unreadable(verb: string, error: unknown, key?: string): void {
    this.report(verb, error, key);
    if (this.rejectsFor(error)) throw error;
  }

  /** A package that is missing, a key that the store can't have: neither mends itself, and without a word of it nothing would ever be cached. */
  rejectsFor(error: unknown): boolean {
    return this.#throwsOnError || error instanceof DriverNotInstalledError || error instanceof ValidationError;
  }

  /** Trouble that no caller is told of: an event, never an exception. */
  report(verb: string, error: unknown, key?: string): void {
    if (error instanceof BreakerOpenError) return;
    this.count(error);
    if (!channels.backendError.hasSubscribers) return;
    channels.backendError.publish({ region: this.region, ...(key === undefined ? {} : { key }), verb, error });
  }

  count(error: unknown): void {
    if (error instanceof BackendTimeoutError) this.statistics.backendTimeouts++;
    else if (!(error instanceof CantDeserializeError || error instanceof BreakerOpenError))
      this.statistics.backendErrors++;
  }

  // ---------------------------------------------------------------------------------------------------------- at rest

  /** A call of the region's has begun. */
  enter(): void {
    this.#calls++;
  }

  /** It has settled. */
  leave(): void {
    this.#calls--;
    if (this.#calls === 0) this.#settled?.();
  }

  /** Every call that had begun has settled. Nobody calls any more: the region is closing. */
  async settled(): Promise<void> {
    if (this.#calls === 0) return;
    await new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
  }

  /** From now on no call starts a creation. */
  end(reason: Error): void {
    this.#ended = reason;
  }

  throwIfClosed(): void {
    if (this.#ended) throw this.#ended;
  }

  /** Hands a promise to the region: `idle()` waits for it. It must not reject. */
  behind(work: Promise<unknown>): void {
    this.#behind.add(work);
    void work.then(() => this.#behind.delete(work));
  }

  /** Everything that goes on in this region is done. */
  async idle(): Promise<void> {
    while (this.#behind.size > 0) await Promise.all(this.#behind);
  }

  /** Entries in the internal maps: 0 at rest. */
  get busy(): number {
    return this.flights.size + this.looks.size + this.#behind.size;
  }
}
