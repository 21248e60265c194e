/**
 * The one look that every verb begins with: read, decode, judge. Decides what a region sees of its store; what is done about it is
 * told in `get-or-create.ts`.
 */
import type { Awaitable, RecordsRequest, Storable } from '../api.js';
import { CachedValue } from '../api.js';
import { channels } from '../channels.js';
import { all, andThen, isPromiseLike } from '../promises.js';
import type { Core } from './core.js';
import {
  type Cut,
  cutByTime,
  type Freshness,
  isMissing,
  isPlainlyFresh,
  judge,
  NO_CUTOFFS,
  VALUE_VERSION,
  type Verdict,
  worse,
} from './freshness.js';
import { cutByRecords, SharedGenerations } from './generations.js';
import { isDown } from './guard.js';
import { cutoffsOf } from './invalidation.js';
import { type Read, SharedReads } from './reads.js';
import type { Settings } from './settings.js';

/** What a look found. `sync`: nothing can have happened since; `readAt`: when the read was sent, in ticks. */
export type Look = { readonly readAt: number; readonly sync: boolean } & (
  | { readonly state: 'fresh'; readonly value: CachedValue }
  | { readonly state: 'stale'; readonly value: CachedValue; readonly reason: Verdict }
  | { readonly state: 'missing'; readonly reason: Verdict | Absence; readonly isDown?: boolean }
);
/** Why there is no entry to judge. */
export type Absence = 'absent' | 'garbage' | 'other-version' | 'unreadable';

/** `trouble`: why it could not be read. */
interface Answer extends Read {
  readonly trouble?: { readonly error: unknown };
}

export class Looks {
  readonly #core: Core;
  readonly #reads: SharedReads;
  /** The backend has answered with a promise: from then on reads are shared. */
  #answersLater: boolean;

