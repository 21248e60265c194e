/**
 * The requests of a simulation, from the call that sends one to its answer. Decides whose call a request is, what of it the checks are
 * told, and which leases a call has learnt that it won.
 */
import { isRemoval, isSaid, type Operation, type Tickets } from './calls.js';
import type { Checks } from './checks.js';
import { valueIdIn } from './entries.js';
import type { Meaning, StoreModel } from './model.js';
import type { Wiretap } from './network.js';
import type { SimulatedProcess } from './process.js';

export class WatchedRequests<Request, Reply> implements Wiretap<Request, Reply> {
  readonly #checks: Checks;
  readonly #model: StoreModel<Request, Reply>;
  readonly #callNow: () => Operation | undefined;
  /** Calls by the requests that they sent. */
  readonly #senders = new Map<number, Operation>();
  /** The same of those that are under way. */
  readonly #underWay = new Map<number, Operation>();
  /** Requests that were not answered in time. */
  readonly #givenUp = new Set<number>();
  /** Who has learnt that he won a lease, by its token. */
  readonly #winners = new Map<string, Tickets>();

  /** `callNow`: the call that the running code is part of. */
  constructor(checks: Checks, model: StoreModel<Request, Reply>, callNow: () => Operation | undefined) {
    this.#checks = checks;
    this.#model = model;
    this.#callNow = callNow;
  }

  sent(process: SimulatedProcess, id: number, request: Request): void {
    const { notes, troubles, ledger, scheduler } = this.#checks;
    notes.log(`${process.name} asks ${id}: ${notes.isTracing ? this.#model.describe(request) : ''}`);
    const operation = this.#callNow();
    if (operation) {
      this.#senders.set(id, operation);
      this.#underWay.set(id, operation);
      operation.askedAt ??= scheduler.now;
      if (this.#model.isGuarded(request)) troubles.asked(operation);
    }
    for (const token of this.#model.leasesReleased(request)) {
      // Not where it is voided by a call that deletes or sets its key.
      const isVoided = operation && (isRemoval(operation.verb) || isSaid(operation.verb));
      if (!isVoided) this.#winners.get(token)?.lost(token);
      ledger.givesUp(token);
    }
  }

  handled(process: SimulatedProcess, id: number, request: Request, reply: Reply): void {
    const { notes, ledger, origins, steps } = this.#checks;
    notes.log(`store ${id} of ${process.name}: ${notes.isTracing ? this.#model.describe(request, reply) : ''}`);
    const operation = this.#senders.get(id);
    for (const told of this.#model.meaningOf(request, reply)) {
      steps.check(operation, process, told);
      const meaning = steps.asCalled(operation, process, told);
      this.happened(meaning, process, id);
      // Nobody is left who would learn of it: it lapses.
      const isGivenUp = this.#givenUp.has(id) || this.#model.isGivenUp?.(request);
      if (meaning.kind === 'granted' && isGivenUp) ledger.givesUp(meaning.token);
      if (operation) origins.takesEffect(operation, meaning);
    }
  }

  /** Something happened to the store; without a process: by itself. */
  happened(meaning: Meaning, process?: SimulatedProcess, id = 0): void {
    const { notes, ledger, origins, entries, elections, finality, promptness, steps, scheduler } = this.#checks;
    if (!process)
      notes.log(`store by itself: ${meaning.kind} ${'key' in meaning ? meaning.key : (meaning.tags ?? '')}`);
    const committed = meaning.kind === 'committed' ? origins.get(valueIdIn(meaning.bytes)) : undefined;
    if (committed && meaning.kind === 'committed') {
      committed.isCommitted = true;
      committed.doubt = steps.doubtAbout(meaning);
      if (committed.doubt && process) this.#checks.doubted(process);
    }
    ledger.enter(meaning, process, id, scheduler.now);
    const before = entries.enter(meaning);
    const gone = before && origins.get(valueIdIn(before));
    if (gone) gone.goneAt = origins.tick();
    if (meaning.kind === 'granted' && !meaning.isVoid) elections.granted(meaning);
    if (meaning.kind === 'invalidated' && (meaning.lost || meaning.follows)) elections.recordChanged();
    if (meaning.kind === 'invalidated' && meaning.lost) finality.recordLost();
    promptness.changed({ isCut: meaning.kind === 'invalidated' && meaning.hard });
  }

  answered(process: SimulatedProcess, id: number, request: Request, reply: Reply): void {
    const { notes, scheduler } = this.#checks;
    notes.log(`${process.name} learns ${id}`);
    this.#underWay.delete(id);
    const isRefused = this.#model.isRefused?.(reply) === true;
    if (isRefused || this.#model.isRepeated(reply)) process.troubledAt = scheduler.now;
    if (isRefused) this.#hasNotAsked(id, request);
    const tickets = this.#senders.get(id)?.tickets;
    if (!tickets) return;
    for (const [key, won] of this.#model.leasesWon(request, reply)) {
      tickets.set(key, won);
      this.#winners.set(won.token, tickets);
    }
  }

  failed(process: SimulatedProcess, id: number, request: Request): void {
    this.#checks.notes.log(`${process.name} fails ${id}`);
    this.#givenUp.add(id);
    this.#underWay.delete(id);
    this.#hasNotAsked(id, request);
  }

  /** The process learns that it has won a lease, for the call that is running. */
  won(key: string, token: string): void {
    const tickets = this.#callNow()?.tickets;
    if (!tickets) return;
    tickets.set(key, { token });
    this.#winners.set(token, tickets);
  }

  /** The call that the running code is part of is told that the store has not answered in time. */
  ranOut({ verb, key }: { readonly verb: string; readonly key?: string }): void {
    const { notes, scheduler } = this.#checks;
    const operation = this.#callNow();
    if (!operation || !this.#model.asksOneByOne) return;
    const { process } = operation.region;
    // It may wait for what another call has asked, which the network may have given up a millisecond before this one began.
    const isWaiting = [...this.#underWay.values()].some(({ region }) => region.process === process);
    if (!isWaiting && process.troubledAt < operation.time - 1) return;
    notes.log(`call ${operation.id} gives up`);
    process.troubledAt = scheduler.now;
    // Of a lease that is told to it later it knows nothing.
    if (verb !== 'acquire' && verb !== 'acquireMulti') return;
    // One of many that was won on another node is kept.
    const isKept = (each: string) => verb === 'acquireMulti' && operation.tickets.get(each) !== undefined;
    for (const each of key === undefined ? operation.keys : [key])
      if (!isKept(each)) operation.tickets.set(each, undefined);
  }

  #hasNotAsked(id: number, request: Request): void {
    for (const key of this.#model.leasesAsked(request)?.keys() ?? [])
      this.#senders.get(id)?.tickets.set(key, undefined);
  }
}
