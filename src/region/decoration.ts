/**
 * How a function comes to be decorated: wrapped, by a TC39 decorator, or by one of experimentalDecorators. Decides which of the three
 * it is and what may be decorated at all; and sees to it that no two functions of a region share their keys.
 */
import { types } from 'node:util';
import type { AnyFunction } from '../api.js';
import { KeyGenerationError, ValidationError } from '../errors.js';
import { shown } from '../shown.js';

/** Where a function stands: by itself, in instances of a class, or in the class. */
export type Place = 'function' | 'method' | 'static';

/** Makes a function of one that is decorated. */
export type Cache = (fn: AnyFunction, place: Place) => AnyFunction;

/** One function that is a wrapper and a method decorator of both kinds. */
export function decoratorOf(what: string, cache: Cache): (...given: unknown[]) => unknown {
  return (target, second, third) => {
    if (isContext(second)) {
      if (second.kind !== 'method') throw new ValidationError(`${what} goes on methods, not on a ${second.kind}.`);
      return cache(cacheable(target, what), second.static === true ? 'static' : 'method');
    }
    if (typeof second !== 'string' && typeof second !== 'symbol') return cache(cacheable(target, what), 'function');
    const descriptor = third as PropertyDescriptor | null | undefined;
    if (typeof descriptor?.value !== 'function')
      throw new ValidationError(`${what} goes on methods, and ${String(second)} is none.`);
    descriptor.value = cache(cacheable(descriptor.value, what), typeof target === 'function' ? 'static' : 'method');
    return undefined;
  };
}

/** A decorator that is not called first is given what it should decorate in place of its options. */
export function checkNotDecorating(what: string, options: unknown): void {
  const isPrototype = typeof options === 'object' && options !== null && Object.hasOwn(options, 'constructor');
  if (typeof options !== 'function' && !isPrototype) return;
  const call = what.slice(0, -1);
  throw new ValidationError(`${what} makes the decorator: say ${call})(fn), or @region.${call}).`);
}

interface MethodContext {
  readonly kind: string;
  readonly static?: boolean;
}

function isContext(second: unknown): second is MethodContext {
  return typeof second === 'object' && second !== null && 'kind' in second;
}

function cacheable(target: unknown, what: string): AnyFunction {
  if (typeof target !== 'function') throw new ValidationError(`${what} caches a function, not ${shown(target)}.`);
  if (types.isGeneratorFunction(target))
    throw new ValidationError(`${what} can't cache a generator: what it yields can be read only once.`);
  if (/^class\b/.test(Function.prototype.toString.call(target)))
    throw new ValidationError(`${what} caches functions and methods, not a class.`);
  return target as AnyFunction;
}

// -------------------------------------------------------------------------------------------------------------- names

/** What keys begin with, and whose they are. The names stay: entries outlive the function that they were made by. */
export class KeyPrefixes {
  readonly #owners = new Map<string, WeakRef<AnyFunction>>();

  /** Refuses a second function whose keys would be those of another. */
  claim(prefix: string, fn: AnyFunction): void {
    const owner = this.#owners.get(prefix);
    if (owner === undefined) this.#owners.set(prefix, new WeakRef(fn));
    else if (owner.deref() !== fn) {
      throw new KeyGenerationError(
        `Another function of this region has keys that begin with ${JSON.stringify(prefix)} already: the two would share their entries. Give one of them a \`namespace\`. If it is one function, made anew for every request, decorate it once, outside.`,
      );
    }
  }
}

/** Sees to it that the instances which share a method's entries are of one class. */
export class OneClass {
  readonly #place: Place;
  readonly #name: string;
  /** Of the first call. */
  #first: unknown;

  constructor(place: Place, name: string) {
    this.#place = place;
    this.#name = name;
  }

  /** Refuses a call on another class than the first one's. */
  check(self: unknown): void {
    if (self === undefined || self === null || this.#place === 'function') return;
    const its: unknown = this.#place === 'static' ? self : (self as object).constructor;
    if (its === this.#first) return;
    if (this.#first !== undefined) {
      throw new KeyGenerationError(
        `${JSON.stringify(this.#name)} is called on ${classNamed(this.#first)} and on ${classNamed(its)}, and they would share its entries. Say with the \`key\` option what of \`this\` makes up the key: key(…) { return [this.constructor.name, …]; }.`,
      );
    }
    this.#first = its;
  }
}

function classNamed(its: unknown): string {
  return typeof its === 'function' && its.name !== '' ? its.name : 'another class';
}
