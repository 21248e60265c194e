/** The types of cached functions, of the decorators that make them, and of their options. No behaviour. */
// biome-ignore-all lint/suspicious/noExplicitAny: functions of any parameters, told apart by inference
import type {
  AnyFunction,
  AsyncFunction,
  Awaitable,
  FunctionKeyGenerator,
  FunctionMultiKeyGenerator,
  Policy,
} from '../api.js';

// ----------------------------------------------------------------------------------------------------------- options

/**
 * `A` and `R` come from annotated callbacks: `{ key: (id: number, _signal: AbortSignal) => [id] }` is then checked against the
 * function that it is put on. Without annotations nothing is checked.
 */
export interface CacheOnArgumentsOptions<A extends any[] = any[], R = any> extends Policy {
  /** Begins the keys, `namespace:name|…`: for functions of one name, and for those without any. */
  namespace?: string | undefined;
  /** Says of a created value whether it is stored. Not asked by `set` and `refresh`. */
  shouldCache?: ((value: R) => boolean) | undefined;
  /** What the entries are about, for `invalidateTags`. `this` is that of a method. */
  tags?: readonly string[] | ((this: any, ...args: A) => readonly string[]) | undefined;
  /**
   * Which values make up the key, in place of all arguments: leave out a signal or a handle, add the tenant or something of `this`.
   * They go through the same encoding. `key: (id: number, _signal?: AbortSignal) => [id]`
   */
  key?: ((this: any, ...args: A) => readonly unknown[]) | undefined;
  /** In place of the region's. */
  functionKeyGenerator?: FunctionKeyGenerator | undefined;
  /** How the generator writes an argument, in place of its own encoding. */
  argumentToString?: ((argument: unknown) => string) | undefined;
}

export interface CacheMultiOnArgumentsOptions<Id = any, V = any> extends Policy {
  namespace?: string | undefined;
  shouldCache?: ((value: V) => boolean) | undefined;
  /** Of each entry. */
  tags?: readonly string[] | ((this: any, id: Id) => readonly string[]) | undefined;
  /** Which values make up the key of one id. */
  key?: ((this: any, id: Id) => readonly unknown[]) | undefined;
  functionMultiKeyGenerator?: FunctionMultiKeyGenerator | undefined;
  argumentToString?: ((argument: unknown) => string) | undefined;
  /** The function returns a `Map` by id. Ids that it leaves out are absent and not cached. Default `false`: an array. */
  asMap?: boolean | undefined;
}

/** What one call may say. */
export interface CallOptions extends Policy {
  /** Detaches this caller only; the creation is aborted when nobody is left. */
  signal?: AbortSignal | undefined;
}

// ---------------------------------------------------------------------------------------------------- cached functions

/** Parameters and awaited result of the original; overloads and type parameters stay where it returns a Promise. */
export type CachedFunction<F extends AnyFunction> = CachedCall<F> & CachedVerbs<F>;

export type CachedCall<F extends AnyFunction> =
  ReturnType<F> extends Promise<any>
    ? F
    : (this: ThisParameterType<F>, ...args: Parameters<F>) => Promise<Awaited<ReturnType<F>>>;

export interface CachedVerbs<F extends AnyFunction> {
  /** The cached value, if there is a fresh one; never creates. */
  get(...args: Parameters<F>): Promise<Awaited<ReturnType<F>> | undefined>;
  set(value: Awaited<ReturnType<F>>, ...args: Parameters<F>): Promise<void>;
  /** Creates now, stores and returns it. */
  refresh(...args: Parameters<F>): Promise<Awaited<ReturnType<F>>>;
  invalidate(...args: Parameters<F>): Promise<void>;
  /** The key as the caller knows it, unmangled: what `region.delete` takes. */
  keyFor(...args: Parameters<F>): string;
  /** The policy or the `signal` of one call: `loadUser.with({ signal })(5)`. */
  with(options: CallOptions): CachedCall<F>;
  readonly original: F;
}

