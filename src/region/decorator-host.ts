/**
 * What cached functions ask of their region. Decides nothing of it: each verb is the region's own, under the policy of the function
 * instead of options of a call.
 */
import type { Awaitable, CachedValue, Creator, FunctionKeyGenerator, FunctionMultiKeyGenerator } from '../api.js';
import { type Call, callOf } from './call.js';
import type { CallPolicy } from './call-options.js';
import type { Core } from './core.js';
import type { AnyMultiCreator, Batch, Found } from './creating-multi.js';
import { getOrCreate, refresh } from './get-or-create.js';
import { getOrCreateMulti } from './get-or-create-multi.js';
import type { CacheRegion } from './region.js';
import { freshnessOf } from './settings.js';
import { type Given, writeMany, writeOne } from './writes.js';

export interface DecoratorHostParts {
  // biome-ignore lint/suspicious/noExplicitAny: regions of any value type
  readonly region: CacheRegion<any>;
  readonly functionKeyGenerator: FunctionKeyGenerator;
  readonly functionMultiKeyGenerator: FunctionMultiKeyGenerator;
  /** The region's core, while calls may use it at once. */
  live(): Core | undefined;
  /** Runs a verb as soon as the backend is there. */
  use<T>(verb: (core: Core) => Awaitable<T>): Promise<T>;
}

export class DecoratorHost {
  readonly region: DecoratorHostParts['region'];
  readonly functionKeyGenerator: FunctionKeyGenerator;
  readonly functionMultiKeyGenerator: FunctionMultiKeyGenerator;
  readonly #parts: DecoratorHostParts;

  constructor(parts: DecoratorHostParts) {
    this.region = parts.region;
    this.functionKeyGenerator = parts.functionKeyGenerator;
    this.functionMultiKeyGenerator = parts.functionMultiKeyGenerator;
    this.#parts = parts;
  }

  /** A hit at once, without a closure, or `undefined`. */
  hit(key: string, policy: CallPolicy): Promise<unknown> | undefined {
    const core = this.#parts.live();
    if (core === undefined) return undefined;
    const settings = policy.under(core.settings);
    return settings.signal?.aborted ? undefined : core.looks.hit(key, settings);
  }

  getOrCreate(
    key: string,
    creator: Creator<unknown, unknown>,
    policy: CallPolicy,
    cached: Call['cached'],
  ): Promise<unknown> {
    return this.#parts.use((core) =>
      getOrCreate(core, callOf(core, key, creator, policy.under(core.settings), cached)),
    );
  }

  refresh(key: string, creator: Creator<unknown, unknown>, policy: CallPolicy): Promise<unknown> {
    return this.#parts.use((core) => refresh(core, callOf(core, key, creator, policy.under(core.settings))));
  }

  getCachedValue(key: string, policy: CallPolicy): Promise<CachedValue | undefined> {
    return this.#parts.use((core) => core.looks.find(key, freshnessOf(policy.under(core.settings)), false));
  }

  set(key: string, given: Given, policy: CallPolicy): Promise<void> {
    return this.#parts.use((core) => writeOne(core, key, given, { settings: policy.under(core.settings) }));
  }

  // -------------------------------------------------------------------------------------------------------------- many

  /** In the order of the keys; without those that the creator's Map left out. `failures`: where each key is somebody else's. */
  getOrCreateMulti(
    keys: readonly string[],
    creator: AnyMultiCreator,
    policy: CallPolicy,
    failures?: Batch['failures'],
  ): Promise<(Found | undefined)[]> {
    return this.#createMulti(keys, creator, policy, { anew: false, failures });
  }

  refreshMulti(keys: readonly string[], creator: AnyMultiCreator, policy: CallPolicy): Promise<(Found | undefined)[]> {
    return this.#createMulti(keys, creator, policy, { anew: true });
  }

  getCachedValues(keys: readonly string[], policy: CallPolicy): Promise<(CachedValue | undefined)[]> {
    return this.#parts.use((core) => core.looks.findMulti(keys, freshnessOf(policy.under(core.settings)), false));
  }

  setMulti(entries: ReadonlyMap<string, Given>, policy: CallPolicy): Promise<void> {
    return this.#parts.use((core) => writeMany(core, entries, { settings: policy.under(core.settings) }));
  }

  #createMulti(
    keys: readonly string[],
    creator: AnyMultiCreator,
    policy: CallPolicy,
    manner: Pick<Batch, 'anew' | 'failures'>,
  ): Promise<(Found | undefined)[]> {
    return this.#parts.use(async (core) => {
      const settings = policy.under(core.settings);
      const found = await getOrCreateMulti(core, keys, { creator, settings, ...manner });
      return keys.map((key) => found.get(key));
    });
  }
}
