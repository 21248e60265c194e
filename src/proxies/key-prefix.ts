/** Puts a prefix before every key, its lock's too: two applications in one store. */
import type { Awaitable, CacheMutex, Lease, Storable, StoreMultiOptions, StoreOptions } from '../api.js';
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

  override get(key: string): Awaitable<Storable | undefined> {
    return this.proxied.get(this.#prefix + key);
  }
  override getMulti(keys: readonly string[]): Awaitable<(Storable | undefined)[]> {
    return this.proxied.getMulti(this.#all(keys));
  }
  override set(key: string, stored: Storable, options?: StoreOptions): Awaitable<boolean | void> {
    return this.proxied.set(this.#prefix + key, stored, options);
  }
  override setMulti(entries: ReadonlyMap<string, Storable>, options: StoreMultiOptions = {}): Awaitable<ReadonlySet<string> | void> {
    const { ttl, leases } = options;
    const inner = { ttl: typeof ttl === 'object' ? this.#keyed(ttl) : ttl, leases: leases && this.#keyed(leases) };
    return andThen(this.proxied.setMulti(this.#keyed(entries), inner), (refused) => refused && new Set([...refused].map((key) => this.#bare(key))));
  }
  override delete(key: string): Awaitable<void> {
    return this.proxied.delete(this.#prefix + key);
  }
  override deleteMulti(keys: readonly string[]): Awaitable<void> {
    return this.proxied.deleteMulti(this.#all(keys));
  }
  override mutex(key: string): CacheMutex | undefined {
    return this.proxied.mutex?.(this.#prefix + key);
  }
  override acquireMulti(keys: readonly string[]): Awaitable<ReadonlyMap<string, Lease>> | undefined {
    const inner = this.proxied.acquireMulti?.(this.#all(keys));
    return inner && andThen(inner, (leases) => new Map([...leases].map(([key, lease]) => [this.#bare(key), lease])));
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
}
