/**
 * Options, validated and normalised once: nothing below asks `?? default`. Decides what each option accepts and which of call,
 * decorator and region says it.
 */
import type {
  ConfigureOptions,
  Duration,
  GetOptions,
  GetOrCreateOptions,
  Policy,
  RegionOptions,
  SetOptions,
} from '../api.js';
import { durationOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import {
  checkBoolean,
  checkFraction,
  checkFunction,
  checkMembers,
  checkObject,
  checkString,
  refuseUnknown,
} from '../validation.js';
import type { Freshness } from './freshness.js';

/** Milliseconds, or a function that is asked at each use. */
export type Expiration = number | (() => Duration | undefined);

/** Everything that governs one call. Durations in milliseconds. */
export interface Settings {
  /** Of this very call: wins over the entry's own expiration time. */
  readonly callExpiration: Expiration | undefined;
  /** Of the decorator: what the entry says wins over it. */
  readonly decoratorExpiration: Expiration | undefined;
  readonly expiration: Expiration;
  /** How long after it expired a stale value is served: 0 never, `Infinity` always. */
  readonly serveStale: number;
  readonly background: boolean;
  readonly keepStale: number;
  readonly lockWait: number;
  /** How long after it expired a stale value stands in for a failure: 0 never. */
  readonly staleIfError: number;
  /** How long a failure is remembered. */
  readonly errorBackoff: number;
  /** `Infinity`: none. */
  readonly softTimeout: number;
  readonly hardTimeout: number;
  /** XFetch's beta; 0: off. */
  readonly earlyRefresh: number;
  /** Fraction by which an entry's expiration time is shortened at most. */
  readonly jitter: number;
  readonly tags: readonly string[];
  readonly shouldCache: ((value: never) => boolean) | undefined;
  readonly signal: AbortSignal | undefined;
  /** What a look asks for, where no function has to be called for it. */
  readonly fixed: Freshness | undefined;
}

const DEFAULTS: Settings = settled({
  callExpiration: undefined,
  decoratorExpiration: undefined,
  expiration: Number.POSITIVE_INFINITY,
  serveStale: Number.POSITIVE_INFINITY,
  background: false,
  keepStale: 86_400_000,
  lockWait: Number.POSITIVE_INFINITY,
  staleIfError: 0,
  errorBackoff: 0,
  softTimeout: Number.POSITIVE_INFINITY,
  hardTimeout: Number.POSITIVE_INFINITY,
  earlyRefresh: 0,
  jitter: 0,
  tags: [],
  shouldCache: undefined,
  signal: undefined,
});

/** Every name there is: the compiler counts them. */
const POLICY: Readonly<Record<keyof Policy, true>> = {
  expirationTime: true,
  serveStale: true,
  background: true,
  keepStale: true,
  lockWait: true,
  staleIfError: true,
  errorBackoff: true,
  softTimeout: true,
  hardTimeout: true,
  earlyRefresh: true,
  jitter: true,
};
export const POLICY_NAMES: readonly string[] = Object.keys(POLICY);
const CONFIGURE = [
  ...POLICY_NAMES,
  'wrap',
  'replaceExistingBackend',
  'regionInvalidator',
  'backendTimeout',
  'breaker',
  'onBackendError',
  'arguments',
];
const CALL = [...POLICY_NAMES, 'shouldCache', 'tags', 'signal'];
const REGION = [
  'name',
  'keyMangler',
  'serializer',
  'functionKeyGenerator',
  'functionMultiKeyGenerator',
  'asyncCreationRunner',
  'clock',
  'random',
] as const satisfies readonly (keyof RegionOptions)[];

/** Where a name belongs that stands in the wrong place; and the name that other caches have for an expiration time. */
function belongs(name: string, known: readonly string[], place: string): string | undefined {
  if (known.includes(name)) return `It is an option of ${place}.`;
  return /^(ttl|max_?age)$/i.test(name) ? 'The age beyond which a value is stale is its `expirationTime`.' : undefined;
}

/** Of a call or a decorator. */
export const belongsToRegion = (name: string): string | undefined => belongs(name, CONFIGURE, 'configure()');

/** The options that every call may set, without where the expiration time stands among those of others. */
type Overrides = {
  -readonly [K in Exclude<
    keyof Settings,
    'fixed' | 'expiration' | 'callExpiration' | 'decoratorExpiration'
  >]?: Settings[K];
};

export function checkRegionOptions(options: RegionOptions): void {
  checkObject('The options of a region', options);
  refuseUnknown('a region', options, REGION, belongsToRegion);
  const {
    name: called,
    keyMangler,
    serializer,
    functionKeyGenerator,
    functionMultiKeyGenerator,
    asyncCreationRunner,
    clock,
    random,
  } = options;
  if (called !== undefined) checkString('name', called);
  if (keyMangler !== undefined && keyMangler !== false) checkFunction('keyMangler', keyMangler);
  const functions = { functionKeyGenerator, functionMultiKeyGenerator, asyncCreationRunner, random };
  for (const [name, value] of Object.entries(functions)) if (value !== undefined) checkFunction(name, value);
  if (serializer !== undefined) checkMembers('serializer', serializer, ['serialize', 'deserialize']);
  if (clock !== undefined) checkMembers('clock', clock, ['now', 'setTimeout', 'clearTimeout']);
}

/** What a region's `configure` says of the policy. */
export function regionSettings(options: ConfigureOptions): Settings {
  checkObject('The options of configure()', options);
  const ofBackend = 'What the backend itself is told goes into `arguments`.';
  refuseUnknown('configure()', options, CONFIGURE, (name) => belongs(name, REGION, 'makeRegion()') ?? ofBackend);
  if (options.replaceExistingBackend !== undefined)
    checkBoolean('replaceExistingBackend', options.replaceExistingBackend);
  const { regionInvalidator: invalidator } = options;
  if (invalidator !== undefined && invalidator !== 'local' && invalidator !== 'shared') {
    if (typeof invalidator === 'string') {
      throw new ValidationError(
        `regionInvalidator must be 'local', 'shared' or a strategy with invalidate() and cutoffs(), not ${shown(invalidator)}.`,
      );
    }
    checkMembers('regionInvalidator', invalidator, ['invalidate', 'cutoffs']);
  }
  return settled({
    ...DEFAULTS,
    expiration: expirationOption(options.expirationTime) ?? DEFAULTS.expiration,
    ...overrides(options),
  });
}

/** A call's options on top of the region's or decorator's settings. */
export function callSettings(base: Settings, options: GetOrCreateOptions<never>, what: string): Settings {
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, CALL, belongsToRegion);
  return settled({
    ...base,
    ...overrides(options),
    callExpiration: expirationOption(options.expirationTime) ?? base.callExpiration,
  });
}

