/**
 * The arguments of the Redis and Valkey backends and their checks, apart from the engine: `configure` checks them before anything
 * is imported or connected to. What is left out is filled in here, once.
 */
import type { Duration } from '../api.js';
import { ValidationError } from '../errors.js';
import { isPromiseLike } from '../promises.js';
import { shown } from '../shown.js';
import { checkObject, checkString, refuseUnknown } from '../validation.js';
import { addressesFrom, type RedisAddress, type RedisServer, serverFrom } from './redis/address.js';
import { type ClientShape, hasLostPrefix, isCluster, type RedisLike, readsReplicas, shapeOf } from './redis/shape.js';
import { checkRemoteArguments, positive, type RemoteSettings } from './remote-arguments.js';

export type { RedisAddress, RedisLike };

export interface RedisLockArguments {
  /** `false`: creations are elected per process, and writes are not fenced across processes. Default `true`. */
  distributedLock?: boolean | undefined;
  /** How long a lease lives in the store unless it is renewed, at a third of it. Default `'10s'`. */
  lockTimeout?: Duration | undefined;
  /** After so long a lease is no longer renewed, and a lock of another program without a TTL no longer waited for. Default `'5m'`. */
  lockMaxHold?: Duration | undefined;
  /** 2 to 10 letters, digits or `_ - . :`, put before the key. Python's `lock_prefix`. Default `'_lock'`. */
  lockPrefix?: string | undefined;
  /** Waiters are woken by a message; where none comes they ask again, at first after up to this, later after up to 1 s. Default `'100ms'`. */
  lockSleep?: Duration | undefined;
  /** Deadline of every command. Default `'1s'`. */
  timeout?: Duration | undefined;
}
/** `url` or `client`, never both; neither: 127.0.0.1:6379. */
export type RedisEndpoint = { url?: string | undefined; client?: undefined } | { client: RedisLike; url?: undefined };
/** The sentinels and what they call the primary, or `client`, never both. */
export type RedisSentinelEndpoint =
  | {
      /** At least one; port 26379 where an address has none. */
      sentinels: readonly RedisAddress[];
      /** What the sentinels call the primary. */
      serviceName: string;
      /** Of the primary and its replicas. */
      username?: string | undefined;
      password?: string | undefined;
      /** Default 0. */
      database?: number | undefined;
      client?: undefined;
    }
  | { client: RedisLike; sentinels?: undefined; serviceName?: undefined };
/** One of `startupNodes`, `url` (of one node) and `client`. */
export type RedisClusterEndpoint =
  | {
      /** Some of its nodes, at least one; port 6379 where an address has none. */
      startupNodes: readonly RedisAddress[];
      /** Of all nodes. Default: what the first URL says. */
      username?: string | undefined;
      password?: string | undefined;
      client?: undefined;
      url?: undefined;
    }
  | { url: string; startupNodes?: undefined; client?: undefined }
  | { client: RedisLike; startupNodes?: undefined; url?: undefined };

export interface RedisExpiration {
  /** How long the store keeps every entry. Default: derived from the policy (expiration time and `keepStale`). */
  redisExpirationTime?: Duration | undefined;
}
export interface ValkeyExpiration {
  /** How long the store keeps every entry. Default: derived from the policy (expiration time and `keepStale`). */
  valkeyExpirationTime?: Duration | undefined;
}

export type RedisArguments = RedisEndpoint & RedisLockArguments & RedisExpiration;
export type RedisSentinelArguments = RedisSentinelEndpoint & RedisLockArguments & RedisExpiration;
export type RedisClusterArguments = RedisClusterEndpoint & RedisLockArguments & RedisExpiration;
export type ValkeyArguments = RedisEndpoint & RedisLockArguments & ValkeyExpiration;
export type ValkeySentinelArguments = RedisSentinelEndpoint & RedisLockArguments & ValkeyExpiration;
export type ValkeyClusterArguments = RedisClusterEndpoint & RedisLockArguments & ValkeyExpiration;

export type RedisName = 'redis' | 'redis_sentinel' | 'redis_cluster' | 'valkey' | 'valkey_sentinel' | 'valkey_cluster';

/** Where the store is. */
export type RedisTarget =
  | { readonly at: 'client'; readonly client: RedisLike; readonly shape: ClientShape }
  | { readonly at: 'server'; readonly server: RedisServer }
  | SentinelTarget
  | ClusterTarget;

