/** Times to live, sizes, and what never happens on any path. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { RedisBackend } from '../../../src/backends/redis/backend.js';
import { makeRegion } from '../../../src/region/region.js';
import { type Observer, observe, type RunningRedis, startRedis } from '../../services/redis.js';
import { nodeRedisByUrl, type Opened } from './support/clients.js';

let server: RunningRedis;
let observer: Observer;
let opened: Opened;
let backend: RedisBackend;
beforeAll(async () => {
  server = await startRedis();
  observer = await observe(server.url);
});
afterAll(async () => {
  observer.close();
  await server.stop();
});
beforeEach(async () => {
  await observer.raw('FLUSHALL');
  opened = await nodeRedisByUrl.open(server.url);
  backend = opened.backend;
});
afterEach(() => opened.close());

const bytes = Buffer.from('value');
const ttlOf = async (key: string) => Number(await observer.raw('PTTL', key));

it('the time to live is that of the write; without one it is kept for ever', async () => {
  await backend.set('k', bytes, { ttl: 5000 });
  await backend.set('l', bytes);
  await backend.set('m', bytes, { ttl: Number.POSITIVE_INFINITY });
  await backend.setMulti(
    new Map([
      ['a', bytes],
      ['b', bytes],
    ]),
    { ttl: new Map([['a', 7000]]) },
  );
  expect(await ttlOf('k')).toBeGreaterThan(1000);
  expect(await ttlOf('k')).toBeLessThanOrEqual(5000);
  expect(await ttlOf('a')).toBeGreaterThan(5000);
  expect([await ttlOf('l'), await ttlOf('m'), await ttlOf('b')]).toEqual([-1, -1, -1]);
});

it('a write without a time to live ends the one there was', async () => {
  await backend.set('k', bytes, { ttl: 5000 });
  await backend.set('k', bytes);
  expect(await ttlOf('k')).toBe(-1);
});

it('a commit has one too', async () => {
  const lease = await backend.mutex('k')?.acquire();
  await backend.set('k', bytes, { lease, ttl: 5000 });
  expect(await ttlOf('k')).toBeGreaterThan(1000);
});

it.each([0, 0.3, -1])('one of %d ms is gone at once, never an error', async (ttl) => {
  await backend.set('k', bytes, { ttl });
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await backend.get('k')).toBeUndefined();
});

it("one beyond all numbers is none of the server's errors", async () => {
  await backend.set('k', bytes, { ttl: Number.MAX_VALUE });
  expect(await backend.get('k')).toEqual(bytes);
});

it('redisExpirationTime is that of every entry, whatever the write says', async () => {
  const fixed = await nodeRedisByUrl.open(server.url, { redisExpirationTime: '30s' });
  await fixed.backend.set('k', bytes, { ttl: 5000 });
  await fixed.backend.set('l', bytes);
  expect(await ttlOf('k')).toBeGreaterThan(20_000);
  expect(await ttlOf('l')).toBeGreaterThan(20_000);
  await fixed.close();
  const never = await nodeRedisByUrl.open(server.url, { redisExpirationTime: Number.POSITIVE_INFINITY });
  await never.backend.set('k', bytes, { ttl: 5000 });
  expect(await ttlOf('k')).toBe(-1);
  await never.close();
});

it('large values go to and fro', async () => {
  const large = Buffer.alloc(8 * 1024 * 1024, 'x');
  const lease = await backend.mutex('k')?.acquire();
  expect(await backend.set('k', large, { lease })).toBe(true);
  const found = await backend.get('k');
  expect(found && large.equals(found)).toBe(true);
});

it('bytes that are a view of something larger are stored as that view', async () => {
  const whole = new Uint8Array([1, 2, 3, 4, 5]);
  await backend.set('k', whole.subarray(1, 3));
  expect(await backend.get('k')).toEqual(Buffer.from([2, 3]));
});

it('nothing is asked of the server for nothing', async () => {
  const commands = await observer.commandsOf(async () => {
    expect(await backend.getMulti([])).toEqual([]);
    expect(await backend.setMulti(new Map())).toEqual(new Set());
    await backend.deleteMulti([]);
    expect(await backend.acquireMulti([])).toEqual(new Map());
  });
  expect(commands).toEqual([]);
});

it('no path scans the keys', async () => {
  await observer.raw('CONFIG', 'RESETSTAT');
  const region = makeRegion({ name: 'scans' }).configure(backend, { expirationTime: '1h', backendTimeout: '20s' });
  await region.getOrCreate('k', () => 1);
  await region.getOrCreateMulti(['k', 'l'], (keys) => keys.map(() => 2));
  await region.setMulti({ a: 1 });
  await region.deleteMulti(['a', 'k']);
  await region.invalidate();
  await region.invalidate({ hard: false });
  const stats = String(await observer.raw('INFO', 'commandstats'));
  const used = [...stats.matchAll(/cmdstat_(\w+):/g)].map(([, name]) => name);
  expect(used.filter((name) => /^(keys|scan|flush\w*|randomkey|sort)$/.test(name ?? ''))).toEqual([]);
});

it('a region by name loads it, connects, and closes what it made', async () => {
  const before = await connections();
  const region = makeRegion({ name: 'byName' }).configure('redis', {
    arguments: { url: server.url, timeout: '20s' },
    expirationTime: '1h',
    backendTimeout: '20s',
  });
  await region.ready();
  expect(await region.getOrCreate('k', () => ({ a: 1 }))).toEqual({ a: 1 });
  expect(String(await observer.get('k'))).toMatch(/^\{"ct":[\d.]+,"v":2,.*\}\|\{"a":1\}$/);
  expect(await connections()).toBe(before + 1);
  await region.close();
  while ((await connections()) !== before) await new Promise((resolve) => setTimeout(resolve, 5));
});

async function connections(): Promise<number> {
  return String(await observer.raw('CLIENT', 'LIST'))
    .trim()
    .split('\n').length;
}
