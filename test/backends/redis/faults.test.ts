/** When the server is gone, full, read-only, loading, or answers with what is not ours. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BackendHost } from '../../../src/api.js';
import type { RedisBackend } from '../../../src/backends/redis/backend.js';
import { systemClock } from '../../../src/clock.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import {
  type Observer,
  observe,
  type RedisServerOptions,
  type RunningRedis,
  startRedis,
} from '../../services/redis.js';
import { freePort } from '../../services/server.js';
import { handedInWays, ioredisByUrl, iovalkeyByUrl, nodeRedisByUrl, type Opened, type Way } from './support/clients.js';
import { until } from './support/wait.js';

/** Last in, first out. */
let ends: (() => unknown)[];
beforeEach(() => {
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

async function serve(options?: RedisServerOptions): Promise<RunningRedis> {
  const server = await startRedis(options);
  ends.push(() => server.stop());
  return server;
}
async function look(url: string): Promise<Observer> {
  const observer = await observe(url);
  ends.push(() => observer.close());
  return observer;
}
async function open(
  url: string,
  args: Parameters<Way['open']>[1] = {},
  { open: openBy } = nodeRedisByUrl,
): Promise<RedisBackend> {
  const one: Opened = await openBy(url, args);
  ends.push(() => one.close());
  return one.backend;
}

const bytes = Buffer.from('value');
const unavailable = { code: 'DOGPILE_BACKEND_UNAVAILABLE' };
const timeout = { code: 'DOGPILE_BACKEND_TIMEOUT' };
const request = () => ({ region: 'r', tags: [], found: undefined });

const verbs: readonly [string, (backend: RedisBackend) => Promise<unknown>][] = [
  ['get', async (backend) => backend.get('k')],
  ['getMulti', async (backend) => backend.getMulti(['k', 'l'], { records: request() })],
  ['set', async (backend) => backend.set('k', bytes)],
  ['setMulti', async (backend) => backend.setMulti(new Map([['k', bytes]]))],
  ['delete', async (backend) => backend.delete('k')],
  ['deleteMulti', async (backend) => backend.deleteMulti(['k'])],
  ['acquire', async (backend) => backend.mutex('k')?.acquire()],
  ['acquireMulti', async (backend) => backend.acquireMulti(['k'])],
  ['locked', async (backend) => backend.mutex('k')?.locked()],
  ['read', async (backend) => backend.generations.read(request(), { seed: true })],
  ['invalidate', async (backend) => backend.generations.invalidate('r', { hard: true })],
  ['invalidateTags', async (backend) => backend.generations.invalidateTags('r', ['t'], { hard: true })],
  ['ready', async (backend) => backend.ready()],
];

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
    await until(() =>
      backend.get('k').then(
        () => true,
        () => false,
      ),
    );
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
    await until(() =>
      backend.get('k').then(
        () => true,
        () => false,
      ),
    );
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
    await until(() =>
      holder.get('k').then(
        () => true,
        () => false,
      ),
    );
    await until(() =>
      waiter.get('k').then(
        () => true,
        () => false,
      ),
    );
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
    const waiting = backend.mutex('k')?.acquire({ wait: 50 });
    await until(async () => (await subscriptions(observer)) === 1);
    await waiting;
    await lease?.release();
    await backend.close();
    await backend.close();
    await until(async () => (await connections(observer)) === before);
    await expect(backend.get('k')).rejects.toMatchObject({ code: 'DOGPILE_REGION_CLOSED' });
  });
});

describe.each(handedInWays)('with $way', (way) => {
  it('a call ends within its deadline when the server is gone, and works when it is back', async () => {
    const first = await startRedis();
    const backend = await open(first.url, { timeout: 100 }, way);
    await backend.set('k', bytes);
    await first.kill();
    for (const [, call] of verbs.slice(0, 5)) {
      await expect(call(backend)).rejects.toMatchObject({ code: expect.stringMatching(/_TIMEOUT$|_UNAVAILABLE$/) });
    }
    await serve({ port: first.port });
    await until(() =>
      backend.get('k').then(
        () => true,
        () => false,
      ),
    );
  });

  it('close leaves the client that was handed in to its owner', async () => {
    const server = await serve();
    const one = await way.open(server.url);
    await one.backend.set('k', bytes);
    await one.backend.close();
    await one.close();
  });
});

