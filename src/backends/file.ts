/**
 * `dogpile.cache.dbm`: entries, leases and generations in one LMDB file, for all processes and threads of a host. The verbs: what each
 * reads or writes in its one step. How the file is opened, kept, locked and bounded is in `file/`.
 */
import type {
  Awaitable,
  BackendHost,
  CacheBackend,
  CacheMutex,
  GenerationFence,
  GenerationStore,
  Lease,
  ReadOptions,
  RecordsRequest,
  StoreMultiOptions,
  StoreOptions,
} from '../api.js';
import { systemClock } from '../clock.js';
import { RegionClosedError, ValueTooLargeError } from '../errors.js';
import { lockState } from '../lock/lock-state.js';
import { andThen } from '../promises.js';
import { sizeInFile } from './file/entries.js';
import { NAMESPACE, nameOf } from './file/keys.js';
import { type FileStore, openStore } from './file/store.js';
import { checkFileArguments, type FileArguments } from './file-arguments.js';

export type { FileArguments } from './file-arguments.js';

/** Opens nothing yet: that happens on first use, or by `ready()`. */
export function fileBackend(args: FileArguments): CacheBackend<Uint8Array> {
  return new FileBackend(checkFileArguments(args));
}

class FileBackend implements CacheBackend<Uint8Array> {
  readonly stores = 'bytes';
  readonly generations: GenerationStore;
  readonly #args: FileArguments;
  #host: BackendHost = { clock: systemClock, random: Math.random, report: () => {} };
  #store: FileStore | undefined;
  /** Under way; none once it has failed, so that the next use tries again. */
  #opening: Promise<FileStore> | undefined;
  #closing: Promise<void> | undefined;

  constructor(args: FileArguments) {
    this.#args = args;
    this.generations = {
      read: (request, options) => this.#use((store) => readRecords(store, request, options?.seed === true)),
      invalidate: (region, { hard }) =>
        this.#use((store) => {
          const now = this.#host.clock.now();
          store.environment.transaction(() => store.generations.invalidate(region, { hard, now }));
        }),
      invalidateTags: (region, tags, options) =>
        this.#use((store) => {
          store.environment.transaction(() => store.generations.invalidateTags(region, tags, options));
        }),
    };
  }

  /** Entries that had to go before their time. */
  get evictions(): number {
    return this.#store?.entries.evictions ?? 0;
  }

  attach(host: BackendHost): void {
    this.#host = host;
    if (this.#store) this.#store.entries.clock = host.clock;
  }

  ready(): Awaitable<void> {
    return this.#use(() => {});
  }

  get(key: string, options?: ReadOptions): Awaitable<Uint8Array | undefined> {
    return this.#use((store) => {
      store.environment.look();
      const stored = store.entries.get(nameOf(NAMESPACE.entry, key));
      if (options?.records) store.generations.fill(options.records);
      return stored;
    });
  }

  getMulti(keys: readonly string[], options?: ReadOptions): Awaitable<(Uint8Array | undefined)[]> {
    return this.#use((store) => {
      store.environment.look();
      const all = keys.map((key) => store.entries.get(nameOf(NAMESPACE.entry, key)));
      if (options?.records) store.generations.fill(options.records);
      return all;
    });
  }

  set(key: string, stored: Uint8Array, { ttl, lease, generation }: StoreOptions = {}): Awaitable<boolean> {
    const leases = lease ? new Map([[key, lease]]) : undefined;
    const write = { entries: new Map([[key, stored]]), ttlOf: () => ttl, leases, generation };
    return andThen(this.#write(write), (refused) => refused.size === 0);
  }

  setMulti(entries: ReadonlyMap<string, Uint8Array>, options: StoreMultiOptions = {}): Awaitable<ReadonlySet<string>> {
    const { ttl, leases, generation } = options;
    const ttlOf = (key: string) => (typeof ttl === 'object' ? ttl.get(key) : ttl);
    return this.#write({ entries, ttlOf, leases, generation });
  }

  #write(write: Write): Awaitable<ReadonlySet<string>> {
    return this.#use((store) => writeAll(store, write));
  }

  delete(key: string): Awaitable<void> {
    return this.deleteMulti([key]);
  }

  deleteMulti(keys: readonly string[]): Awaitable<void> {
    return this.#use(({ environment, entries, leases }) => {
      environment.transaction(() => {
        for (const key of keys) {
          entries.remove(nameOf(NAMESPACE.entry, key));
          leases.void(key);
        }
      });
      leases.voided(keys);
    });
  }

  mutex(key: string): CacheMutex | undefined {
    const { mutex, distributedLock = true } = this.#args;
    if (!distributedLock) return undefined;
    if (mutex) return this.#fencing(key, mutex(key));
    return {
      locked: () => this.#use(({ leases }) => leases.stateOf(key).held),
      inspect: () => this.#use(({ leases }) => leases.stateOf(key)),
      acquire: (options) => this.#use(({ leases }) => leases.acquire(key, options)),
    };
  }

  /** The user's lock elects; the record in the file fences what is written under it. */
  #fencing(key: string, mutex: CacheMutex): CacheMutex {
    return {
      locked: () => mutex.locked(),
      inspect: () => lockState(mutex),
      acquire: async ({ records, ...how } = {}) => {
        const outer = await mutex.acquire(how);
        if (!outer) return undefined;
        try {
          return await this.#use(({ leases }) => leases.adopt(key, outer, records));
        } catch (error) {
          await (async () => outer.release())().catch((trouble: unknown) => this.#host.report('release', trouble, key));
          throw error;
        }
      },
    };
  }

  acquireMulti(keys: readonly string[], options?: ReadOptions): Awaitable<ReadonlyMap<string, Lease>> | undefined {
    const { mutex, distributedLock = true } = this.#args;
    if (mutex || !distributedLock) return undefined;
    return this.#use(({ leases }) => leases.tryAcquire(keys, options?.records));
  }

  /** Idempotent. Gives back what is held; the file is closed with the last backend object of the process that uses it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const store = this.#store ?? (await this.#opening?.catch(() => undefined));
    this.#store = undefined;
    await store?.close();
  }

  /** At once, as soon as the file is open. */
  #use<T>(run: (store: FileStore) => Awaitable<T>): Awaitable<T> {
    if (!this.#store) return this.#open().then((store) => store.environment.naming(() => run(store)));
    const store = this.#store;
    return store.environment.naming(() => run(store));
  }

  /** One promise for all who wait for it: they go on in their order, and `close` behind those who came before it. */
  #open(): Promise<FileStore> {
    if (this.#closing)
      return Promise.reject(new RegionClosedError(`The backend of the cache file "${this.#args.filename}" is closed.`));
    this.#opening ??= this.#openOnce();
    return this.#opening;
  }

  async #openOnce(): Promise<FileStore> {
    try {
      const store = await openStore(this.#args, () => this.#host);
      store.entries.clock = this.#host.clock;
      if (!this.#closing) this.#store = store;
      return store;
    } finally {
      this.#opening = undefined;
    }
  }
}

