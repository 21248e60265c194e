/**
 * Backends of the tests that answer later, so that what happens between a call and its answer can be told: each verb waits for
 * `turns` microtask turns, or at a gate of the test. They keep real entries; only time is theirs.
 */
import type { Awaitable, CacheBackend, CacheMutex, Lease, Storable, StoreOptions } from '../../../src/api.js';
import { LocalLocks } from '../../../src/lock/local-locks.js';
import type { LocalLease } from '../../../src/lock/local-mutex.js';

/** No lock of its own. */
export class LaterBackend implements CacheBackend {
  readonly stores: 'values' | 'bytes' = 'values';
  readonly entries = new Map<string, Storable>();
  readonly calls: string[] = [];
  /** Replaces how a verb waits. */
  pause: (verb: string, keys: readonly string[]) => Awaitable<void> = () => Promise.resolve();

  protected async call<T>(verb: string, keys: readonly string[], run: () => T): Promise<T> {
    this.calls.push(`${verb} ${keys.join(' ')}`);
    await this.pause(verb, keys);
    return run();
  }

  get(key: string) {
    return this.call('get', [key], () => this.entries.get(key));
  }
  getMulti(keys: readonly string[]) {
    return this.call('getMulti', keys, () => keys.map((key) => this.entries.get(key)));
  }
  set(key: string, stored: Storable, _options?: StoreOptions): Promise<boolean | void> {
    return this.call('set', [key], () => void this.entries.set(key, stored));
  }
  setMulti(entries: ReadonlyMap<string, Storable>): Promise<ReadonlySet<string> | void> {
    return this.call('setMulti', [...entries.keys()], () => {
      for (const [key, stored] of entries) this.entries.set(key, stored);
    });
  }
  delete(key: string): Promise<void> {
    return this.call('delete', [key], () => void this.entries.delete(key));
  }
  deleteMulti(keys: readonly string[]) {
    return this.call('deleteMulti', keys, () => {
      for (const key of keys) this.entries.delete(key);
    });
  }
}

/** One store for several "processes": locks of its own, fenced writes, as a server has them. */
export class SharedStore {
  readonly entries = new Map<string, Storable>();
  readonly locks = new LocalLocks();
}

export class FencedBackend extends LaterBackend {
  readonly #store: SharedStore;

  constructor(store: SharedStore) {
    super();
    this.#store = store;
  }
  override readonly entries: Map<string, Storable> = new Map();

  mutex(key: string): CacheMutex {
    const store = this.#store;
    return {
      locked: () => this.call('locked', [key], () => store.locks.locked(key)),
      acquire: async (options) => {
        const lease = await this.call('acquire', [key], () => undefined).then(() => store.locks.acquire(key, options));
        if (!lease) return undefined;
        return new FencedLease(lease, store.entries.get(key), () => this.call('release', [key], () => lease.release()));
      },
    };
  }
  override get(key: string) {
    return this.call('get', [key], () => this.#store.entries.get(key));
  }
  override getMulti(keys: readonly string[]) {
    return this.call('getMulti', keys, () => keys.map((key) => this.#store.entries.get(key)));
  }
  override set(key: string, stored: Storable, options: StoreOptions = {}) {
    return this.call('set', [key], () => this.#write(key, stored, options.lease));
  }
  override setMulti(
    entries: ReadonlyMap<string, Storable>,
    options: { leases?: ReadonlyMap<string, Lease> | undefined } = {},
  ) {
    return this.call('setMulti', [...entries.keys()], () => {
      const refused = new Set<string>();
      for (const [key, stored] of entries) if (!this.#write(key, stored, options.leases?.get(key))) refused.add(key);
      return refused;
    });
  }
  override delete(key: string) {
    return this.call('delete', [key], () => this.#remove(key));
  }
  override deleteMulti(keys: readonly string[]) {
    return this.call('deleteMulti', keys, () => {
      for (const key of keys) this.#remove(key);
    });
  }

  #write(key: string, stored: Storable, lease: Lease | undefined): boolean {
    const write = () => void this.#store.entries.set(key, stored);
    if (lease instanceof FencedLease) return lease.local.commit(write) === true;
    void this.#store.locks.overrule([key], write);
    return true;
  }
  #remove(key: string): void {
    void this.#store.locks.overrule([key], () => void this.#store.entries.delete(key));
  }
}

class FencedLease implements Lease {
  readonly token: string;
  readonly stored: Storable | undefined;
  readonly local: LocalLease;
  readonly release: () => Promise<void>;

  constructor(local: LocalLease, stored: Storable | undefined, release: () => Promise<void>) {
    this.token = local.token;
    this.local = local;
    this.stored = stored;
    this.release = release;
  }
  async [Symbol.asyncDispose]() {
    await this.release();
  }
}
