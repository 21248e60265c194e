/**
 * Names of backends: the built-in ones with the checks of their arguments, those of `registerBackend`, and modules. Decides which
 * backend a name stands for and when its engine is imported; nothing of what it does.
 */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Awaitable, CacheBackend } from './api.js';
import type { FileArguments } from './backends/file-arguments.js';
import { checkFileArguments } from './backends/file-arguments.js';
import { LazyBackend } from './backends/lazy.js';
import {
  checkMemcachedArguments,
  type MemcacheClientArguments,
  type MemcachedArguments,
  type MemjsArguments,
  type NodeMemcachedArguments,
} from './backends/memcached-arguments.js';
import {
  checkMemoryArguments,
  type MemoryArguments,
  memoryBackend,
  memorySerializedBackend,
} from './backends/memory.js';
import { nullBackend } from './backends/null.js';
import {
  checkRedisArguments,
  type RedisArguments,
  type RedisClusterArguments,
  type RedisName,
  type RedisSentinelArguments,
  type ValkeyArguments,
  type ValkeyClusterArguments,
  type ValkeySentinelArguments,
} from './backends/redis-arguments.js';
import { BackendNotFoundError, ValidationError } from './errors.js';
import { shown } from './shown.js';
import { checkFunction, checkObject, checkString, nearest } from './validation.js';

/**
 * Names and their arguments. Third parties add theirs:
 * `declare module 'dogpile-cache' { interface BackendArguments { '@acme/dogpile-etcd': EtcdArguments } }`
 */
export interface BackendArguments {
  'dogpile.cache.memory': MemoryArguments;
  memory: MemoryArguments;
  'dogpile.cache.memory_serialized': MemoryArguments;
  memory_serialized: MemoryArguments;
  /** Takes and ignores any, so that one name switches a cache off. */
  'dogpile.cache.null': Readonly<Record<string, unknown>>;
  null: Readonly<Record<string, unknown>>;
  'dogpile.cache.dbm': FileArguments;
  file: FileArguments;
  lmdb: FileArguments;
  'dogpile.cache.redis': RedisArguments;
  redis: RedisArguments;
  'dogpile.cache.redis_sentinel': RedisSentinelArguments;
  redis_sentinel: RedisSentinelArguments;
  'dogpile.cache.redis_cluster': RedisClusterArguments;
  redis_cluster: RedisClusterArguments;
  'dogpile.cache.valkey': ValkeyArguments;
  valkey: ValkeyArguments;
  'dogpile.cache.valkey_sentinel': ValkeySentinelArguments;
  valkey_sentinel: ValkeySentinelArguments;
  'dogpile.cache.valkey_cluster': ValkeyClusterArguments;
  valkey_cluster: ValkeyClusterArguments;
  'dogpile.cache.memcached': MemcachedArguments;
  memcached: MemcachedArguments;
  'dogpile.cache.node_memcached': NodeMemcachedArguments;
  node_memcached: NodeMemcachedArguments;
  'dogpile.cache.memjs': MemjsArguments;
  memjs: MemjsArguments;
  'dogpile.cache.memcache_client': MemcacheClientArguments;
  memcache_client: MemcacheClientArguments;
}
/** A known name (completed by editors) or any other. */
export type BackendName = keyof BackendArguments | (string & {});
export type ArgumentsOf<Name extends string> = Name extends keyof BackendArguments
  ? BackendArguments[Name]
  : Readonly<Record<string, unknown>>;

/** What a module exports by default, and what `registerBackend` loads. */
// biome-ignore lint/suspicious/noExplicitAny: each factory has arguments of its own
export type BackendFactory<Arguments = any> = (args: Arguments) => Awaitable<CacheBackend>;

/** Checks the arguments and answers with the backend, its engine still to be imported where it has one. */
type Open = (args: object) => CacheBackend;

