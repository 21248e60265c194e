import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { keepsAlive, secondsOf, stamp, stampOf, systemClock } from '../../src/clock.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

describe('stamps', () => {
  it('increase strictly while the clock stands still, and follow it when it moves', async () => {
    const clock = new FakeClock(1_700_000_000_000);
    const stamps = [stamp(clock), stamp(clock), stamp(clock)];
    expect(stamps[0]).toBe(1_700_000_000_000);
    expect(stamps[1]).toBeGreaterThan(stamps[0] ?? 0);
    expect(stamps[2]).toBeGreaterThan(stamps[1] ?? 0);
    await clock.advance(1);
    expect(stamp(clock)).toBe(1_700_000_000_001);
  });

  it('go on increasing while the clock goes back a little, and follow it when it was set back far', () => {
    let now = 1_700_000_000_000;
    const clock = { ...systemClock, now: () => now };
    const first = stamp(clock);
    now -= 59_000;
    const second = stamp(clock);
    expect(second).toBeGreaterThan(first);
    expect(second - first).toBeLessThan(1);
    now -= 3_600_000;
    expect(stamp(clock)).toBe(now);
  });

  it('of two clocks have nothing to do with each other', () => {
    const [one, other] = [new FakeClock(1000), new FakeClock(1000)];
    expect(stamp(one)).toBe(1000);
    expect(stamp(other)).toBe(1000);
  });

  it('keep their order on the wire, to the microsecond', () => {
    // Up to 2038: then a double's steps of a second are coarser than half a microsecond.
    const micros = fc.integer({ min: 0, max: 2 ** 31 * 1_000_000 });
    fc.assert(
      fc.property(micros, (at) => {
        const ms = at / 1000;
        expect(stampOf(JSON.parse(JSON.stringify(secondsOf(ms))))).toBe(ms);
      }),
    );
    const clock = new FakeClock(Date.UTC(2038, 0));
    let last = 0;
    for (let i = 0; i < 5000; i++) {
      const read = stampOf(JSON.parse(JSON.stringify(secondsOf(stamp(clock)))));
      expect(read).toBeGreaterThan(last);
      last = read;
    }
  });
});

describe('the system clock', () => {
  afterEach(() => void vi.useRealTimers());

  it('follows the fake timers of a test runner', () => {
    vi.useFakeTimers({ now: 5000 });
    const run = vi.fn();
    const dropped = vi.fn();
    expect(systemClock.now()).toBe(5000);
    systemClock.setTimeout(run, 100);
    systemClock.clearTimeout(systemClock.setTimeout(dropped, 50));
    vi.advanceTimersByTime(100);
    expect(run).toHaveBeenCalledTimes(1);
    expect(dropped).not.toHaveBeenCalled();
    expect(systemClock.now()).toBe(5100);
  });

  it('does not fire a timer of a year at once, nor one of Infinity', async () => {
    const run = vi.fn();
    const handles = [365 * 86_400_000, Number.POSITIVE_INFINITY].map((ms) => systemClock.setTimeout(run, ms));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(run).not.toHaveBeenCalled();
    for (const handle of handles) systemClock.clearTimeout(handle);
  });

  it('has timers that keep no process alive', () => {
    const handle = systemClock.setTimeout(() => {}, 60_000) as NodeJS.Timeout;
    expect(handle.hasRef()).toBe(false);
    systemClock.clearTimeout(handle);
  });

  it('but for one that a caller waits for', () => {
    const handle = systemClock.setTimeout(() => {}, 60_000) as NodeJS.Timeout;
    keepsAlive(handle);
    expect(handle.hasRef()).toBe(true);
    systemClock.clearTimeout(handle);
    for (const other of [1, {}, null, undefined]) expect(() => keepsAlive(other)).not.toThrow();
  });
});

describe('a FakeClock', () => {
  it('that is moved twice at once is not turned back by the shorter way', async () => {
    const clock = new FakeClock(0);
    await Promise.all([clock.advance('10s'), clock.advance('1s')]);
    expect(clock.now()).toBe(10_000);
  });
});
