/**
 * `lock_prefix` (dogpile.cache 1.5.0 or later): locks of another name, for both languages. What an older Python makes of it is said
 * here as well: nothing, so that the two don't see each other's locks.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { killAll, type Participant } from './support/participant.js';
import { type SharedRedis, startSharedRedis } from './support/redis.js';
import { BOTH_WAYS } from './support/store.js';

const PREFIX = 'app.lock:';

let store: SharedRedis;
let python: Participant;
let ours: Participant;
let knowsPrefix: boolean;
let k: string;
let tests = 0;
beforeAll(async () => {
  store = await startSharedRedis();
  [python, ours] = await Promise.all([
    store.python({ arguments: { lock_prefix: PREFIX } }),
    store.ours({ arguments: { lockPrefix: PREFIX } }),
  ]);
  const [major = 0, minor = 0] = String(await python.run('__import__("dogpile").__version__'))
    .split('.')
    .map(Number);
  knowsPrefix = major > 1 || minor >= 5;
});
afterAll(async () => {
  await killAll();
  await store.stop();
});
beforeEach(() => {
  k = `k${tests++}`;
});

describe.each(BOTH_WAYS)('%s creates first, then %s asks', (one, other) => {
  it('he waits for it if both call the lock by the same name, and else creates as well', async () => {
    const [first, second] = one === 'python' ? [python, ours] : [ours, python];
    const creation = first.getOrCreate(k);
    await creation.creates;
    const name = one === 'python' && !knowsPrefix ? '_lock' : PREFIX;
    expect(await store.observer.raw('KEYS', `*${k}`)).toEqual([`${name}${k}`]);
    const asking = second.getOrCreate(k);
    if (knowsPrefix) {
      await asking.waits;
      expect(await creation.finish(one)).toBe(one);
      expect(await asking.answer).toBe(one);
      expect(await store.observer.raw('KEYS', `*${k}`)).toEqual([k]);
      return;
    }
    await asking.creates;
    expect(await creation.finish(one)).toBe(one);
    expect(await asking.finish(other)).toBe(other);
  });
});
