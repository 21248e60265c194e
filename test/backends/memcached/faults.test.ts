/** When the server is gone, frozen, restarted, full, or answers with what is not ours: by every package, every call ends, and says how. */
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CacheBackend } from '../../../src/api.js';
import type { MemcachedCommonArguments } from '../../../src/backends/memcached-arguments.js';
import { makeRegion } from '../../../src/region/region.js';
import { type MemcachedServerOptions, type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { freePort, listen } from '../../services/server.js';
import { until, untilDone } from '../../support/wait.js';
import { PACKAGES, type Package } from './support/packages.js';
import { raw, secondsLeft, store, stored } from './support/raw.js';
import { tap } from './support/tap.js';

/** Last in, first out. */
let ends: (() => unknown)[];
beforeEach(() => {
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

async function serve(options?: MemcachedServerOptions): Promise<RunningMemcached> {
  const server = await startMemcached(options);
  ends.push(() => server.kill());
  return server;
}
/** A server that says what it is told to, whatever it is asked; with the connections that stand. */
async function pretend(answer: (socket: Socket) => void): Promise<{ url: string; sockets: ReadonlySet<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', () => answer(socket));
  });
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `127.0.0.1:${await listen(server)}`, sockets };
}

/** With a deadline that none of these tests is about, unless it says one. */
function opened(by: Package, url: string, more: MemcachedCommonArguments = {}): CacheBackend<Uint8Array> {
  const backend = by.open(url, { timeout: '20s', ...more });
  ends.push(() => backend.close?.());
  return backend;
}

const bytes = Buffer.from('value');

/** A busy machine may need more than one short deadline for it. */
function untilStored(backend: CacheBackend<Uint8Array>): Promise<void> {
  return untilDone(() => backend.set('k', bytes));
}

const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
const DAY = 86_400_000;

const verbs: readonly [string, (backend: CacheBackend<Uint8Array>) => Promise<unknown>][] = [
  ['get', async (backend) => backend.get('k')],
  ['getMulti', async (backend) => backend.getMulti(['k', 'l'])],
  ['set', async (backend) => backend.set('k', bytes)],
  ['setMulti', async (backend) => backend.setMulti(new Map([['k', bytes]]))],
  ['delete', async (backend) => backend.delete('k')],
  ['deleteMulti', async (backend) => backend.deleteMulti(['k', 'l'])],
  ['acquire', async (backend) => backend.mutex?.('k')?.acquire()],
  ['acquireMulti', async (backend) => backend.acquireMulti?.(['k', 'l'])],
  ['locked', async (backend) => backend.mutex?.('k')?.locked()],
  ['ready', async (backend) => backend.ready?.()],
];

