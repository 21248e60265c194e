/**
 * Durations in the seconds of the protocol, whose clock ticks once a second: an item with `n` seconds lives for more than `n - 1` and
 * at most `n`. Decides that nothing is gone before its time.
 */
import { systemClock } from '../../clock.js';

/** From there on the protocol takes the number for an epoch time. */
const THIRTY_DAYS = 30 * 86_400;
/** Servers count in 32 bits. */
const MOST = 2 ** 31 - 1;

/** For ever. */
export const NEVER = 0;
/** It is gone at once. */
export const AT_ONCE = -1;

/** At least so many milliseconds, and less than 2 s more; `undefined` and `Infinity`: for ever. */
export function secondsOf(ms: number | undefined): number {
  if (ms === undefined || ms === Number.POSITIVE_INFINITY) return NEVER;
  const seconds = Math.ceil(ms / 1000) + 1;
  if (seconds <= THIRTY_DAYS) return seconds;
  // The server's clock, not the region's: that one may be a test's.
  const end = Math.ceil(systemClock.now() / 1000) + seconds;
  return end > MOST ? NEVER : end;
}