it('a client of redis that was never connected is told so', async () => {
  const { createClient } = await import('redis');
  const { redisBackend } = await import('../../../src/backends/redis.js');
  const backend = redisBackend({ client: createClient() });
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

it('a thousand calls that ran into their deadline are forgotten once the server answers', async () => {
  const server = await serve();
  const observer = await look(server.url);
  const backend = await open(server.url, { timeout: 200 });
  await backend.get('k');
  server.freeze();
  const calls = Array.from({ length: 1000 }, () => backend.mutex('k')?.acquire());
  for (const outcome of await Promise.allSettled(calls))
    expect(outcome).toMatchObject({ status: 'rejected', reason: timeout });
  server.thaw();
  await until(() =>
    backend.get('k').then(
      () => true,
      () => false,
    ),
  );
  expect(await observer.raw('DBSIZE')).toBe(0);
});

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

describe('a server that is full', () => {
  it('takes no values and no leases; deleting, invalidating, releasing and committing work', async () => {
    const server = await serve({ args: ['--maxmemory-policy', 'noeviction'] });
    const observer = await look(server.url);
    const backend = await open(server.url);
    await backend.generations.read({ region: 'r', tags: [], found: undefined }, { seed: true });
    await backend.set('k', bytes);
    const lease = await backend.mutex('leased')?.acquire();
    const released = await backend.mutex('released')?.acquire();
    await observer.raw('CONFIG', 'SET', 'maxmemory', '1');
    await expect(backend.set('x', bytes)).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('OOM'),
    });
    await expect(backend.mutex('x')?.acquire()).rejects.toMatchObject(unavailable);
    expect(await backend.get('k')).toEqual(bytes);
    await backend.delete('k');
    expect(await backend.get('k')).toBeUndefined();
    await backend.generations.invalidate('r', { hard: true });
    await backend.generations.invalidateTags('r', ['t'], { hard: true });
    await backend.generations.invalidate('new', { hard: false });
    await released?.release();
    expect(await backend.set('leased', bytes, { lease })).toBe(true);
    expect(await observer.raw('EXISTS', '_lockreleased', '_lockleased', '_lockx')).toBe(0);
  });
});

describe('a server that can not be written to', () => {
  it('a replica: reads are answered, writes refused', async () => {
    const primary = await serve({ args: ['--repl-diskless-sync-delay', '0'] });
    const replica = await serve({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    const observer = await look(replica.url);
    await until(async () => String(await observer.raw('INFO', 'replication')).includes('master_link_status:up'));
    const backend = await open(replica.url);
    expect(await backend.get('k')).toBeUndefined();
    for (const [, call] of verbs.slice(2, 8)) {
      await expect(call(backend)).rejects.toMatchObject({
        ...unavailable,
        message: expect.stringMatching(/READONLY|read only|replica/i),
      });
    }
  });

  it('one that is still loading says so; once it has loaded it serves', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dogpile-redis-'));
    ends.push(() => rm(folder, { recursive: true, force: true }));
    const first = await startRedis({ args: ['--dir', folder] });
    const writer = await observe(first.url);
    await writer
      .raw('DEBUG', 'POPULATE', '2000')
      .catch(() => writer.raw('EVAL', "for i = 1, 2000 do redis.call('SET', 'key:' .. i, i) end", '0'));
    await writer.raw('SAVE');
    writer.close();
    await first.stop();
    const second = await serve({
      args: ['--dir', folder, '--key-load-delay', '500', '--loading-process-events-interval-bytes', '1024'],
      anyAnswer: true,
    });
    const backend = await open(second.url);
    await expect(backend.get('k')).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('LOADING'),
    });
    await until(() =>
      backend.get('k').then(
        () => true,
        () => false,
      ),
    );
  });

  it('one that wants a password', async () => {
    const server = await serve({ args: ['--requirepass', 'p@ss/w:rd%'] });
    const refused = await open(server.url);
    await expect(refused.get('k')).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('NOAUTH'),
    });
    const url = `redis://:${encodeURIComponent('p@ss/w:rd%')}@127.0.0.1:${server.port}/3`;
    const backend = await open(url);
    await backend.set('k', bytes);
    const observer = await look(url);
    expect(await observer.get('k')).toBe('value');
    const byIo = await open(url, {}, ioredisByUrl);
    expect(await byIo.get('k')).toEqual(bytes);
  });
});

it('a user who may not publish commits all the same', async () => {
  const server = await serve();
  const observer = await look(server.url);
  await observer.raw('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', 'resetchannels');
  const told: unknown[] = [];
  const backend = await open(`redis://app:secret@127.0.0.1:${server.port}`);
  backend.attach({ clock: systemClock, random: () => 1, report: (verb) => told.push(verb) });
  const lease = await backend.mutex('k')?.acquire();
  // It may not subscribe either: it polls, and that is told once.
  const waiting = backend.mutex('k')?.acquire();
  await until(() => told.length > 0);
  expect(await backend.set('k', bytes, { lease })).toBe(true);
  expect((await waiting)?.stored).toEqual(bytes);
  expect(told).toEqual(['subscribe']);
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
