/**
 * Configuration as files and environments have it, read into the options of `configure()`: names, nesting, and what text stands
 * for. Whether an option is known and right is decided by `configure()`.
 */
import type { CacheBackend, ConfigureOptions } from './api.js';
import { ValidationError } from './errors.js';
import { shown } from './shown.js';
import { checkObject, checkString } from './validation.js';

type Tree = { [name: string]: unknown };

/** Arguments that are text, whatever they look like: a password `12345` is not a number. */
const TEXTS: ReadonlySet<string> = new Set([
  'backend',
  'filename',
  'url',
  'username',
  'password',
  'lockPrefix',
  'serviceName',
]);

/** Arguments that may be lists: as text, JSON. */
const LISTS: ReadonlySet<string> = new Set(['url', 'sentinels', 'startupNodes']);

/**
 * A flat dictionary with dotted names and a prefix, or nested objects. Names without the prefix are ignored; a missing backend is
 * a `ValidationError`.
 */
export function readConfig(
  config: Readonly<Record<string, unknown>>,
  prefix: string,
): { backend: string & CacheBackend; options: ConfigureOptions & { arguments?: never } } {
  checkObject('The configuration', config);
  checkString('prefix', prefix);
  const tree: Tree = {};
  collect(config, prefix, tree);
  const { backend, ...options } = tree;
  if (backend === undefined) {
    const others = Object.keys(options);
    const found =
      others.length > 0 ? ` What it names is ${others.map((name) => `"${prefix}${name}"`).join(', ')}.` : '';
    throw new ValidationError(
      `The configuration must name a backend as "${prefix}backend", for example "memory".${found}`,
    );
  }
  // Checked by configure(), which takes either kind of target with its options.
  return { backend: backend as string & CacheBackend, options };
}

/** What stands under the prefix, by path. */
function collect(config: Readonly<Tree>, prefix: string, tree: Tree): void {
  for (const [name, value] of Object.entries(config)) {
    if (name.startsWith(prefix) && name.length > prefix.length) put(tree, name.slice(prefix.length).split('.'), value);
    else if (isPlain(value) && `${prefix}.`.startsWith(`${name}.`)) collect(value, prefix.slice(name.length + 1), tree);
  }
}

function put(tree: Tree, [name = '', ...path]: readonly string[], value: unknown): void {
  if (name === '__proto__') throw new ValidationError('"__proto__" is not the name of an option.');
  if (path.length > 0) {
    const known = Object.hasOwn(tree, name) ? tree[name] : undefined;
    if (known !== undefined && !isPlain(known)) throw bothAt(name);
    const branch: Tree = known ?? {};
    tree[name] = branch;
    put(branch, path, value);
  } else if (isPlain(value)) {
    for (const [inner, item] of Object.entries(value)) put(tree, [name, inner], item);
    tree[name] ??= {};
  } else if (Object.hasOwn(tree, name) && isPlain(tree[name])) throw bothAt(name);
  else tree[name] = leaf(name, value);
}

function leaf(name: string, value: unknown): unknown {
  const list = LISTS.has(name) ? listed(value) : undefined;
  if (list) return list;
  // The one text that means something although it is unset elsewhere: the null backend.
  return TEXTS.has(name) && (value === 'null' ? name === 'backend' : !isUnset(value)) ? value : coerced(value);
}

/** The array that this text is; an address such as `[::1]:6379` is none. */
function listed(value: unknown): unknown[] | undefined {
  if (typeof value !== 'string' || !/^\s*\[\s*["{]/.test(value)) return undefined;
  try {
    // What begins so is an array, or no JSON.
    return JSON.parse(value) as unknown[];
  } catch {
    return undefined;
  }
}

function bothAt(name: string): ValidationError {
  return new ValidationError(`The configuration is contradictory: "${name}" has both a value and names below it.`);
}

/** What text stands for: numbers, `true`, `false`; `None`, `null` and nothing are unset; all else is itself. */
export function coerced(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if (isUnset(text)) return undefined;
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if (text === 'Infinity') return Number.POSITIVE_INFINITY;
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text;
}

function isUnset(value: unknown): boolean {
  return typeof value === 'string' && /^(none|null|)$/i.test(value.trim());
}

function isPlain(value: unknown): value is Tree {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * The environment as the flat dictionary that `configureFromConfig` takes: `CACHE_BACKEND=file CACHE_EXPIRATION_TIME=5m
 * CACHE_ARGUMENTS_FILENAME=…` with `configFromEnv(process.env, 'CACHE_')`.
 */
export function configFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  prefix: string,
): Record<string, string> {
  checkObject('The environment', env);
  if (checkString('prefix', prefix) === '')
    throw new ValidationError(
      `configFromEnv() needs a prefix, such as 'CACHE_', not ${shown(prefix)}: an environment holds more than a cache's options.`,
    );
  const config: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith(prefix) || name.length === prefix.length) continue;
    const words = name.slice(prefix.length).toLowerCase();
    const [, group, rest = words] = /^(arguments|breaker)_(.+)$/.exec(words) ?? [];
    const option = rest.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    config[group === undefined ? option : `${group}.${option}`] = value;
  }
  return config;
}
