/** Users of a server who may do little: what a backend needs, and what becomes of it where something is missing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.js';
import { makeRegion } from '../../../src/region/region.js';
import { until, untilDone } from '../../support/wait.js';
import { handedInWays, ioredisByUrl, nodeRedisByUrl, type Way } from './support/clients.js';
import { look, open, serve } from './support/during.js';
import { bytes, unavailable } from './support/verbs.js';

/** As docs/backends/redis.md has it. */
const COMMANDS =
  '-@all +hello +ping +mget +eval +evalsha +get +set +del +exists +pttl +pexpire +time +publish +subscribe +unsubscribe';
const PATTERNS = '~app:* ~_lockapp:* ~_region{app} ~_tag{app}* resetchannels &dp1:wake:_lockapp:*';

const handedIn = handedInWays.filter(({ way }) => way === 'a client of redis' || way === 'a client of ioredis');
const made = [nodeRedisByUrl, ioredisByUrl];

async function serveUser(rules: string) {
  const server = await serve();
  const observer = await look(server.url);
  await observer.raw('ACL', 'SETUSER', 'app', 'on', '>secret', ...rules.split(' '));
  return { server, observer, url: `redis://app:secret@127.0.0.1:${server.port}` };
}

/** A backend of a user who may do all but hear and be heard. */
async function openWithoutChannels(way: Way) {
  const { server, observer, url } = await serveUser('~* +@all resetchannels');
  const told: unknown[] = [];
  const backend = await open(url, {}, way);
  backend.attach({ clock: systemClock, random: () => 1, report: (verb) => told.push(verb) });
  return { server, observer, backend, told };
}

describe.each([...made, ...handedIn])('$way', (way: Way) => {
  it('serves every verb for a user who may do only what the page says, and nothing is denied', async () => {
    // The ready check of ioredis, which is its owner's to leave out, asks for more.
    const { observer, url } = await serveUser(
      `${COMMANDS} ${way.way === 'a client of ioredis' ? '+info ' : ''}${PATTERNS}`,
    );
    const backend = await open(url, { lockSleep: '1h' }, way);
    const other = await open(url, {}, way);
    const told: unknown[] = [];
    backend.attach({ clock: systemClock, random: () => 1, report: (...trouble) => told.push(trouble) });
    const region = makeRegion({ name: 'app' }).configure(other, { expirationTime: '1h', backendTimeout: '20s' });
    await backend.ready();
    expect(await region.getOrCreate('app:k', () => 1, { tags: ['t'] })).toBe(1);
    await region.set('app:l', 2);
    expect(await region.getOrCreateMulti(['app:k', 'app:l', 'app:m'], (keys) => keys.map(() => 3))).toEqual([1, 2, 3]);
    await region.invalidateTags(['t']);
    expect(await region.get('app:k')).toBeUndefined();
    await region.invalidate();
    await region.delete('app:l');
    // Renewed, waited for with the next poll an hour away, and released.
    const lease = await other.mutex('app:k')?.acquire();
    expect(await other.mutex('app:k')?.locked()).toBe(true);
    const waiting = backend.mutex('app:k')?.acquire();
    await until(async () => ((await observer.raw('PUBSUB', 'CHANNELS')) as unknown as string[]).length > 0);
    await lease?.release();
    await (await waiting)?.release();
    expect(told).toEqual([]);
    expect(region.statistics.backendErrors).toBe(0);
    const denied = (await observer.raw('ACL', 'LOG')) as unknown as Record<string, unknown>[];
    // Clients try to say their names.
    expect(denied.map(({ object }) => String(object)).filter((object) => !object.startsWith('client'))).toEqual([]);
  });

  it('a key that may not be read is no trouble of those that are asked for in the same tick', async () => {
    const { url } = await serveUser(`+@all ${PATTERNS}`);
    const backend = await open(url, {}, way);
    const policy = { expirationTime: '1h', backendTimeout: '20s', onBackendError: 'throw' } as const;
    const region = makeRegion({ name: 'app' }).configure(backend, policy);
    await region.setMulti({ 'app:k': 1, 'app:l': 2 });
    const calls = ['app:k', 'other', 'app:l'].map((key) => region.get(key));
    expect(await Promise.allSettled(calls)).toMatchObject([
      { value: 1 },
      { reason: { ...unavailable, message: expect.stringContaining('NOPERM') } },
      { value: 2 },
    ]);
    expect(region.statistics.backendErrors).toBe(1);
  });

  it('keys of others are refused, and nothing of them is touched', async () => {
    const { observer, url } = await serveUser(`+@all ${PATTERNS}`);
    await observer.raw('SET', 'other', 'theirs');
    const backend = await open(url, {}, way);
    for (const call of [
      () => backend.get('other'),
      () => backend.set('other', bytes),
      () => backend.delete('other'),
      async () => backend.mutex('other')?.acquire(),
    ])
      await expect(call()).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('NOPERM') });
    expect(await observer.get('other')).toBe('theirs');
  });
});

describe.each(made)('$way', (way) => {
  it('a lock that a user may not read is not free to him: he is told, and wins none', async () => {
    const { observer, url } = await serveUser(`+@all -get ${PATTERNS}`);
    await observer.raw('SET', '_lockapp:k', 'dp1:another::0');
    const backend = await open(url, {}, way);
    await expect(backend.mutex('app:k')?.acquire({ wait: false })).rejects.toMatchObject(unavailable);
    expect(await observer.get('_lockapp:k')).toBe('dp1:another::0');
  });

  it('a user who may not run scripts is told by ready(): there are no leases for him', async () => {
    const { url } = await serveUser(`+@all -eval ${PATTERNS}`);
    const backend = await open(url, {}, way);
    await expect(backend.ready()).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining('NOPERM') });
  });

  it('a user who may not publish commits all the same', async () => {
    const { backend, told } = await openWithoutChannels(way);
    const lease = await backend.mutex('k')?.acquire();
    // It may not subscribe either: it polls, and that is told once.
    const waiting = backend.mutex('k')?.acquire();
    await until(() => told.length > 0);
    expect(await backend.set('k', bytes, { lease })).toBe(true);
    expect((await waiting)?.stored).toEqual(bytes);
    // Nor is whoever waits next told again, nor by the connection that came about meanwhile.
    const next = await backend.mutex('other')?.acquire();
    const waitingToo = backend.mutex('other')?.acquire();
    await sleep(50);
    await next?.release();
    await (await waitingToo)?.release();
    expect(told).toEqual(['subscribe']);
  });

  it('a channel that was refused is not kept, to be asked for once it is allowed', async () => {
    const { server, observer, backend, told } = await openWithoutChannels(way);
    const other = await open(server.url, {}, way);
    const lease = await other.mutex('k')?.acquire();
    const waitingInVain = backend.mutex('k')?.acquire();
    await until(() => told.length > 0);
    await lease?.release();
    await (await waitingInVain)?.release();
    await observer.raw('ACL', 'SETUSER', 'app', 'allchannels');
    await observer.raw('CLIENT', 'KILL', 'USER', 'app');
    await other.mutex('later')?.acquire();
    await untilDone(() => backend.get('k'));
    const channels = async () => (await observer.raw('PUBSUB', 'CHANNELS')) as unknown as unknown[];
    const abort = new AbortController();
    const waiting = backend.mutex('later')?.acquire({ signal: abort.signal });
    await until(async () => (await channels()).map(String).includes('dp1:wake:_locklater'));
    expect((await channels()).map(String)).toEqual(['dp1:wake:_locklater']);
    abort.abort();
    await expect(waiting).rejects.toThrow();
  });
});