const memory: Open = (args) => {
  checkMemoryArguments(args, 'values');
  return memoryBackend(args);
};
const memorySerialized: Open = (args) => {
  checkMemoryArguments(args, 'bytes');
  return memorySerializedBackend(args);
};
const file: Open = (args) => {
  const checked = checkFileArguments(args);
  return new LazyBackend(async () => (await import('./backends/file.js')).fileBackend(checked));
};

/** Their engine is one, whatever the name. */
const redis =
  (name: RedisName): Open =>
  (args) => {
    const settings = checkRedisArguments(name, args);
    return new LazyBackend(async () => (await import('./backends/redis/open.js')).openBackend(settings));
  };

const memcached: Open = (args) => {
  const settings = checkMemcachedArguments('memcached', args);
  return new LazyBackend(async () => (await import('./backends/memcached/meta-backend.js')).openMetaBackend(settings));
};

/** As those of Redis. */
const openMemcachedClients = () => import('./backends/memcached/open-clients.js');
const nodeMemcached: Open = (args) => {
  const settings = checkMemcachedArguments('node_memcached', args);
  return new LazyBackend(async () => (await openMemcachedClients()).openNodeMemcachedBackend(settings));
};
const memjs: Open = (args) => {
  const settings = checkMemcachedArguments('memjs', args);
  return new LazyBackend(async () => (await openMemcachedClients()).openMemjsBackend(settings));
};
const memcacheClient: Open = (args) => {
  const settings = checkMemcachedArguments('memcache_client', args);
  return new LazyBackend(async () => (await openMemcachedClients()).openMemcacheClientBackend(settings));
};

/** The first name is the full one, as in Python. */
const BUILT_IN: ReadonlyMap<string, Open> = new Map<string, Open>([
  ['dogpile.cache.memory', memory],
  ['memory', memory],
  ['dogpile.cache.memory_serialized', memorySerialized],
  ['memory_serialized', memorySerialized],
  ['dogpile.cache.null', () => nullBackend()],
  ['null', () => nullBackend()],
  ['dogpile.cache.dbm', file],
  ['file', file],
  ['lmdb', file],
  ['dogpile.cache.redis', redis('redis')],
  ['redis', redis('redis')],
  ['dogpile.cache.redis_sentinel', redis('redis_sentinel')],
  ['redis_sentinel', redis('redis_sentinel')],
  ['dogpile.cache.redis_cluster', redis('redis_cluster')],
  ['redis_cluster', redis('redis_cluster')],
  ['dogpile.cache.valkey', redis('valkey')],
  ['valkey', redis('valkey')],
  ['dogpile.cache.valkey_sentinel', redis('valkey_sentinel')],
  ['valkey_sentinel', redis('valkey_sentinel')],
  ['dogpile.cache.valkey_cluster', redis('valkey_cluster')],
  ['valkey_cluster', redis('valkey_cluster')],
  ['dogpile.cache.memcached', memcached],
  ['memcached', memcached],
  ['dogpile.cache.node_memcached', nodeMemcached],
  ['node_memcached', nodeMemcached],
  ['dogpile.cache.memjs', memjs],
  ['memjs', memjs],
  ['dogpile.cache.memcache_client', memcacheClient],
  ['memcache_client', memcacheClient],
]);

const PREFIX = 'dogpile.cache.';

/** Names of Python's whose like has another name here. */
const PYTHONS: ReadonlyMap<string, string> = new Map([
  ['dogpile.cache.memory_pickle', 'dogpile.cache.memory_serialized'],
  ['dogpile.cache.pylibmc', 'dogpile.cache.memcached'],
  ['dogpile.cache.bmemcached', 'dogpile.cache.memcached'],
  ['dogpile.cache.pymemcache', 'dogpile.cache.memcached'],
]);

type Load = () => Promise<{ default: BackendFactory }>;

/** Of the process, as names of configuration files are. Written by `registerBackend`. */
const registered = new Map<string, Load>();

/**
 * Gives a backend of your own a name: `registerBackend('etcd', () => import('./etcd.js'))`; the module's default export is the
 * factory. A later registration of the same name wins; built-in names are a `ValidationError`.
 */
