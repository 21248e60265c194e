/**
 * Reads durations: a number is milliseconds, text has a unit. Decides nothing about what an option means or defaults to.
 */
import type { Duration } from './api.js';
import { ValidationError } from './errors.js';
import { shown } from './shown.js';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const TEXT = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const ACCEPTED = "a number of milliseconds, a text with a unit ('250ms', '30s', '5m', '1.5h', '7d')";

/**
 * Milliseconds of a duration: `parseDuration('5m') === 300_000`. `Infinity` is "never".
 * Everything else (NaN, negative numbers, `'one hour'`, a number as text) is a `ValidationError` that says what is accepted.
 */
export function parseDuration(duration: Duration): number {
  return durationOption(duration, 'The duration');
}

/** The same, with the option's name in the error, and what else it accepts (`'true, false, '`). */
export function durationOption(duration: unknown, name: string, besides = ''): number {
  return read(duration, `${name} must be ${besides}${ACCEPTED} or Infinity`);
}

/** The same without `Infinity`, and more than 0. */
export function finiteOption(duration: unknown, name: string): number {
  const law = `${name} must be ${ACCEPTED}, more than 0 and finite: nothing may wait or be held for ever`;
  const ms = read(duration, law);
  if (ms > 0 && Number.isFinite(ms)) return ms;
  throw refused(law, duration);
}

function read(duration: unknown, law: string): number {
  if (typeof duration === 'number' && duration >= 0) return duration;
  if (typeof duration === 'string') {
    const [, amount, unit] = TEXT.exec(duration) ?? [];
    if (amount !== undefined && unit !== undefined) {
      const ms = Number(amount) * (UNITS[unit] ?? Number.NaN);
      if (Number.isFinite(ms)) return ms;
    }
  }
  throw refused(law, duration);
}

function refused(law: string, duration: unknown): ValidationError {
  return new ValidationError(`${law}, not ${shown(duration)}.`);
}
