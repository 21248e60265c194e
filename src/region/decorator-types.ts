export type CacheOnArguments<A extends any[] = any[], R = any> = (fn: (...args: A) => R) => any;
export type CacheMultiOnArguments<Id = any, V = any> = (fn: (ids: Id[]) => V) => any;
export type CacheMultiMapOnArguments<Id = any, V = any> = (fn: (ids: Id[]) => V) => any;
export interface CacheOnArgumentsOptions<A extends any[] = any[], R = any> {
  namespace?: string;
  key?: (...args: A) => R;
}
export interface CacheMultiOnArgumentsOptions<Id = any, V = any> {
  asMap?: boolean | undefined;
  key?: (id: Id) => V;
}
