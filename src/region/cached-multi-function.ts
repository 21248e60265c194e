/**
 * A cached function of many ids: the call, its verbs, and `load`. Decides how ids become keys on the way in, and results of ids on
 * the way out.
 */
import type { AnyFunction } from '../api.js';
import { ValidationError } from '../errors.js';
import { calledName } from '../keys/generators.js';
import { shown } from '../shown.js';
import { dress, type Self } from './cached-function.js';
import type { Failed } from './creating.js';
import type { AnyMultiCreator, Found } from './creating-multi.js';
import type { Decoration } from './decorator-options.js';
import { type Loaded, Loads } from './loads.js';
import { checkTags } from './policy-options.js';

export interface CachedMultiParts extends Decoration {
  readonly original: AnyFunction;
  keysOf(self: Self, ids: readonly unknown[]): string[];
  readonly asMap: boolean;
}

/** Ids with their keys. Ids of one key are one: the first stands for the others. */
type IdsByKey = ReadonlyMap<string, unknown>;

export class CachedMulti {
  readonly #parts: CachedMultiParts;
  readonly #loads: Loads;
  readonly fn: AnyFunction;

  constructor(parts: CachedMultiParts) {
    this.#parts = parts;
    this.#loads = new Loads((self, ids) => this.#loaded(self, ids));
    const cached = this;
    this.fn = this.#dressed(undefined, function (this: Self, ids: readonly unknown[]) {
      return cached.call(this, ids);
    });
  }

  /** The same with `this` given, for the verbs as well. */
  boundTo(self: object): AnyFunction {
    return this.#dressed(self, (ids: readonly unknown[]) => this.call(self, ids));
  }

  #dressed(self: object | undefined, call: AnyFunction): AnyFunction {
    const { original } = this.#parts;
    dress(call, original, {
      original,
      get: (ids: readonly unknown[]) => this.get(self, ids),
      set: (values: ReadonlyMap<unknown, unknown>) => this.set(self, values),
      refresh: (ids: readonly unknown[]) => this.refresh(self, ids),
      invalidate: (ids: readonly unknown[]) => this.invalidate(self, ids),
      keysFor: (ids: readonly unknown[]) => this.#keysOf(self, ids),
      load: (id: unknown) => this.load(self, id),
    });
    multiCaches.set(call, this);
    return call;
  }

  async call(self: Self, ids: readonly unknown[]): Promise<unknown> {
    const wanted = this.#checked(ids);
    const keys = this.#parts.keysOf(self, wanted);
    return this.#answer(wanted, keys, await this.#create(self, keys, idsByKey(wanted, keys)));
  }

  async get(self: Self, ids: readonly unknown[]): Promise<unknown> {
    const { host, policy, keysOf } = this.#parts;
    const wanted = this.#checked(ids);
    const keys = keysOf(self, wanted);
    const entries = await host.getCachedValues(keys, policy);
    const found = entries.map((entry) => entry && { value: entry.payload });
    return this.#answer(wanted, keys, new Map(keys.map((key, at) => [key, found[at]])));
  }

  async set(self: Self, values: ReadonlyMap<unknown, unknown>): Promise<void> {
    const { host, original, policy, tagsOf, tags } = this.#parts;
    if (!(values instanceof Map))
      throw new ValidationError(`${calledName(original)}.set() takes a Map of values by id, not ${shown(values)}.`);
    const ids = [...values.keys()];
    const keys = this.#keysOf(self, ids);
    const named = ids.map((id) => (tagsOf ? checkTags(tagsOf.call(self, id)) : tags));
    const entries = keys.map((key, at) => [key, { value: values.get(ids[at]), tags: named[at] ?? [] }] as const);
    await host.setMulti(new Map(entries), policy);
  }

  async refresh(self: Self, ids: readonly unknown[]): Promise<unknown> {
    const { host, policy, keysOf } = this.#parts;
    const wanted = this.#checked(ids);
    const keys = keysOf(self, wanted);
    const found = await host.refreshMulti(keys, this.#creator(self, idsByKey(wanted, keys)), policy);
    return this.#answer(wanted, keys, new Map(keys.map((key, at) => [key, found[at]])));
  }

  async invalidate(self: Self, ids: readonly unknown[]): Promise<void> {
    await this.#parts.host.region.deleteMulti(this.#keysOf(self, ids));
  }

  async load(self: Self, id: unknown): Promise<unknown> {
    const [key = ''] = this.#keysOf(self, [id]);
    return (await this.#loads.load(self, key, id))?.value;
  }

  // ----------------------------------------------------------------------------------------------------------- details

  #keysOf(self: Self, ids: readonly unknown[]): string[] {
    return this.#parts.keysOf(self, this.#checked(ids));
  }

  /** A copy: the caller may do with his array what he likes, as soon as he has called. */
  #checked(ids: readonly unknown[]): readonly unknown[] {
    if (Array.isArray(ids)) return [...ids];
    throw new ValidationError(`${calledName(this.#parts.original)} is called with an array of ids, not ${shown(ids)}.`);
  }

  async #loaded(self: Self, ids: IdsByKey): Promise<Loaded> {
    const failures: Map<string, Failed> = new Map();
    return { found: await this.#create(self, [...ids.keys()], ids, failures), failures };
  }

  async #create(
    self: Self,
    keys: readonly string[],
    ids: IdsByKey,
    failures?: Map<string, Failed>,
  ): Promise<ReadonlyMap<string, Found | undefined>> {
    const { host, policy } = this.#parts;
    const found = await host.getOrCreateMulti(keys, this.#creator(self, ids), policy, failures);
    return new Map(keys.map((key, at) => [key, found[at]]));
  }

  /** Calls the function with the ids of the keys that are to be created. */
  #creator(self: Self, ids: IdsByKey): AnyMultiCreator {
    const { original, tagsOf, asMap } = this.#parts;
    return async (keys, context) => {
      const wanted = keys.map((key) => ids.get(key));
      if (tagsOf) for (const [at, key] of keys.entries()) context.tag(key, ...checkTags(tagsOf.call(self, wanted[at])));
      // A copy: the function may do with it what it likes.
      const made: unknown = await original.call(self, [...wanted]);
      return asMap ? this.#byKey(made, keys, wanted) : this.#inOrder(made, wanted.length);
    };
  }

  #byKey(made: unknown, keys: readonly string[], wanted: readonly unknown[]): ReadonlyMap<string, unknown> {
    if (!(made instanceof Map)) {
      throw new ValidationError(
        `With asMap, ${calledName(this.#parts.original)} must give a Map of values by id; it gave ${shown(made)}.`,
      );
    }
    const byKey = new Map<string, unknown>();
    for (const [at, key] of keys.entries()) if (made.has(wanted[at])) byKey.set(key, made.get(wanted[at]));
    return byKey;
  }

  #inOrder(made: unknown, count: number): readonly unknown[] {
    if (Array.isArray(made) && made.length === count) return made;
    const what = Array.isArray(made) ? `${made.length} values` : shown(made);
    const hint = made instanceof Map ? ' Say asMap: true for a function that gives a Map.' : '';
    throw new ValidationError(
      `${calledName(this.#parts.original)} must give an array of ${count} values, one for each id it was called with, in their order; it gave ${what}.${hint}`,
    );
  }

  /** In the caller's order: an array, or with `asMap` a Map without the ids that nothing was found for. */
  #answer(ids: readonly unknown[], keys: readonly string[], found: ReadonlyMap<string, Found | undefined>): unknown {
    if (!this.#parts.asMap) return keys.map((key) => found.get(key)?.value);
    const answer = new Map<unknown, unknown>();
    for (const [at, key] of keys.entries()) {
      const its = found.get(key);
      if (its) answer.set(ids[at], its.value);
    }
    return answer;
  }
}

/** What stands behind a cached function of many ids. */
export const multiCaches = new WeakMap<AnyFunction, CachedMulti>();

function idsByKey(ids: readonly unknown[], keys: readonly string[]): IdsByKey {
  const byKey = new Map<string, unknown>();
  for (const [at, key] of keys.entries()) if (!byKey.has(key)) byKey.set(key, ids[at]);
  return byKey;
}