export interface CachedMultiFunction<Id, V> {
  (ids: readonly Id[]): Promise<V[]>;
  /** In the ids' order; never creates. */
  get(ids: readonly Id[]): Promise<(V | undefined)[]>;
  set(values: ReadonlyMap<Id, V>): Promise<void>;
  refresh(ids: readonly Id[]): Promise<V[]>;
  invalidate(ids: readonly Id[]): Promise<void>;
  keysFor(ids: readonly Id[]): string[];
  /** One id; loads that are made in the same tick go into one call. */
  load(id: Id): Promise<V>;
  readonly original: (ids: Id[]) => Awaitable<readonly V[]>;
}

export interface CachedMultiMapFunction<Id, V> {
  (ids: readonly Id[]): Promise<Map<Id, V>>;
  get(ids: readonly Id[]): Promise<Map<Id, V>>;
  set(values: ReadonlyMap<Id, V>): Promise<void>;
  refresh(ids: readonly Id[]): Promise<Map<Id, V>>;
  invalidate(ids: readonly Id[]): Promise<void>;
  keysFor(ids: readonly Id[]): string[];
  /** One id, `undefined` where the function leaves it out; loads that are made in the same tick go into one call. */
  load(id: Id): Promise<V | undefined>;
  readonly original: (ids: Id[]) => Awaitable<ReadonlyMap<Id, V>>;
}

/** Names of the methods of an object. */
export type MethodNames<O> = { [K in keyof O]-?: O[K] extends AnyFunction ? K : never }[keyof O];

// --------------------------------------------------------------------------------------------------------- decorators

/** One function that serves as method decorator of both kinds and as wrapper. */
export interface CacheOnArguments<A extends any[] = any[], R = any> {
  /** TC39 decorator: public, private and static methods that return a promise. */
  <This, F extends (this: This, ...args: any[]) => Promise<any>>(
    method: Fitting<F, A, R>,
    context: ClassMethodDecoratorContext<This, F>,
  ): F;
  /** experimentalDecorators. */
  <F extends AsyncFunction>(
    target: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<Fitting<F, A, R>>,
  ): void;
  /** Wrapper. */
  <F extends AnyFunction>(fn: Fitting<F, A, R>): CachedFunction<F>;
}

export interface CacheMultiOnArguments<Id = any, V = any> {
  <This, F extends (this: This, ids: any) => Promise<readonly any[]>>(
    method: FittingMulti<F, Id, V>,
    context: ClassMethodDecoratorContext<This, F>,
  ): F;
  <F extends (this: any, ids: any) => Promise<readonly any[]>>(
    target: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<FittingMulti<F, Id, V>>,
  ): void;
  <I extends Id, T extends V>(fn: (this: any, ids: I[]) => Awaitable<readonly T[]>): CachedMultiFunction<I, T>;
}

export interface CacheMultiMapOnArguments<Id = any, V = any> {
  <This, F extends (this: This, ids: any) => Promise<ReadonlyMap<any, any>>>(
    method: FittingMulti<F, Id, V>,
    context: ClassMethodDecoratorContext<This, F>,
  ): F;
  <F extends (this: any, ids: any) => Promise<ReadonlyMap<any, any>>>(
    target: object,
    name: string | symbol,
    descriptor: TypedPropertyDescriptor<FittingMulti<F, Id, V>>,
  ): void;
  <I extends Id, T extends V>(fn: (this: any, ids: I[]) => Awaitable<ReadonlyMap<I, T>>): CachedMultiMapFunction<I, T>;
}

/**
 * `F` where the annotated callbacks of the options accept its arguments and result, else a message. Nothing annotated: plain `F`,
 * because an intersection would cost a generic function its type parameters.
 */
export type Fitting<F extends AnyFunction, A extends any[], R> = any[] extends A
  ? 0 extends 1 & R
    ? F
    : F & FitsResult<F, R>
  : F & FitsArguments<F, A> & FitsResult<F, R>;
type FitsArguments<F extends AnyFunction, A extends any[]> = ((...args: A) => void) extends (
  ...args: Parameters<F>
) => void
  ? unknown
  : 'key or tags take other arguments than this function';
type FitsResult<F extends AnyFunction, R> = [Awaited<ReturnType<F>>] extends [R]
  ? unknown
  : 'shouldCache takes another value than this function returns';
type FittingMulti<F extends AnyFunction, Id, V> = Fitting<
  F,
  0 extends 1 & Id ? any[] : [Id[]],
  0 extends 1 & V ? any : readonly V[] | ReadonlyMap<any, V>
>;
