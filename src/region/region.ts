/**
 * The region: a cache with a policy in front of a backend (Python's `CacheRegion`). The public methods, each a few lines: what
 * they mean stands in the files they call. This is where region and backend meet.
 */
import type {
  Awaitable,
  CacheBackend,
  CachedValue,
  Clock,
  ConfigureOptions,
  Creator,
  Duration,
  Explanation,
  GetOptions,
  GetOrCreateOptions,
  InvalidateOptions,
  InvalidationStrategy,
  KeyMangler,
  MultiCreator,
  ProxyLike,
  RegionOptions,
  RegionStatistics,
  SetOptions,
} from '../api.js';
import { loadDriver, needsDriver } from '../backends/drivers.js';
import { LazyBackend } from '../backends/lazy.js';
import { channels } from '../channels.js';
import { keepsAlive, systemClock } from '../clock.js';
import { readConfig } from '../config.js';
import { durationOption } from '../duration.js';
import {
  ReentrantCreationError,
  RegionAlreadyConfiguredError,
  RegionClosedError,
  RegionNotConfiguredError,
  ValidationError,
} from '../errors.js';
import { functionKeyGenerator, functionMultiKeyGenerator } from '../keys.js';
import { onAbort } from '../lock/aborts.js';
import { wrapAll, wrapBackend } from '../proxy.js';
import { type ArgumentsOf, type BackendName, isBackend, openBackend } from '../registry.js';
import { shown } from '../shown.js';
import { checkBoolean, checkFunction, checkObject, refuseUnknown } from '../validation.js';
import { callOf } from './call.js';
import { CallPolicy, callSettings, readGetOptions, readSetOptions } from './call-options.js';
import { isCreatingIn } from './context.js';
import { Core } from './core.js';
import type { AnyMultiCreator, Found } from './creating-multi.js';
import { checkNotDecorating } from './decoration.js';
import type {
  CacheMultiMapOnArguments,
  CacheMultiOnArguments,
  CacheMultiOnArgumentsOptions,
  CacheOnArguments,
  CacheOnArgumentsOptions,
} from './decorator-types.js';
import { cacheMultiOnArguments, cacheOnArguments, type DecoratorHost } from './decorators.js';
import { explain } from './explain.js';
import { SharedGenerations } from './generations.js';
import { getOrCreate, refresh } from './get-or-create.js';
import { getOrCreateMulti } from './get-or-create-multi.js';
import { type Guarding, guardOf, guardSettings } from './guard-settings.js';
import { LocalInvalidation, LocalTags } from './invalidation.js';
import { checkTags } from './policy-options.js';
import { checkRegionOptions, regionSettings } from './region-options.js';
import { freshnessOf, type Settings } from './settings.js';
import { Statistics } from './statistics.js';
import { Store } from './store.js';
import { told, writeMany, writeOne } from './writes.js';

/** What `configure` has put together; replaced as a whole by `replaceExistingBackend`. */
interface Configured {
  readonly actual: CacheBackend;
  /** The outermost proxy. Written by `wrap`. */
  backend: CacheBackend;
  readonly settings: Settings;
  readonly invalidator: InvalidationStrategy | 'local' | 'shared';
  readonly guarding: Guarding;
  /** There as soon as the engine is loaded. Written by `#load`, `wrap`. */
  core: Core | undefined;
  /** The loading under way; none once it has failed, so that the next use tries again. Written by `#open`. */
  opening: Promise<Core> | undefined;
}

/** How many regions use a backend object: the last to close closes it. */
const users = new WeakMap<CacheBackend, number>();

/** A region, to be configured. `Value` types a region whose values are all of one type. */
export function makeRegion<Value = unknown>(options?: RegionOptions): CacheRegion<Value> {
  return new CacheRegion<Value>(options);
}

export class CacheRegion<Value = unknown> implements AsyncDisposable {
  readonly name: string | undefined;
  readonly #options: RegionOptions;
  readonly #clock: Clock;
  readonly #statistics = new Statistics(() => evictionsOf(this.#configured?.actual));
  /** The region's, not the backend's: a replaced backend stays as invalid as it was. */
  readonly #local: LocalInvalidation;
  readonly #localTags: LocalTags;
  readonly #host: DecoratorHost;
  #configured: Configured | undefined;
  /** The core, while calls may use it at once. */
  #live: Core | undefined;
  #closing: Promise<void> | undefined;
  /** Backends that were replaced, until they are at rest and closed. */
  readonly #retiring = new Set<Promise<void>>();

