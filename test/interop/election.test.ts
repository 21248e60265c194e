/** One creation for both languages: who waits, who is served stale, and who creates. On every store that they share. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { memcachedMixed, memcachedPairs } from './support/memcached.js';
import { type Call, killAll, type Participant } from './support/participant.js';
import { redisStore } from './support/redis.js';
import { BOTH_WAYS, type RunningStore, type SharedStore } from './support/store.js';

const pairs: readonly SharedStore[] = [redisStore, ...memcachedPairs];
const crowds: readonly SharedStore[] = [redisStore, memcachedMixed];

/** Of each test its own: what one that failed has left under way is no matter of the others. */
let k: string;
let tests = 0;
beforeEach(() => {
  k = `k${tests++}`;
});

/** An entry that has expired. */
async function writeExpired(writer: Participant, python: Participant): Promise<void> {
  await writer.set(k, 'old');
  await python.run('age(key, 7200)', { key: k });
}

describe.each(pairs)('two on $name:', ({ start }) => {
  let store: RunningStore;
  let python: Participant;
  let ours: Participant;
  beforeAll(async () => {
    store = await start();
    [python, ours] = await Promise.all([store.python(), store.ours()]);
  });
  afterAll(async () => {
    await killAll();
    await store.stop();
  });

  describe.each(BOTH_WAYS)('%s first, then %s', (one, other) => {
    let first: Participant;
    let second: Participant;
    beforeEach(() => {
      [first, second] = one === 'python' ? [python, ours] : [ours, python];
    });

    it('who finds nothing waits for the creation of the other, and gets its value', async () => {
      const creation = first.getOrCreate(k);
      await creation.creates;
      const waiting = second.getOrCreate(k);
      await waiting.waits;
      expect(await creation.finish({ by: one })).toEqual({ by: one });
      expect(await waiting.answer).toEqual({ by: one });
    });

    it('who finds an expired value gets it at once while the other creates, and afterwards the new one', async () => {
      for (const writer of [first, second]) {
        await writeExpired(writer, python);
        const creation = first.getOrCreate(k);
        await creation.creates;
        expect(await second.getOrCreate(k).answer).toBe('old');
        await creation.finish('new');
        expect(await second.getOrCreate(k).answer).toBe('new');
      }
    });

    it('when the creation of the other fails, who waited creates', async () => {
      const creation = first.getOrCreate(k);
      await creation.creates;
      const waiting = second.getOrCreate(k);
      await waiting.waits;
      await expect(creation.fail('no database')).rejects.toThrow('no database');
      await waiting.creates;
      expect(await waiting.finish('second')).toBe('second');
      expect(await first.get(k)).toBe('second');
    });

    it('each knows that the other creates, and that it is done', async () => {
      const locked = other === 'python' ? 'region.key_is_locked(key)' : 'region.keyIsLocked(key)';
      const creation = first.getOrCreate(k);
      await creation.creates;
      expect(await second.run(locked, { key: k })).toBe(true);
      await creation.finish(1);
      expect(await second.run(locked, { key: k })).toBe(false);
    });

    it('a creation of many keys is waited for by who wants one of them', async () => {
      const creation = first.start(MANY[one], { keys: [`a${k}`, `b${k}`] });
      await creation.creates;
      const waiting = second.getOrCreate(`b${k}`);
      await waiting.waits;
      expect(await creation.finish(['A', 'B'])).toEqual(['A', 'B']);
      expect(await waiting.answer).toBe('B');
    });

    it('one key of many that the other creates is not created again while it is stale', async () => {
      await writeExpired(first, python);
      const creation = first.getOrCreate(k);
      await creation.creates;
      const many = second.start(MANY[other], { keys: [`j${k}`, k] });
      await many.creates;
      expect(await many.finish(['J'])).toEqual(['J', 'old']);
      expect(await creation.finish('K')).toBe('K');
    });
  });

  it('who waited for one key of many looks again if he is ours; Python creates it once more', async () => {
    const theirs = python.getOrCreate(k);
    await theirs.creates;
    const many = ours.start(MANY.ours, { keys: [`j${k}`, k] });
    await many.creates;
    many.finish(['J']);
    await many.waits;
    await theirs.finish('K');
    expect(await many.answer).toEqual(['J', 'K']);
    const mine = ours.getOrCreate(`l${k}`);
    await mine.creates;
    const again = python.start(MANY.python, { keys: [`l${k}`] });
    await again.waits;
    await mine.finish('L');
    expect(await again.creates).toEqual([`l${k}`]);
    expect(await again.finish(['once more'])).toEqual(['once more']);
    expect(await ours.get(`l${k}`)).toBe('once more');
  });

  it('with the same mangler on both sides they meet under the mangled key', async () => {
    const mangled = await Promise.all([store.python({ mangler: 'sha1' }), store.ours({ mangler: 'sha1' })]);
    onTestFinished(async () => void (await Promise.all(mangled.map((participant) => participant.kill()))));
    const [python, ours] = mangled;
    const creation = python.getOrCreate('some key');
    await creation.creates;
    const waiting = ours.getOrCreate('some key');
    await waiting.waits;
    await creation.finish('value');
    expect(await waiting.answer).toBe('value');
    await ours.set('other key', 'theirs too');
    expect(await python.get('other key')).toBe('theirs too');
  });
});

describe.each(crowds)('four processes of each on $name', ({ start }) => {
  let store: RunningStore;
  let eight: readonly Participant[];
  beforeAll(async () => {
    store = await start();
    eight = await Promise.all([0, 1, 2, 3].flatMap(() => [store.python(), store.ours()]));
  });
  afterAll(async () => {
    await killAll();
    await store.stop();
  });

  it('make one creation in all where there is nothing', async () => {
    const calls = eight.map((participant) => participant.getOrCreate(k));
    const creating = await firstToCreate(calls);
    // Each of them has looked by now.
    await Promise.all(calls.map((call) => (call === creating ? call.creates : call.waits)));
    await creating.finish('once');
    expect(await Promise.all(calls.map((call) => call.answer))).toEqual(Array(8).fill('once'));
    expect(await creationsIn(calls)).toBe(1);
  });

  it('make one creation in all where a value has expired; the others have it at once', async () => {
    const [python, ours] = eight;
    if (!python || !ours) throw new Error('There are eight.');
    await writeExpired(ours, python);
    const calls = eight.map((participant) => participant.getOrCreate(k));
    const creating = await firstToCreate(calls);
    const others = calls.filter((call) => call !== creating);
    expect(await Promise.all(others.map((call) => call.answer))).toEqual(Array(7).fill('old'));
    expect(await creating.finish('new')).toBe('new');
    expect(await creationsIn(calls)).toBe(1);
    expect(await Promise.all(eight.map((participant) => participant.get(k)))).toEqual(Array(8).fill('new'));
  });
});

const MANY = {
  python: 'region.get_or_create_multi(keys, create)',
  ours: 'region.getOrCreateMulti(keys, create)',
};

function firstToCreate(calls: readonly Call[]): Promise<Call> {
  return Promise.any(calls.map((call) => call.creates.then(() => call)));
}

/** Of calls that are answered. */
async function creationsIn(calls: readonly Call[]): Promise<number> {
  const settled = await Promise.allSettled(calls.map((call) => call.creates));
  return settled.filter(({ status }) => status === 'fulfilled').length;
}
