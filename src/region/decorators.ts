/**
 * `cacheOnArguments` and `cacheMultiOnArguments`: from options and a function to a cached function. How that behaves stands in
 * `cached-function.ts` and `cached-multi-function.ts`, what it asks of its region in `decorator-host.ts`.
 */
import type { AnyFunction, FunctionKeyGenerator, FunctionMultiKeyGenerator } from '../api.js';
import { KeyGenerationError } from '../errors.js';
import { generatedBy } from '../keys/generators.js';
import { checkBoolean, checkFunction } from '../validation.js';
import { Cached } from './cached-function.js';
import { CachedMulti } from './cached-multi-function.js';
import { decoratorOf, type Place } from './decoration.js';
import type { DecoratorHost } from './decorator-host.js';
import {
  checkKey,
  checkOptions,
  claimPrefix,
  classCheck,
  type Decoration,
  keyFrom,
  MULTI_OPTIONS,
  SINGLE_OPTIONS,
  valuesOf,
} from './decorator-options.js';
import type {
  CacheMultiMapOnArguments,
  CacheMultiOnArguments,
  CacheMultiOnArgumentsOptions,
  CacheOnArguments,
  CacheOnArgumentsOptions,
} from './decorator-types.js';

/** Python's `cache_on_arguments`. */
// biome-ignore lint/suspicious/noExplicitAny: the arguments of any function
export function cacheOnArguments<A extends any[], R>(
  host: DecoratorHost,
  options: CacheOnArgumentsOptions<A, R> = {},
): CacheOnArguments<A, R> {
  // Callbacks are called with the arguments of the function that they are put on: the types of those are checked there.
  const decoration = checkOptions('cacheOnArguments()', host, options as CacheOnArgumentsOptions, SINGLE_OPTIONS);
  const { functionKeyGenerator: generator = host.functionKeyGenerator } = options;
  checkFunction('functionKeyGenerator', generator);
  const decorator = decoratorOf('cacheOnArguments()', (original, place) => {
    const keyOf = singleKeys(decoration, generator, original, place);
    return new Cached({ ...decoration, original, keyOf }).fn;
  });
  return decorator as CacheOnArguments<A, R>;
}

function singleKeys(decoration: Decoration, generator: FunctionKeyGenerator, fn: AnyFunction, place: Place) {
  const { namespace, argumentToString, key } = decoration;
  const generate = checkFunction('What functionKeyGenerator answers with', generator(namespace, fn, argumentToString));
  claimPrefix(decoration, generate, fn);
  const keyOf = keyFrom(generate);
  if (key) return (self: unknown, args: readonly unknown[]) => keyOf(valuesOf(key, self, args));
  const check = classCheck(decoration, place, fn);
  if (!check) return (_self: unknown, args: readonly unknown[]) => keyOf(args);
  return (self: unknown, args: readonly unknown[]) => {
    check(self);
    return keyOf(args);
  };
}

/** Python's `cache_multi_on_arguments`; `asMap` is its `asdict`. */
export function cacheMultiOnArguments(
  host: DecoratorHost,
  options: CacheMultiOnArgumentsOptions = {},
): CacheMultiOnArguments | CacheMultiMapOnArguments {
  const decoration = checkOptions('cacheMultiOnArguments()', host, options, MULTI_OPTIONS);
  const { functionMultiKeyGenerator: generator = host.functionMultiKeyGenerator, asMap = false } = options;
  checkFunction('functionMultiKeyGenerator', generator);
  checkBoolean('asMap', asMap);
  const decorator = decoratorOf('cacheMultiOnArguments()', (original, place) => {
    const keysOf = multiKeys(decoration, generator, original, place);
    return new CachedMulti({ ...decoration, original, keysOf, asMap }).fn;
  });
  return decorator as CacheMultiOnArguments | CacheMultiMapOnArguments;
}

function multiKeys(decoration: Decoration, generator: FunctionMultiKeyGenerator, fn: AnyFunction, place: Place) {
  const { namespace, argumentToString, key } = decoration;
  const generate = checkFunction(
    'What functionMultiKeyGenerator answers with',
    generator(namespace, fn, argumentToString),
  );
  claimPrefix(decoration, generate, fn);
  const generated = generatedBy(generate);
  const keysOf = generated?.keysOf ?? ((ids: readonly unknown[]) => checkKeys(generate(...ids), ids));
  const check = classCheck(decoration, place, fn);
  return (self: unknown, ids: readonly unknown[]): string[] => {
    check?.(self);
    if (!key) return keysOf(ids);
    const values = ids.map((id) => valuesOf(key, self, [id]));
    // A generator of the user's takes one argument for each id.
    return generated ? values.map(generated.keyOf) : keysOf(values.map((each) => (each.length === 1 ? each[0] : each)));
  };
}

/** Keys belong to ids by their position. */
function checkKeys(keys: unknown, ids: readonly unknown[]): string[] {
  if (Array.isArray(keys) && keys.length === ids.length) return keys.map(checkKey);
  const what = Array.isArray(keys) ? `${keys.length} keys` : 'something else';
  throw new KeyGenerationError(
    `functionMultiKeyGenerator must give an array of ${ids.length} keys, one for each id; it gave ${what}.`,
  );
}
