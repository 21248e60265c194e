/** Puts a prefix before every key, its lock's and the region's record too: two applications in one store. */
import type {
  AcquireOptions,
  Awaitable,
  CacheMutex,
  GenerationFence,
  GenerationStore,
  Lease,
  ReadOptions,
  RecordsRequest,
  Storable,
  StoreMultiOptions,
  StoreOptions,
} from '../api.js';
import { lockState } from '../lock/lock-state.js';
import { andThen } from '../promises.js';
import { ProxyBackend } from '../proxy.js';
import { checkString } from '../validation.js';

/** `wrap: [new KeyPrefixProxy('shop:')]`. */
export class KeyPrefixProxy extends ProxyBackend {
  readonly #prefix: string;

  constructor(prefix: string) {
    super();
    this.#prefix = checkString('prefix', prefix);
  }

  override get(key: string, options?: ReadOptions): Awaitable<Storable | undefined> {
    return this.proxied.get(this.#prefix + key, this.#named(options));
  }
  override getMulti(keys: readonly string[], options?: ReadOptions): Awaitable<(Storable | undefined)[]> {
    return this.proxied.getMulti(this.#all(keys), this.#named(options));
  }
  override set(key: string, stored: Storable, options?: StoreOptions): Awaitable<boolean | void> {
    return this.proxied.set(
      this.#prefix + key,
      stored,
      options && { ...options, generation: this.#fence(options.generation) },
    );
  }
  override setMulti(
    entries: ReadonlyMap<string, Storable>,
    options: StoreMultiOptions = {},
  ): Awaitable<ReadonlySet<string> | void> {
    const { ttl, leases, generation } = options;
    const inner = {
      ttl: typeof ttl === 'object' ? this.#keyed(ttl) : ttl,
      leases: leases && this.#keyed(leases),
      generation: this.#fence(generation),
    };
    return andThen(
      this.proxied.setMulti(this.#keyed(entries), inner),
      (refused) => refused && new Set([...refused].map((key) => this.#bare(key))),
    );
  }
  override delete(key: string): Awaitable<void> {
    return this.proxied.delete(this.#prefix + key);
  }
  override deleteMulti(keys: readonly string[]): Awaitable<void> {
    return this.proxied.deleteMulti(this.#all(keys));
  }
  override mutex(key: string): CacheMutex | undefined {
    const inner = this.proxied.mutex?.(this.#prefix + key);
    if (!inner) return undefined;
    return {
      locked: () => inner.locked(),
      inspect: () => lockState(inner),
      acquire: (options?: AcquireOptions) => inner.acquire(this.#named(options)),
    };
  }
  override acquireMulti(
    keys: readonly string[],
    options?: ReadOptions,
  ): Awaitable<ReadonlyMap<string, Lease>> | undefined {
    const inner = this.proxied.acquireMulti?.(this.#all(keys), this.#named(options));
    return inner && andThen(inner, (leases) => new Map([...leases].map(([key, lease]) => [this.#bare(key), lease])));
  }

  override lockName(key: string): string {
    return super.lockName(this.#prefix + key);
  }

  /** Two applications with a region of one name have a record each. */
  override get generations(): GenerationStore | undefined {
    const inner = this.proxied.generations;
    if (!inner) return undefined;
    return {
      invalidate: (region, options) => inner.invalidate(this.#prefix + region, options),
      invalidateTags: (region, tags, options) => inner.invalidateTags(this.#prefix + region, tags, options),
      read: (request, options) => inner.read(this.#request(request), options),
    };
  }

  #all(keys: readonly string[]): string[] {
    return keys.map((key) => this.#prefix + key);
  }
  #keyed<T>(entries: ReadonlyMap<string, T>): Map<string, T> {
    return new Map([...entries].map(([key, value]) => [this.#prefix + key, value]));
  }
  #bare(key: string): string {
    return key.slice(this.#prefix.length);
  }

  #named<Options extends ReadOptions>(options: Options | undefined): Options | undefined {
    return options?.records ? { ...options, records: this.#request(options.records) } : options;
  }
  /** The same request under the prefixed name: what the store writes into it goes to the one who asked. */
  #request(records: RecordsRequest): RecordsRequest {
    return {
      region: this.#prefix + records.region,
      tags: records.tags,
      get found() {
        return records.found;
      },
      set found(found) {
        records.found = found;
      },
    };
  }
  #fence(fence: GenerationFence | undefined): GenerationFence | undefined {
    if (!fence) return undefined;
    const { rid, seq, tags } = fence;
    return {
      region: this.#prefix + fence.region,
      rid,
      seq,
      tags: tags && this.#keyed(tags),
      get moved() {
        return fence.moved;
      },
      set moved(moved) {
        fence.moved = moved;
      },
    };
  }
}
