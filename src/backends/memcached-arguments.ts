/**
 * The arguments of the memcached backends and their checks, apart from the engines: `configure` checks them before anything is
 * imported or connected to. What is left out is filled in here, once.
 */
import type { Duration } from '../api.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { checkMembers, checkObject, checkString, refuseUnknown } from '../validation.js';
import { type MemcachedServer, serversFrom } from './memcached/address.js';
import type { MemcacheClientLike, MemjsLike, NodeMemcachedLike } from './memcached/clients.js';
import { placeOf } from './memcached/meta/address.js';
import { checkRemoteArguments, positive, type RemoteSettings } from './remote-arguments.js';

export type { MemcacheClientLike, MemcachedServer, MemjsLike, NodeMemcachedLike };

export interface MemcachedCommonArguments {
  /** `false`: creations are elected per process, and writes are not fenced across processes. Default `true`. */
  distributedLock?: boolean | undefined;
  /**
   * How long a lease lives in the store unless it is renewed, at a third of it. Counted in whole seconds there, rounded up: a holder
   * that died may be waited for up to 2 s longer. Default `'10s'`.
   */
  lockTimeout?: Duration | undefined;
  /** After so long a lease is no longer renewed, and a lock of another program that does not change no longer waited for. Default `'5m'`. */
  lockMaxHold?: Duration | undefined;
  /** Whoever waits for a lease asks again, at first after up to this, later after up to 1 s. Default `'100ms'`. */
  lockSleep?: Duration | undefined;
  /** Limit of every call; what fails is told a tenth of it earlier, before the region's own deadline. Default `'1s'`. */
  timeout?: Duration | undefined;
  /**
   * How long the store keeps every entry; rounded up to whole seconds, `Infinity` is for ever. Default: derived from the policy
   * (expiration time and `keepStale`). Python's `memcached_expire_time`.
   */
  memcachedExpireTime?: Duration | undefined;
}

export interface MemcachedArguments extends MemcachedCommonArguments {
  /** One server or several: `'host:11211'`, `'memcached://user:password@host:11211'`, `'unix:///path'`. Default 127.0.0.1:11211. */
  url?: string | readonly string[] | undefined;
  /** `'key'`: `_lock<key>`, to share with Python; default `'server'`: the server's own. */
  lease?: 'server' | 'key' | undefined;
  username?: string | undefined;
  password?: string | undefined;
  /** `true`, or options of `tls.connect`. Default: none. */
  tls?: boolean | object | undefined;
}

/** `url` or `client`, never both; neither: 127.0.0.1:11211. */
type Endpoint<Client> =
  | { url?: string | readonly string[] | undefined; client?: undefined }
  | { client: Client; url?: undefined };
export type NodeMemcachedArguments = Endpoint<NodeMemcachedLike> & MemcachedCommonArguments;
export type MemjsArguments = Endpoint<MemjsLike> &
  MemcachedCommonArguments & { username?: string | undefined; password?: string | undefined };
export type MemcacheClientArguments = Endpoint<MemcacheClientLike> &
  MemcachedCommonArguments & { tls?: boolean | object | undefined };

/** What each name takes for `client`. */
interface ClientOf {
  memcached: never;
  node_memcached: NodeMemcachedLike;
  memjs: MemjsLike;
  memcache_client: MemcacheClientLike;
}
export type MemcachedName = keyof ClientOf;

/** The arguments with everything decided. Times in milliseconds. */
export interface MemcachedSettings<Client = never> extends RemoteSettings {
  readonly name: MemcachedName;
  readonly target:
    | { readonly at: 'client'; readonly client: Client }
    | { readonly at: 'servers'; readonly servers: readonly MemcachedServer[] };
  /** `undefined`: as each write says. `Infinity`: never. */
  readonly expirationTime: number | undefined;
  readonly lease: 'server' | 'key';
  /** Options of `tls.connect`; `undefined`: no TLS. */
  readonly tls: object | undefined;
}

/** What a name can do besides, and the members that its clients are known by. */
interface Abilities {
  readonly options: readonly string[];
  readonly members: readonly string[];
  /** The package of the client; none: our own. */
  readonly package?: string;
  readonly sockets: boolean;
  readonly ipv6: boolean;
}
const ABILITIES: Readonly<Record<MemcachedName, Abilities>> = {
  memcached: { options: ['lease', 'username', 'password', 'tls'], members: [], sockets: true, ipv6: true },
  node_memcached: {
    options: ['client'],
    members: ['get', 'gets', 'getMulti', 'set', 'add', 'cas', 'del', 'end'],
    package: 'memcached',
    // It puts a port behind every path.
    sockets: false,
    ipv6: true,
  },
  memjs: {
    options: ['client', 'username', 'password'],
    members: ['get', 'set', 'add', 'replace', 'touch', 'delete', 'close'],
    package: 'memjs',
    sockets: true,
    ipv6: true,
  },
  memcache_client: {
    options: ['client', 'tls'],
    members: ['get', 'gets', 'set', 'add', 'cas', 'delete', 'shutdown'],
    package: 'memcache-client',
    // It takes an address apart at its first colon.
    sockets: false,
    ipv6: false,
  },
};
const COMMON = [
  'url',
  'distributedLock',
  'lockTimeout',
  'lockMaxHold',
  'lockSleep',
  'timeout',
  'memcachedExpireTime',
] as const;

