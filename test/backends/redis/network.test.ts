/** What a network does between a backend and its server: cuts in the middle of an answer, silence, slowness, refusal. Nothing hangs or leaks. */
import { describe, expect, it } from 'vitest';
import type { RedisBackend } from '../../../src/backends/redis/backend.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { until, untilDone } from '../../support/wait.js';
import { handedInWays, ioredisByUrl, nodeRedisByUrl, type Way } from './support/clients.js';
import { look, open, proxy, serve } from './support/during.js';
import { bytes, timeout, unavailable, verbs } from './support/verbs.js';

const made: readonly Way[] = [nodeRedisByUrl, ioredisByUrl];
const handedIn = handedInWays.filter(({ way }) => way === 'a client of redis' || way === 'a client of ioredis');
const ways = [...made, ...handedIn];

const typed = { code: expect.stringMatching(/^DOGPILE_BACKEND_(TIMEOUT|UNAVAILABLE)$/) };
const answers = (backend: RedisBackend) => untilDone(() => backend.get('k'));

/** Its deadline is a second, or what the test says. */
async function through(way: Way, args: { timeout?: number | string; lockTimeout?: string } = {}) {
  const server = await serve();
  const net = await proxy(server);
  const backend = await open(net.url, { timeout: '1s', ...args }, way);
  await answers(backend);
  return { server, net, backend };
}

/** The same, with its deadline by hand. */
async function throughByHand(way: Way) {
  const { net, backend } = await through(way);
  const clock = new FakeClock();
  backend.attach({ clock, random: () => 1, report: () => {} });
  return { net, backend, clock };
}

describe.each(ways)('$way', (way) => {
  it('every verb over a network that falls silent ends at its deadline', async () => {
    const { net, backend } = await through(way, { timeout: 100 });
    net.blackHole();
    const outcomes = await Promise.allSettled(verbs.map(([, call]) => call(backend)));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: timeout });
    net.pass();
    await answers(backend);
  });

  it('answers that come too late are dropped, and not taken for those of later calls', async () => {
    const { net, backend, clock } = await throughByHand(way);
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
    await backend.setMulti(new Map(keys.map((key) => [key, Buffer.from(key)])));
    net.blackHole();
    const outcomes = Promise.allSettled(keys.map((key) => backend.get(key)));
    await clock.advance('1s');
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: timeout });
    net.pass();
    for (const key of keys) expect(String(await backend.get(key))).toBe(key);
  });

  it('a slow network is slow, no more', async () => {
    const { net, backend } = await through(way, { timeout: '20s' });
    net.delay(20);
    await backend.set('k', bytes);
    const lease = await backend.mutex('k')?.acquire();
    expect(lease?.stored).toEqual(bytes);
    expect(await backend.set('k', Buffer.from('next'), { lease })).toBe(true);
    expect(String(await backend.get('k'))).toBe('next');
  });

  it('one that refuses connections for a while', async () => {
    const { net, backend, clock } = await throughByHand(way);
    await net.refuse();
    const outcomes = Promise.allSettled(verbs.slice(0, 4).map(([, call]) => call(backend)));
    await clock.advance('1s');
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: typed });
    net.pass();
    await answers(backend);
    await backend.set('k', bytes);
    expect(await backend.get('k')).toEqual(bytes);
  });

  it.each([1, 4, 7, 500, 9000])(
    'an answer that is cut off after %i bytes is no value, and spoils none after it',
    async (cut) => {
      const { server, net, backend } = await through(way, { timeout: '2s' });
      const value = Buffer.alloc(10_000, 'value/');
      await (await look(server.url)).raw('SET', 'k', value);
      net.cutAfter(cut);
      // ioredis, as it comes, asks again by itself.
      const first = await backend.get('k').catch((error: unknown) => error);
      if (first instanceof Error) expect(first).toMatchObject(typed);
      else expect(first).toEqual(value);
      await answers(backend);
      for (let round = 0; round < 3; round++) expect(await backend.get('k')).toEqual(value);
    },
  );

  it('an acquire whose answer was cut off keeps nobody out for longer than its lease, nor a commit that was', async () => {
    const { net, backend: hasty } = await through(way, { timeout: '2s', lockTimeout: '300ms' });
    // Its own leases last while a busy machine keeps it waiting.
    const backend = await open(net.url, { timeout: '2s' }, way);
    await backend.set('k', bytes);
    await answers(hasty);
    net.cutAfter(3);
    const acquiring = Promise.resolve(hasty.mutex('k')?.acquire({ wait: false }));
    const cut = await acquiring.catch(() => undefined);
    await cut?.release();
    await answers(backend);
    const lease = await backend.mutex('k')?.acquire();
    expect(lease).toMatchObject({ stored: bytes });
    net.cutAfter(2);
    await Promise.resolve(backend.set('k', Buffer.from('committed'), { lease })).catch((error: unknown) =>
      expect(error).toMatchObject(typed),
    );
    await answers(backend);
    // What the server was told holds, whether or not its answer came.
    const next = await backend.mutex('k')?.acquire();
    expect(String(next?.stored)).toBe('committed');
    await next?.release();
  });
});