/** What a decorator says, and one call on top of it: checked when it is said, completed by the region that is configured then. */
export class CallPolicy {
  readonly #options: Policy;
  readonly #expiration: Expiration | undefined;
  readonly #overrides: Overrides;
  readonly #call: GetOrCreateOptions<never> | undefined;
  #known: { readonly base: Settings; readonly settings: Settings } | undefined;

  /** The caller has checked the names of the options: a decorator has more than these. */
  constructor(
    options: Policy & { shouldCache?: ((value: never) => boolean) | undefined },
    call?: GetOrCreateOptions<never>,
  ) {
    this.#options = options;
    this.#expiration = expirationOption(options.expirationTime);
    this.#overrides = overrides(options);
    this.#call = call;
  }

  /** One call's options on top. */
  with(call: GetOrCreateOptions<never>): CallPolicy {
    callSettings(DEFAULTS, call, 'with()');
    return new CallPolicy(this.#options, call);
  }

  under(base: Settings): Settings {
    if (this.#known?.base !== base) {
      const settings = settled({ ...base, ...this.#overrides, decoratorExpiration: this.#expiration });
      this.#known = { base, settings: this.#call ? callSettings(settings, this.#call, 'with()') : settings };
    }
    return this.#known.settings;
  }
}

/** Options of `get` and its kin. */
export function getSettings(
  base: Settings,
  options: GetOptions,
  what: string,
): { settings: Settings; ignoreExpiration: boolean } {
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, ['expirationTime', 'ignoreExpiration'], belongsToRegion);
  if (options.ignoreExpiration !== undefined) checkBoolean('ignoreExpiration', options.ignoreExpiration);
  const callExpiration = expirationOption(options.expirationTime) ?? base.callExpiration;
  return { settings: settled({ ...base, callExpiration }), ignoreExpiration: options.ignoreExpiration ?? false };
}

/** What `set` says of the entry. */
export function setSettings(
  options: SetOptions,
  what: string,
): { ownExpiration: number | undefined; tags: readonly string[] } {
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, ['expirationTime', 'tags'], belongsToRegion);
  const { expirationTime, tags = [] } = options;
  return {
    ownExpiration: expirationTime === undefined ? undefined : durationOption(expirationTime, 'expirationTime'),
    tags: checkTags(tags),
  };
}

/** Asks the functions among the expiration times, once for a call. */
export function freshnessOf(settings: Omit<Settings, 'fixed'> & { readonly fixed?: Freshness | undefined }): Freshness {
  if (settings.fixed) return settings.fixed;
  const { callExpiration, decoratorExpiration, expiration, keepStale } = settings;
  return {
    callExpiration: ask(callExpiration),
    expiration: ask(decoratorExpiration) ?? ask(expiration) ?? Number.POSITIVE_INFINITY,
    keepStale,
  };
}

function settled(settings: Omit<Settings, 'fixed'>): Settings {
  const { callExpiration, decoratorExpiration, expiration } = settings;
  const isAsked = [callExpiration, decoratorExpiration, expiration].some((each) => typeof each === 'function');
  return { ...settings, fixed: isAsked ? undefined : freshnessOf({ ...settings, fixed: undefined }) };
}

function ask(expiration: Expiration | undefined): number | undefined {
  if (typeof expiration !== 'function') return expiration;
  const said = expiration();
  return said === undefined ? undefined : durationOption(said, 'The result of expirationTime()');
}

function expirationOption(expiration: Policy['expirationTime']): Expiration | undefined {
  if (expiration === undefined || typeof expiration === 'function') return expiration;
  return durationOption(expiration, 'expirationTime');
}

function overrides(options: Omit<GetOrCreateOptions<never>, 'expirationTime'>): Overrides {
  const given: Overrides = {};
  const { serveStale, background, shouldCache, tags, signal, staleIfError, earlyRefresh, jitter } = options;
  if (serveStale !== undefined) given.serveStale = limitOption(serveStale, 'serveStale');
  if (background !== undefined) given.background = checkBoolean('background', background);
  if (staleIfError !== undefined) given.staleIfError = limitOption(staleIfError, 'staleIfError');
  for (const name of ['keepStale', 'lockWait', 'errorBackoff', 'softTimeout', 'hardTimeout'] as const) {
    const duration = options[name];
    if (duration !== undefined) given[name] = durationOption(duration, name);
  }
  if (earlyRefresh !== undefined) given.earlyRefresh = betaOption(earlyRefresh);
  if (jitter !== undefined) given.jitter = checkFraction('jitter', jitter);
  if (shouldCache !== undefined) given.shouldCache = checkFunction('shouldCache', shouldCache);
  if (tags !== undefined) given.tags = checkTags(tags);
  if (signal !== undefined) given.signal = checkMembers('signal', signal, ['addEventListener', 'throwIfAborted']);
  return given;
}

/** XFetch's beta: `true` is 1, `false` 0. */
function betaOption(beta: boolean | number): number {
  if (typeof beta === 'boolean') return Number(beta);
  if (typeof beta === 'number' && beta >= 0 && Number.isFinite(beta)) return beta;
  throw new ValidationError(`earlyRefresh must be true, false or a number from 0 on (beta), not ${shown(beta)}.`);
}

/** Names of tags: `ValidationError` for what is none. */
export function checkTags(tags: readonly string[]): readonly string[] {
  if (!Array.isArray(tags)) throw new ValidationError(`tags must be an array of strings, not ${shown(tags)}.`);
  for (const tag of tags) {
    if (typeof tag !== 'string' || tag === '' || !tag.isWellFormed()) {
      throw new ValidationError(`A tag must be text that is not empty and has no lone surrogate, not ${shown(tag)}.`);
    }
  }
  return tags;
}

/** A duration, or yes (no limit) or no (0). */
function limitOption(limit: boolean | Duration, name: string): number {
  if (typeof limit === 'boolean') return limit ? Number.POSITIVE_INFINITY : 0;
  return durationOption(limit, name, 'true, false, ');
}
