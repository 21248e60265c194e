/**
 * One creation, or one attempt at it, that calls of this process wait on together (semantics §3). Decides who is answered by it, who
 * has to look again, and when it is given up; not what is created or stored, nor how long a caller waits (`waiter.ts`).
 */
import type { CachedValue, Lease, LossReason } from '../api.js';
import type { Awaited, Creation } from './context.js';
import type { Flights } from './flights.js';
import { LoneLease } from './lone-lease.js';
import type { Statistics } from './statistics.js';
import { type Joining, type Outcome, Waiter } from './waiter.js';

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
  #abandoned: AbortController | undefined;
  /** Who creates for it wants to know. Written by `whenDetached`. */
  #detached: (() => void) | undefined;
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
    this.#abandoned ??= new AbortController();
    return this.#abandoned.signal;
  }

  /** Waits for the end. Rejects with `signal.reason` when the caller is aborted; the flight goes on for the others. */
  join(joining: Joining): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(joining, this.#flights.clock, (end) => {
        this.#waiters.delete(waiter);
        // Who has taken a stale value wants a new one made, also when nobody is left.
        if (end.kind === 'soft') this.#unattended = true;
        if (end.kind === 'aborted') reject(end.reason);
        else resolve(end);
        this.#abandonIfAlone(end.kind === 'aborted' ? end.reason : undefined);
      });
      // The first waits for another's creation only once the flight says so (`waitsElsewhere`).
      if (!joining.first || this.#waitsElsewhere) waiter.startLimit();
      this.#waiters.add(waiter);
      waiter.leaveIfAborted();
    });
  }

  /** Another process or region creates: the first caller's limit starts too. `holder`: who does, in this process. */
  waitsElsewhere(holder?: Awaited): void {
    this.#waitsElsewhere = true;
    this.#holder = holder;
    for (const waiter of this.#waiters) if (waiter.first) waiter.startLimit();
  }

  /** The creator is called now; without a lease where nobody is elected. */
  begin(creation: Creation, lease: Lease | undefined): void {
    this.#creation = creation;
    this.#calledAt = this.#flights.tick();
    this.#lease = lease;
    this.#waitsElsewhere = false;
    if (lease instanceof LoneLease) lease.begin(creation);
    for (const waiter of this.#waiters) if (waiter.first) waiter.stopLimit();
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
    this.#detached?.();
    this.#sendAway(({ began }) => began > this.#calledAt);
  }

  /** Calls back when it is detached after its creation has begun; at once, if it is. */
  whenDetached(run: () => void): void {
    if (this.#void) run();
    else this.#detached = run;
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
    this.#abandoned ??= new AbortController();
    if (this.#abandoned.signal.aborted) return;
    this.#abandoned.abort(reason);
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
    for (const waiter of [...this.#waiters].filter(isMeant)) waiter.tell(AGAIN);
  }

  #abandonIfAlone(reason: unknown): void {
    if (this.isDeserted && !this.#ended)
      this.abort(reason ?? new DOMException('Nobody waits for this creation any more.', 'AbortError'));
  }
}
