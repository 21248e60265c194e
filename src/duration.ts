/**
 * Reads durations: a number is milliseconds, text has a unit. Decides nothing about what an option means or defaults to.
 */
import type { Duration } from './api.js';
import { ValidationError } from './errors.js';
import { shown } from './shown.js';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const TEXT = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const ACCEPTED = "a number of milliseconds, a text with a unit ('250ms', '30s', '5m', '1.5h', '7d') or Infinity";

/**
 * Milliseconds of a duration: `parseDuration('5m') === 300_000`. `Infinity` is "never".
 * Everything else (NaN, negative numbers, `'one hour'`, a number as text) is a `ValidationError` that says what is accepted.
 */
export function parseDuration(duration: Duration): number {
  return durationOption(duration, 'The duration');
}

/** The same, with the option's name in the error, and what else it accepts (`'true, false, '`). */
export function durationOption(duration: unknown, name: string, besides = ''): number {
  if (typeof duration === 'number' && duration >= 0) return duration;
  if (typeof duration === 'string') {
    const [, amount, unit] = TEXT.exec(duration) ?? [];
    if (amount !== undefined && unit !== undefined) {
      const ms = Number(amount) * (UNITS[unit] ?? Number.NaN);
      if (Number.isFinite(ms)) return ms;
    }
  }
  throw new ValidationError(`${name} must be ${besides}${ACCEPTED}, not ${shown(duration)}.`);
}
