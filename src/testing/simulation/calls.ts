/** What the checks of a simulation know of values, creations, regions and calls. Decides nothing. */
import type { Won } from './model.js';
import type { SimulatedProcess } from './process.js';

/** What is cached. */
export interface SimulatedValue {
  readonly id: number;
  readonly key: string;
  /** Of the database, when it was read. */
  readonly version: number;
}

export function isSimulatedValue(value: unknown): value is SimulatedValue {
  return typeof value === 'object' && value !== null && 'id' in value && 'key' in value;
}

/** Where a value comes from: a creation, or a `set`. */
export interface Origin {
  readonly key: string;
  /** All that were named for it. */
  readonly tags: Set<string>;
  /** Made by a program that is not ours: it bears no generation. */
  readonly isForeign: boolean;
  /** When the creator was called, or when the store carried the `set` out: in the order of events, and in time. */
  order: number;
  time: number;
  /** Stored under a lease that did not stand, and taken back at once: who read it meanwhile may have been given it. */
  doubt: Doubt | undefined;
  /** When it was taken back or overwritten, in the order of events. */
  goneAt: number;
  /** It has been stored by a commit. */
  isCommitted: boolean;
}

/** `until`: by when it is taken back at the latest, by the time of the simulation, unless its creator may leave it there. */
export interface Doubt {
  readonly until: number;
  mayStay(): boolean;
}

export interface Creation extends Origin {
  readonly id: number;
  readonly process: SimulatedProcess;
  readonly region: WatchedRegion;
  /** When the call began that it is made for. */
  readonly askedAt: number;
  /** Of the lease that it runs under; `undefined`: the store was out of reach. */
  readonly token: string | undefined;
  /** It had won one, and can do nothing with it: its process may or may not know. */
  readonly hasLostLease: boolean;
  /** The step of the simulation in which its creator settled. */
  endedIn: number | undefined;
}

/** Thrown by creators. */
export class SimulatedFailure extends Error {
  /** What the creator was to make: one, or many. */
  readonly creations: readonly Creation[];
  constructor(creations: readonly Creation[]) {
    super(`The creation of ${creations.map(({ id, key }) => `${id} (${key})`).join(', ')} failed.`);
    this.creations = creations;
  }
}

/** What an invalidation, a deletion or a `set` is about: a key, a tag, or the whole region. */
export type Scope = `key ${string}` | `tag ${string}` | 'region';

export interface WatchedRegion {
  readonly label: string;
  readonly process: SimulatedProcess;
  /** By name, where its invalidations are kept in the store; else they are its process's. */
  readonly shared: string | undefined;
  /** Milliseconds. */
  readonly expirationTime: number;
  /** Whether a stale value is served rather than waited for. */
  readonly servesStale: boolean;
  /** As it says itself. `closedAt`: when it was closed last, after trouble; `probe`: the call that has asked since. */
  readonly breaker: {
    state: 'open' | 'half-open' | 'closed';
    changedAt: number;
    closedAt: number;
    probe: number | undefined;
  };
  /** When it called for what it deleted, set or invalidated hard itself, in the order of events; once that has returned. */
  readonly barriers: Map<Scope, number>;
  /** The same in time, where invalidations are its process's. */
  readonly localBarriers: Map<Scope, number>;
  /** When it last called for an invalidation of either kind, a deletion or a `set`, or learnt what came of it. */
  readonly saidAt: Map<Scope, number>;
  /** When it last called for a hard invalidation. */
  cutCalledAt: number;
  /** When it last called for one of itself, or learnt what came of it. */
  revokedAt: number;
  /** All of its process over one backend: itself, too. */
  readonly siblings: readonly WatchedRegion[];
}

export type Verb =
  | 'getOrCreate'
  | 'getOrCreateMulti'
  | 'get'
  | 'getMulti'
  | 'set'
  | 'setMulti'
  | 'delete'
  | 'deleteMulti'
  | 'invalidate'
  | 'invalidateTags'
  /** Whatever a program does that is not ours. */
  | 'elsewhere';

/** What is said of a call when it begins. */
export interface CallAbout {
  readonly verb: Verb;
  readonly region: WatchedRegion;
  readonly keys?: readonly string[];
  /** Of `invalidateTags`. */
  readonly tags?: readonly string[];
  readonly written?: readonly Origin[];
  readonly signal?: AbortSignal | undefined;
  readonly lockWait?: boolean;
  readonly hard?: boolean;
}

export interface Operation extends Required<Omit<CallAbout, 'signal'>> {
  readonly id: number;
  readonly signal: AbortSignal | undefined;
  readonly order: number;
  readonly time: number;
  /** The step of the simulation in which it began. */
  readonly step: number;
  /** What was deleted, set or invalidated by then: by anybody, and by its own region. */
  readonly barriers: ReadonlyMap<Scope, number>;
  /** For entries without a generation. */
  readonly foreignBarriers: ReadonlyMap<Scope, number>;
  readonly ownBarriers: ReadonlyMap<Scope, number>;
  readonly localBarriers: ReadonlyMap<Scope, number>;
  /** Since when each key has been there. */
  readonly presentSince: ReadonlyMap<string, number>;
  readonly tickets: Tickets;
  /** When it first asked the store. */
  askedAt: number | undefined;
  /** When the store carried it out last. */
  effect: number | undefined;
  /** The same in time. */
  effectAt: number | undefined;
  /** The same of each key; when it was removed first: what is removed once more was stored under a lease that stood until then. */
  readonly effects: Map<string, number>;
  /** When it began to end the lease of each key, where that is a step of its own: what began before is gone, whatever comes next. */
  readonly overruled: Map<string, number>;
  /** Its creator was called. */
  creates: boolean;
}

/** What one call may create under, by key: leases that it has learnt that it won; `undefined` where it could not ask. */
export class Tickets extends Map<string, Won | undefined> {
  lost(token: string): void {
    for (const [key, won] of this) if (won?.token === token) this.delete(key);
  }
}

/** What a call that deletes, sets or invalidates is about. */
export function scopesOf({ verb, keys, tags }: Operation): readonly Scope[] {
  if (verb === 'invalidate') return ['region'];
  if (verb === 'invalidateTags') return tags.map((tag): Scope => `tag ${tag}`);
  return isRemoval(verb) || isSaid(verb) ? keys.map((key): Scope => `key ${key}`) : [];
}

/** What would have to be about a value for it to be gone. */
export function scopesOver({ key, tags }: Origin): readonly Scope[] {
  return ['region', `key ${key}`, ...[...tags].map((tag): Scope => `tag ${tag}`)];
}

export function isRemoval(verb: Verb): boolean {
  return verb === 'delete' || verb === 'deleteMulti';
}
export function isInvalidation(verb: Verb): boolean {
  return verb === 'invalidate' || verb === 'invalidateTags';
}
export function isSaid(verb: Verb): boolean {
  return verb === 'set' || verb === 'setMulti';
}
export function isRead(verb: Verb): boolean {
  return verb === 'get' || verb === 'getMulti';
}
