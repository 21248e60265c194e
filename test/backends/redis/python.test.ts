/** Python's locks and values on the same server, by the commands that Python sends. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { RedisBackend } from '../../../src/backends/redis/backend.js';
import { INVALIDATE } from '../../../src/backends/redis/scripts.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { type Observer, observe, type RunningRedis, startRedis } from '../../services/redis.js';
import { until } from '../../support/wait.js';
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
  opened = await nodeRedisByUrl.open(server.url, { lockMaxHold: '10s', timeout: '1h' });
  backend = opened.backend;
});
afterEach(() => opened.close());

const TOKEN = '9364e0eee6c711f19c4a02fc00000001';
const RELEASE = `
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        redis.call('del', KEYS[1])
        return 1
    `;
const python = {
  acquire: () => observer.raw('SET', '_lockk', TOKEN, 'NX'),
  release: () => observer.raw('EVAL', RELEASE, '1', '_lockk', TOKEN),
};
const bytes = Buffer.from('value');

it('a lock that Python holds is not taken, is waited for, and is never touched', async () => {
  await python.acquire();
  expect(await backend.mutex('k')?.acquire({ wait: false })).toBeUndefined();
  expect(await backend.mutex('k')?.locked()).toBe(true);
  expect((await backend.acquireMulti(['k', 'l']))?.has('k')).toBe(false);
  await backend.set('k', bytes);
  await backend.setMulti(new Map([['k', bytes]]));
  await backend.delete('k');
  await backend.deleteMulti(['k']);
  await backend.generations.invalidate('r', { hard: true });
  expect(
    await backend.mutex('k')?.acquire({ wait: false, records: { region: 'r', tags: [], found: undefined } }),
  ).toBeUndefined();
  expect(await observer.get('_lockk')).toBe(TOKEN);
  expect(await observer.raw('PTTL', '_lockk')).toBe(-1);
  const waiting = backend.mutex('k')?.acquire();
  expect(await python.release()).toBe(1);
  // Python tells nobody: it is found by polling.
  expect(await waiting).toBeDefined();
});

it('a lock that we hold keeps Python out, and lets it in when it is released', async () => {
  const lease = await backend.mutex('k')?.acquire();
  expect(await python.acquire()).toBeNull();
  expect(await python.release()).toBe(0);
  await backend.set('k', bytes, { lease });
  expect(await python.acquire()).toBe('OK');
});

it('a lock of Python that has a TTL lapses, and is then won', async () => {
  await observer.raw('SET', '_lockk', TOKEN, 'PX', '60', 'NX');
  expect(await backend.mutex('k')?.acquire()).toBeDefined();
});

it('one without a TTL that has not changed for lockMaxHold is no longer waited for; it stays', async () => {
  const clock = new FakeClock();
  backend.attach({ clock, random: () => 1, report: () => {} });
  await python.acquire();
  await observer.raw('CONFIG', 'RESETSTAT');
  let outcome: unknown;
  Promise.resolve(backend.mutex('k')?.acquire()).then(
    () => (outcome = 'won'),
    (error: unknown) => (outcome = error),
  );
  await until(async () => (await calls()) > 0);
  await clock.advance('9s');
  await backend.get('k');
  expect(outcome).toBeUndefined();
  await until(async () => {
    await clock.advance('1s');
    return outcome !== undefined;
  });
  expect(outcome).toMatchObject({ code: 'DOGPILE_LOCK_TIMEOUT', message: expect.stringContaining('_lockk') });
  expect(await observer.get('_lockk')).toBe(TOKEN);
  // Who comes later need not wait as long again; who does not wait is simply told that it is held.
  await expect(backend.mutex('k')?.acquire()).rejects.toMatchObject({ code: 'DOGPILE_LOCK_TIMEOUT' });
  expect(await backend.mutex('k')?.acquire({ wait: false })).toBeUndefined();
});

it('what Python wrote in the very millisecond of an invalidation, before it, is cut off', async () => {
  for (let round = 0; round < 20; round++) {
    const [time, record] = await Promise.all([
      observer.raw('TIME'),
      observer.raw('EVAL', INVALIDATE.text, '1', '_region{r}', 'f00d', '1'),
    ]);
    const [seconds = Number.NaN, micros = Number.NaN] = String(time).split(',').map(Number);
    const at = Number(String(record).split(' ').at(-1));
    expect(at).toBeGreaterThanOrEqual(seconds * 1000 + micros / 1000);
  }
});

async function calls(): Promise<number> {
  const [, count] = /cmdstat_pttl:calls=(\d+)/.exec(String(await observer.raw('INFO', 'commandstats'))) ?? [];
  return Number(count ?? 0);
}
