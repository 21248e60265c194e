/** A primary that sentinels name: found, lost to a failover, and found again. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as ioredis from 'ioredis';
import * as iovalkey from 'iovalkey';
import { createSentinel } from 'redis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CacheBackend } from '../../../src/api.js';
import { RedisBackend } from '../../../src/backends/redis/backend.js';
import { SILENCE_TIMEOUT } from '../../../src/backends/redis/client.js';
import { IoClient, type IoModule } from '../../../src/backends/redis/io-client.js';
import { redisBackend, redisSentinelBackend } from '../../../src/backends/redis.js';
import { checkRedisArguments } from '../../../src/backends/redis-arguments.js';
import { observe } from '../../services/redis.js';
import { startWatched, type Watched } from '../../services/sentinel.js';
import { freePort } from '../../services/server.js';
import { until, untilDone } from '../../support/wait.js';
import { locksLeftByClose } from './support/closing.js';
import { goOn, share, startFleet, startMember } from './support/fleet.js';

let watched: Watched;
let ends: (() => unknown)[];
beforeEach(async () => {
  ends = [];
  watched = await startWatched();
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  await watched.stop();
});

const bytes = Buffer.from('value');

async function works(backend: CacheBackend<Uint8Array>, key: string): Promise<boolean> {
  try {
    await backend.set(key, bytes);
    return true;
  } catch {
    return false;
  }
}

interface Args {
  readonly timeout?: string | undefined;
  readonly lockSleep?: string;
}

function byIo(
  module: IoModule,
  args: Args,
  { sentinels, serviceName }: Pick<Watched, 'sentinels' | 'serviceName'> = watched,
): CacheBackend<Uint8Array> {
  const settings = checkRedisArguments('redis_sentinel', { sentinels, serviceName, ...args });
  const { target } = settings;
  return new RedisBackend(settings, async () => {
    if (target.at !== 'sentinels') throw new Error('It is elsewhere.');
    return IoClient.madeOfSentinels(module, target);
  });
}

const nodes = () => watched.sentinels.map((address) => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) }));

const ways: readonly [string, (args?: Args) => Promise<CacheBackend<Uint8Array>>][] = [
  [
    'made by redis',
    async (args) => redisSentinelBackend({ sentinels: watched.sentinels, serviceName: watched.serviceName, ...args }),
  ],
  ['made by ioredis', async (args = {}) => byIo(ioredis, args)],
  ['made by iovalkey', async (args = {}) => byIo(iovalkey, args)],
  [
    'a sentinel of redis handed in',
    async (args) => {
      const client = createSentinel({ name: watched.serviceName, sentinelRootNodes: nodes() });
      client.on('error', () => {});
      await client.connect();
      ends.push(() => client.destroy());
      return redisSentinelBackend({ client, ...args });
    },
  ],
  [
    'a client of ioredis handed in',
    async (args) => {
      const client = new ioredis.Redis({ sentinels: nodes(), name: watched.serviceName });
      client.on('error', () => {});
      ends.push(() => client.disconnect());
      return redisSentinelBackend({ client, ...args });
    },
  ],
];

describe.each(ways)('%s', (_, open) => {
  it('serves, fails over to the new primary by itself, and wakes waiters there', { timeout: 120_000 }, async () => {
    const backend = await open({ timeout: '10s' });
    ends.push(() => backend.close?.());
    const other = await open({ timeout: '10s' });
    ends.push(() => other.close?.());
    await backend.ready?.();
    await backend.set('k', bytes);
    const lease = await backend.mutex?.('k')?.acquire();
    expect(lease?.stored).toEqual(bytes);
    const waiting = other.mutex?.('k')?.acquire();
    expect(await backend.set('k', bytes, { lease })).toBe(true);
    await (await waiting)?.release();

    await watched.lose('kill');
    await until(() => works(backend, 'l'));
    expect(await backend.get('l')).toEqual(bytes);
    await untilDone(() => other.get('l'));

    const next = await backend.mutex?.('m')?.acquire();
    const later = other.mutex?.('m')?.acquire();
    await next?.release();
    expect(await later).toBeDefined();
  });
});

it.each(ways)('%s: who waits is woken also when his listening connection was lost meanwhile', async (_, open) => {
  const holder = await open({ timeout: '10s' });
  ends.push(() => holder.close?.());
  const waiter = await open({ timeout: '10s', lockSleep: '1h' });
  ends.push(() => waiter.close?.());
  const observer = await observe(watched.primary.url);
  ends.push(() => observer.close());
  for (const key of ['k', 'l', 'm']) {
    const channel = `dp1:wake:_lock${key}`;
    const lease = await holder.mutex?.(key)?.acquire();
    const waiting = waiter.mutex?.(key)?.acquire();
    await until(async () => String(await observer.raw('PUBSUB', 'CHANNELS', channel)) === channel);
    // By then he sleeps: he looks once more when he is listened to.
    await sleep(100);
    await Promise.all([observer.raw('CLIENT', 'KILL', 'TYPE', 'pubsub'), lease?.release()]);
    await (await waiting)?.release();
  }
});

it.each(ways)('%s: close gives back what is held, and what is won by nobody any more', async (_, open) => {
  const observer = await observe(watched.primary.url);
  ends.push(() => observer.close());
  expect(await locksLeftByClose(() => open({ timeout: '10s' }), observer)).toEqual([]);
});

it.each(ways.slice(0, 2))('%s: a sentinel that is gone is passed over, also by the first call', async (_, open) => {
  watched = { ...watched, sentinels: [`127.0.0.1:${await freePort()}`, ...watched.sentinels] };
  const backend = await open({ timeout: '20s' });
  ends.push(() => backend.close?.());
  await backend.set('k', bytes);
  expect(await backend.get('k')).toEqual(bytes);
});

it('is no server: given its address, the redis backend is not ready, and says which to take', async () => {
  const [address] = watched.sentinels;
  const backend = redisBackend({ url: `redis://${address}` });
  ends.push(() => backend.close?.());
  await expect(backend.ready?.()).rejects.toThrow(
    'This is a sentinel, which keeps no values: take the redis_sentinel backend.',
  );
});

it.each(ways.slice(0, 3))(
  '%s: a sentinel that hangs is passed over, too',
  async (_, open) => {
    const [first] = watched.sentinelServers;
    // The first that is asked.
    first?.freeze();
    const backend = await open({ timeout: '1s' });
    ends.push(() => backend.close?.());
    const began = Date.now();
    await until(() => works(backend, 'k'));
    expect(Date.now() - began).toBeLessThan(SILENCE_TIMEOUT / 2);
  },
  120_000,
);

it.each([
  ['ioredis', ioredis],
  ['iovalkey', iovalkey],
] as const)('made by %s: told of a failover while it asks the sentinels it goes on', async (_, module) => {
  const connectors: { disconnect(): void }[] = [];
  class SentinelConnector extends (module.SentinelConnector as IoModule['SentinelConnector'] as new (
    options: object,
  ) => { disconnect(): void }) {
    constructor(options: object) {
      super(options);
      connectors.push(this);
    }
  }
  for (const sentinel of watched.sentinelServers) sentinel.freeze();
  const backend = byIo({ ...(module as IoModule), SentinelConnector }, { timeout: '1s' });
  ends.push(() => backend.close?.());
  expect(await works(backend, 'k')).toBe(false);
  // As its detector does.
  for (const connector of connectors) connector.disconnect();
  for (const sentinel of watched.sentinelServers) sentinel.thaw();
  await until(() => works(backend, 'k'));
});

it('in mid-traffic of two processes: calls go on, nothing wrong is served, and one creation serves both afterwards', async () => {
  const fleet = await startFleet(2, { sentinels: watched.sentinels, timeout: '1s' });
  await goOn(fleet, () => watched.lose('kill'));
  await share(fleet);
}, 120_000);

it('one of three sentinels is lost, then the primary: processes by each package go on, and write nothing to stderr', async () => {
  const members = (['redis', 'ioredis', 'iovalkey'] as const).map((by) =>
    startMember({ by, sentinels: watched.sentinels, timeout: '1s' }),
  );
  const fleet = await Promise.all(members);
  await goOn(fleet, async () => watched.sentinelServers.at(-1)?.kill());
  await goOn(fleet, () => watched.lose('kill'));
  await share(fleet);
  for (const child of fleet) await child.kill();
  expect(fleet.map(({ errors }) => errors)).toEqual(['', '', '']);
}, 120_000);

it.each(ways.slice(0, 3))(
  '%s: a primary that hangs is left for the one that the sentinels name',
  async (_, open) => {
    const backend = await open({ timeout: '500ms' });
    ends.push(() => backend.close?.());
    await until(() => works(backend, 'k'));
    const hangs = Date.now();
    await watched.lose('freeze');
    await until(() => works(backend, 'k'));
    // Some 3 s. Who is not told of it waits until the connection is given up for its silence.
    expect(Date.now() - hangs).toBeLessThan(SILENCE_TIMEOUT / 2);
  },
  120_000,
);

describe.each<[string, (target: Pick<Watched, 'sentinels' | 'serviceName'>) => CacheBackend<Uint8Array>]>([
  ['made by redis', ({ sentinels, serviceName }) => redisSentinelBackend({ sentinels, serviceName, timeout: '300ms' })],
  ['made by ioredis', (target) => byIo(ioredis, { timeout: '300ms' }, target)],
])('%s', (_, open) => {
  it.each<[string, () => Pick<Watched, 'sentinels' | 'serviceName'>, RegExp]>([
    [
      'that can not be reached',
      () => ({ sentinels: ['127.0.0.1:1'], serviceName: 'none' }),
      /ECONNREFUSED|unreachable/,
    ],
    ['that do not know the name', () => ({ ...watched, serviceName: 'none' }), /No such master|all sentinels/i],
  ])('sentinels %s end each call in a typed error within its deadline, which says why', async (_why, target, why) => {
    const backend = open(target());
    ends.push(() => backend.close?.());
    await until(async () => {
      const error: unknown = await Promise.resolve(backend.get('k')).catch((error: unknown) => error);
      expect(error).toMatchObject({ code: expect.stringMatching(/_TIMEOUT$|_UNAVAILABLE$/) });
      // At first they may not have been asked yet.
      return why.test(String(error));
    });
  });
});
