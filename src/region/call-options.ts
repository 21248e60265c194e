/**
 * What calls and decorators are told. Decides which arguments and options each accepts, and how the options lie over what the region says.
 */
import { types } from 'node:util';
import type { GetOptions, GetOrCreateOptions, InvalidateOptions, Policy, SetOptions } from '../api.js';
import { durationOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { checkBoolean, checkObject, refuseUnknown } from '../validation.js';
import type { Freshness } from './freshness.js';
import { checkTags, expirationOption, type Overrides, overrides, POLICY_NAMES } from './policy-options.js';
import { belongsToRegion } from './region-options.js';
import { DEFAULTS, type Expiration, freshnessOf, type Settings, settled } from './settings.js';

const CALL = [...POLICY_NAMES, 'shouldCache', 'tags', 'signal'];

/** A call's options on top of the region's or decorator's settings. */
export function callSettings(base: Settings, options: GetOrCreateOptions<never> | undefined, what: string): Settings {
  if (options === undefined) return base;
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, CALL, belongsToRegion);
  const callExpiration = expirationOption(options.expirationTime);
  return settled({ ...base, ...overrides(options), callExpiration });
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
    // A copy: what was checked now is what holds.
    return new CallPolicy(this.#options, { ...call });
  }

  under(base: Settings): Settings {
    if (this.#known?.base !== base) {
      const settings = settled({ ...base, ...this.#overrides, decoratorExpiration: this.#expiration });
      this.#known = { base, settings: callSettings(settings, this.#call, 'with()') };
    }
    return this.#known.settings;
  }
}

/** What `get` and its kin ask for. */
export function readGetOptions(
  base: Settings,
  options: GetOptions | undefined,
  what: string,
): { asked: Freshness; ignoreExpiration: boolean } {
  if (options === undefined) return { asked: freshnessOf(base), ignoreExpiration: false };
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, ['expirationTime', 'ignoreExpiration'], belongsToRegion);
  const { expirationTime, ignoreExpiration = false } = options;
  checkBoolean('ignoreExpiration', ignoreExpiration);
  const callExpiration = expirationOption(expirationTime);
  return { asked: freshnessOf({ ...base, callExpiration, fixed: undefined }), ignoreExpiration };
}

/** What `set` and `setMulti` say of their entries. */
export function readSetOptions(
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

/** Whether it is to be hard. */
export function readInvalidateOptions(options: InvalidateOptions, what: string): boolean {
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, ['hard']);
  return options.hard === undefined ? true : checkBoolean('hard', options.hard);
}

// ----------------------------------------------------------------------------------------------------------- arguments

/** A copy: the caller may do with his array what he likes, as soon as he has called. */
export function checkKeys(keys: readonly string[]): readonly string[] {
  if (!Array.isArray(keys)) throw new ValidationError('The keys must be an array of strings.');
  return [...keys];
}

/** Values by key, of a Map or a plain object. */
export function pairsOf<T>(values: ReadonlyMap<string, T> | Readonly<Record<string, T>>): [string, T][] {
  // Of another realm, too.
  if (types.isMap(values)) return [...(values as ReadonlyMap<string, T>)];
  // What is iterable but no Map has no names of its own: a Set would be written as nothing.
  if (typeof values !== 'object' || values === null || Symbol.iterator in values)
    throw new ValidationError('The values must be a Map or a plain object, by key.');
  return Object.entries(values);
}
