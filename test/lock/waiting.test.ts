/** The wait loop, by itself: what it costs the process that waits. How it elects is the laws' of the locks. */
import { expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { waitUntil } from '../../src/lock/waiting.js';

const heldTimers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

it('who waits keeps the process alive between two tries, and no longer than he waits', async () => {
  const controller = new AbortController();
  const before = heldTimers();
  const waiting = waitUntil(() => undefined, {
    wait: true,
    signal: controller.signal,
    poll: 60_000,
    cap: 60_000,
    clock: systemClock,
    random: () => 1,
  });
  await Promise.resolve();
  expect(heldTimers()).toBe(before + 1);
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  expect(heldTimers()).toBe(before);
});

it('what is won while it is aborted is given back, and the caller is told of the abort', async () => {
  const controller = new AbortController();
  const given: string[] = [];
  const waiting = waitUntil(
    async () => {
      controller.abort(new Error('enough'));
      return 'won';
    },
    {
      wait: true,
      signal: controller.signal,
      poll: 1,
      clock: systemClock,
      random: Math.random,
      giveBack: (won) => void given.push(won),
    },
  );
  await expect(waiting).rejects.toThrow('enough');
  expect(given).toEqual(['won']);
});
