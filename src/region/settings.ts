/**
 * Everything that governs one call, complete: nothing below asks `?? default`. Decides the defaults, and which expiration time holds
 * of those that call, decorator and region say. What may be said is decided in `region-options.ts`, `call-options.ts` and
 * `policy-options.ts`.
 */
import type { Duration } from '../api.js';
import { durationOption } from '../duration.js';
import type { Freshness } from './freshness.js';

/** Milliseconds, or a function that is asked at each use. */
export type Expiration = number | (() => Duration | undefined);

/** Durations in milliseconds. */
export interface Settings {
  /** Of this very call: wins over the entry's own expiration time. */
  readonly callExpiration: Expiration | undefined;
  /** Of the decorator: what the entry says wins over it. */
  readonly decoratorExpiration: Expiration | undefined;
  readonly expiration: Expiration;
  /** How long after it expired a stale value is served: 0 never, `Infinity` always. */
  readonly serveStale: number;
  readonly background: boolean;
  readonly keepStale: number;
  readonly lockWait: number;
  /** How long after it expired a stale value stands in for a failure: 0 never. */
  readonly staleIfError: number;
  /** How long a failure is remembered. */
  readonly errorBackoff: number;
  /** `Infinity`: none. */
  readonly softTimeout: number;
  readonly hardTimeout: number;
  /** XFetch's beta; 0: off. */
  readonly earlyRefresh: number;
  /** Fraction by which an entry's expiration time is shortened at most. */
  readonly jitter: number;
  readonly tags: readonly string[];
  readonly shouldCache: ((value: never) => boolean) | undefined;
  readonly signal: AbortSignal | undefined;
  /** What a look asks for, where no function has to be called for it. */
  readonly fixed: Freshness | undefined;
}

export const DEFAULTS: Settings = settled({
  callExpiration: undefined,
  decoratorExpiration: undefined,
  expiration: Number.POSITIVE_INFINITY,
  serveStale: Number.POSITIVE_INFINITY,
  background: false,
  keepStale: 86_400_000,
  lockWait: Number.POSITIVE_INFINITY,
  staleIfError: 0,
  errorBackoff: 0,
  softTimeout: Number.POSITIVE_INFINITY,
  hardTimeout: Number.POSITIVE_INFINITY,
  earlyRefresh: 0,
  jitter: 0,
  tags: [],
  shouldCache: undefined,
  signal: undefined,
});

/** What a look asks for. Asks the functions among the expiration times, once for a call. */
export function freshnessOf(settings: Settings): Freshness {
  return settings.fixed ?? askedNow(settings);
}

/** Completes settings: what can be known of them now is not asked for at each use. */
export function settled(settings: Omit<Settings, 'fixed'>): Settings {
  const { callExpiration, decoratorExpiration, expiration } = settings;
  const isAsked = [callExpiration, decoratorExpiration, expiration].some((each) => typeof each === 'function');
  return { ...settings, fixed: isAsked ? undefined : askedNow(settings) };
}

function askedNow(settings: Omit<Settings, 'fixed'>): Freshness {
  const { callExpiration, decoratorExpiration, expiration, keepStale } = settings;
  return {
    callExpiration: ask(callExpiration),
    expiration: ask(decoratorExpiration) ?? ask(expiration) ?? Number.POSITIVE_INFINITY,
    keepStale,
  };
}

function ask(expiration: Expiration | undefined): number | undefined {
  if (typeof expiration !== 'function') return expiration;
  const said = expiration();
  return said === undefined ? undefined : durationOption(said, 'The result of expirationTime()');
}
