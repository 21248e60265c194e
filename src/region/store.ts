/**
 * The region's side of its backend, and the only caller of its verbs: mangles keys, encodes entries, gives every write its fence,
 * and lends the process's own locks to backends that have none. Decides nothing about freshness or who creates.
 */
import type {
  Awaitable,
  CacheBackend,
  Clock,
  GenerationFence,
  GenerationStore,
  KeyMangler,
  Lease,
  LockState,
  Metadata,
  RecordsRequest,
  Serializer,
  Storable,
} from '../api.js';
import { CachedValue } from '../api.js';
import { secondsOf } from '../clock.js';
import { decodeEntry, encodeEntry } from '../envelope.js';
import { BackendUnavailableError, CantDeserializeError, ValidationError } from '../errors.js';
import { LocalLocks } from '../lock/local-locks.js';
import { LocalLease } from '../lock/local-mutex.js';
import { lockState } from '../lock/lock-state.js';
import { andThen, isPromiseLike } from '../promises.js';
import { jsonSerializer } from '../serializers.js';
import { shown } from '../shown.js';
import type { Awaited } from './context.js';
import { VALUE_VERSION } from './freshness.js';
import { type Generation, stampedWith } from './generations.js';
import type { Guard } from './guard.js';
import { creationUnder, LoneLease } from './lone-lease.js';

/** How long the process's own lock may be held before another may create (the backends' locks have `lockMaxHold`). */
const LOCAL_MAX_HOLD = 300_000;

/** Regions over one backend object share its locks: one creation. */
const localLocks = new WeakMap<CacheBackend, LocalLocks>();

/** How long one attempt waits for a lock of a guarded store, in milliseconds, before the next one. */
const SLICE = 5000;

/** A lease that was won after the deadline: nobody creates under it. */
function abandon(lease: Lease | undefined): void {
  Promise.resolve(lease?.release()).catch(() => {});
}

export interface StoreOptions {
  /** The outermost proxy, or the backend itself. */
  readonly backend: CacheBackend;
  /** The innermost: whose locks and identity count. */
  readonly actual: CacheBackend;
  /** The region's own; the backend's, else JSON, where bytes are stored. */
  readonly serializer: Serializer | undefined;
  readonly keyMangler: KeyMangler | undefined;
  readonly clock: Clock;
  /** Deadline and breaker, where the store is behind a network. */
  readonly guard: Guard | undefined;
}

/** What an entry is made of: stamps in milliseconds. */
export interface EntryParts {
  readonly value: unknown;
  readonly startedAt?: number;
  readonly endedAt: number;
  readonly ownExpiration: number | undefined;
  /** What `jitter` leaves of its expiration time, 0 to 1; `undefined`: all. */
  readonly share?: number | undefined;
  readonly tags?: readonly string[] | undefined;
  /** Where the store keeps generations. */
  readonly generation?: Generation | undefined;
}

/** How an entry is written. */
export interface WriteOptions {
  /** Milliseconds; `undefined`: for ever. */
  readonly ttl: number | undefined;
  readonly generation: GenerationFence | undefined;
}
export interface WriteMultiOptions {
  readonly ttl: number | undefined | ReadonlyMap<string, number>;
  readonly generation: GenerationFence | undefined;
}

export class Store {
  readonly backend: CacheBackend;
  /** Identity of the lock space, for calls that meet their own creation. */
  readonly lock: object;
  /** The backend, where keys and values go to it as they are: a hit reads it without a detour. */
  readonly bare: CacheBackend | undefined;
  readonly #locks: LocalLocks;
  /** The backend has locks of its own, and voids leases itself when a key is deleted or set. */
  readonly #fenced: boolean;
  readonly #mangler: KeyMangler | undefined;
  readonly #serializer: Serializer;
  readonly #bytes: boolean;
  readonly #clock: Clock;
  readonly #guard: Guard | undefined;

