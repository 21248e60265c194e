/**
 * What a simulation asks of a store: to carry requests out, to be connected to, and to say what each request has meant, in words that
 * the checks know whatever the store is. `fenced-model.ts` is one; a store of another protocol is another.
 */
import type { CacheBackend, RegionRecord, TagRecord } from '../../api.js';
import type { SimulatedValue } from './calls.js';
import type { Chance } from './chance.js';
import type { Link, Server } from './network.js';
import type { SimulatedProcess } from './process.js';

/** What a request did to the store. Times in milliseconds. */
export type Meaning =
  | Granted
  | { readonly kind: 'renewed'; readonly key: string; readonly token: string; readonly ms: number }
  | { readonly kind: 'released'; readonly key: string; readonly token: string }
  | Committed
  /** `fenced`: perhaps not for its lease but for its generation. */
  | { readonly kind: 'refused'; readonly key: string; readonly token: string; readonly fenced: boolean }
  /** Written without a lease. */
  | ({ readonly kind: 'said'; readonly leavesLease?: boolean } & Stored)
  /** It was asked for, and is another's. */
  | { readonly kind: 'denied'; readonly key: string; readonly token: string }
  /** Deleted, with its lease where that is one step. `leavesLease`, of both: that has to be gone when the call returns. */
  | { readonly kind: 'removed'; readonly key: string; readonly leavesLease?: boolean }
  /** Its lease alone, by who deletes or sets the key. */
  | { readonly kind: 'voided'; readonly key: string }
  | TakenBack
  /** The lease is read: a deletion or a `set`, which ends it next, is final for what began before that. */
  | { readonly kind: 'looked'; readonly key: string }
  /** The lease is removed in a step of its own: released by its holder, or voided by whoever deletes or sets its key. */
  | { readonly kind: 'ended'; readonly key: string; readonly of: string }
  /** Another's lease was given a new end, by who took it for his own. */
  | { readonly kind: 'touched'; readonly key: string; readonly of: string; readonly ms: number }
  /** By another program, which knows nothing of leases and generations. */
  | ({ readonly kind: 'written elsewhere' } & Stored)
  | { readonly kind: 'deleted elsewhere'; readonly key: string }
  | { readonly kind: 'evicted entry'; readonly key: string }
  /** `of`: which of those that were granted; left out: the last. */
  | { readonly kind: 'evicted lease'; readonly key: string; readonly of?: string }
  | Invalidated;

/**
 * `region`: whose hard invalidation cuts it off. `isForeign`: of another program, which nothing of ours ends. `fence`: what a commit is
 * held against; the lease itself unless said otherwise.
 */
export interface Granted {
  readonly kind: 'granted';
  readonly key: string;
  readonly token: string;
  readonly ms: number;
  readonly region?: string | undefined;
  readonly isForeign?: boolean;
  /** Whose records speak of what is stored, where no invalidation cuts the lease off. */
  readonly records?: string | undefined;
  readonly fence?: Fence;
  /** Whether its holder has tried to release it since he was in trouble; left out: nobody can tell. */
  readonly isTriedFor?: () => boolean;
  /** What it was won for is gone by then: a commit will be refused, and nobody is kept from anything. */
  readonly isVoid?: boolean;
}

/** `how` is said where the lease is no part of the same step. */
export type Committed = { readonly kind: 'committed'; readonly token: string; readonly how?: InSteps } & Stored;

/** A commit whose lease is read first, written under next, and released last. */
export interface InSteps {
  /** It was read to stand: that it ended since is what such a store can't know. What is stored all the same is taken back. */
  readonly isRead: boolean;
  /** Its creator had given up waiting for an answer, and may have looked in vain for what to take back. */
  readonly isLate: boolean;
  /** Its creator may be killed before it has taken anything back. */
  readonly mayDie: boolean;
  /** Its creator has looked for what to take back, and was not answered. */
  isCutOff(): boolean;
}

/** What was stored without a right to is removed by who stored it. */
export interface TakenBack {
  readonly kind: 'taken back';
  readonly key: string;
  /** What was found there before. */
  readonly read: Uint8Array;
  /** Whatever is there by now is removed. */
  readonly isBlind: boolean;
}

/**
 * `lease`: stored if and only if that stands, in one step. `value`: if and only if what was stored then has not changed. `reread`: the
 * lease is read again after the write, and what does not stand is taken back. `steps`: it is read before, too, and released at the end.
 */
export type Fence = 'lease' | 'value' | 'reread' | 'steps';

