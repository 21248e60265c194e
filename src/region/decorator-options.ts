/**
 * The options of both decorators, checked when a function is decorated: what is wrong with them is never found out by a request. Decides
 * which generator writes the keys of a function and from which values.
 */
import type { AnyFunction, GetOrCreateOptions } from '../api.js';
import { KeyGenerationError, ValidationError } from '../errors.js';
import { type Generated, generatedBy } from '../keys/generators.js';
import { shown } from '../shown.js';
import { checkFunction, checkObject, checkString, refuseUnknown } from '../validation.js';
import { CallPolicy } from './call-options.js';
import { KeyPrefixes, OneClass, type Place } from './decoration.js';
import type { DecoratorHost } from './decorator-host.js';
import type { CacheMultiOnArgumentsOptions, CacheOnArgumentsOptions } from './decorator-types.js';
import { checkTags, POLICY_NAMES } from './policy-options.js';
import { belongsToRegion } from './region-options.js';

const COMMON = [...POLICY_NAMES, 'namespace', 'shouldCache', 'tags', 'key', 'argumentToString'];
export const SINGLE_OPTIONS: readonly string[] = [...COMMON, 'functionKeyGenerator'];
export const MULTI_OPTIONS: readonly string[] = [...COMMON, 'functionMultiKeyGenerator', 'asMap'];

/** What both decorators have in common, checked. */
export interface Decoration {
  readonly host: DecoratorHost;
  readonly policy: CallPolicy;
  readonly namespace: string | undefined;
  readonly key: AnyFunction | undefined;
  readonly argumentToString: ((argument: unknown) => string) | undefined;
  /** Of the arguments or the id; the policy has those that are the same for all. */
  readonly tagsOf: ((this: unknown, ...args: unknown[]) => readonly string[]) | undefined;
  readonly tags: readonly string[];
}

export function checkOptions(
  what: string,
  host: DecoratorHost,
  options: CacheOnArgumentsOptions | CacheMultiOnArgumentsOptions,
  known: readonly string[],
): Decoration {
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, known, belongsToRegion);
  const { namespace, key, argumentToString, tags } = options;
  if (namespace !== undefined && checkString('namespace', namespace) === '')
    throw new ValidationError('namespace must be text that is not empty.');
  if (key !== undefined) checkFunction('key', key);
  if (argumentToString !== undefined) checkFunction('argumentToString', argumentToString);
  const tagsOf = typeof tags === 'function' ? tags : undefined;
  const fixed = tags === undefined || typeof tags === 'function' ? undefined : checkTags(tags);
  // Its own checks see to what is policy in it.
  const policy: GetOrCreateOptions<never> = { ...options, tags: fixed };
  return { host, policy: new CallPolicy(policy), namespace, key, argumentToString, tagsOf, tags: fixed ?? [] };
}

// --------------------------------------------------------------------------------------------------------------- keys

/** By region, whose names of functions they are. */
const prefixes = new WeakMap<DecoratorHost, KeyPrefixes>();

/** Without a namespace, a function that a generator of ours makes keys for must be the only one of its name in the region. */
export function claimPrefix({ host, namespace }: Decoration, generate: AnyFunction, fn: AnyFunction): void {
  const generated = generatedBy(generate);
  if (namespace !== undefined || !generated) return;
  const claimed = prefixes.get(host) ?? new KeyPrefixes();
  prefixes.set(host, claimed);
  claimed.claim(generated.prefix, fn);
}

/** Values to a key: `generate` itself, and what our own generators can do without spreading them. */
export function keyFrom(generate: AnyFunction): Generated['keyOf'] {
  const generated = generatedBy(generate);
  if (generated) return generated.keyOf;
  return (values) => checkKey(generate(...values));
}

export function checkKey(key: unknown): string {
  if (typeof key === 'string') return key;
  throw new KeyGenerationError(`A key generator must answer with a string, not ${shown(key)}.`);
}

/** The values that the `key` option says make up a key. */
export function valuesOf(key: AnyFunction, self: unknown, args: readonly unknown[]): readonly unknown[] {
  const values: unknown = key.apply(self, args as unknown[]);
  if (Array.isArray(values)) return values;
  throw new KeyGenerationError(
    `\`key\` must answer with an array, of the values that make up the key, not ${shown(values)}.`,
  );
}

/** Refuses a method on a second class, unless `key` says what tells them apart. */
export function classCheck({ key }: Decoration, place: Place, fn: AnyFunction): ((self: unknown) => void) | undefined {
  if (place === 'function' || key) return undefined;
  const one = new OneClass(place, fn.name);
  return (self) => one.check(self);
}
