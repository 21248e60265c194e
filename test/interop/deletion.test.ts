/** What crosses over and what does not: deleting, setting and invalidating on one side, seen from the other, also while a creation is under way. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { killAll, type Participant } from './support/participant.js';
import { type SharedRedis, startSharedRedis } from './support/redis.js';
import { BOTH_WAYS } from './support/store.js';

let store: SharedRedis;
let python: Participant;
let ours: Participant;
beforeAll(async () => {
  store = await startSharedRedis();
});
afterAll(() => store.stop());
beforeEach(async () => {
  await store.clear();
  [python, ours] = await Promise.all([store.python(), store.ours()]);
});
afterEach(killAll);

const lock = () => store.observer.get('_lockk');

describe.each(BOTH_WAYS)('%s writes', (one, other) => {
  it(`${other} sets or deletes it, and it is so for both`, async () => {
    const [first, second] = one === 'python' ? [python, ours] : [ours, python];
    const nothing = one === 'python' ? 'NO_VALUE' : null;
    await first.set('k', 'first');
    await second.set('k', 'second');
    expect(await first.get('k')).toBe('second');
    await second.delete('k');
    expect(await first.get('k')).toBe(nothing);
  });
});

describe('while we create', () => {
  it("Python's delete does not end our lease: our value is stored after it", async () => {
    const creation = ours.getOrCreate('k');
    await creation.creates;
    await python.delete('k');
    await creation.finish('ours');
    expect(await python.get('k')).toBe('ours');
  });

  it("Python's set is overwritten by our value", async () => {
    const creation = ours.getOrCreate('k');
    await creation.creates;
    await python.set('k', 'theirs');
    expect(await ours.get('k')).toBe('theirs');
    await creation.finish('ours');
    expect(await python.get('k')).toBe('ours');
  });

  it('our own delete, in another process, is final, and lets Python create at once', async () => {
    const creation = ours.getOrCreate('k');
    await creation.creates;
    const waiting = python.getOrCreate('k');
    await waiting.waits;
    const another = await store.ours();
    await another.delete('k');
    await waiting.creates;
    expect(await creation.finish('ours')).toBe('ours');
    expect(await python.get('k')).toBe('NO_VALUE');
    await waiting.finish('theirs');
    expect(await ours.get('k')).toBe('theirs');
  });
});

describe('while Python creates', () => {
  it('neither our delete nor our set ends its lock; its value is stored after them', async () => {
    const creation = python.getOrCreate('k');
    await creation.creates;
    const held = await lock();
    await ours.set('k', 'ours');
    await ours.delete('k');
    await ours.set('k', 'ours');
    expect(await lock()).toBe(held);
    await creation.finish('theirs');
    expect(await ours.get('k')).toBe('theirs');
  });

  it('our hard invalidation does not end its lock, either: what it made of what it read before counts as new', async () => {
    const creation = python.getOrCreate('k');
    await creation.creates;
    const held = await lock();
    await ours.run('region.invalidate()');
    expect(await lock()).toBe(held);
    // The millisecond of the invalidation is over.
    await sleep(5);
    await creation.finish('theirs');
    expect(await ours.get('k')).toBe('theirs');
  });
});

describe('our invalidation', () => {
  beforeEach(async () => {
    await python.set('theirs', 1);
    await ours.set('ours', 2);
  });

  it('is seen by all of our processes, for what Python wrote, too; Python does not know of it', async () => {
    const another = await store.ours();
    await ours.run('region.invalidate()');
    expect(await another.run('region.getMulti(["theirs", "ours"])')).toEqual([null, null]);
    expect(await python.run('region.get_multi(["theirs", "ours"])')).toEqual([1, 2]);
  });

  it('if it is soft, or of tags, concerns only what we wrote', async () => {
    await ours.run('region.invalidate({ hard: false })');
    expect(await ours.run('region.getMulti(["theirs", "ours"])')).toEqual([1, null]);
    expect(await python.get('ours')).toBe(2);
  });
});

it("Python's invalidation is of its process alone; what it then creates, all have", async () => {
  const [another, third] = await Promise.all([store.python(), store.ours()]);
  await ours.set('k', 'old');
  await python.run('region.invalidate()');
  expect(await python.get('k')).toBe('NO_VALUE');
  expect(await another.get('k')).toBe('old');
  expect(await ours.get('k')).toBe('old');
  const creation = python.getOrCreate('k');
  await creation.creates;
  // Nor do they notice that it creates: they have a value.
  expect(await ours.getOrCreate('k').answer).toBe('old');
  await creation.finish('new');
  expect(await another.get('k')).toBe('new');
  expect(await third.get('k')).toBe('new');
});

it('what Python has invalidated softly it serves while we create it anew', async () => {
  const soft = await store.python();
  await ours.set('k', 'old');
  await python.run('age("k", 10)');
  await soft.run('region.invalidate(hard=False)');
  const creation = ours.start('region.getOrCreate("k", create, { expirationTime: "5s" })');
  await creation.creates;
  expect(await soft.getOrCreate('k').answer).toBe('old');
  await creation.finish('new');
  expect(await soft.get('k')).toBe('new');
});
