/** What the backend of our own memcached client says to the server, and what it makes of answers and failures. */
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CacheBackend, RecordsRequest } from '../../../src/api.js';
import { type MemcachedArguments, memcachedBackend } from '../../../src/backends/memcached.js';
import { systemClock } from '../../../src/clock.js';
import {
  BackendTimeoutError,
  BackendUnavailableError,
  ValidationError,
  ValueTooLargeError,
} from '../../../src/errors.js';
import { makeRegion } from '../../../src/region/region.js';
import { type MemcachedServerOptions, type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { ask, listen } from '../../services/server.js';
import { until, untilDone } from '../../support/wait.js';
import { UNHURRIED, UNHURRIED_POLICY } from './support/unhurried.js';

async function start(options?: MemcachedServerOptions): Promise<RunningMemcached> {
  const server = await startMemcached(options);
  onTestFinished(() => server.stop());
  return server;
}

function open(
  args: MemcachedArguments,
  report: (verb: string, error: unknown) => void = () => {},
): CacheBackend<Uint8Array> {
  // A deadline that none of these tests is about, unless it says one.
  const backend = memcachedBackend({ lockSleep: 5, ...UNHURRIED, ...args });
  backend.attach?.({ clock: systemClock, random: Math.random, report });
  onTestFinished(async () => backend.close?.());
  return backend;
}

const entry = (text: string) => Buffer.from(`{"ct":1767225600,"v":2}|${JSON.stringify(text)}`);
const asked = (...tags: string[]): RecordsRequest => ({ region: 'r', tags, found: undefined });

/** Stands between a backend and a server: hears the commands. */
async function tap(to: RunningMemcached) {
  let said = '';
  const server = createServer((near) => {
    const far = connect(to.port, to.host);
    near.on('data', (chunk) => (said += chunk.toString('latin1')));
    near.pipe(far);
    far.pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    onTestFinished(() => void near.destroy());
  });
  onTestFinished(() => void server.close());
  return {
    url: `127.0.0.1:${await listen(server)}`,
    commands: async (run: () => Promise<unknown>) => {
      said = '';
      await run();
      return said.split('\r\n').filter((line) => /^m[gsdan]\b/.test(line));
    },
  };
}

describe('commands', () => {
  it('of a region: a hit, a miss, a value that is set, deleted, many', async () => {
    const { url, commands } = await tap(await start());
    const region = makeRegion({ name: 'r' }).configure(open({ url }), UNHURRIED_POLICY);
    await region.set('warm', 1);
    const create = () => 1;
    const commandsOf = async (run: () => Promise<unknown>) =>
      (await commands(run)).map((line) => line.replace(/ \d+ /, ' # ').replace(/\b[CTN]\d+/g, ([flag]) => flag ?? ''));
    const records = 'mg _region{r} v';
    expect(await commandsOf(() => region.getOrCreate('warm', create))).toEqual(['mg warm v', records]);
    expect(await commandsOf(() => region.getOrCreate('k', create))).toEqual([
      ...['mg k v', records],
      ...[records, 'mg k v c N', 'ms k # C T c'],
      ...[records, 'ms k # C T c'],
    ]);
    expect(await commandsOf(() => region.set('k', 2))).toEqual(['ms k # T c', records]);
    expect(await commandsOf(() => region.delete('k'))).toEqual(['md k']);
    expect(await commandsOf(() => region.getMulti(['a', 'b', 'c']))).toEqual([
      ...['mg a v q O0', 'mg b v q O1', 'mg c v q O2', 'mn'],
      records,
    ]);
    await region.close();
  });
});

describe('the lease of the server', () => {
  it('is won once; what is there is not touched; a reader leaves nothing', async () => {
    const server = await start();
    const backend = open({ url: server.url });
    expect(await backend.get('k')).toBeUndefined();
    const lease = await backend.mutex?.('k')?.acquire({ wait: false });
    expect(lease).toBeDefined();
    expect(await backend.mutex?.('k')?.acquire({ wait: false })).toBeUndefined();
    expect(await backend.get('k')).toBeUndefined();
    expect(await backend.getMulti(['k'])).toEqual([undefined]);
    expect(await backend.mutex?.('k')?.inspect?.()).toEqual({ held: true, expiresIn: expect.any(Number) });
    expect(await backend.set('k', entry('v'), { lease })).toBe(true);
    expect(await backend.get('k')).toEqual(entry('v'));
  });

  it('of a stale value is a lock, and the value can be read meanwhile', async () => {
    const server = await start();
    const backend = open({ url: server.url });
    await backend.set('k', entry('old'));
    const lease = await backend.mutex?.('k')?.acquire({ wait: false });
    expect(lease?.stored).toEqual(entry('old'));
    expect(await ask(server.port, 'mg _lockk v\r\n')).toMatch(/^VA \d+\r\ndp1:/);
    expect(await backend.get('k')).toEqual(entry('old'));
    expect(await backend.set('k', entry('new'), { lease })).toBe(true);
    expect(await ask(server.port, 'mg _lockk v\r\n')).toBe('EN\r\n');
  });

  it('of a stale value that vanishes meanwhile is refused, as if it had been deleted, and leaves no lock', async () => {
    const server = await start();
    const backend = open({ url: server.url });
    await backend.set('k', entry('old'));
    const lease = await backend.mutex?.('k')?.acquire({ wait: false });
    await ask(server.port, 'md k\r\n');
    expect(await backend.set('k', entry('new'), { lease })).toBe(false);
    expect(await backend.get('k')).toBeUndefined();
    expect(await ask(server.port, 'mg _lockk v\r\n')).toBe('EN\r\n');
  });

  it('is lost with its connection: a server that was restarted counts CAS numbers from 1 again', async () => {
    const first = await start();
    const backend = open({ url: first.url });
    const lease = await backend.mutex?.('k')?.acquire({ wait: false });
    await first.kill();
    const second = await start({ port: first.port });
    const other = open({ url: second.url });
    const next = await other.mutex?.('k')?.acquire({ wait: false });
    await untilDone(() => backend.get('other'));
    expect(await backend.set('k', entry('late'), { lease })).toBe(false);
    await lease?.release();
    expect(await other.set('k', entry('next'), { lease: next })).toBe(true);
  });

  it('is told of when it is lost, and says why', async () => {
    const server = await start();
    const backend = open({ url: server.url, lockTimeout: '300ms' });
    const lease = await backend.mutex?.('k')?.acquire({ wait: false });
    const lost = new Promise((resolve) => lease?.whenLost?.(resolve));
    await backend.delete('k');
    expect(await lost).toBe('voided');
  });

  it('waits for who holds it, and takes over from who is gone', async () => {
    const server = await start();
    const lame = open({ url: server.url, lockTimeout: '500ms' });
    const backend = open({ url: server.url });
    await lame.mutex?.('k')?.acquire({ wait: false });
    await lame.close?.();
    const lease = await backend.mutex?.('k')?.acquire({ wait: '8s' });
    expect(await backend.set('k', entry('v'), { lease })).toBe(true);
  });
});

describe("lease: 'key'", () => {
  it('leaves no stub that Python would read as an empty value', async () => {
    const server = await start();
    const backend = open({ url: server.url, lease: 'key' });
    const lease = await backend.mutex?.('k')?.acquire({ wait: false });
    expect(await ask(server.port, 'mg k v\r\n')).toBe('EN\r\n');
    expect(await backend.set('k', entry('v'), { lease })).toBe(true);
    expect(await ask(server.port, 'mg k v f\r\n')).toMatch(/^VA \d+ f0\r\n\{"ct"/);
  });

  it.each([
    ['server', undefined],
    ['server', 'old'],
    ['key', 'old'],
  ] as const)('one that was held for too long is let go of by its commit (%s, %s)', async (by, before) => {
    const server = await start();
    const backend = open({ url: server.url, lease: by, lockMaxHold: '50ms' });
    if (before) await backend.set('k', entry(before));
    const lease = await backend.mutex?.('k')?.acquire({ wait: false });
    await new Promise<unknown>((resolve) => lease?.whenLost?.(resolve));
    expect(await backend.mutex?.('k')?.locked()).toBe(true);
    expect(await backend.set('k', entry('new'), { lease })).toBe(false);
    expect(await backend.mutex?.('k')?.locked()).toBe(false);
    expect(await backend.get('k')).toEqual(before && entry(before));
  });

  it("Python's lock keeps us out, and is never removed", async () => {
    const server = await start();
    const backend = open({ url: server.url, lease: 'key', lockMaxHold: '400ms' });
    await ask(server.port, 'add _lockk 2 0 1\r\n1\r\n');
    expect(await backend.mutex?.('k')?.acquire({ wait: false })).toBeUndefined();
    await backend.set('k', entry('said'));
    await backend.delete('k');
    expect(await ask(server.port, 'get _lockk\r\n')).toBe('VALUE _lockk 2 1\r\n1\r\nEND\r\n');
    await expect(backend.mutex?.('k')?.acquire()).rejects.toThrow(/belongs to another program/);
    await ask(server.port, 'delete _lockk\r\n');
    expect(await backend.mutex?.('k')?.acquire({ wait: '5s' })).toBeDefined();
  });
});

describe('values and keys', () => {
  it.each(['server', 'key'] as const)('a value that is too large leaves no older one behind (%s)', async (lease) => {
    const server = await start();
    const backend = open({ url: server.url, lease });
    const large = Buffer.alloc(1_500_000, 'x');
    await backend.set('k', entry('old'));
    await expect(backend.set('k', large)).rejects.toThrow(ValueTooLargeError);
    expect(await backend.get('k')).toBeUndefined();
    await backend.set('k', entry('old'));
    const held = await backend.mutex?.('k')?.acquire({ wait: false });
    await expect(backend.set('k', large, { lease: held })).rejects.toThrow(ValueTooLargeError);
    expect(await backend.get('k')).toBeUndefined();
    expect(await backend.mutex?.('k')?.locked()).toBe(false);
  });

  it('nor does one that no server would take', async () => {
    const server = await start();
    const backend = open({ url: server.url });
    await backend.set('k', entry('old'));
    // Nothing of it is ever touched.
    await expect(backend.set('k', Buffer.allocUnsafe(1024 ** 3 + 1))).rejects.toThrow(ValueTooLargeError);
    expect(await backend.get('k')).toBeUndefined();
  });

  it('a creation whose value is too large returns it, with an event; set() rejects', async () => {
    const server = await start();
    const region = makeRegion().configure(open({ url: server.url }), UNHURRIED_POLICY);
    const large = 'x'.repeat(1_500_000);
    expect(await region.getOrCreate('k', () => large)).toBe(large);
    expect(region.statistics.droppedWrites).toBe(1);
    expect(await region.getOrCreate('k', () => 'small')).toBe('small');
    await expect(region.set('k', large)).rejects.toThrow(ValueTooLargeError);
    expect(await region.get('k')).toBeUndefined();
    await region.close();
  });

  it('with its memory full the server evicts, and every answer is the value or a creation', async () => {
    const server = await start({ memory: 2 });
    // However slow the host is: no deadline passes within the test's own, and it goes on until the server has evicted.
    const region = makeRegion().configure(open({ url: server.url, timeout: '5m' }), {
      expirationTime: '1h',
      regionInvalidator: 'local',
      backendTimeout: '5m',
      breaker: false,
    });
    const text = (at: number) => `${at} `.repeat(10_000);
    const hasEvicted = async () => /STAT evictions [1-9]/.test(await ask(server.port, 'stats\r\n'));
    for (let round = 0; round < 2 || !(await hasEvicted()); round++) {
      for (let at = 0; at < 200; at++) expect(await region.getOrCreate(`k${at}`, () => text(at))).toBe(text(at));
    }
    await region.close();
  }, 120_000);

  it('where the server neither evicts nor has room left, a creation goes on without it, and deletions work', async () => {
    const server = await start({ memory: 2, args: ['-M'] });
    const backend = open({ url: server.url, timeout: '20s' });
    await backend.set('there', entry('there'));
    // The sizes of stubs and locks, and larger ones.
    for (const size of [10, 60, 120, 250, 20_000]) {
      const fill = async () => {
        for (let at = 0; ; at += 200) {
          const keys = Array.from({ length: 200 }, (_, more) => `${size}:${at + more}`);
          await backend.setMulti(new Map(keys.map((key) => [key, Buffer.alloc(size, 'x')])));
        }
      };
      await expect(fill()).rejects.toThrow(/out of memory/);
    }
    await expect(Promise.resolve(backend.mutex?.('missing')?.acquire({ wait: false }))).rejects.toThrow(
      /no memory left/,
    );
    const region = makeRegion().configure(backend, { ...UNHURRIED_POLICY, regionInvalidator: 'local' });
    expect(await region.getOrCreate('missing', () => 'made')).toBe('made');
    await backend.delete('there');
    expect(await backend.get('there')).toBeUndefined();
    await region.close();
  });

  it('lives for as long as is said: a second more at most, a year, for ever', async () => {
    const server = await start();
    const backend = open({ url: server.url });
    const left = async (key: string) => Number(/ t(-?\d+)/.exec(await ask(server.port, `mg ${key} t\r\n`))?.[1]);
    await backend.set('minute', entry('v'), { ttl: 60_000 });
    await backend.set('year', entry('v'), { ttl: 366 * 86_400_000 });
    await backend.set('ever', entry('v'));
    expect(await left('minute')).toBeGreaterThanOrEqual(59);
    expect(await left('minute')).toBeLessThanOrEqual(62);
    expect(Math.abs((await left('year')) - 366 * 86_400)).toBeLessThan(5);
    expect(await left('ever')).toBe(-1);
  });

  it.each(['', 'two words', 'a\r\nflush_all', 'é', 'k'.repeat(246)])(
    'the key %j is refused before a byte is written',
    async (key) => {
      const { url, commands } = await tap(await start());
      const backend = open({ url });
      await backend.ready?.();
      const verbs: (() => unknown)[] = [
        () => backend.get(key),
        () => backend.getMulti(['k', key]),
        () => backend.set(key, entry('v')),
        () => backend.setMulti(new Map([[key, entry('v')]])),
        () => backend.delete(key),
        () => backend.deleteMulti(['k', key]),
        () => backend.mutex?.(key)?.acquire({ wait: false }),
        () => backend.mutex?.(key)?.locked(),
      ];
      expect(
        await commands(async () => {
          for (const verb of verbs) await expect((async () => verb())()).rejects.toThrow(ValidationError);
          await expect((async () => backend.acquireMulti?.([key]))()).rejects.toThrow(ValidationError);
        }),
      ).toEqual([]);
    },
  );

  it('what is no key is refused by a rejection, by every verb', async () => {
    const backend = open({ url: (await start()).url });
    const refused = [
      () => backend.get('a b'),
      () => backend.getMulti(['a b']),
      () => backend.set('a b', entry('x')),
      () => backend.setMulti(new Map([['a b', entry('x')]])),
      () => backend.delete('a b'),
      () => backend.deleteMulti(['a b']),
      () => backend.mutex?.('a b')?.acquire(),
      () => backend.acquireMulti?.(['a b']),
    ];
    for (const call of refused) await expect(Promise.resolve(call())).rejects.toThrow(ValidationError);
  });

  it('a region sends any key, mangled where it has to be', async () => {
    const server = await start();
    const region = makeRegion().configure(open({ url: server.url }), UNHURRIED_POLICY);
    await region.set('kept', 'kept');
    const keys = ['a b', 'a\r\nflush_all\r\n', 'nul\0', 'k'.repeat(300), '\u{1f511}', ''];
    for (const key of keys) await region.set(key, `of ${key}`);
    expect(await region.getMulti(keys)).toEqual(keys.map((key) => `of ${key}`));
    expect(await region.get('kept')).toBe('kept');
    await region.close();
  });
});

describe('records', () => {
  it('invalidations at once from two backends are all counted', async () => {
    const server = await start();
    const [one, other] = [open({ url: server.url }), open({ url: server.url })];
    const all = Array.from({ length: 20 }, (_, at) =>
      (at % 2 ? one : other).generations?.invalidateTags('r', ['t'], { hard: at % 3 === 0 }),
    );
    await Promise.all(all);
    const request = asked('t');
    await one.generations?.read(request);
    expect(request.found?.region).toMatchObject({ seq: 20, tagged: 20 });
    const { hard = 0, soft = 0 } = request.found?.tags.get('t') ?? {};
    expect(Math.max(hard, soft)).toBe(20);
    expect(Math.min(hard, soft)).toBeGreaterThan(0);
    await other.generations?.invalidateTags('r', ['t'], { hard: true });
    await other.generations?.invalidateTags('r', ['t'], { hard: false });
    await one.generations?.read(request);
    expect(request.found?.tags.get('t')).toMatchObject({ hard: 21, soft: 22 });
  });

  it.each([0.25, 0.75])(
    'a hard invalidation is later than what Python wrote at the same time, %f ms into it',
    async (part) => {
      const backend = open({ url: (await start()).url });
      const now = 1_767_225_600_000 + part;
      backend.attach?.({ clock: { ...systemClock, now: () => now }, random: Math.random, report: () => {} });
      await backend.generations?.invalidate('r', { hard: true });
      const request = asked();
      await backend.generations?.read(request);
      expect(request.found?.region?.at).toBeGreaterThan(now);
      expect(request.found?.region?.at).toBeLessThanOrEqual(now + 1);
    },
  );

  it('a lease on a stale value that was cut off and taken over writes nothing, and leaves who took it over alone', async () => {
    const { port } = await start();
    const [one, other] = [open({ url: `127.0.0.1:${port}` }), open({ url: `127.0.0.1:${port}` })];
    await one.set('k', entry('old'));
    const lost = await one.mutex?.('k')?.acquire({ records: asked() });
    await other.generations?.invalidate('r', { hard: true });
    const lease = await other.mutex?.('k')?.acquire({ wait: 1000, records: asked() });
    expect(await one.set('k', entry('lost'), { lease: lost })).toBe(false);
    expect(await one.mutex?.('k')?.acquire({ wait: false, records: asked() })).toBeUndefined();
    expect(await other.set('k', entry('new'), { lease })).toBe(true);
  });

  it('a record that was evicted invalidates all that it was for, for good', async () => {
    const server = await start();
    const region = makeRegion({ name: 'r' }).configure(open({ url: server.url }), UNHURRIED_POLICY);
    await region.getOrCreate('k', () => 'old');
    await region.getOrCreate('tagged', () => 'old', { tags: ['t'] });
    await ask(server.port, 'delete _tag{r}t\r\n');
    expect(await region.get('k')).toBe('old');
    expect(await region.get('tagged')).toBeUndefined();
    await region.getOrCreate('another', () => 'new', { tags: ['t'] });
    await ask(server.port, 'delete _region{r}\r\n');
    expect(await region.get('k')).toBeUndefined();
    await region.set('other', 1);
    expect(await region.get('k')).toBeUndefined();
    await region.close();
  });

  it('names of regions that are no keys have records, too', async () => {
    const server = await start();
    const region = makeRegion({ name: 'a b\r\n'.repeat(80) }).configure(open({ url: server.url }), UNHURRIED_POLICY);
    expect(await region.getOrCreate('k', () => 1)).toBe(1);
    await region.invalidate();
    expect(await region.get('k')).toBeUndefined();
    await region.close();
  });
});

describe('several servers', () => {
  /** A frozen server is waited for until the deadline: there it is short. */
  async function three(how: 'frozen' | 'killed', report?: (verb: string, error: unknown) => void) {
    const servers = [await start(), await start(), await start()];
    const timeout = how === 'frozen' ? '800ms' : '20s';
    const backend = open({ url: servers.map(({ url }) => url), timeout }, report);
    const keys = Array.from({ length: 60 }, (_, at) => `k${at}`);
    await backend.setMulti(new Map(keys.map((key) => [key, entry(key)])));
    const [lame] = servers;
    if (!lame) throw new Error('There are three.');
    const own: string[] = [];
    for (const key of keys) if ((await ask(lame.port, `mg ${key} s\r\n`)).startsWith('HD')) own.push(key);
    return { servers, lame, backend, keys, own, others: keys.filter((key) => !own.includes(key)) };
  }

  it.each(['frozen', 'killed'] as const)(
    'calls for the keys of one that is %s fail, the others are untouched, and it is used again',
    async (what) => {
      const report = vi.fn();
      const { lame, backend, keys, own, others } = await three(what, report);
      expect(own.length).toBeGreaterThan(3);
      if (what === 'frozen') await lame.frozen();
      else await lame.kill();
      const began = performance.now();
      const answers = await Promise.allSettled(keys.map(async (key) => backend.get(key)));
      expect(performance.now() - began).toBeLessThan(5000);
      for (const [at, key] of keys.entries()) {
        expect(answers[at]?.status).toBe(own.includes(key) ? 'rejected' : 'fulfilled');
      }
      const errors = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
      expect(
        errors.every(
          (error) =>
            (error instanceof BackendTimeoutError || error instanceof BackendUnavailableError) && error.isOfOneServer,
        ),
      ).toBe(true);
      const found = await backend.getMulti(keys);
      expect(found.filter(Boolean)).toHaveLength(others.length);
      expect(report).toHaveBeenCalledWith('getMulti', expect.any(BackendUnavailableError));
      await expect(Promise.resolve(backend.deleteMulti(keys))).rejects.toThrow(BackendUnavailableError);
      expect((await backend.getMulti(keys)).filter(Boolean)).toHaveLength(0);
      const leases = await backend.acquireMulti?.(keys);
      expect([...(leases?.keys() ?? [])].sort()).toEqual([...others].sort());
      if (what === 'frozen') lame.thaw();
      else await start({ port: lame.port });
      await until(async () => {
        try {
          await backend.set(own[0] ?? '', entry('back'));
          return true;
        } catch {
          return false;
        }
      });
      expect(await backend.get(own[0] ?? '')).toEqual(entry('back'));
    },
  );

  it('a region whose record is on a dead one goes on without the store', async () => {
    const { servers, backend } = await three('killed');
    const region = makeRegion({ name: 'r' }).configure(backend, UNHURRIED_POLICY);
    await region.set('k', 'stored');
    for (const server of servers) {
      if ((await ask(server.port, 'mg _region{r} s\r\n')).startsWith('HD')) await server.kill();
    }
    const create = vi.fn(() => 'created');
    expect(await Promise.all([region.getOrCreate('k', create), region.getOrCreate('k', create)])).toEqual([
      'created',
      'created',
    ]);
    expect(create).toHaveBeenCalledTimes(1);
    await expect(region.invalidate()).rejects.toThrow(BackendUnavailableError);
    await region.close();
  });

  it('one that is dead is told of once, however many of its keys are asked for', async () => {
    const report = vi.fn();
    const { lame, backend, keys, own } = await three('killed', report);
    expect(own.length).toBeGreaterThan(3);
    await lame.kill();
    await Promise.allSettled([backend.get(own[0] ?? '')]);
    report.mockClear();
    await backend.acquireMulti?.(keys);
    expect(report.mock.calls).toHaveLength(1);
  });

  it('is ready when one of them answers, and tells of the others; when none does it is not', async () => {
    const report = vi.fn();
    const { servers, backend } = await three('killed', report);
    const urls = servers.map(({ url }) => url);
    await servers[0]?.kill();
    await servers[1]?.kill();
    const anew = open({ url: urls }, report);
    await anew.ready?.();
    expect(report.mock.calls.filter(([verb]) => verb === 'ready')).toHaveLength(2);
    await servers[2]?.kill();
    await expect(open({ url: urls }).ready?.()).rejects.toThrow(BackendUnavailableError);
    await backend.close?.();
  });

  it('reads of one tick reject for the keys of a frozen one, where a region is to say so, and answer for the others', async () => {
    const { lame, backend, keys, own } = await three('frozen');
    const region = makeRegion({ name: 'r' });
    region.configure(backend, { ...UNHURRIED_POLICY, regionInvalidator: 'local', onBackendError: 'throw' });
    await region.setMulti(new Map(keys.map((key) => [key, 'stored'])));
    await lame.frozen();
    const answers = await Promise.allSettled(keys.map((key) => region.get(key)));
    expect(keys.filter((_, at) => answers[at]?.status === 'rejected')).toEqual(own);
    for (const answer of answers) if (answer.status === 'fulfilled') expect(answer.value).toBe('stored');
    lame.thaw();
    await region.close();
  });

  it('a region goes on creating for the keys of a frozen one, and its breaker stays closed', async () => {
    const { lame, backend, keys, own, others } = await three('frozen');
    const region = makeRegion({ name: 'r' }).configure(backend, { ...UNHURRIED_POLICY, regionInvalidator: 'local' });
    await region.setMulti(new Map(keys.map((key) => [key, 'stored'])));
    await lame.frozen();
    const create = vi.fn(() => 'created');
    const values = await Promise.all(keys.map((key) => region.getOrCreate(key, create)));
    expect(keys.filter((_, at) => values[at] === 'created')).toEqual(own);
    expect(create).toHaveBeenCalledTimes(own.length);
    for (const key of others) expect(await region.getOrCreate(key, create)).toBe('stored');
    lame.thaw();
    await until(async () => (await region.get(own[0] ?? '')) === 'stored');
    await region.close();
  });
});
