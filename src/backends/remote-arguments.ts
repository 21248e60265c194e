/** What every backend of a server is told of its locks and its deadline: checked, and filled in where it is left out. */
import type { Duration } from '../api.js';
import { durationOption, finiteOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { checkBoolean } from '../validation.js';

interface Given {
  readonly distributedLock?: boolean | undefined;
  readonly lockTimeout?: Duration | undefined;
  readonly lockMaxHold?: Duration | undefined;
  readonly lockSleep?: Duration | undefined;
  readonly timeout?: Duration | undefined;
}

/** Times in milliseconds. */
export interface RemoteSettings {
  readonly distributedLock: boolean;
  readonly lockTimeout: number;
  readonly lockMaxHold: number;
  readonly lockSleep: number;
  readonly timeout: number;
}

export function checkRemoteArguments(given: Given): RemoteSettings {
  if (given.distributedLock !== undefined) checkBoolean('distributedLock', given.distributedLock);
  const lockMaxHold = finiteOption(given.lockMaxHold ?? 300_000, 'lockMaxHold');
  return {
    distributedLock: given.distributedLock ?? true,
    // Nor does the store keep a lease for longer than it may be held.
    lockTimeout: Math.min(lockMaxHold, finiteOption(given.lockTimeout ?? 10_000, 'lockTimeout')),
    lockMaxHold,
    lockSleep: finiteOption(given.lockSleep ?? 100, 'lockSleep'),
    timeout: finiteOption(given.timeout ?? 1000, 'timeout'),
  };
}

/** Milliseconds; `Infinity` too. */
export function positive(option: string, value: unknown): number {
  const ms = durationOption(value, option);
  if (ms > 0) return ms;
  throw new ValidationError(`${option} must be more than 0. Leave it out for its default.`);
}
