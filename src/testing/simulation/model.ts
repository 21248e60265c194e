/**
 * What a simulation asks of a store: to carry requests out, to be connected to, and to say what each request has meant, in words that
 * the checks know whatever the store is. `fenced-model.ts` is one; a store of another protocol is another.
 */
import type { CacheBackend } from '../../api.js';
import type { Chance } from './chance.js';
import type { Link, Server } from './network.js';

/** What a request did to the store. */
export type Meaning =
  /** A lease was won; `region`: whose hard invalidation cuts it off. */
  | {
      readonly kind: 'granted';
      readonly key: string;
      readonly token: string;
      readonly ms: number;
      readonly region?: string | undefined;
    }
  | { readonly kind: 'renewed'; readonly key: string; readonly token: string; readonly ms: number }
  | { readonly kind: 'released'; readonly key: string; readonly token: string }
  | { readonly kind: 'committed'; readonly key: string; readonly token: string }
  /** `fenced`: perhaps not for its lease but for its generation. */
  | { readonly kind: 'refused'; readonly key: string; readonly token: string; readonly fenced: boolean }
  /** Written without a lease. */
  | { readonly kind: 'said'; readonly key: string }
  /** Deleted, with its lease. */
  | { readonly kind: 'removed'; readonly key: string }
  | { readonly kind: 'evicted entry'; readonly key: string }
  | { readonly kind: 'evicted lease'; readonly key: string }
  /** `lost`: its record was evicted, which invalidates every entry. */
  | { readonly kind: 'invalidated'; readonly region: string; readonly hard: boolean; readonly lost?: boolean };

/** What the reply to a request tells of leases: those that it won, with what was stored then. */
export interface Won {
  readonly token: string;
  readonly stored: Uint8Array | undefined;
  /** The counters of the region's record that came along. */
  readonly record: { readonly rid: string; readonly hard: number; readonly soft: number } | undefined;
}

export interface StoreModel<Request, Reply> extends Server<Request, Reply> {
  /** Wakes those who wait for a key. Set by the simulation. */
  publish: (key: string) => void;
  connect(link: Link<Request, Reply>): CacheBackend;
  /** What carrying it out has meant, from the request and its reply alone: a store that is broken does not know that it is. */
  meaningOf(request: Request, reply: Reply): readonly Meaning[];
  /** The keys whose leases a request asks for, with their tokens; none: it is not such a request. */
  leasesAsked(request: Request): ReadonlyMap<string, string> | undefined;
  leasesWon(request: Request, reply: Reply): ReadonlyMap<string, Won>;
  /** The tokens that a request gives back. */
  leasesReleased(request: Request): readonly string[];
  /** What is stored now. */
  entryOf(key: string): Uint8Array | undefined;
  /** Loses something, as a store does that is full. */
  evict(chance: Chance): readonly Meaning[];
  /** For the trace. */
  describe(request: Request, reply?: Reply): string;
}
