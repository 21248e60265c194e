/** Every way to come by a client: made of a URL by each package, and handed in. */
import * as ioredis from 'ioredis';
import * as iovalkey from 'iovalkey';
import { createClient, createClientPool } from 'redis';
import { serverFrom } from '../../../../src/backends/redis/address.js';
import { RedisBackend } from '../../../../src/backends/redis/backend.js';
import { IoClient } from '../../../../src/backends/redis/io-client.js';
import { openBackend } from '../../../../src/backends/redis/open.js';
import {
  checkRedisArguments,
  type RedisLike,
  type RedisLockArguments,
} from '../../../../src/backends/redis-arguments.js';

export interface Opened {
  readonly backend: RedisBackend;
  close(): Promise<void>;
}

export interface Way {
  readonly way: string;
  open(url: string, args?: RedisLockArguments & { redisExpirationTime?: number | string }): Promise<Opened>;
}

/** Unless a test is about deadlines: a machine that is busy keeps a call waiting for longer than a server may. */
const PATIENT = { timeout: '20s' };

function handedIn(way: string, make: (url: string) => Promise<{ client: RedisLike; end: () => unknown }>): Way {
  return {
    way,
    open: async (url, args = {}) => {
      const { client, end } = await make(url);
      const backend = asRedis(openBackend(checkRedisArguments('redis', { client, ...PATIENT, ...args })));
      return {
        backend,
        close: async () => {
          await backend.close();
          end();
        },
      };
    },
  };
}

export const nodeRedisByUrl: Way = {
  way: 'a URL, by redis',
  open: async (url, args = {}) =>
    opened(asRedis(openBackend(checkRedisArguments('redis', { url, ...PATIENT, ...args })))),
};

export const ioredisByUrl: Way = {
  way: 'a URL, by ioredis',
  open: async (url, args = {}) =>
    opened(
      new RedisBackend(checkRedisArguments('redis', { url, ...PATIENT, ...args }), async () =>
        IoClient.made(ioredis, serverFrom('url', url)),
      ),
    ),
};

export const iovalkeyByUrl: Way = {
  way: 'a URL, by iovalkey',
  open: async (url, args = {}) =>
    opened(
      new RedisBackend(checkRedisArguments('valkey', { url, ...PATIENT, ...args }), async () =>
        IoClient.made(iovalkey, serverFrom('url', url)),
      ),
    ),
};

export const handedInWays: readonly Way[] = [
  handedIn('a client of redis', async (url) => {
    const client = createClient({ url });
    client.on('error', () => {});
    await client.connect();
    return { client, end: () => client.destroy() };
  }),
  handedIn('a pool of redis', async (url) => {
    const client = createClientPool({ url });
    client.on('error', () => {});
    await client.connect();
    return { client, end: () => client.destroy() };
  }),
  handedIn('a client of ioredis', async (url) => {
    const client = new ioredis.Redis(url);
    client.on('error', () => {});
    return { client, end: () => client.disconnect() };
  }),
  handedIn('a client of ioredis with a key prefix', async (url) => {
    const client = new ioredis.Redis(url, { keyPrefix: 'app:' });
    client.on('error', () => {});
    return { client, end: () => client.disconnect() };
  }),
  handedIn('a client of ioredis that pipelines by itself', async (url) => {
    const client = new ioredis.Redis(url, { enableAutoPipelining: true });
    client.on('error', () => {});
    return { client, end: () => client.disconnect() };
  }),
  handedIn('a client of ioredis that takes numbers for text', async (url) => {
    const client = new ioredis.Redis(url, { stringNumbers: true });
    client.on('error', () => {});
    return { client, end: () => client.disconnect() };
  }),
  handedIn('a client of iovalkey', async (url) => {
    const client = new iovalkey.Redis(url);
    client.on('error', () => {});
    return { client, end: () => client.disconnect() };
  }),
];

export const ways: readonly Way[] = [nodeRedisByUrl, ioredisByUrl, iovalkeyByUrl, ...handedInWays];

function opened(backend: RedisBackend): Opened {
  return { backend, close: () => backend.close() };
}

function asRedis(backend: unknown): RedisBackend {
  if (backend instanceof RedisBackend) return backend;
  throw new Error('It is another backend.');
}
