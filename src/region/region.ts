/**
 * The region: a cache with a policy in front of a backend (Python's `CacheRegion`). The public methods, each a few lines: what
 * they mean stands in the files they call. Decides which backend a call goes to, and whether it may go at all.
 */
import type {
  Awaitable,
  CacheBackend,
  CachedValue,
  ConfigureOptions,
  Creator,
  Duration,
  Explanation,
  GetOptions,
  GetOrCreateOptions,
  InvalidateOptions,
  KeyMangler,
  MultiCreator,
  ProxyLike,
  RegionOptions,
  RegionStatistics,
  SetOptions,
} from '../api.js';
import { systemClock } from '../clock.js';
import { readConfig } from '../config.js';
import { durationOption } from '../duration.js';
import { ReentrantCreationError, RegionAlreadyConfiguredError, RegionNotConfiguredError } from '../errors.js';
import { functionKeyGenerator, functionMultiKeyGenerator } from '../keys.js';
import { onAbort } from '../lock/aborts.js';
import type { ArgumentsOf, BackendName } from '../registry.js';
import { shown, thisRegion } from '../shown.js';
import { checkFunction, checkObject, refuseUnknown } from '../validation.js';
import { callOf } from './call.js';
import {
  callSettings,
  checkKeys,
  pairsOf,
  readGetOptions,
  readInvalidateOptions,
  readSetOptions,
} from './call-options.js';
import { abortAfter, closed } from './closing.js';
import { backendOf, Configured, manglerOf, type Owner } from './configured.js';
import { isCreatingIn } from './context.js';
import type { Core } from './core.js';
import type { AnyMultiCreator } from './creating-multi.js';
import { checkNotDecorating } from './decoration.js';
import { DecoratorHost } from './decorator-host.js';
import type {
  CacheMultiMapOnArguments,
  CacheMultiOnArguments,
  CacheMultiOnArgumentsOptions,
  CacheOnArguments,
  CacheOnArgumentsOptions,
} from './decorator-types.js';
import { cacheMultiOnArguments, cacheOnArguments } from './decorators.js';
import { explain } from './explain.js';
import { getOrCreate } from './get-or-create.js';
import { getOrCreateMulti } from './get-or-create-multi.js';
import { guardSettings } from './guard-settings.js';
import { LocalInvalidation, LocalTags } from './invalidation.js';
import { checkSignal, checkTags } from './policy-options.js';
import { checkRegionOptions, regionSettings } from './region-options.js';
import { freshnessOf } from './settings.js';
import { Statistics } from './statistics.js';
import { deleteMany, deleteOne, invalidateAll, invalidateTags, writeMany, writeOne } from './writes.js';

/** A region, to be configured. `Value` types a region whose values are all of one type. */
export function makeRegion<Value = unknown>(options?: RegionOptions): CacheRegion<Value> {
  return new CacheRegion<Value>(options);
}

export class CacheRegion<Value = unknown> implements AsyncDisposable {
  readonly name: string | undefined;
  readonly #statistics = new Statistics(() => this.#configured?.evictions ?? 0);
  readonly #owner: Owner;
  readonly #host: DecoratorHost;
  /** Replaced as a whole by `replaceExistingBackend`. */
  #configured: Configured | undefined;
  /** Its core, while calls may use it at once. */
  #live: Core | undefined;
  #closing: Promise<void> | undefined;
  /** Aborts when `close()` has waited for as long as it may. */
  readonly #late = new AbortController();
  /** Backends that were replaced, until they are at rest and closed. */
  readonly #retiring = new Set<Promise<void>>();

