/**
 * Proxies: what stands between a region and its backend, and changes, watches or refuses what goes through (Python's
 * `ProxyBackend`). Decides how verbs, leases and transformations pass; what happens to them is a subclass's.
 */
import type {
  AcquireOptions,
  Awaitable,
  BackendHost,
  CacheBackend,
  CacheMutex,
  GenerationStore,
  KeyMangler,
  Lease,
  LossReason,
  ProxyLike,
  ReadOptions,
  Serializer,
  Storable,
  StoreMultiOptions,
  StoreOptions,
  StoresOf,
} from './api.js';
import { CantDeserializeError, ValidationError } from './errors.js';
import { lockState } from './lock/lock-state.js';
import { allOf, andThen, isPromiseLike } from './promises.js';

/**
 * Forwards everything to `proxied`. A subclass that watches or refuses overrides verbs: `get`, `set` and `delete` see every read,
 * write and removal of the region, those of many keys and the writes of creations included (a `set` with a lease); unless the
 * multi verb is overridden too. One that changes what is stored overrides `encode` and `decode` instead.
 */
export class ProxyBackend<Stored extends Storable = Storable> implements CacheBackend<Stored> {
  #proxied: CacheBackend | undefined;
  // Accessors on the prototype (below): they follow what is proxied, yet a subclass may say `override readonly stores = 'bytes'`.
  declare readonly stores: StoresOf<Stored>;
  declare readonly keyMangler: KeyMangler | undefined;
  declare readonly serializer: Serializer | undefined;
  declare readonly remote: boolean | undefined;
  declare readonly storesNothing: boolean | undefined;
  declare readonly evictions: number;

  static {
    for (const name of ['stores', 'keyMangler', 'serializer', 'remote', 'storesNothing', 'evictions'] as const) {
      Object.defineProperty(ProxyBackend.prototype, name, {
        configurable: true,
        get(this: ProxyBackend) {
          return Reflect.get(this.proxied, name);
        },
      });
    }
  }

  /** What is written is what this returns. */
  encode?(key: string, stored: Stored): Awaitable<Stored>;
  /** What was read is what this returns; `undefined` or a `CantDeserializeError`: missing. */
  decode?(key: string, stored: Stored): Awaitable<Stored | undefined>;

