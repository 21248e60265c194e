/**
 * A backend whose engine is imported on first use. Decides when it is loaded; every verb is the engine's, and answers at once as
 * soon as the engine is there and does.
 */
import type {
  Awaitable,
  BackendHost,
  CacheBackend,
  CacheMutex,
  GenerationStore,
  KeyMangler,
  Lease,
  ReadOptions,
  Serializer,
  Storable,
  StoreMultiOptions,
  StoreOptions,
} from '../api.js';
import { RegionClosedError } from '../errors.js';

export class LazyBackend implements CacheBackend {
  readonly #import: () => Promise<CacheBackend>;
  #engine: CacheBackend | undefined;
  /** The import under way; none once it has failed, so that the next use tries again. */
  #loading: Promise<CacheBackend> | undefined;
  #host: BackendHost | undefined;
  #isClosed = false;

  constructor(load: () => Promise<CacheBackend>) {
    this.#import = load;
  }

  get loaded(): boolean {
    return this.#engine !== undefined;
  }

  /** The engine. Rejects with why it can't be had. */
  async load(): Promise<CacheBackend> {
    if (this.#isClosed) throw new RegionClosedError('This backend is closed.');
    if (this.#engine) return this.#engine;
    this.#loading ??= this.#import();
    try {
      const engine = await this.#loading;
      if (!this.#engine) {
        if (this.#host) engine.attach?.(this.#host);
        this.#engine = engine;
      }
      return engine;
    } finally {
      this.#loading = undefined;
    }
  }

  get stores(): 'values' | 'bytes' {
    return this.#engine?.stores ?? 'bytes';
  }
  get keyMangler(): KeyMangler | undefined {
    return this.#engine?.keyMangler;
  }
  get serializer(): Serializer | undefined {
    return this.#engine?.serializer;
  }
  get remote(): boolean | undefined {
    return this.#engine?.remote;
  }
  get gathersReads(): boolean | undefined {
    return this.#engine?.gathersReads;
  }
  get storesNothing(): boolean | undefined {
    return this.#engine?.storesNothing;
  }
  get evictions(): number {
    const engine = this.#engine;
    return engine && 'evictions' in engine && typeof engine.evictions === 'number' ? engine.evictions : 0;
  }

  get generations(): GenerationStore | undefined {
    return this.#engine?.generations;
  }

  get(key: string, options?: ReadOptions): Awaitable<Storable | undefined> {
    return this.#engine ? this.#engine.get(key, options) : this.load().then((engine) => engine.get(key, options));
  }
  getMulti(keys: readonly string[], options?: ReadOptions): Awaitable<(Storable | undefined)[]> {
    return this.#engine
      ? this.#engine.getMulti(keys, options)
      : this.load().then((engine) => engine.getMulti(keys, options));
  }
  set(key: string, stored: Storable, options?: StoreOptions): Awaitable<boolean | void> {
    return this.#engine
      ? this.#engine.set(key, stored, options)
      : this.load().then((engine) => engine.set(key, stored, options));
  }
  setMulti(entries: ReadonlyMap<string, Storable>, options?: StoreMultiOptions): Awaitable<ReadonlySet<string> | void> {
    return this.#engine
      ? this.#engine.setMulti(entries, options)
      : this.load().then((engine) => engine.setMulti(entries, options));
  }
  delete(key: string): Awaitable<void> {
    return this.#engine ? this.#engine.delete(key) : this.load().then((engine) => engine.delete(key));
  }
  deleteMulti(keys: readonly string[]): Awaitable<void> {
    return this.#engine ? this.#engine.deleteMulti(keys) : this.load().then((engine) => engine.deleteMulti(keys));
  }

  /** Whether the engine has locks is known once it is loaded; regions load it first. */
  mutex(key: string): CacheMutex | undefined {
    return this.#engine?.mutex?.(key);
  }
  acquireMulti(keys: readonly string[], options?: ReadOptions): Awaitable<ReadonlyMap<string, Lease>> | undefined {
    return this.#engine?.acquireMulti?.(keys, options);
  }

  attach(host: BackendHost): void {
    this.#host = host;
    this.#engine?.attach?.(host);
  }

  async ready(): Promise<void> {
    await (await this.load()).ready?.();
  }

  /** Before it was loaded there is nothing to close; afterwards it stays closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const engine = this.#engine ?? (await this.#loading?.catch(() => undefined));
    await engine?.close?.();
  }
}
