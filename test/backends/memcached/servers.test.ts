/** Several servers as one: who keeps what, and what becomes of it when one of them dies or stands still. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { memcachedBackend } from '../../../src/backends/memcached.js';
import { systemClock } from '../../../src/clock.js';
import { makeRegion } from '../../../src/region/region.js';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { untilDone } from '../../support/wait.js';
import { PACKAGES } from './support/packages.js';
import { stored } from './support/raw.js';
import { UNHURRIED_POLICY } from './support/unhurried.js';

const KEYS = Array.from({ length: 60 }, (_, at) => `k${at}`);
const bytes = Buffer.from('value');

/** What a program that knows nothing of the lock would take for one. */
const LIKE_LOCKS = KEYS.slice(0, 20).map((key) => `_lock${key}`);

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

  /** A frozen server is waited for until the deadline: there it is short, elsewhere none of these tests is about it. */
  function opened(how: 'frozen' | 'dead' = 'dead') {
    const backend = open(
      servers.map(({ url }) => url),
      { timeout: how === 'frozen' ? '800ms' : '20s' },
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

  it('each key is where our own client has it, its lock beside it', async () => {
    const url = servers.map((server) => server.url);
    const mine = memcachedBackend({ url, timeout: '20s' });
    ends.push(() => mine.close?.());
    const backend = opened();
    await mine.setMulti(new Map([...KEYS, ...LIKE_LOCKS].map((key) => [key, bytes])));
    for (const key of [...KEYS, ...LIKE_LOCKS]) expect((await backend.get(key))?.length, key).toBe(bytes.length);
    await mine.deleteMulti(LIKE_LOCKS);
    for (const key of KEYS.slice(0, 10)) {
      const lease = await backend.mutex?.(key)?.acquire({ wait: false });
      for (const { port } of servers) {
        const [value, lock] = await Promise.all([stored(port, key), stored(port, `_lock${key}`)]);
        expect(lock !== undefined, key).toBe(value !== undefined);
      }
      await lease?.release();
    }
  });

  it.each(['frozen', 'dead'] as const)('one that is %s costs its own keys alone, until it is back', async (how) => {
    const backend = opened(how);
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
    await untilDone(() => backend.set(first ?? '', bytes));
    for (const key of gone) {
      await backend.set(key, bytes);
      expect((await backend.get(key))?.length).toBe(bytes.length);
    }
  });

  it.each(['frozen', 'dead'] as const)(
    'one that is %s opens no breaker: a region serves the keys of the others',
    async (how) => {
      const region = makeRegion().configure(opened(how), UNHURRIED_POLICY);
      await region.setMulti(new Map(KEYS.map((key) => [key, 'stored'])));
      const [lost] = servers as [RunningMemcached];
      const gone = new Set<string>();
      for (const key of KEYS) if (await stored(lost.port, key)) gone.add(key);
      if (how === 'frozen') await lost.frozen();
      else await lost.kill();
      for (const key of KEYS) await region.getOrCreate(key, () => 'created');
      expect(region.statistics.misses).toBe(gone.size);
      // It was not asked once for each of its keys.
      expect(region.statistics.backendTimeouts).toBeLessThan(gone.size / 2);
      const kept = KEYS.filter((key) => !gone.has(key));
      expect(await region.getMulti(kept)).toEqual(kept.map(() => 'stored'));
      if (how === 'frozen') lost.thaw();
      else servers[0] = await startMemcached({ port: lost.port });
      const [first = ''] = gone;
      await untilDone(() => region.set(first, 'again'));
      expect(await region.get(first)).toBe('again');
    },
  );

  it('one that is dead costs its own keys alone, also where one request takes no more of them', async () => {
    const backend = opened();
    const [lost] = servers as [RunningMemcached];
    // The last key, of the server that dies, would make a request of its own.
    const many = Array.from({ length: 101 }, (_, at) => `many${at}`);
    await backend.setMulti(new Map(many.map((key) => [key, bytes])));
    const kept: string[] = [];
    const gone: string[] = [];
    for (const key of many) ((await stored(lost.port, key)) ? gone : kept).push(key);
    const [last = ''] = gone;
    const asked = [...gone.slice(1), ...kept, last];
    await lost.kill();
    const found = await backend.getMulti(asked);
    servers[0] = await startMemcached({ port: lost.port });
    expect(asked.filter((_, at) => found[at] !== undefined)).toEqual(kept);
  });

  it('one that is dead is told of once, however many leases of its keys are asked for, and whether it is asked anew', async () => {
    const backend = opened();
    const told: string[] = [];
    let passed = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + passed };
    backend.attach?.({ clock, random: Math.random, report: (verb) => void told.push(verb) });
    const [lost] = servers as [RunningMemcached];
    const gone: string[] = [];
    await backend.setMulti(new Map(KEYS.map((key) => [key, bytes])));
    for (const key of KEYS) if (await stored(lost.port, key)) gone.push(key);
    await lost.kill();
    // It is known to be down; by the second time it may be asked again, by one of them.
    await Promise.allSettled(gone.map(async (key) => backend.get(key)));
    const seen: unknown[] = [];
    for (passed of [0, 60_000]) {
      const leases = await backend.acquireMulti?.(KEYS);
      seen.push([leases?.size, told.splice(0)]);
      for (const lease of leases?.values() ?? []) await lease.release();
    }
    servers[0] = await startMemcached({ port: lost.port });
    expect(seen).toEqual([0, 1].map(() => [KEYS.length - gone.length, ['acquireMulti']]));
  });

  it('ready() while any of them answers: of one that is dead it tells', async () => {
    const told: string[] = [];
    const openedAnew = () => {
      const backend = opened();
      backend.attach?.({ clock: systemClock, random: Math.random, report: (verb) => void told.push(verb) });
      return backend;
    };
    const [lost, ...others] = [...servers];
    await lost?.kill();
    await openedAnew().ready?.();
    expect(told).toEqual(['ready']);
    for (const other of others) await other.kill();
    await expect(async () => openedAnew().ready?.()).rejects.toMatchObject({
      code: expect.stringMatching(/^DOGPILE_BACKEND_/),
    });
    for (const [at, { port }] of [...servers].entries()) servers[at] = await startMemcached({ port });
    expect(told).toEqual(['ready']);
  });

  it('of many that are created together, those of the servers that are left are stored', async () => {
    const region = makeRegion().configure(opened(), UNHURRIED_POLICY);
    const [lost] = servers as [RunningMemcached];
    const keys = KEYS.map((key) => `created-${key}`);
    await region.setMulti(new Map(keys.map((key) => [key, 'there'])));
    const gone: string[] = [];
    for (const key of keys) if (await stored(lost.port, key)) gone.push(key);
    await region.deleteMulti(keys);
    await lost.kill();
    const asked: string[] = [];
    const creator = async (missing: string[]) => {
      asked.push(...missing);
      return missing.map((key) => `of ${key}`);
    };
    const values = await region.getOrCreateMulti(keys, creator);
    const first = asked.splice(0);
    const again = await region.getOrCreateMulti(keys, creator);
    servers[0] = await startMemcached({ port: lost.port });
    expect([values, again]).toEqual([0, 1].map(() => keys.map((key) => `of ${key}`)));
    expect(first.sort()).toEqual([...keys].sort());
    expect(asked.sort()).toEqual(gone.sort());
  });

  it('a region creates what the lost one kept, once per process, and stores the rest', async () => {
    const region = makeRegion().configure(opened('frozen'), UNHURRIED_POLICY);
    const [lost] = servers as [RunningMemcached];
    await lost.frozen();
    const keys = KEYS.slice(0, 12).map((key) => `new ${key}`);
    const values = await region.getOrCreateMulti(keys, async (missing) => missing.map((key) => `of ${key}`));
    lost.thaw();
    expect(values).toEqual(keys.map((key) => `of ${key}`));
  });
});
