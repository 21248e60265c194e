/**
 * Entries in this process (Python's memory and memory_pickle backends): bounded by number and, when asked, by size, or in a map of
 * the user's. Answers at once. Entries are what was stored, not copies; `memory_serialized` keeps bytes.
 */
import type { Awaitable, CacheBackend, Storable, StoreMultiOptions, StoresOf } from '../api.js';
import { ValidationError } from '../errors.js';
import { allOf, isPromiseLike } from '../promises.js';
import { shown } from '../shown.js';
import { checkCount, checkFunction, checkMembers, checkObject, refuseUnknown } from '../validation.js';
import { Sieve } from './sieve.js';

/** A `Map`, an lru-cache, or anything of this shape. */
export interface MemoryStore {
  // biome-ignore lint/suspicious/noExplicitAny: the store holds what it is given
  get(key: string): any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  set(key: string, stored: any): unknown;
  delete(key: string): unknown;
  clear(): unknown;
}

export interface MemoryArguments {
  /** Default 10,000; `Infinity`: no limit. */
  maxEntries?: number | undefined;
  /** Limit of the sum of the entries' sizes, in what `sizeOf` counts (bytes of what is serialized, by default). Default: none. */
  maxSize?: number | undefined;
  /** Size of an entry. Needed with `maxSize` where values are stored. */
  sizeOf?: ((stored: Storable, key: string) => number) | undefined;
  /** Entries go here instead, and its limits hold. */
  store?: MemoryStore | undefined;
}

const DEFAULT_MAX_ENTRIES = 10_000;

/** Keeps values; the region's own locks elect. */
export function memoryBackend(args: MemoryArguments = {}): CacheBackend {
  return new MemoryBackend(args, 'values');
}

/** Keeps bytes: entries are copies, and what can't be serialized can't be stored. */
export function memorySerializedBackend(args: MemoryArguments = {}): CacheBackend<Uint8Array> {
  return new MemoryBackend<Uint8Array>(args, 'bytes');
}

/** Checks them without making anything of them. */
export function checkMemoryArguments(args: MemoryArguments, stores: 'values' | 'bytes'): void {
  checkObject('The arguments of the memory backend', args);
  refuseUnknown('The memory backend', args, ['maxEntries', 'maxSize', 'sizeOf', 'store']);
  const { maxEntries, maxSize, sizeOf, store } = args;
  if (maxEntries !== undefined) checkCount('maxEntries', maxEntries);
  if (maxSize !== undefined) checkCount('maxSize', maxSize);
  if (sizeOf !== undefined) checkFunction('sizeOf', sizeOf);
  if (maxSize !== undefined && sizeOf === undefined && stores === 'values') {
    throw new ValidationError(
      'maxSize needs sizeOf where values are stored: say how large one is, or use memory_serialized, whose entries are bytes.',
    );
  }
  if (store === undefined) return;
  checkMembers('store', store, ['get', 'set', 'delete', 'clear']);
  if (maxEntries !== undefined || maxSize !== undefined || sizeOf !== undefined) {
    throw new ValidationError('A store of your own has its own limits: leave out maxEntries, maxSize and sizeOf.');
  }
}

class MemoryBackend<Stored extends Storable = Storable> implements CacheBackend<Stored> {
  readonly stores: StoresOf<Stored>;
  readonly #entries: { get(key: string): Awaitable<Stored | undefined>; delete(key: string): unknown };
  readonly #sieve: Sieve<Stored> | undefined;
  readonly #write: (key: string, stored: Stored) => unknown;

  constructor(args: MemoryArguments, stores: StoresOf<Stored>) {
    checkMemoryArguments(args, stores);
    this.stores = stores;
    const { store, maxEntries = DEFAULT_MAX_ENTRIES, maxSize = Number.POSITIVE_INFINITY } = args;
    if (store) {
      this.#entries = store;
      this.#write = (key, stored) => store.set(key, stored);
      return;
    }
    const sizeOf = args.sizeOf ?? (maxSize === Number.POSITIVE_INFINITY ? () => 0 : byteSize);
    const sieve = new Sieve<Stored>({ maxEntries, maxSize });
    this.#entries = sieve;
    this.#sieve = sieve;
    this.#write = (key, stored) => sieve.set(key, stored, checkedSize(sizeOf(stored, key)));
  }

  /** Entries thrown out to make room. */
  get evictions(): number {
    return this.#sieve?.evictions ?? 0;
  }

  get(key: string): Awaitable<Stored | undefined> {
    return this.#entries.get(key);
  }

  getMulti(keys: readonly string[]): Awaitable<(Stored | undefined)[]> {
    return allOf(keys, (key) => this.#entries.get(key));
  }

  /** How long it must be kept is for stores without a bound of their own; here the region judges what it reads. */
  set(key: string, stored: Stored): Awaitable<void> {
    return done(this.#write(key, stored));
  }

  setMulti(entries: ReadonlyMap<string, Stored>, _options?: StoreMultiOptions): Awaitable<void> {
    return done(allOf(entries, ([key, stored]) => this.#write(key, stored)));
  }

  delete(key: string): Awaitable<void> {
    return done(this.#entries.delete(key));
  }

  deleteMulti(keys: readonly string[]): Awaitable<void> {
    return done(allOf(keys, (key) => this.#entries.delete(key)));
  }
}

/** A store of the user's may answer later, and fail then. Whether and with what is of no interest. */
function done(answer: unknown): Awaitable<void> {
  if (isPromiseLike(answer)) return answer.then(() => {});
}

function byteSize(stored: Storable): number {
  if (stored instanceof Uint8Array) return stored.byteLength;
  throw new ValidationError('maxSize needs sizeOf where values are stored.');
}

function checkedSize(size: unknown): number {
  if (typeof size === 'number' && size >= 0) return size;
  throw new ValidationError(`sizeOf must give a number from 0 on, not ${shown(size)}.`);
}
