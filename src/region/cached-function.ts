/**
 * A cached function: the call and its verbs. Decides what each asks of the region; how keys are written and what a region does with
 * them is not its business.
 */
import type { AnyFunction, Creator } from '../api.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { checkObject, refuseUnknown } from '../validation.js';
import type { CallPolicy } from './call-options.js';
import type { Decoration } from './decorator-options.js';
import type { CallOptions } from './decorator-types.js';
import { checkTags, POLICY_NAMES } from './policy-options.js';
import { belongsToRegion } from './region-options.js';

/** `this` of a method, and nothing where there is none. */
export type Self = unknown;

export interface CachedParts extends Decoration {
  readonly original: AnyFunction;
  keyOf(self: Self, args: readonly unknown[]): string;
}

export class Cached {
  readonly #parts: CachedParts;
  /** What the program calls, for runners. */
  readonly fn: AnyFunction;

  constructor(parts: CachedParts) {
    this.#parts = parts;
    this.fn = this.#exposed();
  }

  /** The function with its verbs, and `this` as it is called with: the verbs have none. */
  #exposed(): AnyFunction {
    const { policy } = this.#parts;
    const cached = this;
    return this.#dressed(undefined, function (this: Self, ...args: unknown[]) {
      return cached.call(this, args, policy);
    });
  }

  /** The same with `this` given, for the verbs as well. */
  boundTo(self: object): AnyFunction {
    const { policy } = this.#parts;
    return this.#dressed(self, (...args: unknown[]) => this.call(self, args, policy));
  }

  #dressed(self: object | undefined, call: AnyFunction): AnyFunction {
    const { original } = this.#parts;
    dress(call, original, {
      original,
      get: (...args: unknown[]) => this.get(self, args),
      set: (value: unknown, ...args: unknown[]) => this.set(self, value, args),
      refresh: (...args: unknown[]) => this.refresh(self, args),
      invalidate: (...args: unknown[]) => this.invalidate(self, args),
      keyFor: (...args: unknown[]) => this.#parts.keyOf(self, args),
      with: (options: CallOptions) => this.with(self, options),
    });
    caches.set(call, this);
    return call;
  }

  /** A hit in memory makes nothing but its key and the promise. */
  call(self: Self, args: unknown[], policy: CallPolicy): Promise<unknown> {
    const { host, keyOf } = this.#parts;
    try {
      const key = keyOf(self, args);
      return host.hit(key, policy) ?? host.getOrCreate(key, this.#creator(self, args), policy, { fn: this.fn, args });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async get(self: Self, args: unknown[]): Promise<unknown> {
    const { host, keyOf, policy } = this.#parts;
    return (await host.getCachedValue(keyOf(self, args), policy))?.payload;
  }

  async set(self: Self, value: unknown, args: unknown[]): Promise<void> {
    const { host, keyOf, policy, tags, tagsOf } = this.#parts;
    const named = tagsOf ? checkTags(tagsOf.apply(self, args)) : tags;
    await host.set(keyOf(self, args), { value, tags: named }, policy);
  }

  async refresh(self: Self, args: unknown[]): Promise<unknown> {
    const { host, keyOf, policy } = this.#parts;
    return host.refresh(keyOf(self, args), this.#creator(self, args), policy);
  }

  async invalidate(self: Self, args: unknown[]): Promise<void> {
    const { host, keyOf } = this.#parts;
    await host.region.delete(keyOf(self, args));
  }

  /** The call alone, under a policy of its own, which is checked now. */
  with(bound: object | undefined, options: CallOptions): AnyFunction {
    const { original, policy: own } = this.#parts;
    checkObject('The options of with()', options);
    refuseUnknown('with()', options, [...POLICY_NAMES, 'signal'], belongsToRegion);
    const policy = own.with(options);
    const cached = this;
    const call: AnyFunction = bound
      ? (...args: unknown[]) => this.call(bound, args, policy)
      : function (this: Self, ...args: unknown[]) {
          return cached.call(this, args, policy);
        };
    return dress(call, original, {});
  }

  #creator(self: Self, args: unknown[]): Creator<unknown, unknown> {
    const { original, tagsOf } = this.#parts;
    if (!tagsOf) return () => original.apply(self, args);
    return (context) => {
      context.tag(...checkTags(tagsOf.apply(self, args)));
      return original.apply(self, args);
    };
  }
}

// ------------------------------------------------------------------------------------------------------------ details

/** What stands behind a cached function. */
export const caches = new WeakMap<AnyFunction, Cached>();

/** Gives a function the name and length of the original, the metadata that frameworks have left on that, and verbs. */
export function dress(call: AnyFunction, original: AnyFunction, verbs: Readonly<Record<string, unknown>>): AnyFunction {
  for (const property of ['name', 'length'] as const)
    Object.defineProperty(call, property, { value: original[property], configurable: true });
  for (const [name, value] of Object.entries(verbs))
    Object.defineProperty(call, name, { value, configurable: true, writable: true });
  copyMetadata(original, call);
  return call;
}

/** What reflect-metadata adds to `Reflect`, where it is loaded: NestJS keeps routes and guards there. */
interface MetadataReflect {
  getOwnMetadataKeys?(target: object): readonly unknown[];
  getOwnMetadata?(key: unknown, target: object): unknown;
  defineMetadata?(key: unknown, value: unknown, target: object): void;
}

function copyMetadata(from: AnyFunction, to: AnyFunction): void {
  // Nothing of it is there, unless the package is.
  const reflect = Reflect as MetadataReflect;
  for (const key of reflect.getOwnMetadataKeys?.(from) ?? [])
    reflect.defineMetadata?.(key, reflect.getOwnMetadata?.(key, from), to);
}

/** The one that is behind a function, or an error that says how to come by it. */
export function behind<T>(known: { get(fn: AnyFunction): T | undefined }, fn: unknown, what: string): T {
  const found = typeof fn === 'function' ? known.get(fn as AnyFunction) : undefined;
  if (found !== undefined) return found;
  if (typeof fn !== 'function')
    throw new ValidationError(`${what} takes a cached function or method, not ${shown(fn)}.`);
  const isBound = fn.name.startsWith('bound ');
  throw new ValidationError(
    `${JSON.stringify(fn.name)} is no function that ${what} knows. ${isBound ? `bind() makes another function: say ${what.slice(0, -1)}method, thisArg).` : 'Decorate it first, with cacheOnArguments() for one value or cacheMultiOnArguments() for many.'}`,
  );
}
