import type {
  CachedValue,
  Creator,
  FunctionKeyGenerator,
  FunctionMultiKeyGenerator,
  GetOrCreateOptions,
  Policy,
} from '../api.js';
import type { Call } from './call.js';
import type {
  CacheMultiMapOnArguments,
  CacheMultiOnArguments,
  CacheMultiOnArgumentsOptions,
  CacheOnArguments,
  CacheOnArgumentsOptions,
} from './decorator-types.js';
import type { AnyMultiCreator, Found } from './get-or-create-multi.js';
import type { CacheRegion } from './region.js';
import type { CallPolicy } from './settings.js';

/** What a decorated function asks of its region. */
export interface DecoratorHost {
  // biome-ignore lint/suspicious/noExplicitAny: regions of any value type
  readonly region: CacheRegion<any>;
  readonly functionKeyGenerator: FunctionKeyGenerator;
  readonly functionMultiKeyGenerator: FunctionMultiKeyGenerator;
  policy(options: Policy & { shouldCache?: ((value: never) => boolean) | undefined }): CallPolicy;
  override(policy: CallPolicy, options: GetOrCreateOptions<never>): CallPolicy;
  /** A hit at once, without a closure, or `undefined`. */
  hit(key: string, policy: CallPolicy): Promise<unknown> | undefined;
  getOrCreate(
    key: string,
    creator: Creator<unknown, unknown>,
    policy: CallPolicy,
    cached: Call['cached'],
  ): Promise<unknown>;
  getOrCreateMulti(
    keys: readonly string[],
    creator: AnyMultiCreator,
    policy: CallPolicy,
  ): Promise<(Found | undefined)[]>;
  getCachedValue(key: string, policy: CallPolicy): Promise<CachedValue | undefined>;
  getCachedValues(keys: readonly string[], policy: CallPolicy): Promise<(CachedValue | undefined)[]>;
  refresh(key: string, creator: Creator<unknown, unknown>, policy: CallPolicy): Promise<unknown>;
  refreshMulti(keys: readonly string[], creator: AnyMultiCreator, policy: CallPolicy): Promise<(Found | undefined)[]>;
}

export function cacheOnArguments(_host: DecoratorHost, _options?: unknown): CacheOnArguments<any, any> {
  throw new Error('to come');
}
export function cacheMultiOnArguments(
  _host: DecoratorHost,
  _options?: unknown,
): CacheMultiOnArguments<any, any> | CacheMultiMapOnArguments<any, any> {
  throw new Error('to come');
}
