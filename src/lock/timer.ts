/**
 * Time limits of locks and leases: of any length, and never by comparing times of day, which jump. Decides nothing about what
 * happens when one has passed.
 */
import type { Clock } from '../api.js';
import { keepsAlive } from '../clock.js';

/** Node fires a timer that is longer than this at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

interface TimerOptions {
  /** Somebody waits for it: the process lives on until it has run or is stopped. */
  readonly isAwaited?: boolean;
}

/** Runs once after so many milliseconds, never after `Infinity`. The answer stops it. */
export function after(clock: Clock, ms: number, run: () => void, { isAwaited = false }: TimerOptions = {}): () => void {
  if (ms === Number.POSITIVE_INFINITY) return nothing;
  let handle: unknown;
  const start = (left: number) => {
    const step = Math.min(left, LONGEST_TIMER);
    handle = clock.setTimeout(() => (left > step ? start(left - step) : run()), step);
    if (isAwaited) keepsAlive(handle);
  };
  start(ms);
  return () => clock.clearTimeout(handle);
}

function nothing(): void {}
