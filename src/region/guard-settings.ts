/** The options of the guard: what they accept, and what holds where they say nothing. */
import type { Clock, ConfigureOptions } from '../api.js';
import { durationOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { checkCount, checkObject, refuseUnknown } from '../validation.js';
import { type Breaker, type BreakerState, Guard } from './guard.js';

/** `undefined`: what holds for the kind of backend. */
export interface Guarding {
  readonly timeout: number | undefined;
  readonly breaker: Breaker | false | undefined;
  readonly throwsOnError: boolean;
}

const REMOTE_TIMEOUT = 1000;
const BREAKER: Breaker = { failures: 5, cooldown: 2000 };

export function guardSettings({ backendTimeout, breaker, onBackendError }: ConfigureOptions): Guarding {
  if (onBackendError !== undefined && onBackendError !== 'create' && onBackendError !== 'throw') {
    throw new ValidationError(`onBackendError must be 'create' or 'throw', not ${shown(onBackendError)}.`);
  }
  return {
    timeout: backendTimeout === undefined ? undefined : durationOption(backendTimeout, 'backendTimeout'),
    breaker: breaker === undefined || breaker === false ? breaker : breakerOption(breaker),
    throwsOnError: onBackendError === 'throw',
  };
}

function breakerOption(breaker: Exclude<NonNullable<ConfigureOptions['breaker']>, false>): Breaker {
  if (typeof breaker !== 'object')
    throw new ValidationError(`breaker must be false or an object with failures and cooldown, not ${shown(breaker)}.`);
  checkObject('breaker', breaker);
  refuseUnknown('breaker', breaker, ['failures', 'cooldown']);
  const { failures = BREAKER.failures, cooldown = BREAKER.cooldown } = breaker;
  return { failures: checkCount('breaker.failures', failures), cooldown: durationOption(cooldown, 'breaker.cooldown') };
}

/** None where nothing is asked for and the store is on this host: then its answers stay as quick as they come. */
export function guardOf(
  { timeout, breaker }: Guarding,
  isRemote: boolean,
  { clock, changed }: { clock: Clock; changed(state: BreakerState): void },
): Guard | undefined {
  const isAsked = timeout !== undefined || (breaker !== undefined && breaker !== false);
  if (!isRemote && !isAsked) return undefined;
  return new Guard({
    timeout: timeout ?? (isRemote ? REMOTE_TIMEOUT : Number.POSITIVE_INFINITY),
    breaker: breaker === false ? undefined : (breaker ?? (isRemote ? BREAKER : undefined)),
    clock,
    changed,
  });
}
