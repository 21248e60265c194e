/**
 * Who is creating what in this process (semantics §3). A flight is one creation, or one attempt at it, that calls of this process
 * wait on together. Decides who may join it, who is answered by it, and who has to look again; not what is created or stored.
 */
import type { CachedValue, Clock, Lease, LossReason } from '../api.js';
import { onAbort } from '../lock/aborts.js';
import type { Awaited, Creation } from './context.js';
import { LoneLease } from './lone-lease.js';
import type { Statistics } from './statistics.js';

/** How a flight ended, as one who waited on it is told. */
export type Outcome =
  /** The look under the lease found a fresh entry. */
  | { readonly kind: 'found'; readonly entry: CachedValue }
  | { readonly kind: 'created'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly reason: unknown }
  /** For the caller who started it: the creator of many left this key out. */
  | { readonly kind: 'nothing' }
  /** Not an answer for this caller: look again. */
  | { readonly kind: 'again' }
  /** The caller's own limit of waiting has passed. */
  | { readonly kind: 'timeout' }
  /** The caller's `softTimeout` has passed: he takes his stale value, the creation goes on. */
  | { readonly kind: 'soft' };

/**
 * What the flight itself knows of its end. `readAt`: when the read that found it was sent. `shared`: everybody here is answered by
 * it, because it was stored, or because the store could not be reached and this is all that the process has.
 */
export type Ending =
  | { readonly kind: 'found'; readonly entry: CachedValue; readonly readAt: number }
  | { readonly kind: 'created'; readonly value: unknown; readonly shared: boolean }
  | { readonly kind: 'failed'; readonly reason: unknown }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'again' };

export interface Joining {
  /** When the caller's call began, in `Flights.tick()`. */
  readonly began: number;
  readonly signal: AbortSignal | undefined;
  /** How long he still waits for another's creation, in milliseconds; asked when he begins to. */
  patience(): number;
  /** He started the flight: what it creates is not another's. */
  readonly first: boolean;
  /** Milliseconds after which he takes a stale value instead; `Infinity`: he has none, or waits. */
  readonly soft: number;
}

interface Waiter extends Joining {
  tell(outcome: Outcome): void;
  /** His limit of waiting for another's creation, once it runs. */
  limit: unknown;
}

const AGAIN: Outcome = { kind: 'again' };

export class Flight implements Awaited {
  readonly name: string;
  readonly #flights: Flights;
  readonly #waiters = new Set<Waiter>();
  /** Goes on when nobody waits: a caller has been served a value already. */
  #unattended: boolean;
  #creation: Creation | undefined;
  /** When the creator was called. */
  #calledAt = Number.POSITIVE_INFINITY;
  #lease: Lease | undefined;
  #ended = false;
  #void = false;
  #isOutdated = false;
  #waiting: AbortController | undefined;
  /** Another process or region creates. */
  #waitsElsewhere = false;
  /** Who does, where that is known. */
  #holder: Awaited | undefined;

  constructor(flights: Flights, name: string, unattended: boolean) {
    this.#flights = flights;
    this.name = name;
    this.#unattended = unattended;
  }

  /** Its own; until that begins, the one of this process that it waits for. */
  get creation(): Creation | undefined {
    return this.#creation ?? this.#holder?.creation;
  }

  /** Its result must not be stored: its key was deleted, set or invalidated, or its lease is lost. */
  get isVoid(): boolean {
    return this.#void;
  }

  /** Its creator has been called. */
  get hasBegun(): boolean {
    return this.#calledAt !== Number.POSITIVE_INFINITY;
  }