/** `region`: by whose generation it was written. */
export interface Stored {
  readonly key: string;
  readonly region?: string | undefined;
  readonly bytes: Uint8Array;
  readonly ttl: number | undefined;
}

/**
 * Of a region, or of those tags. `lost`: a record was evicted, which invalidates every entry that it is about. `follows`: what was
 * carried out before is now written down for those tags.
 */
export interface Invalidated {
  readonly kind: 'invalidated';
  readonly region: string;
  readonly tags?: readonly string[] | undefined;
  readonly hard: boolean;
  readonly lost?: boolean;
  readonly follows?: boolean;
}

/** A lease that a request won, as its process learns of it. */
export interface Won {
  readonly token: string;
}

export interface RecordsKnown {
  readonly region: RegionRecord | undefined;
  tagOf(name: string): TagRecord | undefined;
}

/** A program that is not ours, over the same store. */
export interface Stranger {
  /** So many calls one after another. */
  run(calls: number): Promise<void>;
}

export interface StrangerSetting {
  readonly process: SimulatedProcess;
  readonly chance: Chance;
  readonly keys: readonly string[];
  /** Milliseconds. */
  readonly deadline: number;
  readonly expirationTime: number;
  /** Hands out a value, and learns that it was written. */
  written(key: string, write: (value: SimulatedValue) => Promise<void>): Promise<void>;
}

export interface StoreModel<Request, Reply> extends Server<Request, Reply> {
  /** Wakes those who wait for a key. Set by the simulation. */
  publish: (key: string) => void;
  /** Those that are called for; some of `a`, `b` and `c` unless said otherwise. */
  readonly keys?: readonly string[];
  /**
   * `isOrdered`: a connection keeps order; `laneOf`: of which a process has one to each of these. `isBatched`: and together what was sent together. `rejects`: the client is told when a request
   * has run into its deadline.
   */
  readonly wire: {
    readonly isOrdered: boolean;
    /** The connection that a request goes over; left out: a process has one. */
    readonly laneOf?: (request: Request) => unknown;
    readonly isBatched?: boolean;
    readonly rejects: boolean;
  };
  connect(link: Link<Request, Reply>, process: SimulatedProcess): CacheBackend;
  /** Connects a program that is not ours. */
  readonly stranger?: ((link: Link<Request, Reply>, setting: StrangerSetting) => Stranger) | undefined;
  /** What carrying it out has meant, from the request and its reply alone: a store that is broken does not know that it is. */
  meaningOf(request: Request, reply: Reply): readonly Meaning[];
  /** The keys whose leases a request asks for, with their tokens; none: it is not such a request. */
  leasesAsked(request: Request): ReadonlyMap<string, string> | undefined;
  leasesWon(request: Request, reply: Reply): ReadonlyMap<string, Won>;
  /** The tokens that a request gives back. */
  leasesReleased(request: Request): readonly string[];
  /** Whether a reply makes the client ask once more, within the same deadline. */
  isRepeated(reply: Reply): boolean;
  /** Whether a reply says that it can't be carried out now: as good as none. */
  isRefused?(reply: Reply): boolean;
  /** Whether a request is one that a breaker holds back. */
  isGuarded(request: Request): boolean;
  recordsOf(region: string): RecordsKnown;
  /** A verb is several steps: records are read beside values, and an invalidation is stamped by the clock of who calls. */
  readonly isPiecemeal?: boolean;
  /** Whether one call asks with several requests, which are on their way together. */
  readonly asksInParts?: boolean;
  /** Whether it asks with several, one after another: its deadline may run out while that of none has. */
  readonly asksOneByOne?: boolean;
  /** Milliseconds until an invalidation holds for other processes than the one that called for it. */
  readonly bound?: number;
  /** Milliseconds for which a process may go by records as they were. */
  readonly heldFor?: number;
  /** Whether its process can do nothing with a lease that it has won: the connection that it was won on is lost. */
  isLeaseLost?(token: string): boolean;
  /** Whether nobody waits for its answer any more. */
  isGivenUp?(request: Request): boolean;
  /** Whether a process has seen another program's lock stay as it is for so long that it need not wait for it any more. */
  isStuck?(process: SimulatedProcess, key: string): boolean | undefined;
  /** A process has won a lease, where requests don't say so. Set by the simulation. */
  won?: (key: string, token: string) => void;
  /** What no request shows. Set by the simulation. */
  violated?: (what: string) => void;
  /** Loses something, as a store does that is full. */
  evict(chance: Chance): readonly Meaning[];
  /** For the trace. */
  describe(request: Request, reply?: Reply): string;
}