  constructor(options: RegionOptions = {}) {
    checkRegionOptions(options);
    this.name = options.name;
    this.#options = { ...options };
    this.#clock = options.clock ?? systemClock;
    this.#local = new LocalInvalidation(this.#clock);
    this.#localTags = new LocalTags(this.#clock);
    this.#host = this.#makeHost();
  }

  // ---------------------------------------------------------------------------------------------------- configuration

  /**
   * By name (a built-in one, one of `registerBackend`, or a module: `'@acme/dogpile-etcd'`, `'./etcd.js'`), or by object. Every
   * option and argument is checked now; an engine that has to be imported is imported on first use, or by `ready()`.
   * Errors: `ValidationError`, `BackendNotFoundError`, `RegionAlreadyConfiguredError`, `RegionClosedError`; after one the region is
   * as it was.
   */
  configure<const Name extends BackendName>(
    name: Name,
    options?: ConfigureOptions & { arguments?: ArgumentsOf<Name> | undefined },
  ): this;
  configure(backend: CacheBackend, options?: ConfigureOptions & { arguments?: never }): this;
  configure(target: string | CacheBackend, options: ConfigureOptions & { arguments?: object | undefined } = {}): this {
    if (this.#closing) throw closed();
    const settings = regionSettings(options);
    const guarding = guardSettings(options);
    const replaced = this.#configured;
    if (replaced && options.replaceExistingBackend !== true) {
      throw new RegionAlreadyConfiguredError(
        'This region is already configured. Say replaceExistingBackend: true to give it another backend.',
      );
    }
    const { wrap = [], regionInvalidator: invalidator = 'shared' } = options;
    const actual =
      typeof target === 'string' ? openBackend(target, options.arguments) : checkedBackend(target, options.arguments);
    const backend = wrapAll(wrap, actual);
    const configured: Configured = {
      actual,
      backend,
      settings,
      invalidator,
      guarding,
      core: undefined,
      opening: undefined,
    };
    backend.attach?.({
      clock: this.#clock,
      random: this.#options.random ?? Math.random,
      report: (verb, error, key) => configured.core?.report(verb, error, key),
    });
    users.set(actual, (users.get(actual) ?? 0) + 1);
    this.#statistics.backendChanged(() => {
      this.#configured = configured;
    });
    this.#live = undefined;
    if (!needsOpening(actual)) this.#start(configured);
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
    await this.#open();
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
    const { keyMangler } = this.#options;
    if (keyMangler === false) return undefined;
    return keyMangler ?? this.#configured?.backend.keyMangler;
  }

  /** Milliseconds. */
  get expirationTime(): number {
    return freshnessOf(this.#mustBeConfigured().settings).expiration;
  }

  /** Puts a proxy in front of what is there; flights under way end on what they began with. */
  wrap(proxy: ProxyLike): this {
    if (this.#closing) throw closed();
    const configured = this.#mustBeConfigured();
    configured.backend = wrapBackend(proxy, configured.backend);
    const before = configured.core;
    if (before) {
      this.#start(configured);
      configured.core?.behind(atRest(before));
    }
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
  getMulti<T extends Value = Value>(keys: readonly string[], options?: GetOptions): Promise<(T | undefined)[]> {
    return this.#use(async (core) => {
      checkKeys(keys);
      const { asked, ignoreExpiration } = readGetOptions(core.settings, options, 'getMulti()');
      const found = await core.looks.findMulti(keys, asked, ignoreExpiration);
      return found.map((entry) => entry?.payload as T | undefined);
    });
  }

  // ---------------------------------------------------------------------------------------------------------- writing

  /**
   * Stores a value. A creation of this key that is under way, in whatever process, can't overwrite it. Rejects when the store
   * can't be told; `SerializationError` before anything is written.
   */
  set<T extends Value>(key: string, value: T, options: SetOptions = {}): Promise<void> {
    return this.#use((core) => {
      const { ownExpiration, tags } = readSetOptions(options, 'set()');
      return writeOne(core, core.store.mangle(key), { value, tags }, { settings: core.settings, ownExpiration });
    });
  }

  setMulti<T extends Value>(
    values: ReadonlyMap<string, T> | Readonly<Record<string, T>>,
    options: SetOptions = {},
  ): Promise<void> {
    return this.#use((core) => {
      const { ownExpiration, tags } = readSetOptions(options, 'setMulti()');
      const given = new Map([...pairsOf(values)].map(([key, value]) => [core.store.mangle(key), { value, tags }]));
      return writeMany(core, given, { settings: core.settings, ownExpiration });
    });
  }

  /** Removes it, finally: a creation that began before can't bring its value back, in whatever process. Rejects when the store can't be told. */
  delete(key: string): Promise<void> {
    return this.#use(async (core) => {
      const name = core.store.mangle(key);
      core.overrule([name]);
      await told(core, () => core.store.delete(name));
      if (channels.delete.hasSubscribers) channels.delete.publish({ region: this, key });
    });
  }

  deleteMulti(keys: readonly string[]): Promise<void> {
    return this.#use(async (core) => {
      checkKeys(keys);
      if (keys.length === 0) return;
      const names = keys.map((key) => core.store.mangle(key));
      core.overrule(names);
      await told(core, () => core.store.deleteMulti(names));
      if (channels.delete.hasSubscribers) for (const key of keys) channels.delete.publish({ region: this, key });
    });
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
    if (typeof creator !== 'function') return Promise.reject(noCreator(creator));
    const core = this.#live;
    // What is stored or created under this key is what the caller says it is: the casts to T.
    if (core === undefined) return this.#use((opened) => getOrCreateIn(opened, key, creator, options)) as Promise<T>;
    try {
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
  getOrCreateMulti(keys: readonly string[], creator: unknown, options?: GetOrCreateOptions<never>): Promise<never[]> {
    return this.#use(async (core) => {
      checkKeys(keys);
      const settings = callSettings(core.settings, options, 'getOrCreateMulti()');
      const checked = checkFunction('The creator', creator) as AnyMultiCreator;
      const found = await getOrCreateMulti(core, keys, { creator: checked, settings, anew: false });
      return keys.map((key) => found.get(key)?.value as never);
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
    return this.#use(async (core) => {
      const hard = hardOption(options, 'invalidate()');
      await told(core, () => core.invalidation.invalidate(hard));
      await core.invalidated({ revokes: hard });
      if (channels.invalidate.hasSubscribers) channels.invalidate.publish({ region: this, hard });
    });
  }

  /**
   * Every older entry that bears one of these tags is missing (`hard`, the default) or stale, at the price of one command, however
   * many there are. For all processes where the backend keeps generations, else in this one.
   */
  invalidateTags(tags: readonly string[], options: InvalidateOptions = {}): Promise<void> {
    return this.#use(async (core) => {
      const hard = hardOption(options, 'invalidateTags()');
      if (checkTags(tags).length === 0) return;
      await told(core, () => (core.shared ? core.shared.invalidateTags(tags, hard) : core.tags.invalidate(tags, hard)));
      await core.invalidated({ revokes: false });
      if (channels.invalidate.hasSubscribers) channels.invalidate.publish({ region: this, hard, tags });
    });
  }

  /** Whether somebody is creating this key; takes nothing. The key as the caller knows it, unlike Python's. */
  keyIsLocked(key: string): Promise<boolean> {
    return this.#use((core) => core.store.isLocked(core.store.mangle(key)));
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
    refuseUnknown('idle()', options, ['signal']);
    const { signal } = options;
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
   * `idle()`, then closes the backend, if no other region uses it; from the call on every other call rejects with
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
      this.#closing ??= this.#close(limit);
      return this.#closing;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(limit: number): Promise<void> {
    const configured = this.#configured;
    this.#live = undefined;
    if (configured) {
      await configured.opening?.catch(() => {});
      await this.#restWithin(limit, configured.core);
      await leave(configured);
    }
    await Promise.all(this.#retiring);
  }

  async #restWithin(limit: number, core: Core | undefined): Promise<void> {
    if (!core) return;
    if (limit === Number.POSITIVE_INFINITY) return atRest(core);
    let timer: unknown;
    const late = new Promise<'late'>((resolve) => {
      timer = this.#clock.setTimeout(() => resolve('late'), limit);
      // A process that does nothing else would end here, with its leases not given back.
      keepsAlive(timer);
    });
    const outcome = await Promise.race([atRest(core), late]).finally(() => this.#clock.clearTimeout(timer));
    if (outcome !== 'late') return;
    core.end(closed());
    core.flights.dismissAll(closed());
    await core.invalidated({ revokes: true });
  }

  async #rest(): Promise<void> {
    await this.#configured?.core?.idle();
    await Promise.all(this.#retiring);
  }

  // ---------------------------------------------------------------------------------------------------------- opening

  /** Runs a verb as soon as the backend is there; what it throws comes as a rejection. */
  async #use<T>(verb: (core: Core) => Awaitable<T>): Promise<T> {
    const core = this.#live ?? (await this.#open());
    core.enter();
    try {
      return await verb(core);
    } finally {
      core.leave();
    }
  }

  async #open(): Promise<Core> {
    if (this.#closing) throw closed();
    const configured = this.#mustBeConfigured();
    if (configured.core) return configured.core;
    configured.opening ??= this.#load(configured);
    try {
      return await configured.opening;
    } finally {
      configured.opening = undefined;
    }
  }

  async #load(configured: Configured): Promise<Core> {
    const { actual } = configured;
    await loadDriver(actual instanceof LazyBackend ? await actual.load() : actual);
    // Whether a server answers is asked at each use; what is on this host must open, or nothing will ever be stored.
    if (actual.remote !== true) await actual.ready?.();
    if (this.#closing) throw closed();
    return configured.core ?? this.#start(configured);
  }

  #start(configured: Configured): Core {
    const { actual, backend, settings, invalidator, guarding } = configured;
    const { serializer, asyncCreationRunner: runner, random = Math.random } = this.#options;
    const keyMangler =
      this.#options.keyMangler === false ? undefined : (this.#options.keyMangler ?? backend.keyMangler);
    const guard = guardOf(guarding, backend.remote === true, {
      clock: this.#clock,
      changed: (state) => {
        if (channels.breaker.hasSubscribers) channels.breaker.publish({ region: this, state });
      },
    });
    const store = new Store({ backend, actual, serializer, keyMangler, clock: this.#clock, guard });
    const { generations } = store;
    const isShared = invalidator === 'shared' && generations !== undefined;
    const strategy = typeof invalidator === 'string' ? this.#local : invalidator;
    const core = new Core({
      region: this,
      store,
      settings,
      invalidation: isShared ? new SharedGenerations(this.name ?? 'default', generations) : strategy,
      tags: this.#localTags,
      statistics: this.#statistics,
      clock: this.#clock,
      random,
      runner,
      throwsOnError: guarding.throwsOnError,
    });
    configured.core = core;
    if (this.#configured === configured) this.#live = core;
    return core;
  }

  /** A backend that was replaced: closed as soon as what goes on in it is done. */
  #retire(replaced: Configured): void {
    const retired = (async () => {
      await replaced.opening?.catch(() => {});
      if (replaced.core) await atRest(replaced.core);
      await leave(replaced);
    })().catch((error: unknown) => this.#configured?.core?.report('close', error));
    const done = retired.then(() => void this.#retiring.delete(done));
    this.#retiring.add(done);
  }

  #mustBeConfigured(): Configured {
    if (this.#configured) return this.#configured;
    const called = this.name === undefined ? 'this region' : `region ${shown(this.name)}`;
    throw new RegionNotConfiguredError(`No backend is configured on ${called}. Call region.configure(…) first.`);
  }

  /** What decorators stand on. */
  #makeHost(): DecoratorHost {
    const { functionKeyGenerator: single, functionMultiKeyGenerator: multi } = this.#options;
    return {
      region: this,
      functionKeyGenerator: single ?? functionKeyGenerator,
      functionMultiKeyGenerator: multi ?? functionMultiKeyGenerator,
      policy: (options) => new CallPolicy(options),
      override: (policy, options) => policy.with(options),
      hit: (key, policy) => {
        const core = this.#live;
        if (core === undefined) return undefined;
        const settings = policy.under(core.settings);
        return settings.signal?.aborted ? undefined : core.looks.hit(key, settings);
      },
      getOrCreate: (key, creator, policy, cached) =>
        this.#use((core) => getOrCreate(core, callOf(core, key, creator, policy.under(core.settings), cached))),
      getOrCreateMulti: (keys, creator, policy) => this.#use((core) => createMulti(core, keys, creator, policy, false)),
      getCachedValue: (key, policy) =>
        this.#use((core) => core.looks.find(key, freshnessOf(policy.under(core.settings)), false)),
      getCachedValues: (keys, policy) =>
        this.#use((core) => core.looks.findMulti(keys, freshnessOf(policy.under(core.settings)), false)),
      set: (key, given, policy) =>
        this.#use((core) => writeOne(core, core.store.mangle(key), given, { settings: policy.under(core.settings) })),
      setMulti: (entries, policy) =>
        this.#use((core) => {
          const given = new Map([...entries].map(([key, each]) => [core.store.mangle(key), each]));
          return writeMany(core, given, { settings: policy.under(core.settings) });
        }),
      refresh: (key, creator, policy) =>
        this.#use((core) => refresh(core, callOf(core, key, creator, policy.under(core.settings)))),
      refreshMulti: (keys, creator, policy) => this.#use((core) => createMulti(core, keys, creator, policy, true)),
    };
  }
}