  constructor(core: Core) {
    this.#core = core;
    this.#answersLater = core.store.answersLater;
    this.#reads = new SharedReads({
      get: (name, records) => core.store.get(name, records),
      getMulti: core.store.gathersReads ? (names, records) => core.store.getMulti(names, records) : undefined,
      request: (tags) => core.shared?.request(tags),
      tick: () => core.flights.tick(),
      failed: (key, error) => core.report('get', error, key),
    });
  }

  /** Keys that are being read. */
  get size(): number {
    return this.#reads.size;
  }

  isReading(name: string): boolean {
    return this.#reads.isReading(name);
  }

  /**
   * A hit, or `undefined`: the whole hot path. No closure, no options made, no promise but the one returned; only for stores
   * that answer at once, cut-offs that are known at once, and expiration times that are no functions.
   */
  hit(key: string, settings: Settings): Promise<unknown> | undefined {
    const core = this.#core;
    const { local } = core;
    const { fixed: asked } = settings;
    if (this.#answersLater || asked === undefined || local === undefined) return undefined;
    const stored = this.#atOnce(key);
    if (stored === undefined || settings.earlyRefresh > 0) return undefined;
    if (!(stored instanceof CachedValue) && isPromiseLike(stored)) {
      this.#answersLater = true;
      // This one answer is dropped, and its failure: the shared read that follows meets it again.
      stored.then(undefined, () => {});
      return undefined;
    }
    const entry = this.#readable(stored);
    if (entry === undefined) return undefined;
    const cutoffs = local.cutoffs();
    const now = core.clock.now();
    // Most hits are decided here: 1.4 awaited lookups in all, where the exact answer makes it 1.6 (bench/cases/hit.mjs).
    if (!(cutoffs === NO_CUTOFFS && isPlainlyFresh(entry, asked, now))) {
      const cut = worse(cutByTime(entry, cutoffs), core.tags.cutOf(entry));
      if (!isCreated(entry) || judge(entry, asked, cut, now) !== 'fresh') return undefined;
    }
    core.statistics.hits++;
    if (channels.hit.hasSubscribers) channels.hit.publish({ region: core.region, key, age: entry.age });
    return Promise.resolve(entry.payload);
  }

  /** Of a hit: the look that follows meets what goes wrong here again, and says so. */
  #atOnce(key: string): Awaitable<Storable | undefined> {
    const { store } = this.#core;
    try {
      return store.bare && typeof key === 'string' ? store.bare.get(key) : store.get(store.mangle(key));
    } catch {
      return undefined;
    }
  }

  #readable(stored: Storable): CachedValue | undefined {
    try {
      return this.#core.store.decode(stored);
    } catch {
      return undefined;
    }
  }

  // -------------------------------------------------------------------------------------------- looks of a creation

  /**
   * Reads and judges one key. What can't be read is missing; with `onBackendError: 'throw'` it rejects. `tags`: those that the call
   * names, whose records then come with the value; others that the entry bears take one command more.
   */
  look(key: string, name: string, asked: Freshness, tags: readonly string[]): Awaitable<Look> {
    return this.#read(key, name, tags, (read): Awaitable<Look> => {
      const { trouble, sentAt: readAt, sync } = read;
      if (trouble) return { state: 'missing', reason: 'unreadable', isDown: isDown(trouble.error), readAt, sync };
      return this.judge(key, read, asked);
    });
  }

  /** Reads and judges many, in one command; one more where entries bear tags that the call does not name. */
  async lookMulti(
    keys: readonly string[],
    names: readonly string[],
    asked: Freshness,
    tags: readonly string[],
  ): Promise<Look[]> {
    const core = this.#core;
    const readAt = core.flights.tick();
    const records = core.shared?.request(tags);
    let stored: readonly (Storable | undefined)[];
    try {
      stored = await core.store.getMulti(names, records);
    } catch (error) {
      core.unreadable('getMulti', error);
      return keys.map(() => ({ state: 'missing', reason: 'unreadable', isDown: isDown(error), readAt, sync: false }));
    }
    const entries = keys.map((key, at) => this.#entryOf(key, stored[at]));
    const known = await this.#withTags(entries, records);
    return all(entries.map((entry) => this.#judged(entry, { records: known, sentAt: readAt, sync: false }, asked)));
  }

  /** What a creation is decided by. */
  judge(key: string, read: Read, asked: Freshness): Awaitable<Look> {
    return this.#judged(this.#entryOf(key, read.stored), read, asked);
  }

  #judged(entry: CachedValue | Absence, read: Omit<Read, 'stored'>, asked: Freshness): Awaitable<Look> {
    const { sentAt: readAt, sync } = read;
    if (typeof entry === 'string') return { state: 'missing', reason: entry, readAt, sync };
    if (!isCreated(entry)) return { state: 'missing', reason: 'other-version', readAt, sync };
    const { clock } = this.#core;
    const cut = this.cutOf(entry, read.records);
    if (!isPromiseLike(cut)) return lookOf(entry, judge(entry, asked, cut, clock.now()), { readAt, sync });
    return cut.then((known) => lookOf(entry, judge(entry, asked, known, clock.now()), { readAt, sync: false }));
  }

  // ------------------------------------------------------------------------------------------------ looks of a reader

  /** What `get` gives: fresh values of any version; all that can be read, when `ignoreExpiration`. Counts. */
  find(key: string, asked: Freshness, ignoreExpiration: boolean): Awaitable<CachedValue | undefined> {
    return this.#read(key, this.#core.store.mangle(key), [], ({ stored, records, trouble }) => {
      const entry = trouble ? 'unreadable' : this.#entryOf(key, stored);
      return this.#present(key, entry, records, asked, ignoreExpiration);
    });
  }

  async findMulti(
    keys: readonly string[],
    asked: Freshness,
    ignoreExpiration: boolean,
  ): Promise<(CachedValue | undefined)[]> {
    if (keys.length === 0) return [];
    const core = this.#core;
    const names = keys.map((key) => core.store.mangle(key));
    const records = core.shared?.request();
    let stored: readonly (Storable | undefined)[] | undefined;
    try {
      stored = await core.store.getMulti(names, records);
    } catch (error) {
      core.unreadable('getMulti', error);
    }
    const entries = keys.map((key, at) => (stored ? this.#entryOf(key, stored[at]) : 'unreadable'));
    const known = ignoreExpiration ? records : await this.#withTags(entries, records);
    return all(keys.map((key, at) => this.#present(key, entries[at] ?? 'absent', known, asked, ignoreExpiration)));
  }

  #present(
    key: string,
    entry: CachedValue | Absence,
    records: RecordsRequest | undefined,
    asked: Freshness,
    ignoreExpiration: boolean,
  ): Awaitable<CachedValue | undefined> {
    const core = this.#core;
    const now = { readAt: 0, sync: true };
    if (typeof entry === 'string') {
      core.looked(key, { state: 'missing', reason: entry, ...now });
      return undefined;
    }
    return andThen(ignoreExpiration ? undefined : this.cutOf(entry, records), (cut) => {
      const verdict = ignoreExpiration ? 'fresh' : judge(entry, asked, cut, core.clock.now());
      core.looked(key, lookOf(entry, verdict, now));
      return verdict === 'fresh' ? entry : undefined;
    });
  }

  // ---------------------------------------------------------------------------------------------------- invalidations

  /** What invalidations have done to an entry. While they can't be asked for, nothing is known to be valid. */
  cutOf(entry: CachedValue, request: RecordsRequest | undefined): Awaitable<Cut> {
    try {
      const cut = this.#cutOf(entry, request);
      return isPromiseLike(cut) ? cut.then(undefined, (error: unknown) => this.#unknown(error)) : cut;
    } catch (error) {
      return this.#unknown(error);
    }
  }

  #unknown(error: unknown): Cut {
    this.#core.report('invalidations', error);
    return 'hard';
  }

  #cutOf(entry: CachedValue, request: RecordsRequest | undefined): Awaitable<Cut> {
    const { invalidation, tags } = this.#core;
    if (invalidation instanceof SharedGenerations) {
      const records = invalidation.recordsFor(entry.metadata.t, request);
      if (!isPromiseLike(records)) return cutByRecords(entry, records);
      return records.then((known) => cutByRecords(entry, known));
    }
    return andThen(cutoffsOf(invalidation), (cutoffs) => worse(cutByTime(entry, cutoffs), tags.cutOf(entry)));
  }

  /**
   * The records with those of all tags that the entries bear: read together, not one entry at a time. Where that fails, what bears
   * one is not known to be valid; the others are judged by what came with them.
   */
  async #withTags(
    entries: readonly (CachedValue | Absence)[],
    records: RecordsRequest | undefined,
  ): Promise<RecordsRequest | undefined> {
    const { shared } = this.#core;
    if (!shared) return undefined;
    const tags = new Set(entries.flatMap((entry) => (typeof entry === 'string' ? [] : (entry.metadata.t ?? []))));
    const found = records?.found;
    if (tags.size === 0 || (found && [...tags].every((tag) => found.tags.has(tag)))) return records;
    const request = shared.request([...tags]);
    try {
      await shared.recordsFor(request.tags, request);
    } catch (error) {
      this.#core.report('invalidations', error);
      if (found)
        request.found = { region: found.region, tags: new Map(request.tags.map((tag) => [tag, found.tags.get(tag)])) };
    }
    return request;
  }

  // ---------------------------------------------------------------------------------------------------------- reading

  /** Sends a read, or shares one, and goes on with what it answers. Rejects only where the caller is to be told (`core.rejectsFor`). */
  #read<R>(key: string, name: string, tags: readonly string[], next: (read: Answer) => Awaitable<R>): Awaitable<R> {
    const core = this.#core;
    if (this.#answersLater) {
      return this.#reads.read(name, key, tags).then(next, (error: unknown) => next(this.#unread(error)));
    }
    const sentAt = core.flights.tick();
    const records = core.shared?.request(tags);
    let stored: Awaitable<Storable | undefined>;
    try {
      stored = core.store.get(name, records);
    } catch (error) {
      core.unreadable('get', error, key);
      return next({ stored: undefined, records, sentAt, sync: true, trouble: { error } });
    }
    if (!isPromiseLike(stored)) return next({ stored, records, sentAt, sync: true });
    this.#answersLater = true;
    return stored.then(
      (found) => next({ stored: found, records, sentAt, sync: false }),
      (error: unknown) => {
        core.report('get', error, key);
        return next(this.#unread(error));
      },
    );
  }

  #unread(error: unknown): Answer {
    if (this.#core.rejectsFor(error)) throw error;
    const sentAt = this.#core.flights.tick();
    return { stored: undefined, records: undefined, sentAt, sync: false, trouble: { error } };
  }

  #entryOf(key: string, stored: Storable | undefined): CachedValue | Absence {
    return stored === undefined ? 'absent' : (this.#decode(key, stored) ?? 'garbage');
  }

  /** Garbage is missing, and an event; the next creation overwrites it. */
  #decode(key: string, stored: Storable): CachedValue | undefined {
    try {
      return this.#core.store.decode(stored);
    } catch (error) {
      this.#core.report('decode', error, key);
      return undefined;
    }
  }
}

/** Of the version that we create, and with a creation time: what else there is, `get` gives, and a creation replaces. */
export function isCreated({ metadata }: CachedValue): boolean {
  return metadata.v === VALUE_VERSION && metadata.ct > 0;
}

function lookOf(entry: CachedValue, verdict: Verdict, { readAt, sync }: Pick<Look, 'readAt' | 'sync'>): Look {
  if (verdict === 'fresh') return { state: 'fresh', value: entry, readAt, sync };
  if (isMissing(verdict)) return { state: 'missing', reason: verdict, readAt, sync };
  return { state: 'stale', value: entry, reason: verdict, readAt, sync };
}

/** A look of somebody who wants it newer: what is fresh counts as stale. */
export function withoutFresh(seen: Look): Look {
  return seen.state === 'fresh' ? { ...seen, state: 'stale', reason: 'expired' } : seen;
}