  /** What it stands in front of. `ValidationError` before it stands in front of anything. */
  get proxied(): CacheBackend {
    if (!this.#proxied)
      throw new ValidationError(
        'This proxy stands in front of nothing yet: give it to configure({ wrap: […] }) or region.wrap().',
      );
    return this.#proxied;
  }

  /** Puts a proxy in front of a backend, once. */
  static wrap(proxy: ProxyLike, backend: CacheBackend): ProxyBackend {
    return ProxyBackend.put(ProxyBackend.made(proxy), backend);
  }

  /** An instance that may be put in front of a backend. */
  static made(proxy: ProxyLike): ProxyBackend {
    const instance: unknown = typeof proxy === 'function' ? new proxy() : proxy;
    if (!(instance instanceof ProxyBackend)) {
      throw new ValidationError('A proxy is a subclass of ProxyBackend, or an instance of one.');
    }
    if (instance.#proxied) {
      throw new ValidationError('This proxy already stands in front of a backend. Make one instance for each region.');
    }
    return instance;
  }

  static put(proxy: ProxyBackend, backend: CacheBackend): ProxyBackend {
    proxy.#proxied = backend;
    return proxy;
  }

  /** Not where an overridden `get` sees each read by itself. */
  get gathersReads(): boolean | undefined {
    if (this.#overrides('get') && this.getMulti === ProxyBackend.prototype.getMulti) return false;
    return this.proxied.gathersReads;
  }

  /** What keeps the region's invalidations for all processes, if the store does. */
  get generations(): GenerationStore | undefined {
    return this.proxied.generations;
  }

  get(key: string, options?: ReadOptions): Awaitable<Stored | undefined> {
    return andThen(this.proxied.get(key, options), (stored) => this.#decoded(key, stored));
  }

  getMulti(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]> {
    if (this.#overrides('get')) return allOf(keys, (key) => this.get(key, options));
    return andThen(this.proxied.getMulti(keys, options), (found) =>
      allOf(keys.entries(), ([at, key]) => this.#decoded(key, found[at])),
    );
  }

  set(key: string, stored: Stored, options?: StoreOptions): Awaitable<boolean | void> {
    const inner = options?.lease ? { ...options, lease: innerLease(options.lease) } : options;
    return andThen(this.#encoded(key, stored), (encoded) => this.proxied.set(key, encoded, inner));
  }

  setMulti(
    entries: ReadonlyMap<string, Stored>,
    options: StoreMultiOptions = {},
  ): Awaitable<ReadonlySet<string> | void> {
    const { ttl, leases, generation } = options;
    if (this.#overrides('set')) {
      const answers = allOf(entries, ([key, stored]) => {
        const own = typeof ttl === 'number' ? ttl : ttl?.get(key);
        return this.set(key, stored, { ttl: own, lease: leases?.get(key), generation });
      });
      return andThen(answers, (settled) => new Set([...entries.keys()].filter((_, at) => settled[at] === false)));
    }
    const inner = leases && new Map([...leases].map(([key, lease]) => [key, innerLease(lease)]));
    const encoded = allOf(entries, ([key, stored]) => this.#encoded(key, stored));
    return andThen(encoded, (list) => {
      const written = new Map<string, Storable>();
      for (const [at, key] of [...entries.keys()].entries()) {
        const value = list[at];
        if (value !== undefined) written.set(key, value);
      }
      return this.proxied.setMulti(written, { ttl, leases: inner, generation });
    });
  }

  delete(key: string): Awaitable<void> {
    return this.proxied.delete(key);
  }

  deleteMulti(keys: readonly string[]): Awaitable<void> {
    if (this.#overrides('delete'))
      return andThen(
        allOf(keys, (key) => this.delete(key)),
        () => undefined,
      );
    return this.proxied.deleteMulti(keys);
  }

  mutex(key: string): CacheMutex | undefined {
    const inner = this.proxied.mutex?.(key);
    if (!inner || !this.#changesReads()) return inner;
    return {
      locked: () => inner.locked(),
      inspect: () => lockState(inner),
      acquire: (options?: AcquireOptions) =>
        andThen(
          inner.acquire(options),
          (lease): Awaitable<Lease | undefined> => lease && this.#throughLease(key, lease),
        ),
    };
  }

  acquireMulti(keys: readonly string[], options?: ReadOptions): Awaitable<ReadonlyMap<string, Lease>> | undefined {
    const inner = this.proxied.acquireMulti?.(keys, options);
    if (!inner || !this.#changesReads()) return inner;
    return andThen(inner, async (leases) => {
      const seen = await Promise.allSettled([...leases].map(async ([key, lease]) => this.#throughLease(key, lease)));
      const failed = seen.find((each) => each.status === 'rejected');
      // Who is not given them can't give them back.
      if (failed) return givenBack([...leases.values()], failed.reason);
      return new Map(
        [...leases.keys()].flatMap((key, at) => (seen[at]?.status === 'fulfilled' ? [[key, seen[at].value]] : [])),
      );
    });
  }

  /** What a key is called below: one that changes keys says so here too. */
  lockName(key: string): string {
    return this.proxied.lockName?.(key) ?? key;
  }

  attach(host: BackendHost): void {
    this.proxied.attach?.(host);
  }

  ready(): Awaitable<void> {
    return this.proxied.ready?.();
  }

  close(): Awaitable<void> {
    return this.proxied.close?.();
  }

  /** Whether a read is another here than below. */
  #changesReads(): boolean {
    return this.decode !== undefined || this.#overrides('get');
  }

  #overrides(verb: 'get' | 'set' | 'delete'): boolean {
    return this[verb] !== ProxyBackend.prototype[verb];
  }

  /** A lease whose `stored` has been decoded; one that says nothing where a read would have gone through an overridden `get`. */
  #throughLease(key: string, lease: Lease): Awaitable<Lease> {
    if (!('stored' in lease) || (this.#overrides('get') && !this.decode)) return new ProxiedLease(lease);
    const failed = (error: unknown) => givenBack([lease], error);
    try {
      const stored = this.#decoded(key, lease.stored);
      if (isPromiseLike(stored)) return stored.then((decoded) => new SeeingLease(lease, decoded), failed);
      return new SeeingLease(lease, stored);
    } catch (error) {
      return failed(error);
    }
  }

  #encoded(key: string, stored: Stored): Awaitable<Storable> {
    return this.encode ? this.encode(key, stored) : stored;
  }

  #decoded(key: string, stored: Storable | undefined): Awaitable<Stored | undefined> {
    // What is proxied holds what this proxy has written: the type parameter says of which kind.
    if (stored === undefined || !this.decode) return stored as Stored | undefined;
    try {
      const decoded = this.decode(key, stored as Stored);
      return isPromiseLike(decoded) ? decoded.then(undefined, missingIfGarbage) : decoded;
    } catch (error) {
      return missingIfGarbage(error);
    }
  }
}

/** A proxy, by class or instance, in front of a backend. */
export function wrapBackend(proxy: ProxyLike, backend: CacheBackend): ProxyBackend {
  return ProxyBackend.wrap(proxy, backend);
}

/** Proxies, by class or instance, in front of a backend, the first of them the outermost; all of them are checked before any is put there. */
export function wrapAll(proxies: readonly ProxyLike[], backend: CacheBackend): CacheBackend {
  if (!Array.isArray(proxies))
    throw new ValidationError('wrap must be an array of proxies, the first of them the outermost.');
  if (new Set(proxies).size < proxies.length)
    throw new ValidationError('wrap names one proxy twice. Make one instance for each place.');
  const instances = proxies.map((proxy) => ProxyBackend.made(proxy));
  return instances.reduceRight<CacheBackend>((inner, proxy) => ProxyBackend.put(proxy, inner), backend);
}

/** A lease as it is seen above a proxy; the backend is given back its own. */
class ProxiedLease implements Lease {
  readonly inner: Lease;
  readonly token: string;

  constructor(inner: Lease) {
    this.inner = inner;
    this.token = inner.token;
  }

  whenLost(run: (why: LossReason) => void): void {
    this.inner.whenLost?.(run);
  }

  release(): Awaitable<void> {
    return this.inner.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner.release();
  }
}

class SeeingLease extends ProxiedLease {
  readonly stored: Storable | undefined;

  constructor(inner: Lease, stored: Storable | undefined) {
    super(inner);
    this.stored = stored;
  }
}

function innerLease(lease: Lease): Lease {
  return lease instanceof ProxiedLease ? lease.inner : lease;
}

/** Leases of an acquire that fails after they were won; one that can't be given back lapses. */
async function givenBack(leases: readonly Lease[], error: unknown): Promise<never> {
  await Promise.allSettled(leases.map(async (lease) => lease.release()));
  throw error;
}

function missingIfGarbage(error: unknown): undefined {
  if (error instanceof CantDeserializeError) return undefined;
  throw error;
}
