/** `asCached` and `asCachedMulti`: the verbs of a decorated method, which a decorator can't add to its type; bound where they are to be. */
import type { AnyFunction } from '../api.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { behind, caches } from './cached-function.js';
import { multiCaches } from './cached-multi-function.js';
import type { CachedFunction, CachedMultiFunction, CachedMultiMapFunction, MethodNames } from './decorator-types.js';

/**
 * The verbs of a decorated method. `thisArg` binds them, also where the name is private, and inside the class:
 * `asCached(this.#load, this)`. `ValidationError` for what is no cached function.
 */
export function asCached<F extends AnyFunction>(method: F, thisArg?: object): CachedFunction<F>;
/** Bound to the object. */
export function asCached<O extends object, K extends MethodNames<O>>(
  object: O,
  name: K,
): CachedFunction<Extract<O[K], AnyFunction>>;
export function asCached(target: object, second?: unknown): AnyFunction {
  const isName = typeof second === 'string' || typeof second === 'symbol' || typeof second === 'number';
  const method: unknown = isName ? methodOf(target, second) : target;
  const cached = behind(caches, method, 'asCached()');
  const self = isName ? target : thisArgOf(second, 'asCached()');
  // What is in `caches` is a function.
  return self ? cached.boundTo(self) : (method as AnyFunction);
}

/** What `asCached` is for single methods. */
export function asCachedMulti<Id, V>(
  method: (ids: Id[]) => Promise<readonly V[]>,
  thisArg?: object,
): CachedMultiFunction<Id, V>;
export function asCachedMulti<Id, V>(
  method: (ids: Id[]) => Promise<ReadonlyMap<Id, V>>,
  thisArg?: object,
): CachedMultiMapFunction<Id, V>;
export function asCachedMulti(method: AnyFunction, thisArg?: unknown): AnyFunction {
  const cached = behind(multiCaches, method, 'asCachedMulti()');
  const self = thisArgOf(thisArg, 'asCachedMulti()');
  return self ? cached.boundTo(self) : method;
}

function methodOf(object: unknown, name: PropertyKey): unknown {
  const isThere = (typeof object === 'object' && object !== null) || typeof object === 'function';
  const method: unknown = isThere ? Reflect.get(object, name) : undefined;
  if (typeof method === 'function') return method;
  throw new ValidationError(
    `asCached() takes the name of a method, and ${JSON.stringify(String(name))} is none of this object's.`,
  );
}

function thisArgOf(thisArg: unknown, what: string): object | undefined {
  if (thisArg === undefined) return undefined;
  if ((typeof thisArg === 'object' && thisArg !== null) || typeof thisArg === 'function') return thisArg;
  throw new ValidationError(`The second argument of ${what} is the object to bind to, not ${shown(thisArg)}.`);
}
