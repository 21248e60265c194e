/**
 * A cluster as a backend: a server's verbs, each in the slot of its key, and the records of generations beside them, which live in
 * another slot (protocol, Cluster). Decides how the two go together: what a write is held against is read once it has been sent.
 */
import type {
  AcquireOptions,
  BackendHost,
  CacheBackend,
  CacheMutex,
  GenerationFence,
  GenerationStore,
  KeyMangler,
  Lease,
  ReadOptions,
  RecordsRequest,
  StoreMultiOptions,
  StoreOptions,
} from '../../api.js';
import { systemClock } from '../../clock.js';
import { lockState } from '../../lock/lock-state.js';
import { bothDone } from '../../promises.js';
import type { RedisSettings } from '../redis-arguments.js';
import { RedisBackend } from './backend.js';
import type { RedisClient } from './client.js';
import { HeldRecords } from './held-records.js';
import { clusterLayout } from './layout.js';

export class RedisClusterBackend implements CacheBackend<Uint8Array> {
  readonly stores = 'bytes';
  readonly remote = true;
  readonly keyMangler: KeyMangler;
  readonly generations: GenerationStore;
  readonly #inner: RedisBackend;
  readonly #records: HeldRecords;
  #host: BackendHost | undefined;

  constructor(settings: RedisSettings, open: () => Promise<RedisClient>, layout = clusterLayout(settings.lockPrefix)) {
    const inner = new RedisBackend(settings, open, layout);
    const records = new HeldRecords(inner.generations, () => this.#host?.clock ?? systemClock);
    this.keyMangler = inner.keyMangler;
    this.#inner = inner;
    this.#records = records;
    this.generations = {
      read: (request, options) => records.readNow(request, { seed: options?.seed === true }),
      invalidate: async (region, options) => {
        await inner.generations.invalidate(region, options);
        records.forget(region);
      },
      invalidateTags: async (region, tags, options) => {
        await inner.generations.invalidateTags(region, tags, options);
        records.forget(region);
      },
    };
  }

  attach(host: BackendHost): void {
    this.#host = host;
    this.#inner.attach(host);
  }

  ready(): Promise<void> {
    return this.#inner.ready();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  // ------------------------------------------------------------------------------------------------------------ reads

  async get(key: string, options?: ReadOptions): Promise<Uint8Array | undefined> {
    const [stored] = await bothDone(this.#inner.get(key), this.#read(options));
    return stored;
  }

  async getMulti(keys: readonly string[], options?: ReadOptions): Promise<(Uint8Array | undefined)[]> {
    const [stored] = await bothDone(this.#inner.getMulti(keys), this.#read(options));
    return stored;
  }

  #read(options: ReadOptions | undefined): Promise<void> | undefined {
    return options?.records && this.#records.read(options.records);
  }

  // ----------------------------------------------------------------------------------------------------------- writes

  async set(key: string, stored: Uint8Array, { ttl, lease, generation }: StoreOptions = {}): Promise<boolean> {
    const writing = this.#inner.set(key, stored, { ttl, lease });
    const [isStored, found] = await bothDone(writing, this.#held(generation, [key]));
    return isStored && this.#stands(key, found, generation, lease !== undefined);
  }

  async setMulti(
    entries: ReadonlyMap<string, Uint8Array>,
    options: StoreMultiOptions = {},
  ): Promise<ReadonlySet<string>> {
    const { ttl, leases, generation } = options;
    const keys = [...entries.keys()];
    const [refused, found] = await bothDone(
      this.#inner.setMulti(entries, { ttl, leases }),
      this.#held(generation, keys),
    );
    const isCut = (key: string) => !this.#stands(key, found, generation, leases?.has(key) === true);
    return new Set([...refused, ...keys.filter(isCut)]);
  }

  /** The records that a write is held against, sent behind it; tags that have none get one. */
  async #held(generation: GenerationFence | undefined, keys: readonly string[]): Promise<RecordsRequest | undefined> {
    if (!generation) return undefined;
    const tags = new Set(keys.flatMap((key) => generation.tags?.get(key) ?? []));
    const request: RecordsRequest = { region: generation.region, tags: [...tags], found: undefined };
    // What is absent is made: a region's record for who writes without a lease, a tag's always.
    await this.#records.readNow(request, { seed: true });
    return request;
  }

  /** What is in the store all the same is dead, or stale, by its generation. */
  #stands(
    key: string,
    held: RecordsRequest | undefined,
    generation: GenerationFence | undefined,
    isLeased: boolean,
  ): boolean {
    if (!generation) return true;
    const { region, tags } = held?.found ?? {};
    const { rid, seq } = generation;
    const own = (generation.tags?.get(key) ?? []).map((tag) => tags?.get(tag));
    const isCut = region?.rid !== rid || seq < region.hard || own.some((tag) => tag?.rid !== rid || tag.hard > seq);
    if (!isCut && (isLeased || (seq >= region.soft && own.every((tag) => tag && tag.soft <= seq)))) return true;
    if (!isLeased) generation.moved = region;
    return false;
  }

  delete(key: string): Promise<void> {
    return this.#inner.delete(key);
  }

  deleteMulti(keys: readonly string[]): Promise<void> {
    return this.#inner.deleteMulti(keys);
  }

  // ----------------------------------------------------------------------------------------------------------- leases

  mutex(key: string): CacheMutex | undefined {
    const mutex = this.#inner.mutex(key);
    return (
      mutex && {
        locked: () => mutex.locked(),
        inspect: () => lockState(mutex),
        acquire: (options) => this.#acquire(mutex, options),
      }
    );
  }

  async #acquire(mutex: CacheMutex, { records, ...options }: AcquireOptions = {}): Promise<Lease | undefined> {
    const lease = await mutex.acquire(options);
    if (lease && records) await this.#orGiveBack([lease], this.#records.readSeeded(records));
    return lease;
  }

  acquireMulti(keys: readonly string[], options?: ReadOptions): Promise<ReadonlyMap<string, Lease>> | undefined {
    const acquiring = this.#inner.acquireMulti(keys);
    const records = options?.records;
    if (!acquiring || !records) return acquiring;
    // Meanwhile, as an older record is safe: behind a node that is late the deadline would leave no time for it. Who wins nothing isn't told.
    const early: RecordsRequest = { ...records, found: undefined };
    const reading = this.#records.readSeeded(early);
    reading.catch(() => {});
    return acquiring.then(async (leases) => {
      if (leases.size === 0) return leases;
      await this.#orGiveBack([...leases.values()], reading);
      records.found = early.found;
      return leases;
    });
  }

  /** Where the record can't be read the leases are given back: nobody would know of them. */
  async #orGiveBack(leases: readonly Lease[], reading: Promise<void>): Promise<void> {
    try {
      await reading;
    } catch (error) {
      for (const lease of leases) {
        Promise.resolve(lease.release()).catch((trouble: unknown) => this.#host?.report('release', trouble));
      }
      throw error;
    }
  }
}
