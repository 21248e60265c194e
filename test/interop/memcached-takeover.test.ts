/**
 * Holders that die or stall with the lock on memcached, whose clock counts seconds and whose Python locks have no owner. All pairs of
 * clients at the same time: most of it is waiting.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/wait.js';
import { createBlocked } from './support/blocked.js';
import { memcachedPairs, type SharedMemcached } from './support/memcached.js';
import { killAll, type Participant } from './support/participant.js';

interface Running {
  readonly store: SharedMemcached;
  readonly python: Participant;
  readonly ours: Participant;
}

const running = new Map<string, Running>();
beforeAll(async () => {
  const starts = memcachedPairs.map(async ({ name, start }) => {
    const store = await start();
    const [python, ours] = await Promise.all([store.python(), store.ours()]);
    running.set(name, { store, python, ours });
  });
  await Promise.all(starts);
});
afterAll(async () => {
  await killAll();
  await Promise.all([...running.values()].map(({ store }) => store.stop()));
});

describe.concurrent.each(memcachedPairs)('on $name', ({ name }) => {
  function get(): Running {
    const found = running.get(name);
    if (!found) throw new Error('It has not been started.');
    return found;
  }
  const lock = (key: string) => get().store.look(`_lock${key}`);
  const untilGone = (key: string) => until(async () => (await lock(key)) === 'EN');
  const untilThere = (key: string) => until(async () => (await lock(key)) !== 'EN');

  it.concurrent('Python is killed while it creates (lock_timeout=60): we wait it out, then create', async () => {
    const { store, ours: heir } = get();
    const victim = await store.python({ arguments: { lock_timeout: 60 } });
    await victim.getOrCreate('a').creates;
    await victim.kill();
    const heritage = heir.getOrCreate('a');
    await heritage.waits;
    expect(await lock('a')).toMatch(/ t[1-6]?\d\n1$/);
    await store.lapse('_locka');
    await heritage.creates;
    expect(await heritage.finish('heritage')).toBe('heritage');
    expect(await lock('a')).toBe('EN');
  });

  it.concurrent('ours is killed while it creates: Python serves the stale value or waits it out, then creates', async () => {
    const { store, python: heir } = get();
    const victim = await store.ours({ arguments: { lockTimeout: '1m' } });
    await victim.set('stale', 'old');
    await heir.run('age("stale", 7200)');
    await Promise.all(['b', 'stale'].map((key) => victim.getOrCreate(key).creates));
    await victim.kill();
    const heritage = heir.getOrCreate('b');
    await heritage.waits;
    expect(await heir.getOrCreate('stale').answer).toBe('old');
    expect(await lock('stale')).toMatch(/ t[1-6]?\d\ndp1:/);
    await Promise.all([store.lapse('_lockb'), store.lapse('_lockstale')]);
    await heritage.creates;
    expect(await heritage.finish('heritage')).toBe('heritage');
    await untilGone('stale');
    const anew = heir.getOrCreate('stale');
    await anew.creates;
    expect(await anew.finish('new')).toBe('new');
  });

  it.concurrent('ours stalls past its lock: it does not take the lock of Python away, and its value is refused', async () => {
    const { store, python } = get();
    const late = await store.ours({ arguments: { lockTimeout: '1s' } });
    const stalled = late.getOrCreate('c');
    await stalled.creates;
    late.freeze();
    await untilGone('c');
    const creation = python.getOrCreate('c');
    await creation.creates;
    const held = await lock('c');
    expect(held).toMatch(/\n1$/);
    late.thaw();
    expect(await stalled.finish('late')).toBe('late');
    expect(await late.run('region.statistics.refusedCommits')).toBe(1);
    expect(await store.look('c')).toBe('EN');
    expect(await lock('c')).toBe(held);
    expect(await creation.finish('theirs')).toBe('theirs');
    // The same, where nothing is noticed before the commit.
    const { call: blocked, unblock } = createBlocked(late, 'blocked');
    await untilThere('blocked');
    await untilGone('blocked');
    const second = python.getOrCreate('blocked');
    await second.creates;
    await unblock();
    expect(await blocked.answer).toBe('late');
    expect(await late.run('region.statistics.refusedCommits')).toBe(2);
    expect(await store.look('blocked')).toBe('EN');
    expect(await lock('blocked')).toBe(held);
    expect(await second.finish('theirs')).toBe('theirs');
    expect(await late.run('region.getMulti(["c", "blocked"])')).toEqual(['theirs', 'theirs']);
  });

  it.concurrent("Python outlives its lock_timeout: it stores, and takes our lock away, whose value is refused; it doesn't raise", async () => {
    const { store, ours } = get();
    const python = await store.python({ arguments: { lock_timeout: 1 } });
    const late = python.getOrCreate('d');
    await late.creates;
    const creation = ours.getOrCreate('d');
    await creation.creates;
    expect(await lock('d')).toContain('\ndp1:');
    expect(await late.finish('theirs')).toBe('theirs');
    expect(await lock('d')).toBe('EN');
    expect(await creation.finish('ours')).toBe('ours');
    expect(await ours.run('region.statistics.refusedCommits')).toBe(1);
    expect(await ours.get('d')).toBe('theirs');
  });

  it.concurrent('Python without a lock_timeout is killed: we wait until lockMaxHold, then create without storing; the lock stays', async () => {
    const { store } = get();
    const [victim, ours] = await Promise.all([store.python(), store.ours({ arguments: { lockMaxHold: '300ms' } })]);
    await victim.set('old', 'old');
    await victim.run('age("old", 7200)');
    await Promise.all(['e', 'old'].map((key) => victim.getOrCreate(key).creates));
    await victim.kill();
    const held = await lock('e');
    expect(held).toMatch(/ t-1\n1$/);
    const creation = ours.getOrCreate('e');
    await creation.creates;
    expect(await creation.finish('ours')).toBe('ours');
    expect(await ours.run('region.statistics.droppedWrites')).toBe(1);
    expect(await store.look('e')).toBe('EN');
    expect(await lock('e')).toBe(held);
    expect(await ours.getOrCreate('old').answer).toBe('old');
  });
});
