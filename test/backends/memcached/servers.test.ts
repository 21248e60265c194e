/** Several servers as one: who keeps what, and what becomes of it when one of them dies or stands still. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MemcachedClient } from '../../../src/backends/memcached/client.js';
import { MemcachedServers } from '../../../src/backends/memcached/servers.js';
import { makeRegion } from '../../../src/region/region.js';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { PACKAGES } from './support/packages.js';
import { stored } from './support/raw.js';

const KEYS = Array.from({ length: 60 }, (_, at) => `k${at}`);
const bytes = Buffer.from('value');

it('spreads keys evenly, each key and its lock at one place, and moves few when there is a server more', async () => {
  const placesOf = async (places: readonly string[]) => {
    const [first, ...others] = places.map((place) => ({
      place,
      client: { get: async () => Buffer.from(place) } as unknown as MemcachedClient,
    }));
    if (!first) throw new Error('There is no server.');
    const servers = new MemcachedServers([first, ...others], () => {});
    const at = async (key: string) => String(await servers.get(key));
    const keys = Array.from({ length: 3000 }, (_, index) => `mod:fn|${index}`);
    for (const key of keys.slice(0, 100)) expect(await at(`_lock${key}`)).toBe(await at(key));
    return Promise.all(keys.map(at));
  };
  const three = await placesOf(['a:1', 'b:1', 'c:1']);
  for (const place of ['a:1', 'b:1', 'c:1']) {
    const share = three.filter((one) => one === place).length;
    expect(share).toBeGreaterThan(900);
    expect(share).toBeLessThan(1100);
  }
  expect(await placesOf(['c:1', 'a:1', 'b:1'])).toEqual(three);
  const four = await placesOf(['a:1', 'b:1', 'c:1', 'd:1']);
  expect(four.every((place, at) => place === three[at] || place === 'd:1')).toBe(true);
});

describe.each(PACKAGES)('$name', ({ open }) => {
  let servers: RunningMemcached[];
  let ends: (() => unknown)[];
  beforeAll(async () => {
    ends = [];
    servers = await Promise.all([startMemcached(), startMemcached(), startMemcached()]);
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });
  afterAll(async () => {
    for (const server of servers) await server.kill();
  });

  function opened() {
    const backend = open(
      servers.map(({ url }) => url),
      { timeout: '200ms' },
    );
    ends.push(() => backend.close?.());
    return backend;
  }

  it('what is stored by one process is found by another, and stands on one server', async () => {
    const [one, other] = [opened(), opened()];
    await one.setMulti(new Map(KEYS.map((key) => [key, bytes])));
    expect((await other.getMulti(KEYS)).every((value) => value?.length === bytes.length)).toBe(true);
    const shares = await Promise.all(
      servers.map(async ({ port }) => (await Promise.all(KEYS.map((key) => stored(port, key)))).filter(Boolean).length),
    );
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(KEYS.length);
    expect(Math.min(...shares)).toBeGreaterThan(5);
    await other.deleteMulti(KEYS);
    expect((await one.getMulti(KEYS)).every((value) => value === undefined)).toBe(true);
  });

  it.each(['frozen', 'dead'])('one that is %s costs its own keys alone, until it is back', async (how) => {
    const backend = opened();
    const reports: unknown[] = [];
    backend.attach?.({
      clock: { now: Date.now, setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
      random: Math.random,
      report: (verb, error) => reports.push([verb, error]),
    });
    await backend.setMulti(new Map(KEYS.map((key) => [key, bytes])));
    const [lost] = servers as [RunningMemcached];
    const gone = new Set<string>();
    for (const key of KEYS) if (await stored(lost.port, key)) gone.add(key);
    if (how === 'frozen') await lost.frozen();
    else await lost.kill();
    for (const key of KEYS) {
      if (gone.has(key)) continue;
      expect((await backend.get(key))?.length).toBe(bytes.length);
      expect(await backend.set(key, bytes)).toBe(true);
    }
    const [first] = gone;
    await expect(async () => backend.get(first ?? '')).rejects.toMatchObject({
      code: expect.stringMatching(/^DOGPILE_BACKEND_/),
    });
    const found = await backend.getMulti(KEYS);
    expect(KEYS.filter((_, at) => found[at] === undefined)).toEqual([...gone]);
    expect(reports).toHaveLength(1);
    if (how === 'frozen') lost.thaw();
    else servers[0] = await startMemcached({ port: lost.port });
    for (const key of gone) {
      await backend.set(key, bytes);
      expect((await backend.get(key))?.length).toBe(bytes.length);
    }
  });

  it('a region creates what the lost one kept, once per process, and stores the rest', async () => {
    const region = makeRegion().configure(opened(), { expirationTime: '1h', breaker: false });
    const [lost] = servers as [RunningMemcached];
    await lost.frozen();
    const values = await region.getOrCreateMulti(KEYS.slice(0, 12), async (keys) => keys.map((key) => `of ${key}`));
    lost.thaw();
    expect(values).toEqual(KEYS.slice(0, 12).map((key) => `of ${key}`));
  });
});
