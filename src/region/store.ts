/**
 * The region's side of its backend, and the only caller of its verbs, but for locks (`locks.ts`): mangles keys, encodes entries, gives
 * every write its fence. Decides nothing about freshness or who creates.
 */
import type {
  Awaitable,
  CacheBackend,
  Clock,
  GenerationFence,
  GenerationStore,
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
import { BackendUnavailableError, CantDeserializeError, ValidationError } from '../errors.js';
import { LocalLease } from '../lock/local-mutex.js';
import { andThen, isPromiseLike } from '../promises.js';
import { jsonSerializer } from '../serializers.js';
import { shown } from '../shown.js';
import { VALUE_VERSION } from './freshness.js';
import { type Generation, stampedWith } from './generations.js';
import { ask, type Guard } from './guard.js';
import { Locks, type LocksOptions } from './locks.js';

export interface StoreOptions extends LocksOptions {
  /** The region's own; the backend's, else JSON, where bytes are stored. */
  readonly serializer: Serializer | undefined;
  readonly keyMangler: KeyMangler | undefined;
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
  /** Who may create, and whom a write by the user overrules. */
  readonly locks: Locks;
  /** The backend, where keys and values go to it as they are: a hit reads it without a detour. */
  readonly bare: CacheBackend | undefined;
  readonly #mangler: KeyMangler | undefined;
  readonly #serializer: Serializer;
  readonly #bytes: boolean;
  readonly #clock: Clock;
  readonly #guard: Guard | undefined;

  constructor({ backend, actual, serializer, keyMangler, clock, guard }: StoreOptions) {
    this.backend = backend;
    this.#guard = guard;
    this.locks = new Locks({ backend, actual, clock, guard });
    this.#bytes = serializer !== undefined || backend.stores === 'bytes';
    this.#serializer = serializer ?? backend.serializer ?? jsonSerializer;
    this.#mangler = keyMangler;
    this.bare = this.#bytes || keyMangler || guard ? undefined : backend;
    this.#clock = clock;
  }

  /** Its answers come as promises, as far as is known before it is asked. */
  get answersLater(): boolean {
    return this.#guard !== undefined || this.backend.remote === true;
  }

  /** Reads that are asked for in one tick go out as one. */
  get gathersReads(): boolean {
    return this.backend.gathersReads === true;
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
    const answer = ask(this.#guard, 'getMulti', () => this.backend.getMulti(names, records && { records }));
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

  // ------------------------------------------------------------------------------------------------------ generations

  /** The store's records of invalidations, under the same deadline; `undefined`: it keeps none. */
  get generations(): GenerationStore | undefined {
    const { generations } = this.backend;
    if (!generations || !this.#guard) return generations;
    return {
      read: (request, options) => ask(this.#guard, 'read', () => generations.read(request, options)),
      invalidate: (region, options) => ask(this.#guard, 'invalidate', () => generations.invalidate(region, options)),
      invalidateTags: (region, tags, options) =>
        ask(this.#guard, 'invalidateTags', () => generations.invalidateTags(region, tags, options)),
    };
  }

  // ----------------------------------------------------------------------------------------------------------- writes

  /** The write of a creation: it happens if and only if the lease still stands. */
  commit(name: string, stored: Storable, lease: Lease, { ttl, generation }: WriteOptions): Awaitable<boolean> {
    // A lease of the process is fenced here; the store is only told of its own.
    const write = (own?: Lease) =>
      ask(this.#guard, 'set', () => this.backend.set(name, stored, { ttl, lease: own, generation }));
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
    const answer = ask(this.#guard, 'setMulti', () => this.backend.setMulti(standing, options));
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
    const write = () => ask(this.#guard, 'set', () => this.backend.set(name, stored, options));
    return this.locks.overrule([name], () => andThen(write(), (answer) => answer !== false));
  }

  setMulti(entries: ReadonlyMap<string, Storable>, options: WriteMultiOptions): Awaitable<boolean> {
    const write = () => ask(this.#guard, 'setMulti', () => this.backend.setMulti(entries, options));
    return this.locks.overrule([...entries.keys()], () => andThen(write(), (refused) => !refused?.size));
  }

  delete(name: string): Awaitable<unknown> {
    return this.locks.overrule([name], () => ask(this.#guard, 'delete', () => this.backend.delete(name)));
  }

  deleteMulti(names: readonly string[]): Awaitable<unknown> {
    return this.locks.overrule(names, () => ask(this.#guard, 'deleteMulti', () => this.backend.deleteMulti(names)));
  }
}
