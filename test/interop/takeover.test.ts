/** Holders that die or stall with the lock: the other language takes over, nobody deletes another's lock, and nothing late of ours is stored. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../support/wait.js';
import { createBlocked } from './support/blocked.js';
import { hear } from './support/errors.js';
import { killAll, type Participant } from './support/participant.js';
import { type SharedRedis, startSharedRedis } from './support/redis.js';

let store: SharedRedis;
beforeAll(async () => {
  store = await startSharedRedis();
});
afterAll(() => store.stop());
beforeEach(() => store.clear());
afterEach(killAll);

const lock = () => store.observer.get('_lockk');
const timeLeft = async () => Number(await store.observer.raw('PTTL', '_lockk'));

describe('a participant that is killed while it creates leaves its lock for as long as it has a time', () => {
  const TWO_SECONDS = {
    python: () => store.python({ arguments: { lock_timeout: 2 } }),
    ours: () => store.ours({ arguments: { lockTimeout: '2s' } }),
  };

  it.each([
    ['python', 'ours'],
    ['ours', 'python'],
  ] as const)('%s is killed: %s waits it out, then creates', async (one, other) => {
    const [victim, heir] = await Promise.all([TWO_SECONDS[one](), TWO_SECONDS[other]()]);
    await victim.getOrCreate('k').creates;
    await victim.kill();
    const heritage = heir.getOrCreate('k');
    const began = performance.now();
    const left = await timeLeft();
    expect(left).toBeLessThanOrEqual(2000);
    await heritage.creates;
    expect(performance.now() - began).toBeGreaterThanOrEqual(left - 1);
    expect(await heritage.finish('heritage')).toBe('heritage');
    expect(await lock()).toBeNull();
  });

  it.each([
    ['python', 'ours'],
    ['ours', 'python'],
  ] as const)('%s is killed: %s serves the stale value until then', async (one, other) => {
    const [victim, heir] = await Promise.all([
      one === 'python'
        ? store.python({ arguments: { lock_timeout: 60 } })
        : store.ours({ arguments: { lockTimeout: '1m' } }),
      TWO_SECONDS[other](),
    ]);
    const python = one === 'python' ? victim : heir;
    await python.set('k', 'old');
    await python.run('age("k", 7200)');
    await victim.getOrCreate('k').creates;
    await victim.kill();
    expect(await heir.getOrCreate('k').answer).toBe('old');
    expect(await timeLeft()).toBeGreaterThan(0);
    // A minute later.
    await store.observer.raw('PEXPIRE', '_lockk', '1');
    await until(async () => (await lock()) === null);
    const heritage = heir.getOrCreate('k');
    await heritage.creates;
    expect(await heritage.finish('new')).toBe('new');
  });
});

describe('who outlives his lock', () => {
  it("of ours (stalled): does not delete Python's lock, and his value is refused", async () => {
    const [ours, python] = await Promise.all([store.ours({ arguments: { lockTimeout: '300ms' } }), store.python()]);
    const late = ours.getOrCreate('k');
    await late.creates;
    ours.freeze();
    await until(async () => (await lock()) === null);
    const creation = python.getOrCreate('k');
    await creation.creates;
    const held = await lock();
    expect(held).toMatch(/^[0-9a-f]{32}$/);
    ours.thaw();
    expect(await late.finish('late')).toBe('late');
    expect(await ours.run('region.statistics.refusedCommits')).toBe(1);
    expect(await store.observer.get('k')).toBeNull();
    expect(await lock()).toBe(held);
    // Nor does a renewal or a release that comes later still.
    await ours.run('new Promise((resolve) => setTimeout(resolve, 300))');
    expect(await lock()).toBe(held);
    expect(await timeLeft()).toBe(-1);
    expect(await creation.finish('theirs')).toBe('theirs');
    expect(await ours.get('k')).toBe('theirs');
  });

  it('of ours (a creator that blocks the event loop, so that nothing is noticed before the commit): the same', async () => {
    const [ours, python] = await Promise.all([store.ours({ arguments: { lockTimeout: '300ms' } }), store.python()]);
    const { call: late, unblock } = createBlocked(ours, 'k');
    await late.creates;
    await until(async () => (await lock()) === null);
    const creation = python.getOrCreate('k');
    await creation.creates;
    const held = await lock();
    await unblock();
    expect(await late.answer).toBe('late');
    expect(await ours.run('region.statistics.refusedCommits')).toBe(1);
    expect(await store.observer.get('k')).toBeNull();
    expect(await lock()).toBe(held);
    expect(await creation.finish('theirs')).toBe('theirs');
    expect(await ours.get('k')).toBe('theirs');
  });

  it('of ours, while Python creates a stale value anew: the same', async () => {
    const [ours, python] = await Promise.all([store.ours({ arguments: { lockTimeout: '300ms' } }), store.python()]);
    await ours.set('k', 'old');
    await python.run('age("k", 7200)');
    const late = ours.getOrCreate('k');
    await late.creates;
    ours.freeze();
    await until(async () => (await lock()) === null);
    const creation = python.getOrCreate('k');
    await creation.creates;
    await creation.finish('theirs');
    ours.thaw();
    expect(await late.finish('late')).toBe('late');
    expect(await python.get('k')).toBe('theirs');
  });

  it('of Python (lock_timeout shorter than its creation): does not delete our lock; it stores all the same, and raises; ours is stored after it', async () => {
    const [python, ours] = await Promise.all([store.python({ arguments: { lock_timeout: 0.3 } }), store.ours()]);
    const late = python.getOrCreate('k');
    await late.creates;
    const creation = ours.getOrCreate('k');
    await creation.creates;
    const held = await lock();
    expect(held).toMatch(/^dp1:/);
    await expect(late.finish('late')).rejects.toThrow('LockNotOwnedError');
    expect(await lock()).toBe(held);
    expect(await ours.get('k')).toBe('late');
    expect(await creation.finish('ours')).toBe('ours');
    expect(await python.get('k')).toBe('ours');
    expect(await lock()).toBeNull();
  });
});

describe('a lock of Python without a time, whose holder was killed', () => {
  let ours: Participant;
  let python: Participant;
  let held: string;
  beforeEach(async () => {
    // Of its own locks, too: it creates within that, whatever the machine is busy with.
    [python, ours] = await Promise.all([store.python(), store.ours({ arguments: { lockMaxHold: '1s' } })]);
  });

  async function killHolder(): Promise<void> {
    const victim = await store.python();
    await victim.getOrCreate('k').creates;
    await victim.kill();
    held = String(await lock());
  }

  it('is waited for until lockMaxHold, then we create without storing, every time; it stays', async () => {
    await killHolder();
    expect(await timeLeft()).toBe(-1);
    for (const value of ['first', 'second']) {
      const creation = ours.getOrCreate('k');
      await creation.creates;
      expect(await creation.finish(value)).toBe(value);
      expect(await store.observer.get('k')).toBeNull();
    }
    expect(await ours.run('region.statistics.droppedWrites')).toBe(2);
    expect(await lock()).toBe(held);
    expect(await python.run('region.key_is_locked("k")')).toBe(true);
  });

  it('of many keys, those that nobody holds are stored', async () => {
    await killHolder();
    const creation = ours.start('region.getOrCreateMulti(["j", "k"], (keys) => keys.map((key) => key.toUpperCase()))');
    expect(await creation.answer).toEqual(['J', 'K']);
    expect(await python.run('region.get_multi(["j", "k"])')).toEqual(['J', 'NO_VALUE']);
    expect(await lock()).toBe(held);
  });

  it('keeps a stale value stale, for both, until somebody removes the lock', async () => {
    await python.set('k', 'old');
    await python.run('age("k", 7200)');
    await killHolder();
    for (const participant of [ours, python, ours, python])
      expect(await participant.getOrCreate('k').answer).toBe('old');
    await store.observer.raw('DEL', '_lockk');
    const another = await store.ours();
    const creation = another.getOrCreate('k');
    await creation.creates;
    await creation.finish('new');
    expect(await python.get('k')).toBe('new');
  });

  it('is an event that names the lock', async () => {
    await killHolder();
    const errors = hear();
    const region = store.region({}, {}, { lockMaxHold: '300ms' });
    onTestFinished(() => region.close());
    expect(await region.getOrCreate('k', () => 'value')).toBe('value');
    expect(errors).toMatchObject([
      {
        key: 'k',
        verb: 'acquire',
        error: { code: 'DOGPILE_LOCK_TIMEOUT', message: expect.stringContaining('_lockk') },
      },
    ]);
  });
});