export interface SentinelTarget {
  readonly at: 'sentinels';
  readonly sentinels: readonly RedisServer[];
  readonly serviceName: string;
  readonly server: Credentials & { readonly database: number };
}

export interface ClusterTarget {
  readonly at: 'cluster';
  /** Some of its nodes; the others are found from there. */
  readonly nodes: readonly RedisServer[];
  /** What is the same for all of them. */
  readonly server: Credentials & { readonly tls: boolean };
}

export interface Credentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** The arguments with everything decided. Times in milliseconds. */
export interface RedisSettings extends RemoteSettings {
  readonly name: RedisName;
  readonly target: RedisTarget;
  readonly lockPrefix: string;
  /** `undefined`: as each write says. `Infinity`: never. */
  readonly expirationTime: number | undefined;
}

const COMMON = ['client', 'distributedLock', 'lockTimeout', 'lockMaxHold', 'lockPrefix', 'lockSleep', 'timeout'];
const ENDPOINTS = {
  single: ['url'],
  sentinel: ['sentinels', 'serviceName', 'username', 'password', 'database'],
  cluster: ['url', 'startupNodes', 'username', 'password'],
} as const;
type Kind = keyof typeof ENDPOINTS;

/** Any of the arguments, as yet unchecked. */
interface Given extends RedisLockArguments, RedisExpiration, ValkeyExpiration {
  client?: RedisLike | undefined;
  url?: string | undefined;
  sentinels?: readonly RedisAddress[] | undefined;
  serviceName?: string | undefined;
  startupNodes?: readonly RedisAddress[] | undefined;
  username?: string | undefined;
  password?: string | undefined;
  database?: number | undefined;
}

export function checkRedisArguments(name: RedisName, args: object = {}): RedisSettings {
  checkObject(`The arguments of the ${name} backend`, args);
  if (shapeOf(args)) throw new ValidationError(`A client is handed to the ${name} backend as { client }.`);
  const kind: Kind = name.endsWith('_sentinel') ? 'sentinel' : name.endsWith('_cluster') ? 'cluster' : 'single';
  const expiration = name.startsWith('valkey') ? 'valkeyExpirationTime' : 'redisExpirationTime';
  refuseUnknown(`The ${name} backend`, args, [...ENDPOINTS[kind], ...COMMON, expiration], (option) =>
    ofUrl(kind, option),
  );
  const given: Given = args;
  return {
    name,
    target: targetOf(name, kind, given),
    ...checkRemoteArguments(given),
    lockPrefix: lockPrefixOf(given.lockPrefix ?? '_lock'),
    expirationTime: given[expiration] === undefined ? undefined : positive(expiration, given[expiration]),
  };
}

/** Arguments of Python's, and of the clients', that stand in the URL here. */
const STANDS_IN_URL = "It stands in the url: 'redis://user:password@host:6379/0', with TLS 'rediss://…'.";
const IN_URL = ['host', 'port', 'db', 'database', 'username', 'password', 'tls', 'ssl'];

/** What TLS needs where the public authorities are not enough. */
const OF_TLS = ['tls', 'ssl', 'ca', 'cert', 'key', 'servername', 'rejectUnauthorized'];
const TLS_BY_CLIENT =
  "For TLS beyond 'rediss://…' make the client yourself and hand it in: docs/backends/redis.md shows how.";

function ofUrl(kind: Kind, option: string): string | undefined {
  const hints = [
    kind === 'single' && IN_URL.includes(option) ? STANDS_IN_URL : '',
    OF_TLS.includes(option) ? TLS_BY_CLIENT : '',
  ];
  return hints.filter(Boolean).join(' ') || undefined;
}

function targetOf(name: RedisName, kind: Kind, given: Given): RedisTarget {
  if (given.client !== undefined) return clientTarget(kind, given.client, given);
  if (kind === 'sentinel') return sentinelTarget(name, given);
  if (kind === 'cluster') return clusterTarget(name, given);
  return {
    at: 'server',
    server: given.url === undefined ? serverFrom('url', 'redis://127.0.0.1:6379') : serverFrom('url', given.url),
  };
}