  /** Its key was deleted, set or invalidated before its creator was called: what there was is no longer there. */
  get isOutdated(): boolean {
    return this.#isOutdated;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** Its creation runs under a lease of the store's that is not known to be lost. */
  get holdsLease(): boolean {
    return !this.#void && this.#lease !== undefined && this.#lease.token !== '';
  }

  /** Nobody is left who wants its result. */
  get isDeserted(): boolean {
    return this.#waiters.size === 0 && !this.#unattended;
  }

  /** Aborts when nobody waits any more: what the flight's own wait for the lock listens to. */
  get abandoned(): AbortSignal {
    this.#waiting ??= new AbortController();
    return this.#waiting.signal;
  }

  /** Waits for the end. Rejects with `signal.reason` when the caller is aborted; the flight goes on for the others. */
  join(joining: Joining): Promise<Outcome> {
    const { signal } = joining;
    const { clock } = this.#flights;
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#stopLimit(waiter);
        clock.clearTimeout(soft);
        stopListening();
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        ...joining,
        limit: undefined,
        tell: (outcome) => {
          leave();
          resolve(outcome);
        },
      };
      const takeStale = () => {
        // The creation goes on, also when nobody is left.
        this.#unattended = true;
        waiter.tell({ kind: 'soft' });
      };
      const stopListening = onAbort(signal, () => {
        leave();
        reject(signal?.reason);
        this.#abandonIfAlone(signal?.reason);
      });
      const soft = joining.soft === Number.POSITIVE_INFINITY ? undefined : clock.setTimeout(takeStale, joining.soft);
      // The first waits for another's creation only once the flight says so (`waitsElsewhere`).
      if (!joining.first || this.#waitsElsewhere) this.#startLimit(waiter);
      this.#waiters.add(waiter);
    });
  }

  /** Another process or region creates: the first caller's limit starts too. `holder`: who does, in this process. */
  waitsElsewhere(holder?: Awaited): void {
    this.#waitsElsewhere = true;
    this.#holder = holder;
    for (const waiter of this.#waiters) if (waiter.first) this.#startLimit(waiter);
  }

  /** The creator is called now. */
  begin(creation: Creation, lease: Lease): void {
    this.#creation = creation;
    this.#calledAt = this.#flights.tick();
    this.#lease = lease;
    this.#waitsElsewhere = false;
    if (lease instanceof LoneLease) lease.begin(creation);
    for (const waiter of this.#waiters) if (waiter.first) this.#stopLimit(waiter);
  }

  /** The creator has settled: who comes from here on looks for himself. */
  close(): void {
    this.#flights.unlist(this);
  }

  /**
   * Its key was deleted or set, or its lease is lost: nobody joins, nothing is stored, who came after the creator was called looks again
   * at once. Before the creator is called there is nothing to keep anybody from: a second flight would create beside this one.
   */
  detach(): void {
    if (!this.hasBegun) {
      this.#isOutdated = true;
      return;
    }
    this.#flights.unlist(this);
    this.#void = true;
    this.#sendAway(({ began }) => began > this.#calledAt);
  }

  /** Its lease is lost. At `lockMaxHold` everybody but the caller who started it looks again: the creator may never settle. */
  lose(why: LossReason, statistics: Statistics): void {
    if (!this.#void) statistics.lockLosses++;
    this.detach();
    if (why === 'voided') return;
    this.#sendAway(({ first }) => !first);
  }

  /** Its region was invalidated: detached. Answers with its lease, to be given back at once, so that newcomers need not wait for it. */
  revoke(): Lease | undefined {
    this.detach();
    return this.#lease;
  }

  /** The creator takes longer than `hardTimeout`: everybody is told so, nobody joins; its lease stays until it settles. */
  timeOut(reason: unknown): void {
    if (this.#ended) return;
    this.#flights.unlist(this);
    this.#unattended = true;
    for (const waiter of [...this.#waiters]) waiter.tell({ kind: 'failed', reason });
    this.#creation?.abort(reason);
  }

  abort(reason: unknown): void {
    this.#flights.unlist(this);
    this.#waiting ??= new AbortController();
    if (this.#waiting.signal.aborted) return;
    this.#waiting.abort(reason);
    this.#creation?.abort(reason);
  }

  /** The region is closed: everybody is told so at once, for the creator may never settle. */
  dismiss(reason: unknown): void {
    this.abort(reason);
    for (const waiter of [...this.#waiters]) waiter.tell({ kind: 'failed', reason });
  }

  /** Tells everybody. Idempotent: the first ending counts. Answers whether it was this one. */
  end(ending: Ending): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#flights.unlist(this);
    this.#flights.landed(this);
    for (const waiter of [...this.#waiters]) waiter.tell(this.#outcomeFor(waiter, ending));
    return true;
  }

  /** The answer rule (semantics §3). Everybody here joined before the commit was sent, and no failure is older than its flight. */
  #outcomeFor(waiter: Waiter, ending: Ending): Outcome {
    switch (ending.kind) {
      case 'created':
        return ending.shared || waiter.began < this.#calledAt ? ending : AGAIN;
      case 'found':
        return waiter.began < ending.readAt ? ending : AGAIN;
      case 'nothing':
        return waiter.first ? ending : AGAIN;
      default:
        return ending;
    }
  }

  /** They look again. */
  #sendAway(isMeant: (waiter: Waiter) => boolean): void {
    const meant = [...this.#waiters].filter(isMeant);
    for (const waiter of meant) waiter.tell(AGAIN);
    if (meant.length > 0) this.#abandonIfAlone(undefined);
  }

  #startLimit(waiter: Waiter): void {
    const ms = waiter.patience();
    if (ms === Number.POSITIVE_INFINITY) return;
    waiter.limit = this.#flights.clock.setTimeout(() => {
      waiter.tell({ kind: 'timeout' });
      this.#abandonIfAlone(undefined);
    }, ms);
  }

  #stopLimit(waiter: Waiter): void {
    this.#flights.clock.clearTimeout(waiter.limit);
    waiter.limit = undefined;
  }

  #abandonIfAlone(reason: unknown): void {
    if (this.isDeserted && !this.#ended)
      this.abort(reason ?? new DOMException('Nobody waits for this creation any more.', 'AbortError'));
  }
}

/** The flights of a region. */
export class Flights {
  readonly clock: Clock;
  /** Those that calls may join, by mangled key; never removed by key alone. */
  readonly #joinable = new Map<string, Flight>();
  /** Those that nobody may join any more and that have not ended. */
  readonly #closed = new Set<Flight>();
  #time = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Order of events in this region: begins of calls, reads sent, creators called. */
  tick(): number {
    this.#time++;
    return this.#time;
  }

  get size(): number {
    return this.#joinable.size + this.#closed.size;
  }

  joinable(name: string): Flight | undefined {
    return this.#joinable.get(name);
  }

  /** A new flight. `unattended`: it goes on when nobody waits for it; `listed`: calls may join it. */
  open(name: string, { unattended = false, listed = true } = {}): Flight {
    const flight = new Flight(this, name, unattended);
    if (listed) this.#joinable.set(name, flight);
    else this.#closed.add(flight);
    return flight;
  }

  /** Said by the flight: nobody joins it any more. */
  unlist(flight: Flight): void {
    if (this.#joinable.get(flight.name) !== flight) return;
    this.#joinable.delete(flight.name);
    this.#closed.add(flight);
  }

  /** Said by the flight: it has ended. */
  landed(flight: Flight): void {
    this.#closed.delete(flight);
  }

  /** What goes on with a key. */
  describe(name: string): { creating: boolean; isMine: boolean; waiting: number } {
    const flights = this.#all().filter((flight) => flight.name === name);
    return {
      creating: flights.some(({ creation, hasBegun }) => hasBegun && creation?.active),
      isMine: flights.some(({ holdsLease }) => holdsLease),
      waiting: flights.reduce((sum, { waiting }) => sum + waiting, 0),
    };
  }

  /** `set` or `delete` of this key has been called. */
  detach(name: string): void {
    this.#joinable.get(name)?.detach();
    for (const flight of this.#closed) if (flight.name === name) flight.detach();
  }

  /** A soft invalidation: what is being created goes on, newcomers look for themselves. */
  unlistAll(): void {
    for (const flight of [...this.#joinable.values()]) if (flight.hasBegun) this.unlist(flight);
  }

  /** A hard invalidation: all are detached. Answers with their leases, to be given back. */
  revokeAll(): Lease[] {
    return this.#all().flatMap((flight) => flight.revoke() ?? []);
  }

  dismissAll(reason: unknown): void {
    for (const flight of this.#all()) flight.dismiss(reason);
  }

  #all(): Flight[] {
    return [...this.#joinable.values(), ...this.#closed];
  }
}
