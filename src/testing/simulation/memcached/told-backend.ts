/**
 * The real backend of the client packages, which tells what its region asks for and learns: which lease was won, under which one something
 * is committed, and that it has taken longer than its region waits.
 */
import type { Awaitable, CacheMutex, Lease, StoreMultiOptions, StoreOptions } from '../../../api.js';
import { type ClientBackendOptions, MemcachedClientBackend } from '../../../backends/memcached/client-backend.js';
import { KeptLease } from '../../../lock/lease.js';
import type { SimulatedProcess } from '../process.js';

export interface Told {
  readonly process: SimulatedProcess;
  /** Of its region, in milliseconds. */
  readonly deadline: number;
  won(key: string, lease: Lease): void;
  commits(bytes: Uint8Array, lease: Lease): void;
  committed(key: string, bytes: Uint8Array, isStored: boolean): void;
  violated(what: string): void;
}

export class ToldBackend extends MemcachedClientBackend {
  readonly #told: Told;

  constructor(options: ClientBackendOptions, told: Told) {
    super(options);
    this.#told = told;
  }

  override async set(key: string, stored: Uint8Array, options: StoreOptions = {}): Promise<boolean> {
    const { lease } = options;
    if (!lease) return this.#timed(0, super.set(key, stored, options));
    const { commits, committed, violated } = this.#told;
    commits(stored, lease);
    try {
      const isStored = await this.#timed(0, super.set(key, stored, options));
      committed(key, stored, isStored);
      return isStored;
    } finally {
      if (lease instanceof KeptLease && lease.stands) violated(`a lease of ${key} was committed, and is still renewed`);
    }
  }

  override setMulti(
    entries: ReadonlyMap<string, Uint8Array>,
    options?: StoreMultiOptions,
  ): Promise<ReadonlySet<string>> {
    return this.#timed(0, super.setMulti(entries, options));
  }

  override delete(key: string): Promise<void> {
    return this.#timed(0, super.delete(key));
  }

  override mutex(key: string): CacheMutex | undefined {
    const mutex = super.mutex(key);
    if (!mutex) return undefined;
    return {
      locked: () => mutex.locked(),
      acquire: async (options) => {
        const { wait = true } = options ?? {};
        const limit = typeof wait === 'number' ? wait : wait ? Number.POSITIVE_INFINITY : 0;
        const lease = await this.#timed(limit, mutex.acquire(options));
        if (lease) this.#told.won(key, lease);
        return lease;
      },
    };
  }

  override async acquireMulti(keys: readonly string[]): Promise<ReadonlyMap<string, Lease>> {
    const leases = await this.#timed(0, super.acquireMulti(keys) ?? new Map<string, Lease>());
    for (const [key, lease] of leases) this.#told.won(key, lease);
    return leases;
  }

  /** It is several calls, each with a deadline of its own, and may take longer than its region waits for it: that is trouble. */
  async #timed<T>(more: number, answer: Awaitable<T>): Promise<T> {
    const { process, deadline } = this.#told;
    const timer =
      more < Number.POSITIVE_INFINITY && process.clock.setTimeout(() => process.meetsTrouble(), more + deadline - 1);
    try {
      return await answer;
    } finally {
      process.clock.clearTimeout(timer);
    }
  }
}
