/**
 * What a configured region is made of, and the one look that every verb begins with: read, decode, judge. Decides nothing of
 * elections; `get-or-create.ts` tells those.
 */
import type {
  AsyncCreationRunner,
  Awaitable,
  CachedValue,
  Clock,
  GenerationFence,
  InvalidationStrategy,
  RecordsRequest,
  Storable,
} from '../api.js';
import { channels } from '../channels.js';
import { BackendUnavailableError, CantDeserializeError } from '../errors.js';
import { andThen, isPromiseLike } from '../promises.js';
import { Flights } from './flights.js';
import { type Cut, cutByTime, type Freshness, isMissing, judge, VALUE_VERSION, type Verdict } from './freshness.js';
import { cutByRecords, SharedGenerations } from './generations.js';
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
  readonly invalidation: Invalidation;
  readonly statistics: Statistics;
  readonly clock: Clock;
  readonly runner: AsyncCreationRunner | undefined;
}

/** Where the region's invalidations are kept: in the store, in this process, or wherever a strategy of the user's keeps them. */
export type Invalidation = SharedGenerations | InvalidationStrategy;

/** What was read, and whether at once. */
interface Found extends Read {
  readonly sync: boolean;
}
interface Answer extends Found {
  readonly isUnreadable: boolean;
}

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
    this.shared = parts.invalidation instanceof SharedGenerations ? parts.invalidation : undefined;
    this.statistics = parts.statistics;
    this.clock = parts.clock;
    this.runner = parts.runner;
    this.flights = new Flights(parts.clock);
    this.reads = new SharedReads({
      get: (name, records) => this.store.get(name, records),
      request: () => this.shared?.request(),
      tick: () => this.flights.tick(),
    });
    this.#answersLater = parts.store.backend.remote === true;
  }

  // ------------------------------------------------------------------------------------------------------------- look

  /**
   * A hit, or `undefined`: the whole hot path. No closure, no options made, no promise but the one returned; only for stores
   * that answer at once, cut-offs that are known at once, and expiration times that are no functions.
   */
  hit(key: string, settings: Settings): Promise<unknown> | undefined {
    const { invalidation } = this;
    if (this.#answersLater || settings.fixed === undefined || !(invalidation instanceof LocalInvalidation))
      return undefined;
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
    if (judge(entry, settings.fixed, cutByTime(entry, invalidation.cutoffs()), this.clock.now()) !== 'fresh')
      return undefined;
    this.statistics.hits++;
    if (channels.hit.hasSubscribers) channels.hit.publish({ region: this.region, key, age: entry.age });
    return Promise.resolve(entry.payload);
  }

  /** Reads and judges one key. Never rejects: what can't be read is missing. At once where the store answers at once. */
  look(key: string, name: string, asked: Freshness): Awaitable<Look> {
    return andThen(this.#read(key, name), (read) => {
      if (read.isUnreadable) return { state: 'missing', reason: 'unreadable', readAt: read.sentAt, sync: read.sync };
      return this.judge(key, read, asked);
    });
  }

  /** What `get` gives: fresh values of any version; all that can be read, when `ignoreExpiration`. Counts. */
  find(key: string, asked: Freshness, ignoreExpiration: boolean): Awaitable<CachedValue | undefined> {
    return andThen(this.#read(key, this.store.mangle(key)), (read) =>
      this.#present(key, read, asked, ignoreExpiration),
    );
  }

  async findMulti(
    keys: readonly string[],
    asked: Freshness,
    ignoreExpiration: boolean,
  ): Promise<(CachedValue | undefined)[]> {
    if (keys.length === 0) return [];
    const names = keys.map((key) => this.store.mangle(key));
    const records = this.shared?.request();
    let stored: readonly (Storable | undefined)[] = [];
    try {
      stored = await this.store.getMulti(names, records);
    } catch (error) {
      this.report('getMulti', error);
    }
    return Promise.all(
      keys.map((key, at) => this.#present(key, { stored: stored[at], records }, asked, ignoreExpiration)),
    );
  }

  /** Reads and judges many, in one command. */
  async lookMulti(keys: readonly string[], names: readonly string[], asked: Freshness): Promise<Look[]> {
    const readAt = this.flights.tick();
    const records = this.shared?.request();
    try {
      const stored = await this.store.getMulti(names, records);
      return await Promise.all(
        keys.map((key, at) => this.judge(key, { stored: stored[at], records, sentAt: readAt, sync: false }, asked)),
      );
    } catch (error) {
      this.report('getMulti', error);
      return keys.map(() => ({ state: 'missing', reason: 'unreadable', readAt, sync: false }));
    }
  }

  /** What a creation is decided by. */
  judge(key: string, read: Found, asked: Freshness): Awaitable<Look> {
    const { stored, sentAt: readAt, sync } = read;
    if (stored === undefined) return { state: 'missing', reason: 'absent', readAt, sync };
    const entry = this.#decode(key, stored);
    if (entry === undefined) return { state: 'missing', reason: 'garbage', readAt, sync };
    if (entry.metadata.v !== VALUE_VERSION) return { state: 'missing', reason: 'other-version', readAt, sync };
    const cut = this.cutOf(entry, read.records);
    const now = isPromiseLike(cut) ? false : sync;
    return andThen(cut, (known) => lookOf(entry, judge(entry, asked, known, this.clock.now()), readAt, now));
  }

  /** What invalidations have done to an entry. While they can't be asked for, nothing is known to be valid. */
  cutOf(entry: CachedValue, request: RecordsRequest | undefined): Awaitable<Cut> {
    const failed = (error: unknown): Cut => {
      this.report('invalidations', error);
      return 'hard';
    };
    try {
      const cut = this.#cutOf(entry, request);
      return isPromiseLike(cut) ? cut.then(undefined, failed) : cut;
    } catch (error) {
      return failed(error);
    }
  }

  #cutOf(entry: CachedValue, request: RecordsRequest | undefined): Awaitable<Cut> {
    const { invalidation } = this;
    if (!(invalidation instanceof SharedGenerations))
      return andThen(cutoffsOf(invalidation), (cutoffs) => cutByTime(entry, cutoffs));
    return andThen(invalidation.recordsOf(request ?? invalidation.request()), (records) =>
      cutByRecords(entry, records),
    );
  }

  /** Sends a read, or shares one. Never rejects. */
  #read(key: string, name: string): Awaitable<Answer> {
    if (this.#answersLater) return this.#settled(key, this.reads.read(name));
    const sentAt = this.flights.tick();
    const records = this.shared?.request();
    try {
      const stored = this.store.get(name, records);
      if (!isPromiseLike(stored)) return { stored, records, sentAt, sync: true, isUnreadable: false };
      this.#answersLater = true;
      return this.#settled(
        key,
        Promise.resolve(stored).then((found) => ({ stored: found, records, sentAt })),
      );
    } catch (error) {
      this.report('get', error, key);
      return { stored: undefined, records, sentAt, sync: true, isUnreadable: true };
    }
  }

  async #settled(key: string, read: Promise<Read>): Promise<Answer> {
    try {
      return { ...(await read), sync: false, isUnreadable: false };
    } catch (error) {
      this.report('get', error, key);
      return { stored: undefined, records: undefined, sentAt: this.flights.tick(), sync: false, isUnreadable: true };
    }
  }

  #present(
    key: string,
    { stored, records }: Pick<Read, 'stored' | 'records'>,
    asked: Freshness,
    ignoreExpiration: boolean,
  ): Awaitable<CachedValue | undefined> {
    const entry = stored === undefined ? undefined : this.#decode(key, stored);
    if (entry === undefined) {
      this.looked(key, {
        state: 'missing',
        reason: stored === undefined ? 'absent' : 'garbage',
        readAt: 0,
        sync: true,
      });
      return undefined;
    }
    return andThen(ignoreExpiration ? undefined : this.cutOf(entry, records), (cut) => {
      const verdict = ignoreExpiration ? 'fresh' : judge(entry, asked, cut, this.clock.now());
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

  /** Trouble that no caller is told of: an event, never an exception. */
  report(verb: string, error: unknown, key?: string): void {
    if (!(error instanceof CantDeserializeError)) this.statistics.backendErrors++;
    if (!channels.backendError.hasSubscribers) return;
    channels.backendError.publish({ region: this.region, ...(key === undefined ? {} : { key }), verb, error });
  }

  /** Writes what the user said, stamped with the region's generation; once more when an invalidation has come in between. */
  async stamped(write: (fence: GenerationFence | undefined) => Awaitable<boolean>): Promise<void> {
    const { shared } = this;
    if (!shared) return void (await write(undefined));
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const fence = shared.fence(shared.current);
      if (await write(fence)) return;
      shared.moved(fence);
    }
    throw new BackendUnavailableError(
      'The store refused this write again and again: is the region being invalidated all the time?',
    );
  }

  // ---------------------------------------------------------------------------------------------------------- at rest

  /** Hands a promise to the region: `idle()` waits for it. It must not reject. */
  behind(work: Promise<unknown>): void {
    this.#behind.add(work);
    void work.then(() => this.#behind.delete(work));
  }

  /** A hard invalidation, or the end: creations under way are not stored, their leases are given back. */
  async revokeAll(): Promise<void> {
    for (const outcome of await this.flights.revokeAll())
      if (outcome.status === 'rejected') this.report('release', outcome.reason);
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
