/** Makes a backend of settings, and its clients on first use: takes what was handed in, or imports the package and connects to each server. */
import type { BackendHost, CacheBackend, KeyMangler } from '../../api.js';
import { DriverNotInstalledError } from '../../errors.js';
import { withDriver } from '../drivers.js';
import type {
  MemcacheClientLike,
  MemcachedServer,
  MemcachedSettings,
  MemjsLike,
  NodeMemcachedLike,
} from '../memcached-arguments.js';
import type { MemcachedClient } from './client.js';
import { MemcachedClientBackend } from './client-backend.js';
import { isCarried, memcachedKeyMangler } from './keys.js';
import { type Connection, Link } from './link.js';
import { MemcacheClientClient, type MemcacheClientModule, openMemcacheClient } from './memcache-client.js';
import { MemjsClient, type MemjsModule, openMemjs } from './memjs.js';
import { placeOf, ringNameOf } from './meta/address.js';
import {
  isCarriedByNodeMemcached,
  NodeMemcachedClient,
  type NodeMemcachedModule,
  nodeMemcachedKeyMangler,
  openNodeMemcached,
} from './node-memcached.js';
import { Outage } from './outage.js';
import { MemcachedServers } from './servers.js';

type Lost = (why: unknown) => void;

export function openNodeMemcachedBackend(settings: MemcachedSettings<NodeMemcachedLike>): CacheBackend<Uint8Array> {
  const load = async (): Promise<unknown> => {
    try {
      return await import('memcached');
    } catch (error) {
      throw lacking(settings.name, 'memcached', error);
    }
  };
  return openWith(settings, load, {
    isCarried: isCarriedByNodeMemcached,
    keyMangler: nodeMemcachedKeyMangler,
    adapt: (link) => new NodeMemcachedClient(link),
    connect: async (server, lost) =>
      openNodeMemcached((await load()) as NodeMemcachedModule, server, settings.timeout, lost),
  });
}

export function openMemjsBackend(settings: MemcachedSettings<MemjsLike>): CacheBackend<Uint8Array> {
  const load = async (): Promise<unknown> => {
    try {
      // @ts-expect-error: it has no types of its own
      return await import('memjs');
    } catch (error) {
      throw lacking(settings.name, 'memjs', error);
    }
  };
  return openWith(settings, load, {
    isCarried,
    keyMangler: memcachedKeyMangler,
    adapt: (link) => new MemjsClient(link),
    connect: async (server, lost, givenUp) =>
      openMemjs((await load()) as MemjsModule, server, settings.timeout, lost, givenUp),
  });
}

export function openMemcacheClientBackend(settings: MemcachedSettings<MemcacheClientLike>): CacheBackend<Uint8Array> {
  const load = async (): Promise<unknown> => {
    try {
      return await import('memcache-client');
    } catch (error) {
      throw lacking(settings.name, 'memcache-client', error);
    }
  };
  return openWith(settings, load, {
    isCarried,
    keyMangler: memcachedKeyMangler,
    adapt: (link) => new MemcacheClientClient(link),
    connect: async (server, lost, givenUp) =>
      openMemcacheClient((await load()) as MemcacheClientModule, server, settings, lost, givenUp),
  });
}

interface Kind<Client> {
  isCarried(key: string): boolean;
  readonly keyMangler: KeyMangler;
  adapt(link: Link<Client>): MemcachedClient;
  connect(server: MemcachedServer, lost: Lost, givenUp: AbortSignal): Promise<Connection<Client>>;
}

/** `load` imports the package. */
function openWith<Client>(
  settings: MemcachedSettings<Client>,
  load: () => Promise<unknown>,
  { isCarried, keyMangler, adapt, connect }: Kind<Client>,
): CacheBackend<Uint8Array> {
  const open = clientsOf(settings, adapt, connect);
  const backend = new MemcachedClientBackend({ settings, isCarried, keyMangler, open });
  return settings.target.at === 'client' ? backend : withDriver(backend, load);
}

/** The client that was handed in, or one for each server: what one server does is no matter of the others. */
function clientsOf<Client>(
  { target, timeout }: MemcachedSettings<Client>,
  adapt: (link: Link<Client>) => MemcachedClient,
  connect: (server: MemcachedServer, lost: Lost, givenUp: AbortSignal) => Promise<Connection<Client>>,
): (host: () => BackendHost) => MemcachedClient {
  return (host) => {
    const clock = () => host().clock;
    if (target.at === 'client') {
      const open = async () => ({ client: target.client, hold: () => {}, end: () => {} });
      return adapt(new Link({ place: 'the client handed in', open, isHandedIn: true, timeout, clock }));
    }
    const isOneOfMany = target.servers.length > 1;
    const clients = new Map(
      target.servers.map((server) => {
        const outage = isOneOfMany ? { outage: new Outage(clock, () => host().random()) } : {};
        const open = (lost: Lost, givenUp: AbortSignal) => connect(server, lost, givenUp);
        return [ringNameOf(server), adapt(new Link({ place: placeOf(server), open, timeout, clock, ...outage }))];
      }),
    );
    const [only] = clients.values();
    if (only && clients.size === 1) return only;
    return new MemcachedServers(clients, (verb, error) => host().report(verb, error));
  };
}

/** What an import that failed is to throw. The import stands in a `try` with its name, so that bundlers leave alone what is not installed. */
function lacking(name: string, packageName: string, cause: unknown): unknown {
  if (!isMissing(cause)) return cause;
  const needs = `Backend "${name}" needs the package \`${packageName}\``;
  const [, other] = /'([^']+)'/.exec(cause.message) ?? [];
  return new DriverNotInstalledError(
    other === packageName
      ? `${needs}. Install it, or pass \`client\`.`
      : `${needs}, which itself does not find ${other}, and may not say so in its dependencies. Install that, too, or pass \`client\`.`,
    { cause },
  );
}

function isMissing(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND')
  );
}
