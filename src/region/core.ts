/**
 * What a configured region is made of, and the one look that every verb begins with: read, decode, judge. Decides nothing of
 * elections; `get-or-create.ts` tells those.
 */
import type { AsyncCreationRunner, Awaitable, CachedValue, Clock, InvalidationStrategy, Storable } from '../api.js';
import { channels } from '../channels.js';
import { CantDeserializeError } from '../errors.js';
import { andThen, isPromiseLike } from '../promises.js';
import { Flights } from './flights.js';
import { type Cutoffs, type Freshness, isMissing, judge, NO_CUTOFFS, VALUE_VERSION, type Verdict } from './freshness.js';
import { cutoffsOf, LocalInvalidation } from './invalidation.js';
import { type Read, SharedReads } from './reads.js';
import type { CacheRegion } from './region.js';
import type { Settings } from './settings.js';
import type { Statistics } from './statistics.js';
import type { Store } from './store.js';

/** What a look found. `sync`: nothing can have happened since; `readAt`: when the read was sent, in ticks. */
export type Look = { readonly readAt: number; readonly sync: boolean } & (
  | { readonly state: 'fresh'; readonly value: CachedValue }
  | { readonly state: 'stale'; readonly value: CachedValue; readonly reason: Verdict }
  | { readonly state: 'missing'; readonly reason: Verdict | 'absent' | 'garbage' | 'other-version' | 'unreadable' }
);

export interface CoreParts {
  // biome-ignore lint/suspicious/noExplicitAny: regions of any value type
  readonly region: CacheRegion<any>;
  readonly store: Store;
  readonly settings: Settings;
  readonly invalidation: InvalidationStrategy;
  readonly statistics: Statistics;
  readonly clock: Clock;
  readonly runner: AsyncCreationRunner | undefined;
}

interface Answer extends Read {
  readonly sync: boolean;
  readonly isUnreadable: boolean;
}

const EVERYTHING: Cutoffs = { hard: Number.POSITIVE_INFINITY, soft: Number.POSITIVE_INFINITY };

export class Core {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly region: CacheRegion<any>;
  readonly store: Store;
  readonly settings: Settings;
  readonly invalidation: InvalidationStrategy;
  readonly statistics: Statistics;
  readonly clock: Clock;
  readonly runner: AsyncCreationRunner | undefined;
  readonly flights: Flights;
  readonly reads: SharedReads;
  /** What nobody waits for: background creations, late results, releases. */
  readonly #behind = new Set<Promise<unknown>>();
  /** The backend has answered with a promise: from then on reads are shared. */
  #answersLater: boolean;

  constructor(parts: CoreParts) {
    this.region = parts.region;
    this.store = parts.store;
    this.settings = parts.settings;
    this.invalidation = parts.invalidation;
    this.statistics = parts.statistics;
    this.clock = parts.clock;
    this.runner = parts.runner;
    this.flights = new Flights(parts.clock);
    this.reads = new SharedReads(
      (name) => this.store.get(name),
      () => this.flights.tick(),
    );
    this.#answersLater = parts.store.backend.remote === true;
  }

  // ------------------------------------------------------------------------------------------------------------- look

  /**
   * A hit, or `undefined`: the whole hot path. No closure, no options made, no promise but the one returned; only for stores
   * that answer at once, cut-offs that are known at once, and expiration times that are no functions.
   */
  hit(key: string, settings: Settings): Promise<unknown> | undefined {
    const { invalidation } = this;
    if (this.#answersLater || settings.fixed === undefined || !(invalidation instanceof LocalInvalidation)) return undefined;
    const stored = this.store.get(this.store.mangle(key));
    if (stored === undefined) return undefined;
    if (isPromiseLike(stored)) {
      this.#answersLater = true;
      // This one answer is dropped, and its failure: the shared read that follows meets it again.
      stored.then(undefined, () => {});
      return undefined;
    }
    const entry = this.#decode(key, stored);
    if (entry === undefined || entry.metadata.v !== VALUE_VERSION) return undefined;
    if (judge(entry, settings.fixed, invalidation.cutoffs(), this.clock.now()) !== 'fresh') return undefined;
    this.statistics.hits++;
    if (channels.hit.hasSubscribers) channels.hit.publish({ region: this.region, key, age: entry.age });
    return Promise.resolve(entry.payload);
  }

  /** Reads and judges one key. Never rejects: what can't be read is missing. At once where the store answers at once. */
  look(key: string, name: string, asked: Freshness): Awaitable<Look> {
    return andThen(this.#read(key, name), (read) => {
      if (read.isUnreadable) return { state: 'missing', reason: 'unreadable', readAt: read.sentAt, sync: read.sync };
      return this.judge(key, read.stored, asked, read.sentAt, read.sync);
    });
  }

