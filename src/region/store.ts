/**
 * The region's side of its backend, and the only caller of its verbs: mangles keys, encodes entries, gives every write its fence,
 * and lends the process's own locks to backends that have none. Decides nothing about freshness or who creates.
 */
import type {
  Awaitable,
  CacheBackend,
  CacheMutex,
  Clock,
  GenerationFence,
  KeyMangler,
  Lease,
  Metadata,
  RecordsRequest,
  Serializer,
  Storable,
} from '../api.js';
import { CachedValue } from '../api.js';
import { secondsOf } from '../clock.js';
import { decodeEntry, encodeEntry } from '../envelope.js';
import { CantDeserializeError, ValidationError } from '../errors.js';
import { LocalLocks } from '../lock/local-locks.js';
import { LocalLease } from '../lock/local-mutex.js';
import { andThen, isPromiseLike } from '../promises.js';
import { jsonSerializer } from '../serializers.js';
import { VALUE_VERSION } from './freshness.js';
import { type Generation, stampedWith } from './generations.js';

/** How long the process's own lock may be held before another may create (the backends' locks have `lockMaxHold`). */
const LOCAL_MAX_HOLD = 300_000;

/** Regions over one backend object share its locks: one creation. */
const localLocks = new WeakMap<CacheBackend, LocalLocks>();

/** What stands in for a lease while the lock can't be reached: the flight still elects one per process, and nothing is written. */
export const NO_LEASE: Lease = { token: '', release: () => {}, [Symbol.asyncDispose]: async () => {} };

export interface StoreOptions {
  /** The outermost proxy, or the backend itself. */
  readonly backend: CacheBackend;
  /** The innermost: whose locks and identity count. */
  readonly actual: CacheBackend;
  /** The region's own; the backend's, else JSON, where bytes are stored. */
  readonly serializer: Serializer | undefined;
  readonly keyMangler: KeyMangler | undefined;
  readonly clock: Clock;
}

/** What an entry is made of: stamps in milliseconds. */
export interface EntryParts {
  readonly value: unknown;
  readonly startedAt?: number;
  readonly endedAt: number;
  readonly ownExpiration: number | undefined;
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
  readonly #locks: LocalLocks;
  /** The backend has locks of its own, and voids leases itself when a key is deleted or set. */
  readonly #fenced: boolean;
  readonly #mangler: KeyMangler | undefined;
  readonly #serializer: Serializer;
  readonly #bytes: boolean;
  readonly #clock: Clock;

  constructor({ backend, actual, serializer, keyMangler, clock }: StoreOptions) {
    this.backend = backend;
    this.lock = actual;
    this.#bytes = serializer !== undefined || backend.stores === 'bytes';
    this.#serializer = serializer ?? backend.serializer ?? jsonSerializer;
    this.#mangler = keyMangler;
    this.#clock = clock;
    const locks = localLocks.get(actual) ?? new LocalLocks({ clock, maxHold: LOCAL_MAX_HOLD });
    localLocks.set(actual, locks);
    this.#locks = locks;
    this.#fenced = backend.mutex?.('') !== undefined;
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
    return records ? this.backend.get(name, { records }) : this.backend.get(name);
  }

  getMulti(names: readonly string[], records?: RecordsRequest): Awaitable<(Storable | undefined)[]> {
    return records ? this.backend.getMulti(names, { records }) : this.backend.getMulti(names);
  }

