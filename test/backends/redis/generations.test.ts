/** Records of regions and tags: what they refuse, how they are seeded, and that eviction only ever invalidates. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { GenerationFence, RecordsRequest, RegionRecord } from '../../../src/api.js';
import type { RedisBackend } from '../../../src/backends/redis/backend.js';
import { type Observer, observe, type RunningRedis, startRedis } from '../../services/redis.js';
import { BEYOND_THE_REGION, NO_REGIONS, NO_TAG_RECORDS } from '../support/garbage-records.js';
import { nodeRedisByUrl, type Opened } from './support/clients.js';

let server: RunningRedis;
let observer: Observer;
let opened: Opened;
let backend: RedisBackend;
beforeAll(async () => {
  server = await startRedis();
  observer = await observe(server.url);
  opened = await nodeRedisByUrl.open(server.url);
  backend = opened.backend;
});
afterAll(async () => {
  await opened.close();
  observer.close();
  await server.stop();
});
beforeEach(() => observer.raw('FLUSHALL'));
afterEach(async () => {
  // Nothing but what this page names is ever left in the store.
  expect(
    await observer.raw(
      'EVAL',
      "return #redis.call('KEYS', '_region*') + #redis.call('KEYS', '_tag*') + #redis.call('KEYS', 'k*') + #redis.call('KEYS', '_lock*')",
      '0',
    ),
  ).toBe(await observer.raw('DBSIZE'));
});

const bytes = Buffer.from('value');
const R = '_region{r}';
const T = '_tag{r}t';
const tagged = new Map([['k', ['t']]]);

async function region(): Promise<RegionRecord> {
  const request: RecordsRequest = { region: 'r', tags: [], found: undefined };
  await backend.generations.read(request, { seed: true });
  if (request.found?.region) return request.found.region;
  throw new Error('There is no record.');
}

function fence(
  { rid, seq }: Pick<RegionRecord, 'rid' | 'seq'>,
  tags?: ReadonlyMap<string, readonly string[]>,
): GenerationFence {
  return { region: 'r', rid, seq, tags, moved: undefined };
}

async function committed(
  generation: GenerationFence,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<boolean> {
  const lease = await backend.mutex('k')?.acquire({ wait: false });
  if (!lease) throw new Error('It is not won.');
  await meanwhile();
  return backend.set('k', bytes, { lease, generation });
}

describe('a commit', () => {
  it('is refused when its record was evicted, or seeded anew', async () => {
    const generation = fence(await region());
    expect(await committed(generation, () => observer.raw('DEL', R))).toBe(false);
    await region();
    expect(await committed(generation)).toBe(false);
    expect(await backend.get('k')).toBeUndefined();
  });

  it('that bears no incarnation is refused', async () => {
    await region();
    expect(await committed(fence({ rid: '', seq: 0 }))).toBe(false);
  });

  it('is refused when one of its tags was invalidated since, hard; not by a soft one, nor by another tag', async () => {
    const generation = fence(await region(), tagged);
    expect(
      await committed(generation, async () => backend.generations.invalidateTags('r', ['t'], { hard: true })),
    ).toBe(false);
    const next = fence(await region(), tagged);
    expect(await committed(next, async () => backend.generations.invalidateTags('r', ['t'], { hard: false }))).toBe(
      true,
    );
    expect(await committed(next, async () => backend.generations.invalidateTags('r', ['other'], { hard: true }))).toBe(
      true,
    );
  });

  it('seeds the record of a tag that has none, as late as any invalidation it can have known', async () => {
    await backend.generations.invalidateTags('r', ['other'], { hard: true });
    const { rid, seq } = await region();
    expect(await committed(fence({ rid, seq }, tagged))).toBe(true);
    expect(await observer.get(T)).toBe(`${rid} 1 1`);
  });

  it('is refused when the record of its tag is gone and some tag was invalidated since', async () => {
    const generation = fence(await region(), tagged);
    const meanwhile = async () => {
      await backend.generations.invalidateTags('r', ['t'], { hard: true });
      await observer.raw('DEL', T);
    };
    expect(await committed(generation, meanwhile)).toBe(false);
  });

  it('of many judges each by its own tags', async () => {
    const tags = new Map([
      ['k1', ['t', 'u']],
      ['k2', ['u']],
      ['k3', []],
    ]);
    const generation = fence(await region(), tags);
    const leases = await backend.acquireMulti(['k1', 'k2', 'k3', 'k4']);
    await backend.generations.invalidateTags('r', ['t'], { hard: true });
    await observer.raw('SET', '_tag{r}u', `${generation.rid} 0 0`);
    const entries = new Map(['k1', 'k2', 'k3', 'k4'].map((key) => [key, bytes]));
    expect(await backend.setMulti(entries, { leases: leases ?? new Map(), generation })).toEqual(new Set(['k1']));
  });
});

describe('a write of the user', () => {
  it('whose generation is behind is not written, and is told the record there is', async () => {
    const old = await region();
    await backend.generations.invalidate('r', { hard: true });
    const generation = fence(old);
    expect(await backend.set('k', bytes, { generation })).toBe(false);
    expect(await backend.get('k')).toBeUndefined();
    expect(generation.moved).toMatchObject({ rid: old.rid, seq: 1, hard: 1 });
    expect(generation.moved && (await backend.set('k', bytes, { generation: fence(generation.moved) }))).toBe(true);
  });

  it.each([
    ['a soft invalidation of the region', () => backend.generations.invalidate('r', { hard: false })],
    ['a soft invalidation of its tag', () => backend.generations.invalidateTags('r', ['t'], { hard: false })],
    ['a hard invalidation of its tag', () => backend.generations.invalidateTags('r', ['t'], { hard: true })],
    ['the eviction of its record', () => observer.raw('DEL', R)],
    [
      "the eviction of its tag's record after an invalidation",
      async () => {
        await backend.generations.invalidateTags('r', ['t'], { hard: true });
        await observer.raw('DEL', T);
      },
    ],
  ])('is behind after %s', async (_, happen) => {
    const generation = fence(await region(), tagged);
    await happen();
    expect(await backend.set('k', bytes, { generation })).toBe(false);
    expect(await backend.setMulti(new Map([['k', bytes]]), { generation })).toEqual(new Set(['k']));
    const { moved } = generation;
    if (!moved) throw new Error('It was not told.');
    expect(await backend.set('k', bytes, { generation: fence(moved, tagged) })).toBe(true);
  });

  it('without a lock of the store compares generations too', async () => {
    const plain = await nodeRedisByUrl.open(server.url, { distributedLock: false });
    try {
      const generation = fence({ rid: '', seq: 0 });
      expect(await plain.backend.set('k', bytes, { generation })).toBe(false);
      expect(generation.moved).toMatchObject({ seq: 0 });
    } finally {
      await plain.close();
    }
  });
});

describe('records', () => {
  it('seeding draws another incarnation each time', async () => {
    const first = await region();
    expect(await region()).toEqual(first);
    await observer.raw('DEL', R);
    expect((await region()).rid).not.toBe(first.rid);
  });

  it('a hard invalidation tells the time of the store; a soft one leaves it', async () => {
    const began = Date.now();
    await backend.generations.invalidate('r', { hard: true });
    const { at } = await region();
    expect(at).toBeGreaterThanOrEqual(began - 1);
    expect(at).toBeLessThanOrEqual(Date.now() + 1);
    await backend.generations.invalidate('r', { hard: false });
    expect((await region()).at).toBe(at);
  });

  it('never lapse', async () => {
    await backend.generations.invalidateTags('r', ['t'], { hard: true });
    expect([await observer.raw('PTTL', R), await observer.raw('PTTL', T)]).toEqual([-1, -1]);
  });

  it.each(NO_REGIONS)('that are no record (%j) count as absent, here and in the scripts', async (text) => {
    await observer.raw('SET', R, text);
    const request: RecordsRequest = { region: 'r', tags: [], found: undefined };
    await backend.get('k', { records: request });
    expect(request.found?.region).toBeUndefined();
    expect(await committed(fence({ rid: 'ab', seq: 3 }))).toBe(false);
    expect((await region()).seq).toBe(0);
  });

  const noTags = [...NO_TAG_RECORDS, ...BEYOND_THE_REGION];
  it.each(noTags)('that are no record of a tag (%j) count as absent, here and in the scripts', async (text) => {
    await observer.raw('SET', R, 'ab 3 0 0 2 -');
    await observer.raw('SET', T, text);
    const request: RecordsRequest = { region: 'r', tags: ['t'], found: undefined };
    await backend.get('k', { records: request });
    expect(request.found?.tags.get('t')).toBeUndefined();
    expect(await committed(fence({ rid: 'ab', seq: 1 }, tagged))).toBe(false);
    await backend.generations.read(request, { seed: true });
    expect(request.found?.tags.get('t')).toEqual({ rid: 'ab', hard: 2, soft: 2 });
  });

  it('of a tag that say more than has been counted keep no write from being stored', async () => {
    await observer.raw('SET', R, 'ab 3 0 0 0 -');
    for (const text of BEYOND_THE_REGION) {
      await observer.raw('SET', T, text);
      expect(await committed(fence({ rid: 'ab', seq: 3 }, tagged))).toBe(true);
      await observer.raw('SET', T, text);
      expect(await backend.set('k', bytes, { generation: fence({ rid: 'ab', seq: 3 }, tagged) })).toBe(true);
      expect(await observer.get(T)).toBe('ab 0 0');
    }
  });

  it('that can count no further are seeded anew: what was stamped before counts no more', async () => {
    await observer.raw('SET', R, 'ab 999999999999999 0 0 0 -');
    await backend.generations.invalidate('r', { hard: false });
    const { rid, seq } = await region();
    expect([rid === 'ab', seq]).toEqual([false, 0]);
  });

  it('of another type count as absent, and are replaced', async () => {
    await observer.raw('LPUSH', R, 'x');
    await observer.raw('LPUSH', T, 'x');
    const request: RecordsRequest = { region: 'r', tags: ['t'], found: undefined };
    await backend.get('k', { records: request });
    expect(request.found).toEqual({ region: undefined, tags: new Map([['t', undefined]]) });
    await backend.generations.invalidateTags('r', ['t'], { hard: true });
    await backend.generations.read(request);
    expect(request.found?.tags.get('t')).toMatchObject({ hard: 1 });
  });

  it('of a tag that bear another incarnation count as absent in the scripts', async () => {
    const { rid } = await region();
    await observer.raw('SET', T, 'abcdef 7 7');
    expect(await committed(fence({ rid, seq: 0 }, tagged))).toBe(true);
    expect(await observer.get(T)).toBe(`${rid} 0 0`);
  });

  it('an acquire seeds those of the region and of the tags it names', async () => {
    const records: RecordsRequest = { region: 'r', tags: ['t'], found: undefined };
    await (await backend.mutex('k')?.acquire({ records }))?.release();
    const rid = records.found?.region?.rid;
    expect(records.found?.tags.get('t')).toEqual({ rid, hard: 0, soft: 0 });
    expect(await observer.get(T)).toBe(`${rid} 0 0`);
  });

  it('regions and tags of any name have records of their own', async () => {
    const names = ['a', 'a:b', 'a}', '{a', '', '%', '%7D', '}', 'ü ☃'];
    for (const name of names) await backend.generations.invalidateTags(name, ['x', '}x', ':x'], { hard: true });
    expect(await observer.raw('DBSIZE')).toBe(names.length * 4);
    for (const name of names) {
      const request: RecordsRequest = { region: name, tags: [], found: undefined };
      await backend.generations.read(request);
      expect(request.found?.region?.seq).toBe(1);
    }
  });
});
