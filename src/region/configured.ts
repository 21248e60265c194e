/**
 * A backend as one `configure` has set it up for a region. This is where region and backend meet: decides when an engine is loaded, and
 * what a region's core is made of. How options are read is `region-options.ts`, when a backend is closed `closing.ts`.
 */
import type { Awaitable, CacheBackend, Clock, ConfigureOptions, KeyMangler, ProxyLike, RegionOptions } from '../api.js';
import { loadDriver, needsDriver } from '../backends/drivers.js';
import { LazyBackend } from '../backends/lazy.js';
import { channels } from '../channels.js';
import { ValidationError } from '../errors.js';
import { andThen } from '../promises.js';
import { wrapAll, wrapBackend } from '../proxy.js';
import { isBackend, openBackend } from '../registry.js';
import { shown } from '../shown.js';
import { atRest, atRestUntil, enter, leave } from './closing.js';
import { Core } from './core.js';
import { SharedGenerations } from './generations.js';
import type { Guard } from './guard.js';
import { type Guarding, guardOf } from './guard-settings.js';
import type { LocalInvalidation, LocalTags } from './invalidation.js';
import type { CacheRegion } from './region.js';
import type { Settings } from './settings.js';
import type { Statistics } from './statistics.js';
import { Store } from './store.js';

/** What stays of a region when it is given another backend. */
export interface Owner {
  // biome-ignore lint/suspicious/noExplicitAny: regions of any value type
  readonly region: CacheRegion<any>;
  readonly options: RegionOptions;
  readonly clock: Clock;
  readonly statistics: Statistics;
  /** A replaced backend stays as invalid as it was. */
  readonly invalidation: LocalInvalidation;
  readonly tags: LocalTags;
}

/** What `configure` is told, checked. */
export interface Configuration {
  readonly settings: Settings;
  readonly guarding: Guarding;
  readonly invalidator: NonNullable<ConfigureOptions['regionInvalidator']>;
  readonly wrap: readonly ProxyLike[];
}

export class Configured {
  readonly actual: CacheBackend;
  readonly #owner: Owner;
  readonly #configuration: Configuration;
  /** The outermost proxy. Written by `wrap`. */
  #backend: CacheBackend;
  /** There as soon as the engine is loaded. Written by `#start`. */
  #core: Core | undefined;
  /** Where the store needs one. Written by `#start`, once. */
  #guard: Guard | undefined;
  /** With those that calls of before a `wrap` still end on. */
  readonly #cores = new Set<Core>();
  /** The loading; none once it has failed, so that the next use tries again. Written by `#open`. */
  #opening: Promise<Core> | undefined;

  constructor(actual: CacheBackend, configuration: Configuration, owner: Owner) {
    this.actual = actual;
    this.#owner = owner;
    this.#configuration = configuration;
    this.#backend = wrapAll(configuration.wrap, actual);
    this.#attach(this.#backend);
    if (!needsOpening(actual)) this.#start();
    enter(actual);
  }

  /** The outermost proxy, or the backend. */
  get backend(): CacheBackend {
    return this.#backend;
  }

  get settings(): Settings {
    return this.#configuration.settings;
  }

  /** What calls go through, as soon as the engine is loaded. */
  get core(): Core | undefined {
    return this.#core;
  }

  /** Entries that the backend has dropped in its life. */
  get evictions(): number {
    const evictions = 'evictions' in this.actual ? this.actual.evictions : 0;
    return typeof evictions === 'number' ? evictions : 0;
  }

  /** Puts a proxy in front of what is there; flights under way end on what they began with. */
  wrap(proxy: ProxyLike): void {
    const wrapped = wrapBackend(proxy, this.#backend);
    this.#attach(wrapped);
    this.#backend = wrapped;
    const before = this.#core;
    if (before) this.#start(before).behind(atRest(before).then(() => void this.#cores.delete(before)));
  }

  /**
   * Begins a call, once the engine is loaded, on the core that it answers with. Who waited has begun before `wrap` or `end` can look for
   * calls under way.
   */
  enter(): Awaitable<Core> {
    return andThen(this.#open(), (loaded) => {
      // A proxy may have come meanwhile.
      const core = this.#core ?? loaded;
      core.enter();
      return core;
    });
  }

