/**
 * Time and chance. Every time and timer of a region, its locks and its back-offs goes through a `Clock`; every stamp that is
 * compared with another comes from `stamp()`. Decides nothing about freshness.
 */
import type { Clock } from './api.js';

/** `Date.now` and the global timers, looked up at each call, so that the fake timers of a test runner work. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => {
    const handle = setTimeout(run, Math.min(ms, LONGEST_TIMER));
    // A timer of ours never keeps the process alive; other runtimes and fake timers may answer with a number.
    (handle as { unref?: () => void }).unref?.();
    return handle;
  },
  clearTimeout: (handle) => clearTimeout(handle as Parameters<typeof clearTimeout>[0]),
};

/** For a timer that somebody who called waits for: until it fires or is cleared, the process lives on. */
export function keepsAlive(handle: unknown): void {
  // Other runtimes and fake clocks may answer with something that can't.
  (handle as { ref?: () => void } | undefined)?.ref?.();
}

/** Node fires timers beyond this at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The last stamp given out, by clock: regions that share a clock share the order of their stamps. */
const lastStamps = new WeakMap<Clock, number>();

/** A clock that went back by more than this was set: stamps follow it instead of waiting for it to catch up. */
const SET_BACK = 60_000;

/**
 * Epoch milliseconds, in steps of a microsecond, strictly increasing within the process, also when the clock stands still: an
 * invalidation right after a creation counts, and a creation right after that is fresh.
 */
export function stamp(clock: Clock): number {
  const now = Math.floor(clock.now() * 1000);
  const last = lastStamps.get(clock) ?? 0;
  const next = now > last || last - now > SET_BACK * 1000 ? now : last + 1;
  lastStamps.set(clock, next);
  return next / 1000;
}

/** A stamp of another host's clock may be so far ahead and count as now; further ahead it is of a clock gone wrong: stale, never fresh for ever. */
export const CLOCK_SKEW = 60_000;

/** Seconds as written to the wire, from a stamp; `stampOf` reads them back to the microsecond. */
export const secondsOf = (stamp: number): number => stamp / 1000;
export const stampOf = (seconds: number): number => Math.round(seconds * 1e6) / 1e3;
