/**
 * What a policy may say, whoever says it: what each of its options accepts, and what that is in the units of `Settings`. Who may say it
 * is `region-options.ts`, `call-options.ts` and `decorator-options.ts`.
 */
import type { Duration, GetOrCreateOptions, Policy } from '../api.js';
import { durationOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { checkBoolean, checkFraction, checkFunction, checkMembers } from '../validation.js';
import type { Expiration, Settings } from './settings.js';

/** Every name there is: the compiler counts them. */
const POLICY: Readonly<Record<keyof Policy, true>> = {
  expirationTime: true,
  serveStale: true,
  background: true,
  keepStale: true,
  lockWait: true,
  staleIfError: true,
  errorBackoff: true,
  softTimeout: true,
  hardTimeout: true,
  earlyRefresh: true,
  jitter: true,
};
export const POLICY_NAMES: readonly string[] = Object.keys(POLICY);

/** The options that every call may set, without where the expiration time stands among those of others. */
export type Overrides = {
  -readonly [K in Exclude<
    keyof Settings,
    'fixed' | 'expiration' | 'callExpiration' | 'decoratorExpiration'
  >]?: Settings[K];
};

export function expirationOption(expiration: Policy['expirationTime']): Expiration | undefined {
  if (expiration === undefined || typeof expiration === 'function') return expiration;
  return durationOption(expiration, 'expirationTime');
}

/** Those that are given. */
export function overrides(options: Omit<GetOrCreateOptions<never>, 'expirationTime'>): Overrides {
  const given: Overrides = {};
  const { serveStale, background, shouldCache, tags, signal, staleIfError, earlyRefresh, jitter } = options;
  if (serveStale !== undefined) given.serveStale = limitOption(serveStale, 'serveStale');
  if (background !== undefined) given.background = checkBoolean('background', background);
  if (staleIfError !== undefined) given.staleIfError = limitOption(staleIfError, 'staleIfError');
  for (const name of ['keepStale', 'lockWait', 'errorBackoff', 'softTimeout', 'hardTimeout'] as const) {
    const duration = options[name];
    if (duration !== undefined) given[name] = durationOption(duration, name);
  }
  if (earlyRefresh !== undefined) given.earlyRefresh = betaOption(earlyRefresh);
  if (jitter !== undefined) given.jitter = checkFraction('jitter', jitter);
  if (shouldCache !== undefined) given.shouldCache = checkFunction('shouldCache', shouldCache);
  if (tags !== undefined) given.tags = checkTags(tags);
  if (signal !== undefined) given.signal = checkSignal(signal);
  return given;
}

export function checkSignal(signal: AbortSignal): AbortSignal {
  return checkMembers('signal', signal, ['addEventListener', 'throwIfAborted']);
}

/** A duration, or yes (no limit) or no (0). */
function limitOption(limit: boolean | Duration, name: string): number {
  if (typeof limit === 'boolean') return limit ? Number.POSITIVE_INFINITY : 0;
  return durationOption(limit, name, 'true, false, ');
}

/** XFetch's beta: `true` is 1, `false` 0. */
function betaOption(beta: boolean | number): number {
  if (typeof beta === 'boolean') return Number(beta);
  if (typeof beta === 'number' && beta >= 0 && Number.isFinite(beta)) return beta;
  throw new ValidationError(`earlyRefresh must be true, false or a number from 0 on (beta), not ${shown(beta)}.`);
}

/** Names of tags, a copy: `ValidationError` for what is none. */
export function checkTags(tags: readonly string[]): readonly string[] {
  if (!Array.isArray(tags)) throw new ValidationError(`tags must be an array of strings, not ${shown(tags)}.`);
  for (const tag of tags) {
    if (typeof tag !== 'string' || tag === '' || !tag.isWellFormed()) {
      throw new ValidationError(`A tag must be text that is not empty and has no lone surrogate, not ${shown(tag)}.`);
    }
  }
  return [...tags];
}