  /** Waits until what goes on in it is done, or until `late` aborts, and leaves the backend. */
  async end(late: AbortSignal): Promise<void> {
    await this.#opening?.catch(() => {});
    if (this.#core) await atRestUntil(late, this.#core, this.#cores);
    // Nothing goes on any more: what is remembered is of no use.
    this.#core?.backoff.clear();
    await leave(this.actual, this.#backend);
  }

  report(verb: string, error: unknown, key?: string): void {
    this.#core?.report(verb, error, key);
  }

  /** Also of a backend that it is said to once more, behind a proxy that has come to stand before it. */
  #attach(outermost: CacheBackend): void {
    const { clock, options } = this.#owner;
    outermost.attach?.({
      clock,
      random: options.random ?? Math.random,
      report: (verb, error, key) => this.report(verb, error, key),
    });
  }

  #open(): Awaitable<Core> {
    if (this.#core) return this.#core;
    this.#opening ??= this.#load().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #load(): Promise<Core> {
    const { actual } = this;
    await loadDriver(actual instanceof LazyBackend ? await actual.load() : actual);
    // Whether a server answers is asked at each use; what is on this host must open, or nothing will ever be stored.
    if (actual.remote !== true) await actual.ready?.();
    return this.#start();
  }

  #start(before?: Core): Core {
    const { region, options, clock, statistics, invalidation, tags } = this.#owner;
    const { settings, invalidator, guarding } = this.#configuration;
    const backend = this.#backend;
    // Deadline and breaker are of the store, whatever stands before it.
    if (!before) this.#guard = this.#newGuard();
    const { serializer, asyncCreationRunner: runner, random = Math.random } = options;
    const keyMangler = manglerOf(options, backend);
    const store = new Store({ backend, actual: this.actual, serializer, keyMangler, clock, guard: this.#guard });
    const { generations } = store;
    const isShared = invalidator === 'shared' && generations !== undefined;
    const strategy = typeof invalidator === 'string' ? invalidation : invalidator;
    this.#core = new Core({
      region,
      store,
      settings,
      invalidation: isShared ? new SharedGenerations(options.name ?? 'default', generations) : strategy,
      tags,
      statistics,
      clock,
      random,
      runner,
      throwsOnError: guarding.throwsOnError,
      before,
    });
    this.#cores.add(this.#core);
    return this.#core;
  }

  #newGuard(): Guard | undefined {
    const { region, clock } = this.#owner;
    return guardOf(this.#configuration.guarding, this.#backend.remote === true, {
      clock,
      changed: (state) => {
        if (channels.breaker.hasSubscribers) channels.breaker.publish({ region, state });
      },
    });
  }
}

export function backendOf(target: string | CacheBackend, args: object | undefined): CacheBackend {
  if (typeof target === 'string') return openBackend(target, args);
  if (args !== undefined)
    throw new ValidationError('`arguments` go with the name of a backend; a backend object has been given its own.');
  if (isBackend(target)) return target;
  throw new ValidationError(
    `A backend is a name, or an object with stores, get(), set() and delete(), not ${noBackend(target)}.`,
  );
}

function noBackend(given: unknown): string {
  if (typeof given === 'function') return 'a function: call the factory, or make one of the class';
  if (typeof given === 'object' && given !== null)
    return 'an object without them; a client is handed to its backend, as redisBackend({ client })';
  return shown(given);
}

/** The region's own, else the backend's, unless `keyMangler: false`. */
export function manglerOf({ keyMangler }: RegionOptions, backend: CacheBackend | undefined): KeyMangler | undefined {
  return keyMangler === false ? undefined : (keyMangler ?? backend?.keyMangler);
}

/** Whether something has to be awaited before the first use: an engine or a package to import, a file to open. */
function needsOpening(backend: CacheBackend): boolean {
  return (
    backend instanceof LazyBackend || needsDriver(backend) || (backend.remote !== true && backend.ready !== undefined)
  );
}
