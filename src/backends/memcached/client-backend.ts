/**
 * A memcached behind a client package as a backend: what each verb is in the calls of a client, and how a commit is fenced by the
 * token lock. Decides nothing about freshness; what a package can and can't do is its adapter's.
 */
import type {
  BackendHost,
  CacheBackend,
  CacheMutex,
  KeyMangler,
  Lease,
  StoreMultiOptions,
  StoreOptions,
} from '../../api.js';
import { systemClock } from '../../clock.js';
import { ValueTooLargeError } from '../../errors.js';
import { allDone } from '../../promises.js';
import type { MemcachedSettings } from '../memcached-arguments.js';
import type { Found, MemcachedClient } from './client.js';
import { secondsOf } from './expiry.js';
import { checkKey } from './keys.js';
import { MemcachedServers } from './servers.js';
import { TokenLocks } from './token-lock.js';

/** Until a region attaches. */
const NO_HOST: BackendHost = { clock: systemClock, random: Math.random, report: () => {} };

export interface ClientBackendOptions {
  readonly settings: Omit<MemcachedSettings, 'target'>;
  /** The keys that the package carries, and what makes such keys of others. */
  readonly isCarried: (key: string) => boolean;
  readonly keyMangler: KeyMangler;
  readonly open: (host: () => BackendHost) => MemcachedClient;
}

export class MemcachedClientBackend implements CacheBackend<Uint8Array> {
  readonly stores = 'bytes';
  readonly remote = true;
  readonly keyMangler: KeyMangler;
  readonly #isCarried: (key: string) => boolean;
  readonly #expirationTime: number | undefined;
  readonly #client: MemcachedClient;
  /** None: creations are elected per process. */
  readonly #locks: TokenLocks | undefined;
  #host = NO_HOST;

  constructor({ settings, isCarried, keyMangler, open }: ClientBackendOptions) {
    const host = () => this.#host;
    this.keyMangler = keyMangler;
    this.#isCarried = isCarried;
    this.#expirationTime = settings.expirationTime;
    this.#client = open(host);
    const { lockTimeout, lockMaxHold, lockSleep } = settings;
    const check = (key: string) => void this.#checked(key);
    const clientOf = (key: string) => this.#clientOf(key);
    if (settings.distributedLock)
      this.#locks = new TokenLocks({ clientOf, host, check, lockTimeout, lockMaxHold, lockSleep });
  }

  attach(host: BackendHost): void {
    this.#host = host;
  }

  ready(): Promise<void> {
    return this.#client.ping();
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#client.get(this.#checked(key));
  }

  async getMulti(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    for (const key of keys) this.#checked(key);
    return this.#client.getMulti(keys);
  }

  async set(key: string, stored: Uint8Array, { ttl, lease }: StoreOptions = {}): Promise<boolean> {
    this.#checked(key);
    const seconds = secondsOf(this.#expirationTime ?? ttl);
    if (lease) return this.#commit(key, stored, seconds, lease);
    // Before the value is there: whoever creates finds his lease gone, or the value changed.
    await this.#locks?.void(key);
    await this.#fitting(key, () => this.#client.set(key, stored, seconds));
    return true;
  }

  async setMulti(
    entries: ReadonlyMap<string, Uint8Array>,
    { ttl, leases }: StoreMultiOptions = {},
  ): Promise<ReadonlySet<string>> {
    for (const key of entries.keys()) this.#checked(key);
    const answers = [...entries].map(async ([key, stored]) => {
      const own = typeof ttl === 'number' ? ttl : ttl?.get(key);
      return { key, isStored: await this.set(key, stored, { ttl: own, lease: leases?.get(key) }) };
    });
    const refused = (await allDone(answers)).filter(({ isStored }) => !isStored);
    return new Set(refused.map(({ key }) => key));
  }

  async delete(key: string): Promise<void> {
    this.#checked(key);
    // In this order: what is committed after the value has gone finds its lease gone, and is taken back.
    await this.#locks?.void(key);
    await this.#client.delete(key);
  }

  async deleteMulti(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#checked(key);
    await allDone([...new Set(keys)].map((key) => this.delete(key)));
  }

  mutex(key: string): CacheMutex | undefined {
    return this.#locks?.mutex(key);
  }

  acquireMulti(keys: readonly string[]): Promise<ReadonlyMap<string, Lease>> | undefined {
    return this.#locks && this.#acquireMulti(keys, this.#locks);
  }

  /** A server that fails is told of, and its keys are not won, unless all fail. */
  async #acquireMulti(keys: readonly string[], locks: TokenLocks): Promise<ReadonlyMap<string, Lease>> {
    for (const key of keys) this.#checked(key);
    const won = new Map<string, Lease>();
    let failures = 0;
    /** One of each server: one key's call may have asked it anew, where the others were told that it is down. */
    const troubles = new Map<MemcachedClient, unknown>();
    const tryOne = async (key: string) => {
      try {
        const lease = await locks.tryAcquire(key);
        if (lease) won.set(key, lease);
      } catch (error) {
        failures++;
        troubles.set(this.#clientOf(key), error);
      }
    };
    await Promise.all(keys.map(tryOne));
    const [first] = troubles.values();
    if (failures > 0 && failures === keys.length) throw first;
    for (const trouble of troubles.values()) this.#host.report('acquireMulti', trouble);
    return won;
  }

  /**
   * Compares the token, writes unless the entry has changed since the lease was won, and compares again as it lets go: what was
   * deleted in between is taken back.
   */
  async #commit(key: string, stored: Uint8Array, seconds: number, lease: Lease): Promise<boolean> {
    const locks = this.#locks;
    const won = locks?.wonWith(lease);
    if (!locks || !won) return false;
    const { found } = won;
    try {
      const held = await locks.held(key, lease.token);
      if (!held) return false;
      const isWritten = await this.#fitting(key, () =>
        found ? this.#client.swap(key, stored, seconds, found) : this.#client.add(key, stored, seconds),
      );
      return (await this.#conclude(locks, key, stored, lease.token, held)) && isWritten;
    } catch (error) {
      // Whatever the server makes of it yet.
      const concluded = this.#conclude(locks, key, stored, lease.token).catch(() => {});
      // A server that has refused it answers: who is told finds the lock free.
      if (error instanceof ValueTooLargeError) await concluded;
      throw error;
    } finally {
      // Whatever came of it, nothing is left to renew or release.
      won.lease.settle();
    }
  }

  /** `false`: the lease had been voided, and nothing is left of what was written under it. */
  async #conclude(locks: TokenLocks, key: string, stored: Uint8Array, token: string, held?: Found): Promise<boolean> {
    if (await locks.release(key, token, held)) return true;
    const now = await this.#client.find(key);
    if (now && Buffer.compare(now.bytes, stored) === 0) await this.#client.remove(key, now);
    return false;
  }

  /** Of a value that is too large, nothing older is left either. */
  async #fitting<T>(key: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (error instanceof ValueTooLargeError) await this.#client.delete(key);
      throw error;
    }
  }

  #clientOf(key: string): MemcachedClient {
    return this.#client instanceof MemcachedServers ? this.#client.of(key) : this.#client;
  }

  #checked(key: string): string {
    return checkKey(key, this.#isCarried);
  }
}