// ------------------------------------------------------------------------------------------------------------ details

/** Every call that has begun has settled, and so has what nobody waits for. */
async function atRest(core: Core): Promise<void> {
  await core.settled();
  await core.idle();
}

function find(
  core: Core,
  key: string,
  options: GetOptions | undefined,
  what: string,
): Awaitable<CachedValue | undefined> {
  const { asked, ignoreExpiration } = readGetOptions(core.settings, options, what);
  return core.looks.find(key, asked, ignoreExpiration);
}

function noCreator(creator: unknown): ValidationError {
  return new ValidationError(`The creator must be a function, not ${shown(creator)}.`);
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

async function createMulti(
  core: Core,
  keys: readonly string[],
  creator: AnyMultiCreator,
  policy: CallPolicy,
  anew: boolean,
): Promise<(Found | undefined)[]> {
  const found = await getOrCreateMulti(core, keys, { creator, settings: policy.under(core.settings), anew });
  return keys.map((key) => found.get(key));
}

/** Whether something has to be awaited before the first use: an engine or a package to import, a file to open. */
function needsOpening(backend: CacheBackend): boolean {
  return (
    backend instanceof LazyBackend || needsDriver(backend) || (backend.remote !== true && backend.ready !== undefined)
  );
}

/** The last region that leaves a backend closes it. */
async function leave({ actual, backend }: Configured): Promise<void> {
  const left = (users.get(actual) ?? 1) - 1;
  users.set(actual, left);
  if (left === 0) await backend.close?.();
}

function checkedBackend(backend: CacheBackend, args: object | undefined): CacheBackend {
  if (args !== undefined)
    throw new ValidationError('`arguments` go with the name of a backend; a backend object has been given its own.');
  if (!isBackend(backend))
    throw new ValidationError('A backend is a name, or an object with stores, get(), set() and delete().');
  return backend;
}

function evictionsOf(backend: CacheBackend | undefined): number {
  const evictions = backend && 'evictions' in backend ? backend.evictions : 0;
  return typeof evictions === 'number' ? evictions : 0;
}

function hardOption(options: InvalidateOptions, what: string): boolean {
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, ['hard']);
  return options.hard === undefined ? true : checkBoolean('hard', options.hard);
}

function checkKeys(keys: readonly string[]): void {
  if (!Array.isArray(keys)) throw new ValidationError('The keys must be an array of strings.');
}

function pairsOf<T>(values: ReadonlyMap<string, T> | Readonly<Record<string, T>>): Iterable<[string, T]> {
  if (values instanceof Map) return values;
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new ValidationError('The values must be a Map or a plain object, by key.');
  return Object.entries(values);
}

function waitsForItself(call: string, advice: string): ReentrantCreationError {
  return new ReentrantCreationError(`${call} inside a creator of this region waits for that creator. ${advice}`);
}

function closed(): RegionClosedError {
  return new RegionClosedError('This region is closed. Make another one.');
}