interface Write {
  readonly entries: ReadonlyMap<string, Uint8Array>;
  readonly ttlOf: (key: string) => number | undefined;
  readonly leases: ReadonlyMap<string, Lease> | undefined;
  readonly generation: GenerationFence | undefined;
}

/** Answers with the keys refused. `ValueTooLargeError` after the rest has been written, and nothing is left of their older values. */
function writeAll(store: FileStore, { entries, ttlOf, leases, generation }: Write): ReadonlySet<string> {
  const { environment, entries: stored, generations, leases: own } = store;
  let adding = 0;
  for (const [key, bytes] of entries) adding += sizeInFile(key, bytes);
  const { refused, tooLarge } = environment.transaction(() => {
    const refused = new Set<string>();
    const tooLarge: string[] = [];
    stored.evicted = 0;
    for (const [key, bytes] of entries) {
      const lease = leases?.get(key);
      const stands = lease ? own.take(key, lease) : true;
      if (!stands || (generation && !generations.allows(generation, [key], { committing: lease !== undefined }))) {
        refused.add(key);
        continue;
      }
      if (!lease) own.void(key);
      if (!stored.put(nameOf(NAMESPACE.entry, key), bytes, ttlOf(key))) tooLarge.push(key);
    }
    return { refused, tooLarge };
  }, adding);
  stored.evictions += stored.evicted;
  for (const lease of leases?.values() ?? []) own.settled(lease);
  const overruled = [...entries.keys()].filter((key) => !leases?.has(key) && !refused.has(key));
  own.voided(overruled);
  if (tooLarge.length === 0) return refused;
  throw new ValueTooLargeError(
    `The cache file "${environment.path}" takes no entry of this size for ${tooLarge.map((key) => JSON.stringify(key)).join(', ')}. Raise maxSize, or store less.`,
  );
}

function readRecords({ environment, generations }: FileStore, request: RecordsRequest, seed: boolean): void {
  environment.look();
  generations.fill(request);
  if (!seed || request.found?.region) return;
  environment.transaction(() => {
    generations.seed(request.region);
    generations.fill(request);
  });
}
