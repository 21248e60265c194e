/** The slices of the client packages that are used, described structurally: no type of a package stands in our declarations. */

/** Called once, with `undefined` or `null` for no error. */
// biome-ignore lint/suspicious/noExplicitAny: what the package declares
type Callback<T> = (error: any, result: T) => void;

/** npm `memcached`. */
export interface NodeMemcachedLike {
  // biome-ignore lint/suspicious/noExplicitAny: what the package declares
  get(key: string, done: Callback<any>): void;
  // biome-ignore lint/suspicious/noExplicitAny: what the package declares
  gets(key: string, done: Callback<any>): void;
  // biome-ignore lint/suspicious/noExplicitAny: what the package declares
  getMulti(keys: string[], done: Callback<{ [key: string]: any }>): void;
  // biome-ignore lint/suspicious/noExplicitAny: what the package declares
  set(key: string, value: any, lifetime: number, done: Callback<boolean>): void;
  // biome-ignore lint/suspicious/noExplicitAny: what the package declares
  add(key: string, value: any, lifetime: number, done: Callback<boolean>): void;
  // biome-ignore lint/suspicious/noExplicitAny: what the package declares
  cas(key: string, value: any, cas: string, lifetime: number, done: Callback<boolean>): void;
  del(key: string, done: Callback<boolean>): void;
  end(): void;
}

/** npm `memjs`, with its default (pass-through) serializer. */
export interface MemjsLike {
  get(key: string): Promise<{ value: Uint8Array | null; flags: Uint8Array | null }>;
  set(key: string, value: string | Uint8Array, options?: { expires?: number }): Promise<boolean>;
  add(key: string, value: string | Uint8Array, options?: { expires?: number }): Promise<boolean>;
  replace(key: string, value: string | Uint8Array, options?: { expires?: number }): Promise<boolean>;
  touch(key: string, expires: number): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  close(): void;
}

/** npm `memcache-client`. */
export interface MemcacheClientLike {
  // biome-ignore lint/suspicious/noExplicitAny: its overloads differ in order and number
  get(key: any, ...more: any[]): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  gets(key: any, ...more: any[]): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  set(key: string, value: any, ...more: any[]): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  add(key: string, value: any, ...more: any[]): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  cas(key: string, value: any, ...more: any[]): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  delete(key: string, ...more: any[]): Promise<any>;
  shutdown(): void;
}