  constructor({ backend, actual, serializer, keyMangler, clock, guard }: StoreOptions) {
    this.backend = backend;
    this.#guard = guard;
    this.lock = actual;
    this.#bytes = serializer !== undefined || backend.stores === 'bytes';
    this.#serializer = serializer ?? backend.serializer ?? jsonSerializer;
    this.#mangler = keyMangler;
    this.bare = this.#bytes || keyMangler || guard ? undefined : backend;
    this.#clock = clock;
    const locks = localLocks.get(actual) ?? new LocalLocks({ clock, maxHold: LOCAL_MAX_HOLD });
    localLocks.set(actual, locks);
    this.#locks = locks;
    this.#fenced = backend.mutex?.('') !== undefined;
  }

  /** Its answers come as promises, as far as is known before it is asked. */
  get answersLater(): boolean {
    return this.#guard !== undefined || this.backend.remote === true;
  }

  /** Reads that are asked for in one tick go out as one. */
  get gathersReads(): boolean {
    return this.backend.gathersReads === true;
  }

  /** Names in use in the process's own locks. */
  get localLocks(): number {
    return this.#locks.size;
  }

  /** The key as it is stored. `ValidationError` for what is no key. */
  mangle(key: string): string {
    if (typeof key !== 'string')
      throw new ValidationError(`A key must be a string, not ${key === null ? 'null' : typeof key}.`);
    const name = this.#mangler ? this.#mangler(key) : key;
    if (typeof name !== 'string')
      throw new ValidationError(`The key mangler must answer with a string; for "${key}" it gave ${typeof name}.`);
    if (this.#bytes && !name.isWellFormed()) {
      throw new ValidationError(
        `The key ${JSON.stringify(name)} has a lone surrogate: as UTF-8 it would be the same as others.`,
      );
    }
    return name;
  }

