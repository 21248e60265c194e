/**
 * Records that are held in the process: of answers that come in another order than they were asked for, the later question's counts; and
 * nothing is held that was not there.
 */
import { expect, it } from 'vitest';
import type { Clock, GenerationStore, Records, RecordsRequest } from '../../../src/api.js';
import { HeldRecords } from '../../../src/backends/redis/held-records.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

it('an answer that comes late takes neither the region’s nor a tag’s place', async () => {
  const clock = new FakeClock();
  const answers: ((found: Records) => void)[] = [];
  const store: GenerationStore = {
    read: (request) =>
      new Promise((resolve) => {
        answers.push((found) => {
          request.found = found;
          resolve();
        });
      }),
    invalidate: () => {},
    invalidateTags: () => {},
  };
  const held = new HeldRecords(store, () => clock);
  const request = (): RecordsRequest => ({ region: 'r', tags: ['t'], found: undefined });
  const seen = (seq: number): Records => ({
    region: { rid: 'ab', seq, hard: 0, soft: 0, tagged: seq, at: undefined },
    tags: new Map([['t', { rid: 'ab', hard: seq, soft: 0 }]]),
  });

  const early = held.readNow(request(), {});
  await clock.advance(10);
  const late = held.readNow(request(), {});
  answers[1]?.(seen(2));
  await late;
  answers[0]?.(seen(1));
  await early;

  const known = request();
  await held.read(known);
  expect(known.found).toEqual(seen(2));
  expect(answers).toHaveLength(2);
});

it('after the clock was set back, what was read before counts no more: not even when its time comes again', async () => {
  let time = Date.UTC(2026, 0);
  const clock: Clock = { now: () => time, setTimeout: () => {}, clearTimeout: () => {} };
  let seq = 1;
  let reads = 0;
  const store: GenerationStore = {
    read: (request) => {
      reads++;
      request.found = { region: { rid: 'ab', seq, hard: seq, soft: 0, tagged: 0, at: undefined }, tags: new Map() };
    },
    invalidate: () => {},
    invalidateTags: () => {},
  };
  const held = new HeldRecords(store, () => clock);
  const seen = async () => {
    const request: RecordsRequest = { region: 'r', tags: [], found: undefined };
    await held.read(request);
    return request.found?.region?.seq;
  };
  const before = time;
  expect(await seen()).toBe(1);
  time -= 3_600_000;
  // Another process invalidates.
  seq = 2;
  expect(await seen()).toBe(2);
  // Held as ever, by the clock as it goes now.
  time += 500;
  await seen();
  expect(reads).toBe(2);
  time = before;
  expect(await seen()).toBe(2);
});

it('what is absent, or of another incarnation, is asked for again; what is there is held', async () => {
  let stored: Records = { region: undefined, tags: new Map() };
  let reads = 0;
  const store: GenerationStore = {
    read: async (request) => {
      reads++;
      request.found = { region: stored.region, tags: new Map(request.tags.map((tag) => [tag, stored.tags.get(tag)])) };
    },
    invalidate: () => {},
    invalidateTags: () => {},
  };
  const clock = new FakeClock();
  const held = new HeldRecords(store, () => clock);
  const readsOf = async (tags: readonly string[]) => {
    const before = reads;
    for (let time = 0; time < 3; time++) await held.read({ region: 'r', tags, found: undefined });
    return reads - before;
  };
  expect(await readsOf([])).toBe(3);
  stored = { region: { rid: 'ab', seq: 0, hard: 0, soft: 0, tagged: 0, at: undefined }, tags: new Map() };
  expect(await readsOf([])).toBe(1);
  expect(await readsOf(['t'])).toBe(3);
  stored = { ...stored, tags: new Map([['t', { rid: 'cd', hard: 0, soft: 0 }]]) };
  expect(await readsOf(['t'])).toBe(3);
  stored = { ...stored, tags: new Map([['t', { rid: 'ab', hard: 0, soft: 0 }]]) };
  expect(await readsOf(['t'])).toBe(1);
});