  constructor(options: RegionOptions = {}) {
    checkRegionOptions(options);
    this.name = options.name;
    const { clock = systemClock } = options;
    this.#owner = {
      region: this,
      options: { ...options },
      clock,
      statistics: this.#statistics,
      invalidation: new LocalInvalidation(clock),
      tags: new LocalTags(clock),
    };
    this.#host = new DecoratorHost({
      region: this,
      functionKeyGenerator: options.functionKeyGenerator ?? functionKeyGenerator,
      functionMultiKeyGenerator: options.functionMultiKeyGenerator ?? functionMultiKeyGenerator,
      live: () => this.#live,
      use: (verb) => this.#use(verb),
    });
  }

  // ---------------------------------------------------------------------------------------------------- configuration

  /**
   * By name (a built-in one, one of `registerBackend`, or a module: `'@acme/dogpile-etcd'`, `'./etcd.js'`), or by object. Every
   * option and argument is checked now; an engine that has to be imported is imported on first use, or by `ready()`.
   * Errors: `ValidationError`, `BackendNotFoundError`, `RegionAlreadyConfiguredError`, `RegionClosedError`; after one the region is
   * as it was.
   */
  configure(backend: CacheBackend, options?: ConfigureOptions & { arguments?: never }): this;
  // The last, which is the one that the compiler speaks of: what is misspelt is most often here.
  configure<const Name extends BackendName>(
    name: Name,
    options?: ConfigureOptions & { arguments?: ArgumentsOf<Name> | undefined },
  ): this;
  configure(target: string | CacheBackend, options: ConfigureOptions & { arguments?: object | undefined } = {}): this {
    if (this.#closing) throw closed(this);
    const settings = regionSettings(options);
    const guarding = guardSettings(options);
    const replaced = this.#configured;
    if (replaced && options.replaceExistingBackend !== true) {
      throw new RegionAlreadyConfiguredError(
        `${thisRegion(this.name)} is already configured. Say replaceExistingBackend: true to give it another backend.`,
      );
    }
    const { wrap = [], regionInvalidator: invalidator = 'shared' } = options;
    const configuration = { settings, guarding, invalidator, wrap };
    const configured = new Configured(backendOf(target, options.arguments), configuration, this.#owner);
    this.#statistics.backendChanged(() => {
      this.#configured = configured;
    });
    this.#live = configured.core;
    if (replaced) this.#retire(replaced);
    return this;
  }

  /**
   * From a flat dictionary with dotted names and a prefix (`'cache.backend'`, `'cache.expirationTime'`, `'cache.arguments.url'`),
   * or from nested objects; text is coerced (Python's `configure_from_config`). Errors as those of `configure`.
   */
  configureFromConfig(config: Readonly<Record<string, unknown>>, prefix = ''): this {
    const { backend, options } = readConfig(config, prefix);
    return this.configure(backend, options);
  }

  get isConfigured(): boolean {
    return this.#configured !== undefined;
  }

  /** The engine is loaded and, where there is one, the server reached; rejects with why not. The next use tries again. */
  async ready(): Promise<this> {
    await this.#use(() => {});
    await this.backend.ready?.();
    return this;
  }

  /** The outermost proxy, or the backend; `RegionNotConfiguredError` before `configure`. */
  get backend(): CacheBackend {
    return this.#mustBeConfigured().backend;
  }

  /** The backend below all proxies. */
  get actualBackend(): CacheBackend {
    return this.#mustBeConfigured().actual;
  }

  /** The region's own, else the backend's, unless `keyMangler: false`. */
  get keyMangler(): KeyMangler | undefined {
    return manglerOf(this.#owner.options, this.#configured?.backend);
  }

  /** Milliseconds; a function that gives it is asked. `RegionNotConfiguredError` before `configure`. */
  get expirationTime(): number {
    return freshnessOf(this.#mustBeConfigured().settings).expiration;
  }

  /**
   * Puts a proxy in front of what is there; flights under way end on what they began with, and calls join them. Errors: `ValidationError`,
   * `RegionNotConfiguredError`, `RegionClosedError`.
   */
  wrap(proxy: ProxyLike): this {
    if (this.#closing) throw closed(this);
    const configured = this.#mustBeConfigured();
    configured.wrap(proxy);
    this.#live = configured.core;
    return this;
  }

  // ---------------------------------------------------------------------------------------------------------- reading

  /** The value, if there is a fresh one. Never creates. */
  get<T extends Value = Value>(key: string, options?: GetOptions): Promise<T | undefined> {
    return this.#use(async (core) => {
      // The store holds what was written under this key: the caller says of which type.
      return (await find(core, key, options, 'get()'))?.payload as T | undefined;
    });
  }

  /** The same with its metadata: tells a cached `undefined` from none (Python's `get_value_metadata`). */
  getCachedValue<T extends Value = Value>(key: string, options?: GetOptions): Promise<CachedValue<T> | undefined> {
    return this.#use(
      async (core) => (await find(core, key, options, 'getCachedValue()')) as CachedValue<T> | undefined,
    );
  }

  /** In the keys' order, one command. */
  async getMulti<T extends Value = Value>(keys: readonly string[], options?: GetOptions): Promise<(T | undefined)[]> {
    const wanted = checkKeys(keys);
    return this.#use(async (core) => {
      const { asked, ignoreExpiration } = readGetOptions(core.settings, options, 'getMulti()');
      const found = await core.looks.findMulti(wanted, asked, ignoreExpiration);
      return found.map((entry) => entry?.payload as T | undefined);
    });
  }

  // ---------------------------------------------------------------------------------------------------------- writing

  /**
   * Stores a value. A creation of this key that is under way, in whatever process, can't overwrite it. Rejects when the store
   * can't be told; `SerializationError` before anything is written.
   */
  async set<T extends Value>(key: string, value: T, options: SetOptions = {}): Promise<void> {
    const { ownExpiration, tags } = readSetOptions(options, 'set()');
    return this.#use((core) => writeOne(core, key, { value, tags }, { settings: core.settings, ownExpiration }));
  }

  async setMulti<T extends Value>(
    values: ReadonlyMap<string, T> | Readonly<Record<string, T>>,
    options: SetOptions = {},
  ): Promise<void> {
    const { ownExpiration, tags } = readSetOptions(options, 'setMulti()');
    const given = new Map(pairsOf(values).map(([key, value]) => [key, { value, tags }]));
    return this.#use((core) => writeMany(core, given, { settings: core.settings, ownExpiration }));
  }

  /** Removes it, finally: a creation that began before can't bring its value back, in whatever process. Rejects when the store can't be told. */
  delete(key: string): Promise<void> {
    return this.#use((core) => deleteOne(core, key));
  }

  async deleteMulti(keys: readonly string[]): Promise<void> {
    const meant = checkKeys(keys);
    return this.#use((core) => deleteMany(core, meant));
  }

  // --------------------------------------------------------------------------------------------------------- creating

  /**
   * The value: what is there while it is fresh; a stale one at once while another creates; else a new one, created once for all who
   * ask. What the creator throws reaches everybody who waited on it, untouched.
   */
  getOrCreate<T extends Value, Stale = T>(
    key: string,
    creator: Creator<T, Stale>,
    options?: GetOrCreateOptions<T>,
  ): Promise<T> {
    // What is stored or created under this key is what the caller says it is: the casts to T.
    try {
      checkFunction('The creator', creator);
      const core = this.#live;
      if (core === undefined) return this.#use((opened) => getOrCreateIn(opened, key, creator, options)) as Promise<T>;
      if (options === undefined) {
        const hit = core.looks.hit(key, core.settings);
        if (hit !== undefined) return hit as Promise<T>;
      }
      return getOrCreateIn(core, key, creator, options) as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Many at once: one read, one creator call with the keys that were won (unmangled, in code-point order), one commit; results in
   * the order of `keys`. A creator that gives a `Map` may leave keys out: they come back `undefined` and are not cached.
   */
  getOrCreateMulti<T extends Value, Stale = T>(
    keys: readonly string[],
    creator: MultiCreator<readonly T[], Stale>,
    options?: GetOrCreateOptions<T>,
  ): Promise<T[]>;
  getOrCreateMulti<T extends Value, Stale = T>(
    keys: readonly string[],
    creator: MultiCreator<ReadonlyMap<string, T>, Stale>,
    options?: GetOrCreateOptions<T>,
  ): Promise<(T | undefined)[]>;
  async getOrCreateMulti(
    keys: readonly string[],
    creator: unknown,
    options?: GetOrCreateOptions<never>,
  ): Promise<never[]> {
    const wanted = checkKeys(keys);
    return this.#use(async (core) => {
      const settings = callSettings(core.settings, options, 'getOrCreateMulti()');
      const checked = checkFunction('The creator', creator) as AnyMultiCreator;
      const found = await getOrCreateMulti(core, wanted, { creator: checked, settings, anew: false });
      return wanted.map((key) => found.get(key)?.value as never);
    });
  }

  /** Caches a function by its arguments: a wrapper and a method decorator in one (Python's `cache_on_arguments`). */
  // biome-ignore lint/suspicious/noExplicitAny: the arguments and result of any function, inferred where its callbacks are annotated
  cacheOnArguments<A extends any[] = any[], R = any>(options?: CacheOnArgumentsOptions<A, R>): CacheOnArguments<A, R> {
    checkNotDecorating('cacheOnArguments()', options);
    return cacheOnArguments(this.#host, options);
  }

  /** The same for a function of many ids that gives many values (Python's `cache_multi_on_arguments`). */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  cacheMultiOnArguments<Id = any, V = any>(
    options: CacheMultiOnArgumentsOptions<Id, V> & { asMap: true },
  ): CacheMultiMapOnArguments<Id, V>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  cacheMultiOnArguments<Id = any, V = any>(
    options?: CacheMultiOnArgumentsOptions<Id, V> & { asMap?: false | undefined },
  ): CacheMultiOnArguments<Id, V>;
  cacheMultiOnArguments(options?: CacheMultiOnArgumentsOptions): CacheMultiOnArguments | CacheMultiMapOnArguments {
    checkNotDecorating('cacheMultiOnArguments()', options);
    return cacheMultiOnArguments(this.#host, options);
  }

  // ----------------------------------------------------------------------------------------------------- invalidation

  /**
   * Every older entry is missing (`hard`, the default) or stale. Creations that are under way when a hard invalidation is said are
   * not stored. It holds for all processes where the backend keeps generations, else in this one; rejects when the store can't be told.
   */
  invalidate(options: InvalidateOptions = {}): Promise<void> {
    return this.#use((core) => invalidateAll(core, readInvalidateOptions(options, 'invalidate()')));
  }

  /**
   * Every older entry that bears one of these tags is missing (`hard`, the default) or stale, at the price of one command, however
   * many there are. For all processes where the backend keeps generations, else in this one.
   */
  async invalidateTags(tags: readonly string[], options: InvalidateOptions = {}): Promise<void> {
    const hard = readInvalidateOptions(options, 'invalidateTags()');
    const meant = checkTags(tags);
    return this.#use((core) => invalidateTags(core, meant, hard));
  }

  /** Whether somebody is creating this key; takes nothing; rejects when the store can't be asked. The key as the caller knows it, unlike Python's. */
  keyIsLocked(key: string): Promise<boolean> {
    return this.#use((core) => core.store.locks.isLocked(core.store.mangle(key)));
  }

  /** Everything that is known of a key: for people. Creates nothing, changes nothing; rejects when the store can't be asked. */
  explain(key: string): Promise<Explanation> {
    return this.#use((core) => explain(core, key));
  }

  get statistics(): RegionStatistics {
    return this.#statistics;
  }

  // ---------------------------------------------------------------------------------------------------------- the end

  /**
   * Background creations, their writes and late results are done. `signal` ends the wait (rejects with its reason), not the work.
   * Inside a creator of this region it would wait for itself: `ReentrantCreationError`.
   */
  async idle(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    checkObject('The options of idle()', options);
    refuseUnknown('idle()', options, ['signal']);
    const { signal } = options;
    if (signal !== undefined) checkSignal(signal);
    signal?.throwIfAborted();
    if (isCreatingIn(this)) throw waitsForItself('idle()', 'Call it outside.');
    const rest = this.#rest();
    if (!signal) return rest;
    await new Promise<void>((resolve, reject) => {
      const stopListening = onAbort(signal, () => reject(signal.reason));
      rest.then(resolve, reject).finally(stopListening);
    });
  }

  /**
   * `idle()`, then closes the backend, if no other region uses it; from the call on every other call but `idle()` rejects with
   * `RegionClosedError`. `timeout` bounds the wait for creations under way; then they are aborted, who waits for one is told,
   * and their leases are given back. Without it, inside a creator of this region, close() would wait for itself:
   * `ReentrantCreationError`, and the region stays as it is.
   */
  close(options: { timeout?: Duration | undefined } = {}): Promise<void> {
    try {
      checkObject('The options of close()', options);
      refuseUnknown('close()', options, ['timeout']);
      const { timeout } = options;
      const limit = timeout === undefined ? Number.POSITIVE_INFINITY : durationOption(timeout, 'timeout');
      if (timeout === undefined && isCreatingIn(this))
        throw waitsForItself('close()', 'Call it outside, or with a timeout.');
      this.#closing ??= this.#close();
      // Of each call: one that is in more of a hurry than those before it is heard as well.
      const stopLimit = abortAfter(this.#late, limit, this.#owner.clock);
      this.#closing.then(stopLimit, stopLimit);
      return this.#closing;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#live = undefined;
    const ended = this.#configured?.end(this.#late.signal);
    await Promise.allSettled([ended, ...this.#retiring]);
    await ended;
  }

  async #rest(): Promise<void> {
    await this.#configured?.core?.idle();
    await Promise.all(this.#retiring);
  }

  // ---------------------------------------------------------------------------------------------------------- opening

  /** Runs a verb as soon as the backend is there; what it throws comes as a rejection. */
  async #use<T>(verb: (core: Core) => Awaitable<T>): Promise<T> {
    const live = this.#live;
    live?.enter();
    const core = live ?? (await this.#enter());
    try {
      return await verb(core);
    } finally {
      core.leave();
    }
  }

  async #enter(): Promise<Core> {
    if (this.#closing) throw closed(this);
    const configured = this.#mustBeConfigured();
    const core = await configured.enter();
    if (this.#closing) {
      core.leave();
      throw closed(this);
    }
    if (this.#configured === configured) this.#live = configured.core;
    return core;
  }

  /** A backend that was replaced: closed as soon as what goes on in it is done. */
  #retire(replaced: Configured): void {
    const retired = replaced.end(this.#late.signal).catch((error: unknown) => this.#configured?.report('close', error));
    const done = retired.then(() => void this.#retiring.delete(done));
    this.#retiring.add(done);
  }

  #mustBeConfigured(): Configured {
    if (this.#configured) return this.#configured;
    const called = this.name === undefined ? 'this region' : `region ${shown(this.name)}`;
    throw new RegionNotConfiguredError(`No backend is configured on ${called}. Call region.configure(…) first.`);
  }
}

// ------------------------------------------------------------------------------------------------------------ details

function find(
  core: Core,
  key: string,
  options: GetOptions | undefined,
  what: string,
): Awaitable<CachedValue | undefined> {
  const { asked, ignoreExpiration } = readGetOptions(core.settings, options, what);
  return core.looks.find(key, asked, ignoreExpiration);
}

function getOrCreateIn(
  core: Core,
  key: string,
  creator: Creator<unknown, never>,
  options: GetOrCreateOptions<never> | undefined,
): Promise<unknown> {
  const settings = callSettings(core.settings, options, 'getOrCreate()');
  return getOrCreate(core, callOf(core, key, creator as Creator<unknown>, settings));
}

function waitsForItself(call: string, advice: string): ReentrantCreationError {
  return new ReentrantCreationError(`${call} inside a creator of this region waits for that creator. ${advice}`);
}