function clientTarget(kind: Kind, client: RedisLike, given: Given): RedisTarget {
  const extra = ENDPOINTS[kind].find((option) => given[option] !== undefined);
  if (extra)
    throw new ValidationError(
      `"${extra}" and "client" exclude each other: a client that is handed in knows where to connect.`,
    );
  const shape = shapeOf(client);
  if (shape && kind === 'cluster' && !isCluster(shape)) {
    throw new ValidationError(
      'This is a client of one server. Hand in one of a cluster: createCluster() of redis, Cluster of ioredis or iovalkey.',
    );
  }
  if (shape && hasLostPrefix(client, shape)) {
    throw new ValidationError(
      'The keyPrefix of this client does not reach the commands sent here as it should. Take a client without, and KeyPrefixProxy.',
    );
  }
  if (shape && readsReplicas(client, shape)) {
    throw new ValidationError(
      "This client reads from replicas (scaleReads), which may still have what was deleted. Take one with scaleReads: 'master'.",
    );
  }
  if (shape) return { at: 'client', client, shape };
  const what = isPromiseLike(client)
    ? 'a promise: await it first'
    : `${shown(client)} without sendCommand() or callBuffer()`;
  throw new ValidationError(
    `client must be a client of the package redis (>=5), ioredis (>=5) or iovalkey, not ${what}.`,
  );
}

function sentinelTarget(name: RedisName, given: Given): RedisTarget {
  if (given.sentinels === undefined || given.serviceName === undefined) {
    throw new ValidationError(`The ${name} backend needs sentinels and serviceName, or client.`);
  }
  const sentinels = addressesFrom('sentinels', given.sentinels, 26379);
  refuseLost('sentinels', sentinels, ['TLS', 'a path', 'credentials of its own', 'a database']);
  const serviceName = checkString('serviceName', given.serviceName);
  const database = given.database ?? 0;
  if (!Number.isSafeInteger(database) || database < 0)
    throw new ValidationError(`database must be a whole number from 0 on, not ${shown(database)}.`);
  return { at: 'sentinels', sentinels, serviceName, server: { ...credentialsOf(given), database } };
}

const PARTS = {
  TLS: ({ tls }: RedisServer) => tls,
  'a path': ({ path }: RedisServer) => path !== undefined,
  'credentials of its own': ({ username, password }: RedisServer) => username !== undefined || password !== undefined,
  'a database': ({ database }: RedisServer) => database !== 0,
};

/** What an address has and we don't hand on: nothing is spoken to in the clear, or elsewhere, that was to have more. */
function refuseLost(option: string, servers: readonly RedisServer[], parts: readonly (keyof typeof PARTS)[]): void {
  for (const [at, server] of servers.entries()) {
    const lost = parts.find((part) => PARTS[part](server));
    if (lost === undefined) continue;
    throw new ValidationError(
      `${option === 'url' ? option : `${option}[${at}]`} has ${lost}, which can't be handed on from here. Make the client yourself and hand it in.`,
    );
  }
}

function clusterTarget(name: RedisName, given: Given): RedisTarget {
  if (given.url !== undefined) {
    if (given.startupNodes !== undefined) throw new ValidationError('"url" and "startupNodes" exclude each other.');
    const server = serverFrom('url', given.url);
    refuseLost('url', [server], ['a path', 'a database']);
    return { at: 'cluster', nodes: [server], server: { ...credentialsOf(given, server), tls: server.tls } };
  }
  if (given.startupNodes === undefined)
    throw new ValidationError(`The ${name} backend needs url, startupNodes or client.`);
  const nodes = addressesFrom('startupNodes', given.startupNodes, 6379);
  refuseLost('startupNodes', nodes, ['a path', 'a database']);
  return {
    at: 'cluster',
    nodes,
    server: { ...credentialsOf(given, nodes[0]), tls: nodes.some(({ tls }) => tls) },
  };
}

function credentialsOf({ username, password }: Given, preset?: Credentials): Credentials {
  if (username !== undefined) checkString('username', username);
  if (password !== undefined) checkString('password', password);
  return { username: username ?? preset?.username, password: password ?? preset?.password };
}

function lockPrefixOf(prefix: string): string {
  checkString('lockPrefix', prefix);
  if (/^[\w\-.:]{2,10}$/.test(prefix)) return prefix;
  throw new ValidationError(`lockPrefix must be 2 to 10 letters, digits or _ - . : and not ${shown(prefix)}.`);
}
