/** Who listens to what, over a connection of the test's. */
import { describe, expect, it } from 'vitest';
import type { EarEvents } from '../../../src/backends/redis/client.js';
import { WakeUps } from '../../../src/backends/redis/wake-ups.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { Gate } from '../../../src/testing/gate.js';

const setUp = () => {
  const clock = new FakeClock();
  const subscribed = new Set<string>();
  let connected = () => {};
  const ear = {
    subscribe: async (lock: string): Promise<unknown> => subscribed.add(lock),
    unsubscribe: async (lock: string): Promise<unknown> => subscribed.delete(lock),
    close: () => {},
  };
  const open = async (events: EarEvents) => {
    connected = () => events.connected();
    return ear;
  };
  const wakeUps = new WakeUps({ open, clock: () => clock, report: () => {} });
  return { clock, subscribed, ear, wakeUps, connect: () => connected(), settle: () => clock.advance(0) };
};

describe('a lock that was waited for', () => {
  it('is listened to for a second more', async () => {
    const { clock, subscribed, wakeUps, settle } = setUp();
    const watch = wakeUps.watch('lock');
    watch.open();
    watch.end();
    await settle();
    expect(subscribed.size).toBe(1);
    await clock.advance('1s');
    expect(subscribed.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('... or until the end', async () => {
    const { clock, subscribed, wakeUps, settle } = setUp();
    const watch = wakeUps.watch('lock');
    watch.open();
    watch.end();
    await settle();
    wakeUps.close();
    await settle();
    expect(subscribed.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('is left also where somebody came meanwhile who won it without listening', async () => {
    const { clock, subscribed, ear, wakeUps, settle } = setUp();
    const gate = new Gate();
    ear.subscribe = async (lock) => {
      await gate.passed();
      return subscribed.add(lock);
    };
    const first = wakeUps.watch('lock');
    first.open();
    first.end();
    await clock.advance('1s');
    const second = wakeUps.watch('lock');
    gate.open();
    await settle();
    second.end();
    await clock.advance('1s');
    expect(subscribed.size).toBe(0);
  });

  it('is listened to by who waits for it again meanwhile', async () => {
    const { clock, subscribed, wakeUps, settle } = setUp();
    const first = wakeUps.watch('lock');
    first.open();
    await settle();
    first.end();
    const second = wakeUps.watch('lock');
    second.open();
    await clock.advance('1s');
    expect(subscribed.size).toBe(1);
    second.end();
    await clock.advance('1s');
    expect(subscribed.size).toBe(0);
  });
});

describe('who waits for a lock', () => {
  it('and lost his subscription with the connection is woken by the next one, to ask for it again', async () => {
    const { subscribed, ear, wakeUps, connect, settle } = setUp();
    const { subscribe } = ear;
    ear.subscribe = () => Promise.reject(new Error('The socket was closed.'));
    const watch = wakeUps.watch('lock');
    let wakes = 0;
    watch.wake(() => wakes++);
    watch.open();
    await settle();
    expect(wakes).toBe(0);
    ear.subscribe = subscribe;
    connect();
    expect(wakes).toBe(1);
    watch.open();
    await settle();
    expect(subscribed).toEqual(new Set(['lock']));
  });

  it('is woken at the end, to be told of it, and leaves nothing behind', async () => {
    const { clock, subscribed, wakeUps, settle } = setUp();
    const watch = wakeUps.watch('lock');
    watch.open();
    await settle();
    let wakes = 0;
    watch.wake(() => wakes++);
    wakeUps.close();
    expect(wakes).toBe(1);
    watch.end();
    await settle();
    expect([subscribed.size, clock.pending]).toEqual([0, 0]);
  });
});
