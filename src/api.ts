// For programs whose `lib` does not know `AsyncDisposable`.
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The vocabulary: what regions, backends, proxies and decorators say to each other. Types, and the one class that is a word
 * of it (`CachedValue`); no behaviour.
 */
import { stampOf, systemClock } from './clock.js';
import type { CacheRegion } from './region/region.js';

export type Awaitable<T> = T | PromiseLike<T>;

/** A number is milliseconds; text has a unit: `'250ms'`, `'30s'`, `'5m'`, `'1.5h'`, `'7d'`. `Infinity` is "never". */
export type Duration = number | string;

/** The two widest function types, for constraints only. */
// biome-ignore lint/suspicious/noExplicitAny: the widest function type has no other spelling
export type AnyFunction = (this: any, ...args: any[]) => any;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AsyncFunction = (this: any, ...args: any[]) => Promise<any>;

export type KeyMangler = (key: string) => string;

export interface Serializer {
  readonly name: string;
  serialize(value: unknown): Uint8Array | string;
  /** Throws `CantDeserializeError` for bytes it does not know: the value counts as missing. */
  deserialize(bytes: Uint8Array): unknown;
}

export interface Clock {
  /** Epoch milliseconds, may be fractional. */
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

/** What is stored beside a value; the names are those on the wire. Times in seconds, as Python's. */
export interface Metadata {
  /** Creation time: when the creator had finished, epoch seconds. */
  readonly ct: number;
  /** Version of the format: 2. */
  readonly v: number;
  /** How long the creation took, seconds. */
  readonly dt?: number;
  /** The entry's own expiration time, seconds. */
  readonly et?: number;
  /** Tags. */
  readonly t?: readonly string[];
  /** The part of its expiration time that is left after `jitter`, 0 to 1; absent: all of it. */
  readonly j?: number;
  /** The region record's incarnation and counter (protocol, Records). */
  readonly g?: unknown;
  readonly [more: string]: unknown;
}

/** A value with its metadata, as a backend that stores values holds it (Python's `CachedValue`). */
export class CachedValue<T = unknown> {
  readonly payload: T;
  readonly metadata: Metadata;
  readonly #clock: Clock;

  constructor(payload: T, metadata: Metadata, clock: Clock = systemClock) {
    this.payload = payload;
    this.metadata = metadata;
    this.#clock = clock;
  }

  /** When the creator had finished, epoch milliseconds. */
  get cachedTime(): number {
    return stampOf(this.metadata.ct);
  }

