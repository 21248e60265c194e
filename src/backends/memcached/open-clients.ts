/** Makes a backend of settings, and its clients on first use: takes what was handed in, or imports the package and connects to each server. */
import type { BackendHost, CacheBackend } from '../../api.js';
import { DriverNotInstalledError } from '../../errors.js';
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
import { MemcachedServers } from './servers.js';

type Lost = (why: unknown) => void;

export function openNodeMemcachedBackend(settings: MemcachedSettings<NodeMemcachedLike>): CacheBackend<Uint8Array> {
  return new MemcachedClientBackend({
    settings,
    isCarried: isCarriedByNodeMemcached,
    keyMangler: nodeMemcachedKeyMangler,
    open: clientsOf(
      settings,
      (link) => new NodeMemcachedClient(link),
      async (server, lost) => {
        const module = await imported(settings.name, 'memcached', async () => (await import('memcached')) as unknown);
        return openNodeMemcached(module as NodeMemcachedModule, server, settings.timeout, lost);
      },
    ),
  });
}

export function openMemjsBackend(settings: MemcachedSettings<MemjsLike>): CacheBackend<Uint8Array> {
  return new MemcachedClientBackend({
    settings,
    isCarried,
    keyMangler: memcachedKeyMangler,
    open: clientsOf(
      settings,
      (link) => new MemjsClient(link),
      async (server, lost) => {
        // @ts-expect-error: it has no types of its own
        const module = await imported(settings.name, 'memjs', async () => (await import('memjs')) as unknown);
        return openMemjs(module as MemjsModule, server, settings.timeout, lost);
      },
    ),
  });
}

export function openMemcacheClientBackend(settings: MemcachedSettings<MemcacheClientLike>): CacheBackend<Uint8Array> {
  return new MemcachedClientBackend({
    settings,
    isCarried,
    keyMangler: memcachedKeyMangler,
    open: clientsOf(
      settings,
      (link) => new MemcacheClientClient(link),
      async (server, lost) => {
        const module = await imported(
          settings.name,
          'memcache-client',
          async () => (await import('memcache-client')) as unknown,
        );
        return openMemcacheClient(module as MemcacheClientModule, server, settings, lost);
      },
    ),
  });
}

/** The client that was handed in, or one for each server: what one server does is no matter of the others. */
function clientsOf<Client>(
  { target, timeout }: MemcachedSettings<Client>,
  adapt: (link: Link<Client>) => MemcachedClient,
  connect: (server: MemcachedServer, lost: Lost) => Promise<Connection<Client>>,
): (host: () => BackendHost) => MemcachedClient {
  return (host) => {
    const clock = () => host().clock;
    if (target.at === 'client') {
      const open = async () => ({ client: target.client, hold: () => {}, end: () => {} });
      return adapt(new Link({ place: 'the client handed in', open, isHandedIn: true, timeout, clock }));
    }
    const clients = new Map(
      target.servers.map((server) => {
        const link = new Link({ place: placeOf(server), open: (lost) => connect(server, lost), timeout, clock });
        return [ringNameOf(server), adapt(link)];
      }),
    );
    const [only] = clients.values();
    if (only && clients.size === 1) return only;
    return new MemcachedServers(clients, (error) => host().report('getMulti', error));
  };
}

async function imported(name: string, packageName: string, load: () => Promise<unknown>): Promise<unknown> {
  try {
    return await load();
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    const needs = `Backend "${name}" needs the package \`${packageName}\``;
    const [, other] = /'([^']+)'/.exec(cause.message) ?? [];
    throw new DriverNotInstalledError(
      other === packageName
        ? `${needs}. Install it, or pass \`client\`.`
        : `${needs}, which itself does not find ${other}, and may not say so in its dependencies. Install that, too, or pass \`client\`.`,
      { cause },
    );
  }
}

function isMissing(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND')
  );
}