export function registerBackend(name: string, load: Load): void {
  checkString('The name of a backend', name);
  checkFunction('load', load);
  if (BUILT_IN.has(name)) throw new ValidationError(`"${name}" is a built-in backend. Choose another name.`);
  registered.set(name, load);
}

/** The backend of a name. `BackendNotFoundError`, or `ValidationError` for its arguments, there and then. */
export function openBackend(name: string, args: object = {}): CacheBackend {
  checkObject('`arguments`', args);
  const open = BUILT_IN.get(name);
  if (open) return open(args);
  const load = registered.get(name) ?? (looksLikeModule(name) ? () => importModule(name) : undefined);
  if (load) return new LazyBackend(async () => made(name, await load(), args));
  const known = [...BUILT_IN.keys(), ...registered.keys()];
  const close = PYTHONS.get(name) ?? likeliest(name, known);
  const hint =
    close === undefined
      ? `Known are ${known.join(', ')}; a module is named as it is imported ('@acme/dogpile-etcd', './etcd.js').`
      : `Did you mean "${close}"?`;
  throw new BackendNotFoundError(`No backend is called ${shown(name)}. ${hint}`);
}

/** Names are compared without what they all begin with. */
function likeliest(name: string, known: readonly string[]): string | undefined {
  if (!name.startsWith(PREFIX)) return nearest(name, known);
  const rest = (full: string) => full.slice(PREFIX.length);
  const close = nearest(rest(name), known.filter((each) => each.startsWith(PREFIX)).map(rest));
  return close === undefined ? undefined : PREFIX + close;
}

/** Whether it can serve a region. */
export function isBackend(value: unknown): value is CacheBackend {
  if (typeof value !== 'object' || value === null) return false;
  const stores: unknown = Reflect.get(value, 'stores');
  if (stores !== 'bytes' && stores !== 'values') return false;
  return ['get', 'set', 'delete', 'getMulti', 'setMulti', 'deleteMulti'].every(
    (verb) => typeof Reflect.get(value, verb) === 'function',
  );
}

/** `@scope/name`, `./file.js`, `/file.js`, `name/sub` or `file:///…`; a plain word is the name of a backend. */
function looksLikeModule(name: string): boolean {
  return typeof name === 'string' && (/^[@./]/.test(name) || name.includes('/'));
}

/** A relative name is relative to the working directory: it stands in a configuration, not in a file of code. */
async function importModule(name: string): Promise<{ default: BackendFactory }> {
  const target = /^\.{0,2}\//.test(name) ? pathToFileURL(resolve(name)).href : name;
  try {
    return await import(target);
  } catch (error) {
    if (!isMissing(error)) throw error;
    const fromApplication = resolvedFromApplication(name);
    if (fromApplication) return import(fromApplication);
    throw new BackendNotFoundError(
      `No module ${shown(name)} is found from this application. Is the package installed, or the path right?`,
      { cause: error },
    );
  }
}

/** Where packages don't see each other's neighbours, the application may still have it. */
function resolvedFromApplication(name: string): string | undefined {
  try {
    return pathToFileURL(createRequire(pathToFileURL(resolve('package.json'))).resolve(name)).href;
  } catch {
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
}

/** What `registerBackend` loads is the application's word, which may be nothing at all. */
async function made(
  name: string,
  module: { default: BackendFactory } | undefined,
  args: object,
): Promise<CacheBackend> {
  const factory: unknown = module?.default;
  if (typeof factory !== 'function')
    throw new ValidationError(
      `The default export of the backend "${name}" must be its factory, not ${shown(factory)}.`,
    );
  const backend: unknown = await factory(args);
  if (isBackend(backend)) return backend;
  throw new ValidationError(
    `The factory of the backend "${name}" must give an object with stores, get(), set(), delete() and their multi forms (BasicBackend has them).`,
  );
}
