/** Leases in the store: who holds one, who voids it, and what a late creation may still do. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BackendHost, Clock, GenerationFence, Lease, RecordsRequest } from '../../../src/api.js';
import type { RedisBackend } from '../../../src/backends/redis/backend.js';
import type { RedisLockArguments } from '../../../src/backends/redis-arguments.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { type Observer, observe, type RunningRedis, startRedis } from '../../services/redis.js';
import { until, untilDone } from '../../support/wait.js';
import { nodeRedisByUrl, type Opened } from './support/clients.js';

let server: RunningRedis;
let observer: Observer;
beforeAll(async () => {
  server = await startRedis();
  observer = await observe(server.url);
});
afterAll(async () => {
  observer.close();
  await server.stop();
});

const opened: Opened[] = [];
/** A process of its own, as far as the store can tell. */
async function process(args: RedisLockArguments = {}): Promise<RedisBackend> {
  const one = await nodeRedisByUrl.open(server.url, args);
  opened.push(one);
  return one.backend;
}

let here: RedisBackend;
let there: RedisBackend;
beforeEach(async () => {
  await observer.raw('FLUSHALL');
  here = await process();
  there = await process();
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const bytes = Buffer.from('value');
const request = (region = 'r', ...tags: string[]): RecordsRequest => ({ region, tags, found: undefined });

async function won(backend: RedisBackend, key = 'k', records?: RecordsRequest): Promise<Lease> {
  const lease = await backend.mutex(key)?.acquire({ wait: false, records });
  if (lease) return lease;
  throw new Error('It is not won.');
}

function fence({ found, region }: RecordsRequest, tags?: ReadonlyMap<string, readonly string[]>): GenerationFence {
  if (!found?.region) throw new Error('The record was not read.');
  return { region, rid: found.region.rid, seq: found.region.seq, tags, moved: undefined };
}

const commandsSoFar = async () => String(await observer.raw('INFO', 'commandstats'));

function hostOf(clock: FakeClock, told: unknown[] = []): BackendHost {
  return { clock, random: () => 1, report: (verb, error, key) => told.push([verb, error, key]) };
}

describe('what is said by the user voids the lease, in the same step', () => {
  it.each<[string, (backend: RedisBackend) => Promise<unknown>]>([
    ['delete', (backend) => backend.delete('k')],
    ['deleteMulti', (backend) => backend.deleteMulti(['x', 'k'])],
    ['set', (backend) => backend.set('k', bytes)],
    [
      'setMulti',
      (backend) =>
        backend.setMulti(
          new Map([
            ['x', bytes],
            ['k', bytes],
          ]),
        ),
    ],
  ])('%s', async (_, say) => {
    const lease = await won(here);
    await say(there);
    const before = await here.get('k');
    expect(await there.mutex('k')?.locked()).toBe(false);
    expect(await here.set('k', Buffer.from('too late'), { lease })).toBe(false);
    expect(await here.get('k')).toEqual(before);
  });

  it('a hard invalidation cuts leases off: a commit is refused, another takes over at once', async () => {
    const mine = request();
    const lease = await won(here, 'k', mine);
    await there.generations.invalidate('r', { hard: true });
    const theirs = request();
    const next = await won(there, 'k', theirs);
    expect(await here.set('k', bytes, { lease, generation: fence(mine) })).toBe(false);
    expect(await there.set('k', bytes, { lease: next, generation: fence(theirs) })).toBe(true);
  });

  it('a hard invalidation refuses the commit also when nobody has taken over', async () => {
    const mine = request();
    const lease = await won(here, 'k', mine);
    await there.generations.invalidate('r', { hard: true });
    expect(await here.set('k', bytes, { lease, generation: fence(mine) })).toBe(false);
    expect(await here.get('k')).toBeUndefined();
  });

  it('a soft invalidation voids none', async () => {
    const mine = request();
    const lease = await won(here, 'k', mine);
    await there.generations.invalidate('r', { hard: false });
    expect(await there.mutex('k')?.acquire({ wait: false, records: request() })).toBeUndefined();
    expect(await here.set('k', bytes, { lease, generation: fence(mine) })).toBe(true);
  });

  it('an invalidation of another region leaves the lease', async () => {
    const mine = request();
    const lease = await won(here, 'k', mine);
    await there.generations.invalidate('another', { hard: true });
    expect(await here.set('k', bytes, { lease, generation: fence(mine) })).toBe(true);
  });

  it('a lease without a generation is not cut off by one', async () => {
    const lease = await won(here);
    await there.generations.invalidate('r', { hard: true });
    expect(await there.mutex('k')?.acquire({ wait: false, records: request() })).toBeUndefined();
    expect(await here.set('k', bytes, { lease })).toBe(true);
  });
});

describe('a lease belongs to who won it', () => {
  it('one that has lapsed commits nothing, and its release leaves the next holder alone', async () => {
    const lease = await won(here);
    await observer.raw('DEL', '_lockk');
    const next = await won(there);
    expect(await here.set('k', bytes, { lease })).toBe(false);
    await lease.release();
    expect(await there.mutex('k')?.locked()).toBe(true);
    expect(await there.set('k', bytes, { lease: next })).toBe(true);
  });

  it('its lock has a time to live, and says whose kind it is', async () => {
    await won(here, 'k', request());
    expect(await observer.raw('PTTL', '_lockk')).toBeGreaterThan(0);
    expect(await observer.get('_lockk')).toMatch(/^dp1:[0-9a-f]{32}:[0-9a-f]{32}:0$/);
  });

  it('release is idempotent, and nothing once committed', async () => {
    const lease = await won(here);
    expect(await here.set('k', bytes, { lease })).toBe(true);
    const next = await won(there);
    await lease.release();
    await lease.release();
    expect(await there.mutex('k')?.locked()).toBe(true);
    await Promise.all([next.release(), next.release()]);
    expect(await there.mutex('k')?.locked()).toBe(false);
  });

  it('many are won at once, those that are free', async () => {
    await won(there, 'b');
    const leases = await here.acquireMulti(['a', 'b', 'c']);
    expect([...(leases?.keys() ?? [])]).toEqual(['a', 'c']);
    expect(leases?.get('a')).toHaveProperty('stored', undefined);
    await observer.raw('DEL', '_lockc');
    const entries = new Map([
      ['a', bytes],
      ['c', bytes],
    ]);
    expect(await here.setMulti(entries, { leases: leases ?? new Map() })).toEqual(new Set(['c']));
    expect((await here.getMulti(['a', 'b', 'c'])).map(String)).toEqual(['value', 'undefined', 'undefined']);
  });

  it('thousands of keys go in several commands', async () => {
    const keys = Array.from({ length: 2500 }, (_, at) => `k${at}`);
    const entries = new Map(keys.map((key) => [key, Buffer.from(key)]));
    const leases = await here.acquireMulti(keys);
    expect(leases?.size).toBe(2500);
    expect(await here.setMulti(entries, { leases })).toEqual(new Set());
    expect((await there.getMulti(keys)).map(String)).toEqual(keys);
    await there.deleteMulti(keys);
    expect(await observer.raw('DBSIZE')).toBe(0);
  });

  it('a commit bears as many tags as there are', async () => {
    const tags = Array.from({ length: 150_000 }, (_, at) => `t${at}`);
    const patient = await process({ timeout: '20s', lockTimeout: '1m' });
    const records = request();
    const lease = await won(patient, 'k', records);
    const generation = fence(records, new Map([['k', tags]]));
    expect(await patient.set('k', bytes, { lease, generation })).toBe(true);
  });
});

describe('renewal', () => {
  it('at a third of its time, while it is held', async () => {
    const clock = new FakeClock();
    here.attach(hostOf(clock));
    const lease = await won(here, 'k', request());
    await observer.raw('PEXPIRE', '_lockk', '1000000');
    await clock.advance('4s');
    await until(async () => Number(await observer.raw('PTTL', '_lockk')) <= 10_000);
    await lease.release();
    expect(clock.pending).toBe(0);
  });

  it('of leases that come due together is one command, and so is their release', async () => {
    await observer.raw('CONFIG', 'RESETSTAT');
    const due: (() => void)[] = [];
    // Timers of one length fire in one turn of the event loop; here, when the test says so.
    const clock: Clock = {
      now: () => 0,
      setTimeout: (run, ms) => (Math.floor(ms) === 3333 ? due.push(run) : 0),
      clearTimeout: () => {},
    };
    here.attach({ clock, random: () => 1, report: () => {} });
    const leases = await here.acquireMulti(['a', 'b', 'c']);
    const commands = await observer.commandsOf(async () => {
      for (const run of due) run();
      await until(async () => (await commandsSoFar()).includes('cmdstat_pexpire:calls=3'));
      await Promise.all([...(leases?.values() ?? [])].map((lease) => lease.release()));
    });
    expect(commands.map((command) => command.split(' ')[0])).toEqual(['eval', 'eval']);
  });

  it('tells that the lease is lost when its key was deleted meanwhile', async () => {
    const clock = new FakeClock();
    here.attach(hostOf(clock));
    const lease = await won(here);
    const lost = new Promise((resolve) => lease.whenLost?.(resolve));
    await there.delete('k');
    await clock.advance('4s');
    expect(await lost).toBe('voided');
  });

  it.each([
    ['the region was invalidated', (backend: RedisBackend) => backend.generations.invalidate('r', { hard: true })],
    ['the record was evicted', () => observer.raw('DEL', '_region{r}')],
  ])('tells that the lease is lost when %s', async (_, cut) => {
    const clock = new FakeClock();
    here.attach(hostOf(clock));
    const lease = await won(here, 'k', request());
    const lost = new Promise((resolve) => lease.whenLost?.(resolve));
    await cut(there);
    await clock.advance('4s');
    expect(await lost).toBe('voided');
  });
});

describe('waiting', () => {
  it('for so long, no longer', async () => {
    const lease = await won(there);
    expect(await here.mutex('k')?.acquire({ wait: 20 })).toBeUndefined();
    await lease.release();
    expect(await here.mutex('k')?.acquire({ wait: 20 })).toBeDefined();
  });

  it('ends when it is aborted, and leaves no lock', async () => {
    const lease = await won(there);
    const abort = new AbortController();
    const waiting = here.mutex('k')?.acquire({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await lease.release();
    expect(await there.mutex('k')?.locked()).toBe(false);
  });

  it('a lease that was won while its caller gave up is given back', async () => {
    const abort = new AbortController();
    const acquiring = here.mutex('k')?.acquire({ signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(acquiring).rejects.toThrow('enough');
    await until(async () => !(await there.mutex('k')?.locked()));
  });

  it('who comes with what the holder stored gets it with the lease', async () => {
    const lease = await won(there);
    const waiting = here.mutex('k')?.acquire();
    await there.set('k', bytes, { lease });
    const next = await waiting;
    expect(next?.stored).toEqual(bytes);
    await next?.release();
  });
});

describe('what ran into its deadline', () => {
  it.each<[string, (backend: RedisBackend) => Promise<unknown> | undefined]>([
    ['acquire', async (backend) => backend.mutex('k')?.acquire({ records: request() })],
    ['acquireMulti', async (backend) => backend.acquireMulti(['k', 'l'])],
  ])('%s leaves no lock once the server answers again', async (_, call) => {
    const hasty = await process({ timeout: 50 });
    // Its first call opens the connection, which may take longer on a busy machine.
    await untilDone(() => hasty.get('k'));
    server.freeze();
    await expect(call(hasty)).rejects.toMatchObject({ code: 'DOGPILE_BACKEND_TIMEOUT' });
    server.thaw();
    // Whatever was sent before this has been answered by now.
    await untilDone(() => hasty.get('k'));
    expect(await observer.raw('EXISTS', '_lockk', '_lockl')).toBe(0);
  });

  it('a commit leaves no lock, whether it was stored or not', async () => {
    const hasty = await process({ timeout: 50 });
    let lease: Lease | undefined;
    await untilDone(async () => {
      lease = await won(hasty);
    });
    server.freeze();
    await expect(hasty.set('k', bytes, { lease })).rejects.toMatchObject({ code: 'DOGPILE_BACKEND_TIMEOUT' });
    server.thaw();
    await untilDone(() => hasty.get('k'));
    expect(await observer.raw('EXISTS', '_lockk')).toBe(0);
  });
});

it('lockPrefix names the locks, as in Python', async () => {
  const one = await process({ lockPrefix: 'lk:' });
  await won(one);
  expect(await observer.raw('EXISTS', 'lk:k')).toBe(1);
});

it('without distributedLock there are no locks, and writes are plain', async () => {
  const plain = await process({ distributedLock: false });
  expect(plain.mutex('k')).toBeUndefined();
  expect(plain.acquireMulti(['k'])).toBeUndefined();
  const commands = await observer.commandsOf(async () => {
    await plain.set('k', bytes, { ttl: 1500.2 });
    await plain.setMulti(
      new Map([
        ['a', bytes],
        ['b', bytes],
      ]),
      { ttl: new Map([['a', 1000]]) },
    );
    await plain.deleteMulti(['a', 'b']);
  });
  expect(commands).toEqual(['set k value PX 1501', 'set a value PX 1000', 'set b value', 'del a b']);
});
