/** A start for backends of third parties: say what it stores, write `get`, `set` and `delete`; the verbs for many are made of them. */
import type { Awaitable, CacheBackend, Storable, StoreMultiOptions, StoreOptions, StoresOf } from '../api.js';
import { allOf } from '../promises.js';

export abstract class BasicBackend<Stored extends Storable = Uint8Array> implements CacheBackend<Stored> {
  abstract readonly stores: StoresOf<Stored>;
  abstract get(key: string): Awaitable<Stored | undefined>;
  abstract set(key: string, stored: Stored, options?: StoreOptions): Awaitable<boolean | void>;
  abstract delete(key: string): Awaitable<void>;

  async getMulti(keys: readonly string[]): Promise<(Stored | undefined)[]> {
    return allOf(keys, (key) => this.get(key));
  }

  async setMulti(
    entries: ReadonlyMap<string, Stored>,
    { ttl, leases }: StoreMultiOptions = {},
  ): Promise<ReadonlySet<string>> {
    const refused = new Set<string>();
    await Promise.all(
      [...entries].map(async ([key, stored]) => {
        const own = typeof ttl === 'number' ? ttl : ttl?.get(key);
        if ((await this.set(key, stored, { ttl: own, lease: leases?.get(key) })) === false) refused.add(key);
      }),
    );
    return refused;
  }

  async deleteMulti(keys: readonly string[]): Promise<void> {
    await allOf(keys, (key) => this.delete(key));
  }
}
