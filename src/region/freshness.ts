/**
 * Missing, stale or fresh: one pure function of an entry, the policy, the invalidations and now (semantics §1). Reads no clock
 * and no store.
 */
import type { CachedValue } from '../api.js';
import { CLOCK_SKEW, stampOf } from '../clock.js';

/** The version of the format that we write and create for. */
export const VALUE_VERSION = 2;

/** Stamps (epoch ms) of the last invalidations; 0: never. */
export interface Cutoffs {
  readonly hard: number;
  readonly soft: number;
}
export const NO_CUTOFFS: Cutoffs = { hard: 0, soft: 0 };

/** What a reader asks for, in milliseconds. */
export interface Freshness {
  /** Of this very call: wins over the entry's own. */
  readonly callExpiration: number | undefined;
  /** Of the decorator or region. */
  readonly expiration: number;
  /** How long an entry is kept after it expired. */
  readonly keepStale: number;
}

export type Verdict = 'fresh' | 'expired' | 'soft-invalidated' | 'from-the-future' | 'hard-invalidated' | 'too-old';

/** The expiration time that holds for an entry: the call's, its own, the decorator's or region's. */
export function expirationOf(entry: CachedValue, asked: Freshness): number {
  if (asked.callExpiration !== undefined) return asked.callExpiration;
  const { et: own, j: share } = entry.metadata;
  const expiration = own === undefined ? asked.expiration : own * 1000;
  return share === undefined ? expiration : expiration * share;
}

/** When the creation of an entry began: what invalidations are judged against. */
export function startOf(entry: CachedValue): number {
  const { ct, dt } = entry.metadata;
  return stampOf(dt === undefined ? ct : ct - dt);
}

/** What invalidations have done to an entry. */
export type Cut = 'hard' | 'soft' | undefined;

export function worse(one: Cut, other: Cut): Cut {
  return one === 'hard' || other === 'hard' ? 'hard' : (one ?? other);
}

/** What cut-offs by time say of it. */
export function cutByTime(entry: CachedValue, { hard, soft }: Cutoffs): Cut {
  if (hard === 0 && soft === 0) return undefined;
  const start = startOf(entry);
  if (start <= hard) return 'hard';
  return start <= soft ? 'soft' : undefined;
}

export function judge(entry: CachedValue, asked: Freshness, cut: Cut, now: number): Verdict {
  if (cut === 'hard') return 'hard-invalidated';
  const expiration = expirationOf(entry, asked);
  const age = now - stampOf(entry.metadata.ct);
  if (age > expiration + asked.keepStale) return 'too-old';
  if (cut === 'soft') return 'soft-invalidated';
  if (age < -CLOCK_SKEW) return 'from-the-future';
  return age > expiration ? 'expired' : 'fresh';
}

/**
 * What `judge` calls fresh, said at less cost of most of it: entries without tags or an expiration time of their own, further from
 * expiring than a creation time loses by rounding, that no invalidation can concern. `false` says nothing.
 */
export function isPlainlyFresh({ metadata }: CachedValue, asked: Freshness, now: number): boolean {
  const { ct, v, et, j, t } = metadata;
  if (v !== VALUE_VERSION || et !== undefined || j !== undefined || t !== undefined) return false;
  const age = now - ct * 1000;
  return ct > 0 && age >= 0 && asked.callExpiration === undefined && age < asked.expiration - 1;
}

/** A stale value may be served; a missing one is as good as none. */
export function isMissing(verdict: Verdict): boolean {
  return verdict === 'hard-invalidated' || verdict === 'too-old';
}