describe.each(ways)('a thousand failures of $way leave nothing behind', (way) => {
  it('when the network falls silent', async () => {
    const { net, backend, clock } = await throughByHand(way);
    const before = countOf();
    const sockets = net.connections();
    net.blackHole();
    for (let round = 0; round < 100; round++) {
      const outcomes = Promise.allSettled(verbs.slice(0, 10).map(([, call]) => call(backend)));
      await clock.advance('1s');
      for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: timeout });
    }
    // What is sent behind a failed acquire has a deadline, too.
    await clock.advance('1s');
    expect(clock.pending).toBe(0);
    net.pass();
    await answers(backend);
    expect(net.connections()).toBeLessThanOrEqual(sockets);
    await until(() => isWithin(countOf(), before));
  });

  it('when every answer is cut off', async () => {
    const { net, backend } = await through(way, { timeout: '5s' });
    const before = countOf();
    const sockets = net.connections();
    for (let round = 0; round < 10; round++) {
      await answers(backend);
      net.cutAfter(round);
      const calls = Array.from({ length: 10 }, () => verbs.slice(0, 10).map(([, call]) => call(backend))).flat();
      for (const outcome of await Promise.allSettled(calls))
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(typed);
    }
    await answers(backend);
    await until(() => net.connections() <= sockets);
    await until(() => isWithin(countOf(), before));
  });

  it('when nobody listens', async () => {
    const { net, backend, clock } = await throughByHand(way);
    const before = countOf();
    // Clients that we make say so at once, and no deadline is left over; others may keep a call until its deadline.
    const atDeadline = async () => void (made.includes(way) || (await clock.advance('1s')));
    await net.refuse();
    for (let round = 0; round < 100; round++) {
      const outcomes = Promise.allSettled(verbs.slice(0, 10).map(([, call]) => call(backend)));
      await atDeadline();
      for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: typed });
    }
    await atDeadline();
    // What is sent behind a failed acquire may be under way yet.
    await until(() => clock.pending === 0);
    net.pass();
    await answers(backend);
    await until(() => isWithin(countOf(), before));
  });
});

it('one that refuses at the start is said so at once, by clients that we make', async () => {
  for (const way of made) {
    const net = await proxy(await serve());
    await net.refuse();
    const backend = await open(net.url, { timeout: '1h' }, way);
    await expect(backend.get('k')).rejects.toMatchObject(unavailable);
    net.pass();
    await answers(backend);
  }
});

interface Count {
  readonly sockets: number;
  readonly timers: number;
  readonly listeners: number;
}

/** What this process has open. */
function countOf(): Count {
  const resources = process.getActiveResourcesInfo();
  const of = (kind: RegExp) => resources.filter((name) => kind.test(name)).length;
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  return { sockets: of(/^TCP/), timers: of(/^Timeout/), listeners };
}

/** The test's own waiting is a timer, too. */
function isWithin(now: Count, before: Count): boolean {
  return now.sockets <= before.sockets && now.timers <= before.timers + 1 && now.listeners <= before.listeners;
}