  get(name: string, records?: RecordsRequest): Awaitable<Storable | undefined> {
    if (this.#guard === undefined) return records ? this.backend.get(name, { records }) : this.backend.get(name);
    return this.#guard.call({ verb: 'get', run: () => this.backend.get(name, records && { records }) });
  }

  getMulti(names: readonly string[], records?: RecordsRequest): Awaitable<(Storable | undefined)[]> {
    const answer = this.#ask('getMulti', () => this.backend.getMulti(names, records && { records }));
    return andThen(answer, (found) => {
      if (Array.isArray(found) && found.length === names.length) return found;
      throw new BackendUnavailableError(
        `The backend answered to getMulti() of ${names.length} keys with ${shown(found)}.`,
      );
    });
  }

  /** The entry; throws `CantDeserializeError` for what is none. */
  decode(stored: Storable): CachedValue {
    if (stored instanceof CachedValue) return stored;
    if (stored instanceof Uint8Array) return decodeEntry(stored, this.#serializer, this.#clock);
    throw new CantDeserializeError('The backend answered with neither bytes nor a CachedValue.');
  }

  /** The entry as it is stored; throws `SerializationError`. */
  encode(parts: EntryParts): Storable {
    const { value, startedAt, endedAt, ownExpiration, share, tags, generation } = parts;
    const ct = secondsOf(endedAt);
    // Written as a whole: members that are added later cost a store of their own in every entry.
    const metadata: { -readonly [K in keyof Metadata]: Metadata[K] } =
      startedAt === undefined ? { ct, v: VALUE_VERSION } : { ct, v: VALUE_VERSION, dt: secondsOf(endedAt - startedAt) };
    // Infinity has no JSON; an entry that never expires by itself says so with the largest number.
    if (ownExpiration !== undefined) metadata.et = Math.min(secondsOf(ownExpiration), Number.MAX_VALUE);
    if (share !== undefined) metadata.j = share;
    if (tags?.length) metadata.t = tags;
    if (generation) metadata.g = stampedWith(generation);
    const entry = new CachedValue(value, metadata, this.#clock);
    return this.#bytes ? encodeEntry(entry, this.#serializer) : entry;
  }

  // ------------------------------------------------------------------------------------------------------------ locks

  /** What a key is called in the locks of the process: proxies may have changed it on the way to the store. */
  lockName(name: string): string {
    return this.backend.lockName?.(name) ?? name;
  }

  /** One try. `undefined`: another holds it. */
  tryAcquire(name: string, records?: RecordsRequest): Awaitable<Lease | undefined> {
    const mutex = this.backend.mutex?.(name);
    if (!mutex) return this.#locks.tryAcquire(this.lockName(name));
    const run = () => mutex.acquire({ wait: false, records });
    return this.#guard ? this.#guard.call({ verb: 'acquire', run, late: abandon }) : run();
  }

  /** Until it is won; rejects with `signal.reason`. */
  async acquire(name: string, signal: AbortSignal, records?: RecordsRequest): Promise<Lease | undefined> {
    const mutex = this.backend.mutex?.(name);
    if (!mutex) return this.#locks.acquire(this.lockName(name), { wait: true, signal });
    if (!this.#guard) return mutex.acquire({ wait: true, signal, records });
    // In slices, so that a store that falls silent meanwhile is noticed whatever its client does.
    for (;;) {
      const run = () => mutex.acquire({ wait: SLICE, signal, records });
      const lease = await this.#guard.call({ verb: 'acquire', run, late: abandon, extra: SLICE, signal });
      if (lease) return lease;
    }
  }

  /** The process's own lock, one try: for when the store's is out of reach. */
  tryAcquireAlone(name: string): LoneLease | undefined {
    const local = this.#locks.tryAcquire(this.lockName(name));
    return local && new LoneLease(local);
  }

  /** The same, until it is won; rejects with `signal.reason`. */
  async acquireAlone(name: string, signal: AbortSignal): Promise<LoneLease | undefined> {
    const local = await this.#locks.acquire(this.lockName(name), { signal });
    return local && new LoneLease(local, { hasWaited: true });
  }

  /** Who holds it. */
  holderAlone(name: string): Awaited {
    return creationUnder(() => this.#locks.holder(this.lockName(name)));
  }

  /**
   * Those that are won at once. One by one where the backend has no way for many: a lock that fails is the process's own, and why is
   * told to `failed`.
   */
  async tryAcquireMulti(
    names: readonly string[],
    failed: (error: unknown) => void,
    records?: RecordsRequest,
  ): Promise<ReadonlyMap<string, Lease>> {
    const late = (leases: ReadonlyMap<string, Lease> | undefined) => leases?.forEach(abandon);
    const leases = await this.#ask('acquireMulti', () => this.backend.acquireMulti?.(names, { records }), late);
    if (leases) return leases;
    const won = new Map<string, Lease>();
    const tryOne = async (name: string) => {
      try {
        const lease = await this.tryAcquire(name, records);
        if (lease) won.set(name, lease);
      } catch (error) {
        failed(error);
        const lease = this.tryAcquireAlone(name);
        if (lease) won.set(name, lease);
      }
    };
    await Promise.all(names.map(tryOne));
    return won;
  }

  isLocked(name: string): Awaitable<boolean> {
    const mutex = this.backend.mutex?.(name);
    return mutex ? this.#ask('locked', () => mutex.locked()) : this.#locks.locked(this.lockName(name));
  }

  lockState(name: string): Awaitable<LockState> {
    const mutex = this.backend.mutex?.(name);
    if (!mutex) return { held: this.#locks.locked(this.lockName(name)) };
    return this.#ask('locked', () => lockState(mutex));
  }

  /** Gives a lease back, also while the breaker is open. */
  release(lease: Lease): Awaitable<void> {
    if (lease instanceof LoneLease || lease instanceof LocalLease || !this.#guard) return lease.release();
    return this.#guard.call({ verb: 'release', run: () => lease.release(), always: true });
  }

  // ------------------------------------------------------------------------------------------------------ generations

  /** The store's records of invalidations, under the same deadline; `undefined`: it keeps none. */
  get generations(): GenerationStore | undefined {
    const { generations } = this.backend;
    if (!generations || !this.#guard) return generations;
    return {
      read: (request, options) => this.#ask('read', () => generations.read(request, options)),
      invalidate: (region, options) => this.#ask('invalidate', () => generations.invalidate(region, options)),
      invalidateTags: (region, tags, options) =>
        this.#ask('invalidateTags', () => generations.invalidateTags(region, tags, options)),
    };
  }

  // ----------------------------------------------------------------------------------------------------------- writes

  /** The write of a creation: it happens if and only if the lease still stands. */
  commit(name: string, stored: Storable, lease: Lease, { ttl, generation }: WriteOptions): Awaitable<boolean> {
    // A lease of the process is fenced here; the store is only told of its own.
    const write = (own?: Lease) =>
      this.#ask('set', () => this.backend.set(name, stored, { ttl, lease: own, generation }));
    if (lease instanceof LocalLease) return lease.commit(() => write());
    return andThen(write(lease), (answer) => answer !== false);
  }

  /** The same for many, in one command. Answers with the names refused. */
  async commitMulti(
    entries: ReadonlyMap<string, Storable>,
    leases: ReadonlyMap<string, Lease>,
    { ttl, generation }: WriteMultiOptions,
  ): Promise<ReadonlySet<string>> {
    const local = new Map<string, LocalLease>();
    const kept = new Map<string, Lease>();
    for (const name of entries.keys()) {
      const lease = leases.get(name);
      if (lease instanceof LocalLease) local.set(name, lease);
      else if (lease) kept.set(name, lease);
    }
    const lost = new Set([...local].filter(([, lease]) => !lease.stands).map(([name]) => name));
    const standing = new Map([...entries].filter(([name]) => !lost.has(name)));
    if (standing.size === 0) return lost;
    const options = { ttl, generation, leases: kept.size > 0 ? kept : undefined };
    const answer = this.#ask('setMulti', () => this.backend.setMulti(standing, options));
    for (const lease of local.values()) {
      // Marks it as committing, so that a delete waits for this write; what comes of the write is told below.
      const commit = lease.commit(() => (isPromiseLike(answer) ? answer.then(() => true) : true));
      if (isPromiseLike(commit)) commit.then(undefined, () => {});
    }
    const refused = (await answer) ?? new Set<string>();
    return new Set([...lost, ...refused]);
  }

  /**
   * Said by the user: whoever creates under this key has lost his lease, in the same step where the store has locks. `false`: the
   * generation it is stamped with is no longer the region's.
   */
  set(name: string, stored: Storable, options: WriteOptions): Awaitable<boolean> {
    const write = () => this.#ask('set', () => this.backend.set(name, stored, options));
    return this.#overrule([name], () => andThen(write(), (answer) => answer !== false));
  }

  setMulti(entries: ReadonlyMap<string, Storable>, options: WriteMultiOptions): Awaitable<boolean> {
    const write = () => this.#ask('setMulti', () => this.backend.setMulti(entries, options));
    return this.#overrule([...entries.keys()], () => andThen(write(), (refused) => !refused?.size));
  }

  delete(name: string): Awaitable<unknown> {
    return this.#overrule([name], () => this.#ask('delete', () => this.backend.delete(name)));
  }

  deleteMulti(names: readonly string[]): Awaitable<unknown> {
    return this.#overrule(names, () => this.#ask('deleteMulti', () => this.backend.deleteMulti(names)));
  }

  /** Every call of the backend: under the guard, where there is one. `late`: what is done with an answer after the deadline. */
  #ask<T>(verb: string, run: () => Awaitable<T>, late?: (answer: T) => void): Awaitable<T> {
    if (!this.#guard) return run();
    return this.#guard.call(late ? { verb, run, late } : { verb, run });
  }

  #overrule<T>(names: readonly string[], operation: () => Awaitable<T>): Awaitable<T> {
    // The store voids its own leases; those of the process are held only while it is out of reach.
    if (this.#fenced && this.#locks.size === 0) return operation();
    return this.#locks.overrule(
      names.map((name) => this.lockName(name)),
      operation,
    );
  }
}