/** Any of the arguments, as yet unchecked. */
interface Given extends MemcachedArguments {
  client?: object | undefined;
}

/** Which of them take an argument that not all do. */
function takenBy(argument: string): string | undefined {
  const takers = Object.entries(ABILITIES).filter(([, { options }]) => options.includes(argument));
  if (takers.length === 0) return undefined;
  return `That is for ${takers.map(([name]) => `dogpile.cache.${name}`).join(' or ')}.`;
}

export function checkMemcachedArguments<Name extends MemcachedName>(
  name: Name,
  args: object = {},
): MemcachedSettings<ClientOf[Name]> {
  checkObject(`The arguments of the ${name} backend`, args);
  const abilities = ABILITIES[name];
  refuseUnknown(`The ${name} backend`, args, [...abilities.options, ...COMMON], takenBy);
  const given: Given = args;
  if (given.lease !== undefined && given.lease !== 'server' && given.lease !== 'key')
    throw new ValidationError(`lease must be 'server' or 'key', not ${shown(given.lease)}.`);
  return {
    name,
    target:
      given.client === undefined
        ? { at: 'servers', servers: serversOf(name, abilities, given) }
        : // Its members are checked there.
          { at: 'client', client: clientOf(abilities, given, given.client) as ClientOf[Name] },
    ...withinDeadline(checkRemoteArguments(given)),
    expirationTime:
      given.memcachedExpireTime === undefined ? undefined : positive('memcachedExpireTime', given.memcachedExpireTime),
    lease: given.lease ?? 'server',
    tls: tlsOf(given.tls),
  };
}

/** So that what a server fails with is known before the region's own deadline, which does not know of servers. */
const SHARE_OF_DEADLINE = 0.9;

function withinDeadline<Settings extends { readonly timeout: number }>(settings: Settings): Settings {
  return { ...settings, timeout: settings.timeout * SHARE_OF_DEADLINE };
}

function clientOf({ members, package: name }: Abilities, given: Given, client: object): object {
  const extra = (['url', 'username', 'password', 'tls'] as const).find((option) => given[option] !== undefined);
  if (extra)
    throw new ValidationError(
      `"${extra}" and "client" exclude each other: a client that is handed in knows where to connect.`,
    );
  return checkMembers(`client (of the package ${name})`, client, members);
}

function serversOf(
  name: MemcachedName,
  { options, sockets, ipv6 }: Abilities,
  given: Given,
): readonly MemcachedServer[] {
  const servers = serversFrom('url', given.url ?? '127.0.0.1:11211');
  const { username, password } = given;
  if (username !== undefined) checkString('username', username);
  if (password !== undefined) checkString('password', password);
  const complete = servers.map((server) => ({
    ...server,
    username: username ?? server.username,
    password: password ?? server.password,
  }));
  for (const server of complete) {
    const hasCredentials = server.username !== undefined || server.password !== undefined;
    if (hasCredentials && !options.includes('username'))
      throw new ValidationError(
        `The ${name} backend can't authenticate: its package knows no way to. Take dogpile.cache.memcached or dogpile.cache.memjs.`,
      );
    if (hasCredentials && (server.username === undefined || server.password === undefined))
      throw new ValidationError('username and password belong together: give both or none.');
    if (server.path !== undefined && !sockets)
      throw new ValidationError(
        `The ${name} backend can't use unix sockets (${server.path}): its package knows none. Take dogpile.cache.memcached or dogpile.cache.memjs.`,
      );
    if (server.host.includes(':') && !ipv6)
      throw new ValidationError(
        `The ${name} backend can't use IPv6 addresses (${placeOf(server)}): its package takes them apart. Give a host name, or take dogpile.cache.memcached.`,
      );
  }
  return complete;
}

function tlsOf(tls: unknown): object | undefined {
  if (tls === undefined || tls === false) return undefined;
  if (tls === true) return {};
  if (typeof tls === 'object' && tls !== null && !Array.isArray(tls)) return tls;
  throw new ValidationError(`tls must be true, false or options of tls.connect, not ${shown(tls)}.`);
}