describe.each(PACKAGES)('$name', (by) => {
  it('says at once that there is no server, and why, with every verb', async () => {
    const backend = opened(by, `127.0.0.1:${await freePort()}`, { timeout: '1h' });
    for (const [, call] of verbs)
      await expect(call(backend)).rejects.toMatchObject({
        code: 'DOGPILE_BACKEND_UNAVAILABLE',
        message: expect.stringContaining('ECONNREFUSED'),
      });
  });

  it('[py 230] ends every verb at its deadline while the server is frozen, and works again once it is thawed', async () => {
    const server = await serve();
    const backend = opened(by, server.url, { timeout: '150ms' });
    await untilStored(backend);
    await server.frozen();
    for (const [verb, call] of verbs)
      await expect([
        verb,
        await call(backend).then(
          () => 'answered',
          ({ code }) => code,
        ),
      ]).toEqual([verb, 'DOGPILE_BACKEND_TIMEOUT']);
    // Those beside the one that ran into it first end with it.
    const many = await Promise.allSettled(Array.from({ length: 20 }, () => backend.get('k')));
    expect(many.every(({ status }) => status === 'rejected')).toBe(true);
    server.thaw();
    await vi.waitFor(async () => expect(text(await backend.get('k'))).toBe('value'), { timeout: 20_000 });
    await untilStored(backend);
  });

  it('an answer that came while the event loop was held up past the deadline counts', async () => {
    const server = await serve();
    const backend = opened(by, server.url, { timeout: '1s' });
    await untilStored(backend);
    const reading = backend.get('k');
    // It has been sent; the package gives up on its own after twice the time.
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1300);
    expect(text(await reading)).toBe('value');
  });

  it('a deadline that passed is told as one, also where the event loop was held up for longer than the package waits', async () => {
    const server = await serve();
    const backend = opened(by, server.url, { timeout: '500ms' });
    await untilStored(backend);
    await server.frozen();
    const reading = Promise.allSettled([backend.get('k'), backend.get('l')]);
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100);
    const timedOut = { status: 'rejected', reason: { code: 'DOGPILE_BACKEND_TIMEOUT' } };
    expect(await reading).toMatchObject([timedOut, timedOut]);
  });

  it('ends what is under way when the server dies, and works again as soon as it is back', async () => {
    const server = await serve();
    const backend = opened(by, server.url, { timeout: '1h' });
    await backend.set('k', bytes);
    await server.frozen();
    const underWay = [backend.get('k'), backend.set('k', bytes), backend.delete('k')].map((call) =>
      Promise.resolve(call).then(
        () => 'answered',
        ({ code }) => code,
      ),
    );
    await server.kill();
    expect(await Promise.all(underWay)).toEqual(Array(3).fill('DOGPILE_BACKEND_UNAVAILABLE'));
    await expect(async () => backend.get('k')).rejects.toMatchObject({ code: 'DOGPILE_BACKEND_UNAVAILABLE' });
    await serve({ port: server.port });
    expect(await backend.get('k')).toBe(undefined);
    await backend.set('k', bytes);
    expect(text(await backend.get('k'))).toBe('value');
  });

  it('connections that are cut again and again cost the calls under way, and no other', async () => {
    const server = await serve();
    const between = await tap(server.port);
    ends.push(() => between.close());
    const backend = opened(by, between.url);
    for (let round = 0; round < 20; round++) {
      const reads = Promise.allSettled(Array.from({ length: 10 }, (_, at) => backend.get(`k${at}`)));
      if (round % 2) between.cut();
      await reads;
      await Promise.resolve(backend.set('k', bytes)).catch(() => backend.set('k', bytes));
      expect(text(await backend.get('k'))).toBe('value');
    }
  });

  it('refuses calls after close(), also those under way', async () => {
    const server = await serve();
    const backend = opened(by, server.url, { timeout: '1h' });
    await backend.ready?.();
    await server.frozen();
    const underWay = Promise.resolve(backend.get('k')).catch(({ code }) => code);
    await backend.close?.();
    expect(await underWay).toBe('DOGPILE_REGION_CLOSED');
    await expect(async () => backend.get('k')).rejects.toMatchObject({ code: 'DOGPILE_REGION_CLOSED' });
  });

  it.runIf(by.name === 'node_memcached')(
    'refuses them, too, that wait behind one that the server has refused',
    async () => {
      let isFirst = true;
      // To the first request, and no more.
      const { url } = await pretend((socket) => {
        if (isFirst) socket.write('SERVER_ERROR out of memory storing object\r\n');
        isFirst = false;
      });
      const backend = opened(by, url, { timeout: '1h', distributedLock: false });
      const codeOf = (call: unknown) => Promise.resolve(call).catch(({ code }) => code);
      const [refused, waiting] = ['k', 'l'].map((key) => codeOf(backend.set(key, bytes)));
      expect(await refused).toBe('DOGPILE_BACKEND_UNAVAILABLE');
      await backend.close?.();
      expect(await waiting).toBe('DOGPILE_REGION_CLOSED');
    },
  );

  it.each(['GARBAGE\r\n', '\0\0\0\0', 'VALUE k 0 99999999999\r\n', 'END\r\nEND\r\nEND\r\n', 'STORED '.repeat(9)])(
    'a server that says %j ends nothing but calls',
    async (answer) => {
      const { url } = await pretend((socket) => socket.write(answer));
      const backend = opened(by, url, { timeout: '100ms' });
      for (const call of [() => backend.get('k'), () => backend.set('k', bytes), () => backend.delete('k')])
        await Promise.resolve(call()).catch((error) => expect(error.code).toMatch(/^DOGPILE_BACKEND_/));
    },
  );

  it('a server that refuses is left: no connection to it stays behind', async () => {
    const { url, sockets } = await pretend((socket) => socket.write('SERVER_ERROR too busy\r\n'));
    const backend = opened(by, url, { timeout: '100ms' });
    // Some packages make a miss of it.
    for (let times = 0; times < 10; times++) await Promise.allSettled([backend.get('k')]);
    await backend.close?.();
    await vi.waitUntil(() => sockets.size === 0, { timeout: 10_000 });
  });

  it('a server that ends its connections all the time: none stays behind', async () => {
    let requests = 0;
    const { url, sockets } = await pretend((socket) => {
      requests++;
      if (requests % 5 === 0) socket.end();
      else socket.write('END\r\n');
    });
    const backend = opened(by, url, { timeout: '100ms' });
    // In every turn of the event loop, also between the end of a connection and what tells us of it.
    const calls: Promise<unknown>[] = [];
    for (let times = 0; times < 300; times++) {
      calls.push(Promise.allSettled([backend.get('k')]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(calls);
    await backend.close?.();
    await vi.waitUntil(() => sockets.size === 0, { timeout: 10_000 });
  });

  it('of what is too large nothing older is left, and whoever set it is told', async () => {
    const server = await serve();
    const backend = opened(by, server.url);
    const large = Buffer.alloc(1_100_000, 'x');
    await backend.set('k', bytes);
    await expect(async () => backend.set('k', large)).rejects.toMatchObject({ code: 'DOGPILE_VALUE_TOO_LARGE' });
    expect(await backend.get('k')).toBe(undefined);
    await backend.set('k', bytes);
    const both = new Map([
      ['before', bytes],
      ['k', large],
      ['after', bytes],
    ]);
    await expect(async () => backend.setMulti(both)).rejects.toMatchObject({ code: 'DOGPILE_VALUE_TOO_LARGE' });
    expect(await backend.get('k')).toBe(undefined);
    for (const key of ['before', 'after']) expect([key, text(await backend.get(key))]).toEqual([key, 'value']);
    await backend.set('k', bytes);
    const lease = await backend.mutex?.('k')?.acquire();
    await expect(async () => backend.set('k', large, { lease })).rejects.toMatchObject({
      code: 'DOGPILE_VALUE_TOO_LARGE',
    });
    expect(await backend.get('k')).toBe(undefined);
    expect(await backend.mutex?.('k')?.locked()).toBe(false);
  });

  it('a creation whose value is too large is given to its caller, and an event', async () => {
    const server = await serve();
    const region = makeRegion().configure(opened(by, server.url), { expirationTime: '1h', backendTimeout: '20s' });
    ends.push(() => region.close());
    const value = 'x'.repeat(1_100_000);
    expect((await region.getOrCreate('k', () => value)).length).toBe(value.length);
    expect(await region.get('k')).toBe(undefined);
    expect(region.statistics.backendErrors + region.statistics.droppedWrites).toBeGreaterThan(0);
    await expect(region.set('k', value)).rejects.toMatchObject({ code: 'DOGPILE_VALUE_TOO_LARGE' });
  });

  it('takes what a server with a larger item size takes', async () => {
    const server = await serve({ args: ['-I', '4m'] });
    const backend = opened(by, server.url);
    const large = Buffer.alloc(2_000_000, 'x');
    await backend.set('k', large);
    expect((await backend.get('k'))?.length).toBe(large.length);
  });

  it('a full server evicts, and goes on', async () => {
    const server = await serve({ memory: 2 });
    const region = makeRegion().configure(opened(by, server.url), { expirationTime: '1h', backendTimeout: '20s' });
    ends.push(() => region.close());
    const value = 'x'.repeat(50_000);
    for (let at = 0; at < 200; at++) expect(await region.getOrCreate(`k${at}`, () => value)).toBe(value);
    expect(await raw(server.port, 'stats')).toMatch(/STAT evictions [1-9]/);
    expect(await region.get('k0')).toBe(undefined);
    expect(await region.get('k199')).toBe(value);
    expect(region.statistics.creations).toBe(200);
  });

  it('a full server that may not evict refuses values; reading, deleting and letting go work', async () => {
    const server = await serve({ memory: 2, args: ['-M'] });
    const backend = opened(by, server.url);
    await backend.set('kept', bytes);
    await backend.set('leased', bytes);
    const released = await backend.mutex?.('released')?.acquire();
    await backend.mutex?.('leased')?.acquire();
    // Every size class that an entry or a lock may have.
    for (const size of [400_000, 100_000, 20_000, 1000, 200, 120, 100, 60, 40, 20, 5, 1]) {
      const set = (at: number) => `set f${size}-${at} 0 0 ${size} noreply\r\n${'x'.repeat(size)}\r\n`;
      const count = Math.ceil(3_000_000 / (size + 50));
      await raw(server.port, `${Array.from({ length: count }, (_, at) => set(at)).join('')}version`);
    }
    await expect(async () => backend.set('k', Buffer.alloc(100_000, 'x'))).rejects.toMatchObject({
      code: 'DOGPILE_BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/out of memory/i),
    });
    expect(text(await backend.get('kept'))).toBe('value');
    await released?.release();
    expect(await backend.mutex?.('released')?.locked()).toBe(false);
    await backend.delete('leased');
    expect(await backend.get('leased')).toBe(undefined);
    expect(await backend.mutex?.('leased')?.locked()).toBe(false);
  });

  it('thousands of long keys at once', async () => {
    const server = await serve();
    const backend = opened(by, server.url);
    const keys = Array.from({ length: 3000 }, (_, at) => `${'k'.repeat(200)}${at}`);
    await backend.setMulti(new Map(keys.map((key) => [key, Buffer.from(key)])));
    expect((await backend.getMulti(keys)).map(text)).toEqual(keys);
    await backend.deleteMulti(keys);
    expect((await backend.getMulti(keys)).filter(Boolean)).toEqual([]);
  });

  it('nothing is gone before its time: seconds, over 30 days, over 60 years, for ever', async () => {
    const server = await serve();
    const backend = opened(by, server.url);
    const left = async (ttl: number | undefined) => {
      await backend.set('k', bytes, { ttl });
      return secondsLeft(server.port, 'k');
    };
    expect(await left(undefined)).toBe(-1);
    expect(await left(Number.POSITIVE_INFINITY)).toBe(-1);
    expect(await left(100 * 366 * DAY)).toBe(-1);
    for (const ttl of [1, 1000, 1500, 59_000, 29 * DAY, 30 * DAY - 1000, 30 * DAY, 31 * DAY, 365 * DAY]) {
      const seconds = await left(ttl);
      expect([ttl, seconds]).toEqual([ttl, expect.closeTo(ttl / 1000 + 1, -0.7)]);
      expect(seconds).toBeGreaterThanOrEqual(Math.floor(ttl / 1000));
    }
  });

  it('memcachedExpireTime is that of every entry', async () => {
    const server = await serve();
    const backend = opened(by, server.url, { memcachedExpireTime: '1h' });
    await backend.set('k', bytes, { ttl: 5000 });
    const lease = await backend.mutex?.('l')?.acquire();
    await backend.set('l', bytes, { lease, ttl: 5000 });
    for (const key of ['k', 'l']) expect(await secondsLeft(server.port, key)).toBeGreaterThan(3500);
  });

  it('writes bytes under flags 0, and text as it is', async () => {
    const server = await serve();
    const backend = opened(by, server.url);
    const entry = '{"ct":1.5,"v":2}|{"a":"é€😀"}';
    await backend.set('text', Buffer.from(entry));
    await backend.set('bytes', Buffer.from([0, 255, 13, 10]));
    const lease = await backend.mutex?.('leased')?.acquire();
    expect((await stored(server.port, '_lockleased'))?.flags).toBe(0);
    await backend.set('leased', Buffer.from(entry), { lease });
    for (const key of ['text', 'leased'])
      expect(await stored(server.port, key)).toEqual({ flags: 0, value: Buffer.from(entry).toString('latin1') });
    expect((await stored(server.port, 'bytes'))?.flags).toBe(0);
  });

  it('whatever other programs have written is garbage at worst, and harms no other key', async () => {
    const server = await serve();
    const others: readonly [string, string | Buffer, number][] = [
      ['pickle', Buffer.from('80049525000000000000008c', 'hex'), 1],
      ['int', '5', 2],
      ['noJson', '{broken', 2],
      ['long', '123456789012345678901234567890', 4],
      ['zlib', Buffer.from('789c4bcb', 'hex'), 8],
      ['zlibbed', Buffer.from('789c4bcb', 'hex'), 9],
      ['lines', 'one\r\ntwo\r\n', 0],
      ['end', 'END', 0],
      ['ends', 'x\r\nEND\r\n', 0],
      ['value', 'x\r\nVALUE fine 0 6\r\nstolen\r\nEND\r\n', 0],
      ['unknown', 'x', 12345],
      ['empty', '', 0],
    ];
    for (const [key, value, flags] of others) await store(server.port, key, value, flags);
    const region = makeRegion().configure(by.open(server.url, { timeout: '300ms' }), { expirationTime: '1h' });
    ends.push(() => region.close());
    await untilDone(() => region.set('fine', 'mine'));
    for (const [key] of others) {
      // Some of them cost the connection.
      const reads = await Promise.all([region.get('fine'), region.get(key), region.getMulti(['fine', key, 'none'])]);
      expect([key, [undefined, 'mine'].includes(reads[0] as string), reads[1]]).toEqual([key, true, undefined]);
      expect([undefined, 'mine']).toContain(reads[2]?.[0]);
      expect(reads[2]?.slice(1)).toEqual([undefined, undefined]);
      // A busy machine may need more than one deadline for it; another value it never is.
      await until(async () => {
        const found = await region.get('fine');
        if (found !== undefined) expect([key, found]).toEqual([key, 'mine']);
        return found !== undefined;
      });
    }
    for (const [key] of others) expect(await region.getOrCreate(key, () => `new ${key}`)).toBe(`new ${key}`);
  });
});
