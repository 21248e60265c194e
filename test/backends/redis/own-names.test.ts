/** Keys that look like the names under which the store keeps locks and records: promise 7, keys can't collide. */
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { makeRegion } from '../../../src/index.js';
import { type RunningRedis, startRedis } from '../../services/redis.js';

let server: RunningRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

function users(more: object = {}) {
  // A busy machine keeps a call waiting for longer than a server may.
  const patient = { url: server.url, timeout: '20s' };
  const options = { regionInvalidator: 'shared', backendTimeout: '20s', arguments: { ...patient, ...more } } as const;
  const region = makeRegion({ name: 'users' }).configure('redis', options);
  onTestFinished(() => region.close());
  return region;
}

it.each([{}, { lockPrefix: 'mine:' }])('a value is never taken for another key’s lock: %o', async (more) => {
  const region = users(more);
  const prefix = more.lockPrefix ?? '_lock';
  const made = await region.getOrCreate(
    'k',
    async () => {
      expect(await region.get(`${prefix}k`)).toBe(undefined);
      await region.set(`${prefix}k`, 'a value');
      await region.delete(`${prefix}k`);
      return 'made';
    },
    { tags: [prefix] },
  );
  expect(made).toBe('made');
  expect(await region.get('k')).toBe('made');
  await region.set(`${prefix}other`, 'a value');
  expect(await region.getOrCreate('other', () => 'made', { lockWait: 500 })).toBe('made');
  expect(await region.get(`${prefix}other`)).toBe('a value');
});

it.each(['_region{users}', '_tag{users}t'])('nor takes the place of a record: %s', async (key) => {
  const region = users();
  await region.set('a', 1, { tags: ['t'] });
  expect(await region.getOrCreate(key, () => 'a value')).toBe('a value');
  await region.delete(key);
  expect(await region.get('a')).toBe(1);
  await region.set(key, 'a value');
  await region.invalidateTags(['t']);
  expect(await region.get('a')).toBe(undefined);
  expect(await region.get(key)).toBe('a value');
});