  /** What `get` gives: fresh values of any version; all that can be read, when `ignoreExpiration`. Counts. */
  find(key: string, asked: Freshness, ignoreExpiration: boolean): Awaitable<CachedValue | undefined> {
    return andThen(this.#read(key, this.store.mangle(key)), ({ stored }) => this.#present(key, stored, asked, ignoreExpiration));
  }

  async findMulti(keys: readonly string[], asked: Freshness, ignoreExpiration: boolean): Promise<(CachedValue | undefined)[]> {
    if (keys.length === 0) return [];
    const names = keys.map((key) => this.store.mangle(key));
    let stored: readonly (Storable | undefined)[] = [];
    try {
      stored = await this.store.getMulti(names);
    } catch (error) {
      this.report('getMulti', error);
    }
    return Promise.all(keys.map((key, at) => this.#present(key, stored[at], asked, ignoreExpiration)));
  }

  /** Reads and judges many, in one command. */
  async lookMulti(keys: readonly string[], names: readonly string[], asked: Freshness): Promise<Look[]> {
    const readAt = this.flights.tick();
    try {
      const stored = await this.store.getMulti(names);
      return await Promise.all(keys.map((key, at) => this.judge(key, stored[at], asked, readAt, false)));
    } catch (error) {
      this.report('getMulti', error);
      return keys.map(() => ({ state: 'missing', reason: 'unreadable', readAt, sync: false }));
    }
  }

  /** What a creation is decided by. */
  judge(key: string, stored: Storable | undefined, asked: Freshness, readAt: number, sync: boolean): Awaitable<Look> {
    if (stored === undefined) return { state: 'missing', reason: 'absent', readAt, sync };
    const entry = this.#decode(key, stored);
    if (entry === undefined) return { state: 'missing', reason: 'garbage', readAt, sync };
    if (entry.metadata.v !== VALUE_VERSION) return { state: 'missing', reason: 'other-version', readAt, sync };
    const cutoffs = this.cutoffs();
    const now = isPromiseLike(cutoffs) ? false : sync;
    return andThen(cutoffs, (known) => lookOf(entry, judge(entry, asked, known, this.clock.now()), readAt, now));
  }

  /** While a strategy of the user's can't be asked, nothing is known to be valid. */
  cutoffs(): Awaitable<Cutoffs> {
    const failed = (error: unknown) => {
      this.report('cutoffs', error);
      return EVERYTHING;
    };
    try {
      const cutoffs = cutoffsOf(this.invalidation);
      return isPromiseLike(cutoffs) ? cutoffs.then(undefined, failed) : cutoffs;
    } catch (error) {
      return failed(error);
    }
  }

  /** Sends a read, or shares one. Never rejects. */
  #read(key: string, name: string): Awaitable<Answer> {
    if (this.#answersLater) return this.#settled(key, this.reads.read(name));
    const sentAt = this.flights.tick();
    try {
      const stored = this.store.get(name);
      if (!isPromiseLike(stored)) return { stored, sentAt, sync: true, isUnreadable: false };
      this.#answersLater = true;
      return this.#settled(key, Promise.resolve(stored).then((found) => ({ stored: found, sentAt })));
    } catch (error) {
      this.report('get', error, key);
      return { stored: undefined, sentAt, sync: true, isUnreadable: true };
    }
  }

  async #settled(key: string, read: Promise<Read>): Promise<Answer> {
    try {
      return { ...(await read), sync: false, isUnreadable: false };
    } catch (error) {
      this.report('get', error, key);
      return { stored: undefined, sentAt: this.flights.tick(), sync: false, isUnreadable: true };
    }
  }

  #present(key: string, stored: Storable | undefined, asked: Freshness, ignoreExpiration: boolean): Awaitable<CachedValue | undefined> {
    const entry = stored === undefined ? undefined : this.#decode(key, stored);
    if (entry === undefined) {
      this.looked(key, { state: 'missing', reason: stored === undefined ? 'absent' : 'garbage', readAt: 0, sync: true });
      return undefined;
    }
    return andThen(ignoreExpiration ? NO_CUTOFFS : this.cutoffs(), (known) => {
      const verdict = ignoreExpiration ? 'fresh' : judge(entry, asked, known, this.clock.now());
      this.looked(key, lookOf(entry, verdict, 0, true));
      return verdict === 'fresh' ? entry : undefined;
    });
  }

  /** Garbage is missing, and an event; the next creation overwrites it. */
  #decode(key: string, stored: Storable): CachedValue | undefined {
    try {
      return this.store.decode(stored);
    } catch (error) {
      this.report('decode', error, key);
      return undefined;
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
      if (channels.stale.hasSubscribers) channels.stale.publish({ region, key, age: look.value.age, reason: look.reason });
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

  /** Trouble that no caller is told of: an event, never an exception. */
  report(verb: string, error: unknown, key?: string): void {
    if (!(error instanceof CantDeserializeError)) this.statistics.backendErrors++;
    if (!channels.backendError.hasSubscribers) return;
    channels.backendError.publish({ region: this.region, ...(key === undefined ? {} : { key }), verb, error });
  }

  // ---------------------------------------------------------------------------------------------------------- at rest

  /** Hands a promise to the region: `idle()` waits for it. It must not reject. */
  behind(work: Promise<unknown>): void {
    this.#behind.add(work);
    void work.then(() => this.#behind.delete(work));
  }

  /** A hard invalidation, or the end: creations under way are not stored, their leases are given back. */
  async revokeAll(): Promise<void> {
    for (const outcome of await this.flights.revokeAll()) if (outcome.status === 'rejected') this.report('release', outcome.reason);
  }

  /** Everything that goes on in this region is done. */
  async idle(): Promise<void> {
    while (this.#behind.size > 0) await Promise.all(this.#behind);
  }

  /** Entries in the internal maps: 0 at rest. */
  get busy(): number {
    return this.flights.size + this.reads.size + this.#behind.size;
  }
}

function lookOf(entry: CachedValue, verdict: Verdict, readAt: number, sync: boolean): Look {
  if (verdict === 'fresh') return { state: 'fresh', value: entry, readAt, sync };
  if (isMissing(verdict)) return { state: 'missing', reason: verdict, readAt, sync };
  return { state: 'stale', value: entry, reason: verdict, readAt, sync };
}