  /** The entry; throws `CantDeserializeError` for what is none. */
  decode(stored: Storable): CachedValue {
    if (stored instanceof CachedValue) return stored;
    if (stored instanceof Uint8Array) return decodeEntry(stored, this.#serializer, this.#clock);
    throw new CantDeserializeError('The backend answered with neither bytes nor a CachedValue.');
  }

  /** The entry as it is stored; throws `SerializationError`. */
  encode(parts: EntryParts): Storable {
    const { value, startedAt, endedAt, ownExpiration, generation } = parts;
    const metadata: { -readonly [K in keyof Metadata]: Metadata[K] } = { ct: secondsOf(endedAt), v: VALUE_VERSION };
    if (startedAt !== undefined) metadata.dt = secondsOf(endedAt - startedAt);
    // Infinity has no JSON; an entry that never expires by itself says so with the largest number.
    if (ownExpiration !== undefined) metadata.et = Math.min(secondsOf(ownExpiration), Number.MAX_VALUE);
    if (generation) metadata.g = stampedWith(generation);
    const entry = new CachedValue(value, metadata, this.#clock);
    return this.#bytes ? encodeEntry(entry, this.#serializer) : entry;
  }

  // ------------------------------------------------------------------------------------------------------------ locks

  /** One try. `undefined`: another holds it. */
  tryAcquire(name: string, records?: RecordsRequest): Awaitable<Lease | undefined> {
    const mutex = this.#mutexOf(name);
    return mutex ? mutex.acquire({ wait: false, records }) : this.#locks.tryAcquire(name);
  }

  /** Until it is won; rejects with `signal.reason`. */
  acquire(name: string, signal: AbortSignal, records?: RecordsRequest): Awaitable<Lease | undefined> {
    const mutex = this.#mutexOf(name);
    return mutex ? mutex.acquire({ wait: true, signal, records }) : this.#locks.acquire(name, { wait: true, signal });
  }

  /** Those that are won at once. One by one where the backend has no way for many: a key whose lock fails is told to `failed`. */
  async tryAcquireMulti(
    names: readonly string[],
    failed: (name: string, error: unknown) => void,
    records?: RecordsRequest,
  ): Promise<ReadonlyMap<string, Lease>> {
    const leases = await this.backend.acquireMulti?.(names, { records });
    if (leases) return leases;
    const won = new Map<string, Lease>();
    const tryOne = async (name: string) => {
      try {
        const lease = await this.tryAcquire(name, records);
        if (lease) won.set(name, lease);
      } catch (error) {
        failed(name, error);
        won.set(name, NO_LEASE);
      }
    };
    await Promise.all(names.map(tryOne));
    return won;
  }

  isLocked(name: string): Awaitable<boolean> {
    return this.#mutexOf(name)?.locked() ?? this.#locks.locked(name);
  }

  #mutexOf(name: string): CacheMutex | undefined {
    return this.backend.mutex?.(name);
  }

  // ----------------------------------------------------------------------------------------------------------- writes

  /** The write of a creation: it happens if and only if the lease still stands. */
  commit(name: string, stored: Storable, lease: Lease, { ttl, generation }: WriteOptions): Awaitable<boolean> {
    // A lease of the process is fenced here; the store is only told of its own.
    if (lease instanceof LocalLease) return lease.commit(() => this.backend.set(name, stored, { ttl, generation }));
    return andThen(this.backend.set(name, stored, { ttl, lease, generation }), (answer) => answer !== false);
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
    const lost = [...local].filter(([, lease]) => !lease.stands).map(([name]) => name);
    const standing = new Map([...entries].filter(([name]) => !lost.includes(name)));
    if (standing.size === 0) return new Set(lost);
    const answer = this.backend.setMulti(standing, { ttl, generation, leases: kept.size > 0 ? kept : undefined });
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
    return this.#overrule([name], () => andThen(this.backend.set(name, stored, options), (answer) => answer !== false));
  }

  setMulti(entries: ReadonlyMap<string, Storable>, options: WriteMultiOptions): Awaitable<boolean> {
    return this.#overrule([...entries.keys()], () =>
      andThen(this.backend.setMulti(entries, options), (refused) => !refused?.size),
    );
  }

  delete(name: string): Awaitable<unknown> {
    return this.#overrule([name], () => this.backend.delete(name));
  }

  deleteMulti(names: readonly string[]): Awaitable<unknown> {
    return this.#overrule(names, () => this.backend.deleteMulti(names));
  }

  #overrule<T>(names: readonly string[], operation: () => Awaitable<T>): Awaitable<T> {
    return this.#fenced ? operation() : this.#locks.overrule(names, operation);
  }
}