  /** Milliseconds, computed when asked. */
  get age(): number {
    return this.#clock.now() - this.cachedTime;
  }
}

// ------------------------------------------------------------------------------------------------------------ policy

/** What may differ per region, per decorated function and per call. An option that is `undefined` counts as not given. */
export interface Policy {
  /** Age beyond which a value is stale, judged when it is read. Default `Infinity`. */
  expirationTime?: Duration | (() => Duration | undefined) | undefined;
  /** Serve a stale value while another creates: `true` (default), `false` (wait for the new one), or how long after it expired. */
  serveStale?: boolean | Duration | undefined;
  /** Whoever finds a stale value gets it at once and the creation runs behind. Default `false`. */
  background?: boolean | undefined;
  /** How long the store keeps an entry after it expired: its TTL there is expiration + keepStale. Default `'1d'`. */
  keepStale?: Duration | undefined;
  /** How long to wait for another's creation before `LockTimeoutError`. Default `Infinity`. */
  lockWait?: Duration | undefined;
  /** When the creator fails, a stale value stands in for the failure: always, or so long after it expired. Default `false`. */
  staleIfError?: boolean | Duration | undefined;
  /**
   * For so long after a failure (in this process) the stale value is served, or the same failure rejected, before the creator is
   * tried again. `set`, `delete` and `invalidate` end it. Default 0.
   */
  errorBackoff?: Duration | undefined;
  /** A creation takes longer, and there is a stale value: the caller gets that, the creation goes on. Default: none. */
  softTimeout?: Duration | undefined;
  /**
   * A creation takes longer: its callers reject with `CreationTimeoutError` (or get the stale value under `staleIfError`), and the
   * creator's signal aborts. A late result is stored if the lease still stands. Default: none.
   */
  hardTimeout?: Duration | undefined;
  /**
   * Refreshes popular entries before they expire, by chance, the likelier the closer expiry is and the longer creations take
   * (XFetch; Vattani, Chierichetti, Lowenstein: Optimal probabilistic cache stampede prevention, VLDB 2015). The number is beta:
   * more than 1 refreshes earlier; `true` is 1. One refresh over all processes, behind; the caller gets the fresh value.
   */
  earlyRefresh?: boolean | number | undefined;
  /**
   * 0 to 1: shortens each entry's expiration time by up to this fraction, by chance, fixed when it is written: what was written
   * together does not expire together. Default 0.
   */
  jitter?: number | undefined;
}

export interface GetOrCreateOptions<T = unknown> extends Policy {
  /** Says of a created value whether it is stored. Default: always. */
  shouldCache?: ((value: T) => boolean) | undefined;
  /** What the entry is about, for `invalidateTags`. The creator may add more with `context.tag()`. */
  tags?: readonly string[] | undefined;
  /** Detaches this caller only; the creation is aborted when nobody is left. */
  signal?: AbortSignal | undefined;
}

export interface GetOptions {
  expirationTime?: Duration | undefined;
  /** Also what has expired or was invalidated. Default `false`. */
  ignoreExpiration?: boolean | undefined;
}

/** Persisted with the entry. */
export interface SetOptions {
  expirationTime?: Duration | undefined;
  tags?: readonly string[] | undefined;
}

export interface InvalidateOptions {
  /** `true` (default): older entries are missing; `false`: they are stale. */
  hard?: boolean | undefined;
}

export interface RegionOptions {
  /** For messages, events, and shared invalidation. */
  name?: string | undefined;
  /** `false`: none, the backend's neither. */
  keyMangler?: KeyMangler | false | undefined;
  serializer?: Serializer | undefined;
  functionKeyGenerator?: FunctionKeyGenerator | undefined;
  functionMultiKeyGenerator?: FunctionMultiKeyGenerator | undefined;
  asyncCreationRunner?: AsyncCreationRunner | undefined;
  /** Default: `Date.now` and the global timers, looked up at each call. */
  clock?: Clock | undefined;
  /** In [0, 1). Default `Math.random`. */
  random?: (() => number) | undefined;
}

export interface ConfigureOptions extends Policy {
  /** The first is the outermost. */
  wrap?: readonly ProxyLike[] | undefined;
  /** Else a second `configure()` is a `RegionAlreadyConfiguredError`. */
  replaceExistingBackend?: boolean | undefined;
  /**
   * Where invalidations of the region are kept. `'shared'`: in the store, for all processes (default where the backend can);
   * `'local'`: two stamps in this process (default elsewhere, and what `'shared'` means on memory); or a strategy of your own.
   */
  regionInvalidator?: InvalidationStrategy | 'local' | 'shared' | undefined;
  /** Deadline of every call of the backend. Default `'1s'` for backends behind a network, none for others. */
  backendTimeout?: Duration | undefined;
  /**
   * So many failures (errors or time-outs) in a row, and the store is not asked for the cooldown; then one call is let through as a
   * probe. Default `{ failures: 5, cooldown: '2s' }` for backends behind a network, none for others; `false`: none.
   */
  breaker?: false | { failures?: number | undefined; cooldown?: Duration | undefined } | undefined;
  /**
   * `'create'` (default): a read that fails counts as missing, creations go on, one per key and process, and are not stored.
   * `'throw'`: it rejects before anything is created. `set`, `delete` and `invalidate` reject either way.
   */
  onBackendError?: 'create' | 'throw' | undefined;
}

// ---------------------------------------------------------------------------------------------------------- creators

export type Creator<T, Stale = T> = (context: CreationContext<Stale>) => Awaitable<T>;

/** `keys` are unmangled, in code-point order. */
export type MultiCreator<Result, Stale = unknown> = (
  keys: string[],
  context: MultiCreationContext<Stale>,
) => Awaitable<Result>;

export interface CreationContext<Stale = unknown> {
  readonly key: string;
  /** Aborts when nobody waits for this creation any more, or its region is closed. */
  readonly signal: AbortSignal;
  /** What there was, if it is stale rather than missing. */
  readonly stale: CachedValue<Stale> | undefined;
  /** This entry's own expiration time, persisted with it. */
  expireAfter(duration: Duration): void;
  /** What the entry is about, for `invalidateTags`; until the creator returns. */
  tag(...tags: string[]): void;
  /** The value is returned, not stored. */
  dontCache(): void;
}

/** The same, each verb for one of the keys. */
export interface MultiCreationContext<Stale = unknown> {
  readonly keys: readonly string[];
  readonly signal: AbortSignal;
  readonly stale: ReadonlyMap<string, CachedValue<Stale>>;
  expireAfter(key: string, duration: Duration): void;
  tag(key: string, ...tags: string[]): void;
  dontCache(key: string): void;
}

/**
 * Runs the creation for a stale value that has already been served (Python's `async_creation_runner`). `create` creates,
 * stores and releases; a runner that does the work otherwise calls `mutex.release()`. `call` says which cached function was
 * called and with what, for runners that hand the work to another process.
 */
export type AsyncCreationRunner = (
  // biome-ignore lint/suspicious/noExplicitAny: a runner serves regions of any value type
  region: CacheRegion<any>,
  key: string,
  create: () => Promise<void>,
  mutex: { release(): Promise<void> },
  call?: { readonly fn: AnyFunction; readonly args: readonly unknown[] },
) => void | Promise<void>;

// -------------------------------------------------------------------------------------------------------------- keys

export type FunctionKeyGenerator = (
  namespace: string | undefined,
  fn: AnyFunction,
  argumentToString?: (argument: unknown) => string,
  // biome-ignore lint/suspicious/noExplicitAny: a generator takes the arguments of any function
) => (...args: any[]) => string;
export type FunctionMultiKeyGenerator = (
  namespace: string | undefined,
  fn: AnyFunction,
  argumentToString?: (argument: unknown) => string,
  // biome-ignore lint/suspicious/noExplicitAny: as above
) => (...ids: any[]) => string[];

// ---------------------------------------------------------------------------------------------------------- backends

export type Storable = CachedValue<unknown> | Uint8Array;
export type StoresOf<Stored> = Stored extends Uint8Array ? 'bytes' : 'values';

/** `ttl` in milliseconds: how long the store must keep the entry; absent: for ever. */
export interface StoreOptions {
  readonly ttl?: number | undefined;
  readonly lease?: Lease | undefined;
  /** Given only to stores that keep generations. */
  readonly generation?: GenerationFence | undefined;
}
export interface StoreMultiOptions {
  readonly ttl?: number | ReadonlyMap<string, number> | undefined;
  readonly leases?: ReadonlyMap<string, Lease> | undefined;
  readonly generation?: GenerationFence | undefined;
}
export interface ReadOptions {
  /** Given only to stores that keep generations. */
  readonly records?: RecordsRequest | undefined;
}

// ------------------------------------------------------------------------------------- generations (protocol, Records)

/** A region's record in the store. `seq` counts its invalidations; the others hold the `seq` of the last one of their kind. */
export interface RegionRecord {
  /** Incarnation: 128 random bits, drawn anew whenever a missing record is seeded. */
  readonly rid: string;
  readonly seq: number;
  readonly hard: number;
  readonly soft: number;
  /** Of the last invalidation of any tag. */
  readonly tagged: number;
  /** Epoch milliseconds of the last hard invalidation, for entries without a generation; `undefined`: none. */
  readonly at: number | undefined;
}

/** A tag's record. One of another incarnation than its region's counts as absent. */
export interface TagRecord {
  readonly rid: string;
  readonly hard: number;
  readonly soft: number;
}

export interface Records {
  readonly region: RegionRecord | undefined;
  readonly tags: ReadonlyMap<string, TagRecord | undefined>;
}

/**
 * Which records a read or an acquire brings along. The store that keeps generations writes them into `found`, as they stood in the
 * same step as what it answers; an acquire seeds the region's record first where it is absent. `found` left `undefined` (by a proxy
 * that doesn't pass the request on) means: not read.
 */
export interface RecordsRequest {
  readonly region: string;
  readonly tags: readonly string[];
  found: Records | undefined;
}

/**
 * What a write is stamped with: the store refuses it (answers `false`) when an invalidation has cut that off, and one without a
 * lease also when a soft one has made it stale.
 */
export interface GenerationFence {
  readonly region: string;
  readonly rid: string;
  readonly seq: number;
  /** Of each entry that has any. */
  readonly tags?: ReadonlyMap<string, readonly string[]> | undefined;
  /** Written by the store when it refuses a write without a lease: stamp anew with this, and repeat. */
  moved: RegionRecord | undefined;
}

/** The part of a store that keeps generations: `'shared'` invalidation. It also serves `records` and `generation` in its verbs. */
export interface GenerationStore {
  /** Advances the region's record; a hard one cuts off the leases of creations under way. */
  invalidate(region: string, options: { readonly hard: boolean }): Awaitable<void>;
  /** Advances the region's record and those of the tags; a hard one cuts off entries and creations that bear them. */
  invalidateTags(region: string, tags: readonly string[], options: { readonly hard: boolean }): Awaitable<void>;
  /** The region's record alone, and those of the tags named. `seed`: the region's record is made where it is absent. */
  read(request: RecordsRequest, options?: { readonly seed?: boolean | undefined }): Awaitable<void>;
}

/**
 * A store. `get`, `set` and `delete` are enough for one of your own (`BasicBackend` fills in the rest); answers may be values
 * or promises. What else it can do is declared by the members that are there, never sniffed.
 */
export interface CacheBackend<Stored extends Storable = Storable> {
  readonly stores: StoresOf<Stored>;
  /** Recommended; the region's own wins. */
  readonly keyMangler?: KeyMangler | undefined;
  readonly serializer?: Serializer | undefined;
  /** Behind a network. */
  readonly remote?: boolean | undefined;
  /**
   * The keys of one `getMulti` are on one server: reads of different keys that are asked for in one tick go out as one. Absent or
   * `false`: each is a `get`, and fails or takes its time alone.
   */
  readonly gathersReads?: boolean | undefined;
  /** Keeps nothing and elects nobody (the null backend): every call runs its creator. */
  readonly storesNothing?: boolean | undefined;
  get(key: string, options?: ReadOptions): Awaitable<Stored | undefined>;
  /** In the keys' order. */
  getMulti(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]>;
  /** With `options.lease`: write and release if it stands, in one step, else answer `false`. Without: write, and void the key's lease. */
  set(key: string, stored: Stored, options?: StoreOptions): Awaitable<boolean | void>;
  /** With leases: the keys refused. */
  setMulti(entries: ReadonlyMap<string, Stored>, options?: StoreMultiOptions): Awaitable<ReadonlySet<string> | void>;
  /** Removes, and voids the key's lease in the same step. */
  delete(key: string): Awaitable<void>;
  deleteMulti(keys: readonly string[]): Awaitable<void>;
  /** The lock that fits this storage. Absent or `undefined`: the region's own, inside the process. */
  mutex?(key: string): CacheMutex | undefined;
  /** For proxies that change keys: what a key is called below them, in the locks that the process lends. */
  lockName?(key: string): string;
  /** Many leases at once, without waiting: those that were won. Absent or `undefined`: one by one. */
  acquireMulti?(keys: readonly string[], options?: ReadOptions): Awaitable<ReadonlyMap<string, Lease>> | undefined;
  /** What `'shared'` invalidation needs. Absent or `undefined`: invalidations are kept in the process. */
  readonly generations?: GenerationStore | undefined;
  /** Called by `configure`, before the first use. */
  attach?(host: BackendHost): void;
  ready?(): Awaitable<void>;
  close?(): Awaitable<void>;
}

/** How a backend comes by the region's time, chance and ear. */
export interface BackendHost {
  readonly clock: Clock;
  readonly random: () => number;
  /** For failures of work that no caller waits for (a renewal, a release): an event, never an exception. */
  report(verb: string, error: unknown, key?: string): void;
}

export interface AcquireOptions {
  /** `true` (default): until it is won; `false`: one try; else at most so long. */
  wait?: boolean | Duration | undefined;
  /** Ends the wait: `acquire` rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
  /** Given only to stores that keep generations. */
  records?: RecordsRequest | undefined;
}

export interface CacheMutex {
  /** A lease, or `undefined`: not won (in time). */
  acquire(options?: AcquireOptions): Awaitable<Lease | undefined>;
  /** Asks, and takes nothing. */
  locked(): Awaitable<boolean>;
  /** The same, and how long the lease has left where it has a limit (milliseconds): for `region.explain`. */
  inspect?(): Awaitable<LockState>;
}

export interface LockState {
  readonly held: boolean;
  readonly expiresIn?: number | undefined;
}

/** The right to create one key, until it is released, committed, voided or lapses (semantics §4). */
export interface Lease extends AsyncDisposable {
  /** Unguessable. */
  readonly token: string;
  /** What the store held when the lease was won, if it says (`'stored' in lease`). */
  readonly stored?: Storable | undefined;
  /** Idempotent; never removes another's lease. */
  release(): Awaitable<void>;
  /** Calls back once, when the lease is known to be lost; not after a release or commit. */
  whenLost?(run: (why: LossReason) => void): void;
}

/** `voided`: its key was deleted or set, or another took over; `lapsed`: it was held for longer than `lockMaxHold`. */
export type LossReason = 'voided' | 'lapsed';

export type { ProxyBackend } from './proxy.js';

import type { ProxyBackend } from './proxy.js';
// biome-ignore lint/suspicious/noExplicitAny: a proxy of bytes or of values
export type ProxyLike = ProxyBackend<any> | (new () => ProxyBackend<any>);

/** An entry whose creation began at or before a cut-off is invalidated: hard is missing, soft is stale. Epoch milliseconds. */
export interface InvalidationStrategy {
  invalidate(hard: boolean): Awaitable<void>;
  cutoffs(): Awaitable<{ hard?: number | undefined; soft?: number | undefined }>;
}

// ------------------------------------------------------------------------------------------------------- observation

/** Every key looked up counts once as hit, stale or miss; the rest are besides. */
export interface RegionStatistics {
  readonly hits: number;
  readonly misses: number;
  readonly stale: number;
  /** Calls that waited for another's creation. */
  readonly waits: number;
  readonly creations: number;
  readonly failures: number;
  /** Milliseconds. */
  readonly creationTime: { readonly count: number; readonly total: number; readonly max: number };
  readonly refusedCommits: number;
  readonly droppedWrites: number;
  readonly backendErrors: number;
  readonly backendTimeouts: number;
  readonly evictions: number;
  readonly lockLosses: number;
  reset(): void;
}

/** What `region.explain(key)` knows. Durations in milliseconds. */
export interface Explanation {
  readonly key: string;
  readonly mangledKey: string;
  readonly state: 'missing' | 'stale' | 'fresh';
  /** Why: `absent`, `garbage`, `expired`, `soft-invalidated`, `hard-invalidated`, `too-old`, `from-the-future`, `fresh` … */
  readonly reason: string;
  readonly age?: number;
  /** Negative: it has expired. Absent: it never does. */
  readonly expiresIn?: number;
  /** How long its creator took. */
  readonly creationTime?: number;
  /** Bytes, where bytes are stored. */
  readonly size?: number;
  readonly tags?: readonly string[];
  /** The region's record in the store, those of the entry's tags, and what the entry was stamped with. */
  readonly generations?: Readonly<Record<string, string>>;
  /** The lock of the key; `mine`: a creation of this process holds it. */
  readonly lock: { readonly held: boolean; readonly mine: boolean; readonly expiresIn?: number };
  /** What this process is doing with the key; `waiting`: so many calls. */
  readonly here: { readonly reading: boolean; readonly creating: boolean; readonly waiting: number };
  readonly metadata?: Metadata;
}
