/** When the server is gone, frozen or back, or answers with what is not ours. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as ioredis from 'ioredis';
import * as iovalkey from 'iovalkey';
import { createClient, createCluster, createSentinel } from 'redis';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BackendHost } from '../../../src/api.js';
import { serverFrom } from '../../../src/backends/redis/address.js';
import { IoClient } from '../../../src/backends/redis/io-client.js';
import { redisBackend } from '../../../src/backends/redis.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { type Observer, observe, startRedis } from '../../services/redis.js';
import { freePort } from '../../services/server.js';
import { until, untilDone } from '../../support/wait.js';
import { handedInWays, ioredisByUrl, iovalkeyByUrl, nodeRedisByUrl } from './support/clients.js';
import { locksLeftByClose } from './support/closing.js';
import { look, open, serve } from './support/during.js';
import { bytes, timeout, unavailable, verbs } from './support/verbs.js';

describe.each([nodeRedisByUrl, ioredisByUrl, iovalkeyByUrl])('made of $way', (way) => {
  it.each(verbs)('%s says at once that there is no server, and why', async (_, call) => {
    const backend = await open(`redis://127.0.0.1:${await freePort()}`, { timeout: '1h' }, way);
    await expect(call(backend)).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('ECONNREFUSED'),
    });
    await expect(call(backend)).rejects.toMatchObject(unavailable);
  });

  it('a server that comes back is used again, by itself', async () => {
    const first = await startRedis();
    const backend = await open(first.url, { timeout: '2s' }, way);
    await backend.set('k', bytes);
    await first.kill();
    await expect(backend.get('k')).rejects.toMatchObject(unavailable);
    await serve({ port: first.port });
    await untilDone(() => backend.get('k'));
    await backend.set('k', bytes);
    expect(await backend.get('k')).toEqual(bytes);
  });

  it('a call under way when the server dies ends, and is not sent again', async () => {
    const first = await startRedis();
    const backend = await open(first.url, { timeout: '1h' }, way);
    await backend.get('k');
    first.freeze();
    const calls = [backend.set('k', bytes), backend.mutex('k')?.acquire()];
    const outcomes = Promise.allSettled(calls);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await first.kill();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: unavailable });
    const again = await serve({ port: first.port });
    await untilDone(() => backend.get('k'));
    expect(await (await look(again.url)).raw('DBSIZE')).toBe(0);
  });

  it('waiters are woken again once the server is back', async () => {
    const first = await startRedis();
    const holder = await open(first.url, {}, way);
    const waiter = await open(first.url, { lockSleep: '1h' }, way);
    await holder.get('k');
    const early = await waiter.mutex('k')?.acquire();
    // A first wait makes the listening connection.
    const blocked = waiter.mutex('k')?.acquire();
    const observer = await observe(first.url);
    await until(async () => (await subscriptions(observer)) === 1);
    observer.close();
    await early?.release();
    await (await blocked)?.release();
    await first.kill();
    const again = await serve({ port: first.port });
    const seen = await look(again.url);
    await untilDone(() => holder.get('k'));
    await untilDone(() => waiter.get('k'));
    const lease = await holder.mutex('k')?.acquire();
    const waiting = waiter.mutex('k')?.acquire();
    await until(async () => (await subscriptions(seen)) === 1);
    await lease?.release();
    // The next poll is an hour away.
    expect(await waiting).toBeDefined();
  });

  it('close ends every connection; calls are refused from then on', async () => {
    const server = await serve();
    const observer = await look(server.url);
    const before = await connections(observer);
    const backend = await open(server.url, {}, way);
    const lease = await backend.mutex('k')?.acquire();
    const enough = new AbortController();
    const waiting = backend.mutex('k')?.acquire({ signal: enough.signal });
    await until(async () => (await subscriptions(observer)) === 1);
    enough.abort('enough');
    await expect(waiting).rejects.toBe('enough');
    await lease?.release();
    await backend.close();
    await backend.close();
    await until(async () => (await connections(observer)) === before);
    await expect(backend.get('k')).rejects.toMatchObject({ code: 'DOGPILE_REGION_CLOSED' });
  });

  it('close gives back what is held, and what is won by nobody any more', async () => {
    const server = await serve();
    const observer = await look(server.url);
    expect(await locksLeftByClose(() => open(server.url, {}, way), observer)).toEqual([]);
  });

  it('who waits for a lock when it is closed is told so at once, not when he would have looked again', async () => {
    const server = await serve();
    const observer = await look(server.url);
    const backend = await open(server.url, { lockSleep: '1h' }, way);
    await backend.mutex('k')?.acquire();
    const outcome = Promise.allSettled([backend.mutex('k')?.acquire()]);
    // It looks, and again when it is listened to; then it sleeps.
    await until(async () => /cmdstat_pttl:calls=[23]/.test(String(await observer.raw('INFO', 'commandstats'))));
    await backend.get('k');
    await backend.close();
    expect(await outcome).toMatchObject([{ status: 'rejected', reason: { code: 'DOGPILE_REGION_CLOSED' } }]);
  });

  it.each(verbs)(
    '%s that is under way when it is closed is told so, not that the server has failed',
    async (_, call) => {
      const server = await serve();
      const backend = await open(server.url, { timeout: '1h' }, way);
      await backend.get('k');
      server.freeze();
      const outcome = Promise.allSettled([call(backend)]);
      await backend.close();
      expect(await outcome).toMatchObject([{ status: 'rejected', reason: { code: 'DOGPILE_REGION_CLOSED' } }]);
    },
  );
});

it.each([
  ['ioredis', ioredis],
  ['iovalkey', iovalkey],
])('a subscription of %s that is under way when its connection is lost is made by the next one', async (_, module) => {
  const server = await serve();
  const observer = await look(server.url);
  const client = IoClient.made(module, serverFrom('url', server.url));
  onTestFinished(() => client.close());
  const ear = await client.openEar({ heard: () => {}, connected: () => {}, failed: () => {} });
  onTestFinished(() => ear?.close());
  await ear?.subscribe('one');
  server.freeze();
  const killed = observer.raw('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const subscribed = ear?.subscribe('other');
  // Both are there when it goes on.
  await sleep(50);
  server.thaw();
  await killed;
  await subscribed;
  await until(async () => (await subscriptions(observer)) === 2);
});

describe.each(handedInWays)('with $way', (way) => {
  it('a call ends within its deadline when the server is gone, and works when it is back', async () => {
    const first = await startRedis();
    const backend = await open(first.url, { timeout: 100 }, way);
    await untilDone(() => backend.set('k', bytes));
    await first.kill();
    for (const [, call] of verbs.slice(0, 5)) {
      await expect(call(backend)).rejects.toMatchObject({ code: expect.stringMatching(/_TIMEOUT$|_UNAVAILABLE$/) });
    }
    await serve({ port: first.port });
    await untilDone(() => backend.get('k'));
  });

  it('close leaves the client that was handed in to its owner, and no lease behind', async () => {
    const server = await serve();
    const observer = await look(server.url);
    expect(await locksLeftByClose(() => open(server.url, {}, way), observer)).toEqual([]);
    const one = await way.open(server.url);
    await one.backend.set('k', bytes);
    await one.backend.close();
    await one.close();
  });
});

it.each([
  ['client', () => createClient()],
  ['sentinel', () => createSentinel({ name: 'm', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] })],
  ['cluster', () => createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:1' }] })],
])('a %s of redis that was never connected is told so', async (_, client) => {
  const backend = redisBackend({ client: client() });
  await expect(backend.get('k')).rejects.toThrow('await client.connect()');
});

it('a thousand failures leave nothing behind', async () => {
  const clock = new FakeClock();
  const told: unknown[] = [];
  const host: BackendHost = { clock, random: () => 1, report: (verb) => told.push(verb) };
  const backend = await open(`redis://127.0.0.1:${await freePort()}`);
  backend.attach(host);
  await expect(backend.get('k')).rejects.toMatchObject(unavailable);
  const before = { handles: globalThis.process.getActiveResourcesInfo().length, listeners: listenersOf() };
  for (let round = 0; round < 100; round++) {
    const outcomes = await Promise.allSettled(verbs.slice(0, 10).map(([, call]) => call(backend)));
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  }
  expect(clock.pending).toBe(0);
  expect(listenersOf()).toBe(before.listeners);
  // Its one reconnection may be at another step than before.
  expect(globalThis.process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before.handles + 2);
});

it.each([nodeRedisByUrl, ioredisByUrl])(
  '$way: a thousand calls to a server that is stopped are forgotten once it goes on',
  async (way) => {
    const server = await serve();
    const observer = await look(server.url);
    const backend = await open(server.url, { timeout: 200 }, way);
    // Its first call opens the connection, which may take longer on a busy machine.
    await untilDone(() => backend.get('k'));
    server.freeze();
    const calls = Array.from({ length: 1000 }, () => backend.mutex('k')?.acquire());
    for (const outcome of await Promise.allSettled(calls))
      expect(outcome).toMatchObject({ status: 'rejected', reason: timeout });
    server.thaw();
    await untilDone(() => backend.get('k'));
    await until(async () => Number(await observer.raw('DBSIZE')) === 0);
  },
);

describe('foreign data', () => {
  it('a key of another type is nothing there, and is overwritten', async () => {
    const server = await serve();
    const observer = await look(server.url);
    const backend = await open(server.url);
    for (const key of ['k', 'l', '_lockk']) await observer.raw('LPUSH', key, 'x');
    expect(await backend.get('k')).toBeUndefined();
    expect(await backend.getMulti(['k', 'l'])).toEqual([undefined, undefined]);
    const lease = await backend.mutex('k')?.acquire({ wait: false });
    expect(lease).toHaveProperty('stored', undefined);
    expect(await backend.set('k', bytes, { lease })).toBe(true);
    await backend.set('l', bytes);
    expect(await backend.getMulti(['k', 'l'])).toEqual([bytes, bytes]);
  });
});

async function subscriptions(observer: Observer): Promise<number> {
  const channels = (await observer.raw('PUBSUB', 'CHANNELS', 'dp1:wake:*')) as unknown as string[];
  return channels.length;
}

async function connections(observer: Observer): Promise<number> {
  return String(await observer.raw('CLIENT', 'LIST'))
    .trim()
    .split('\n').length;
}

function listenersOf(): number {
  const { process } = globalThis;
  return process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
}
