/**
 * The checks of a simulation: is told of calls, creations and requests, keeps the account of what is stored, and hands all of it to
 * the promises that it concerns. Takes no part in what happens.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type CallAbout,
  type Creation,
  isInvalidation,
  isRemoval,
  isSaid,
  isSimulatedValue,
  type Operation,
  type Origin,
  type SimulatedValue,
  scopesOf,
  Tickets,
  type WatchedRegion,
} from './calls.js';
import { Elections } from './elections.js';
import { cutOf, valueIdIn } from './entries.js';
import { Finality } from './finality.js';
import { Ledger } from './ledger.js';
import type { Meaning, StoreModel } from './model.js';
import type { Wiretap } from './network.js';
import type { SimulatedProcess } from './process.js';
import { Promptness } from './promptness.js';
import type { Scheduler } from './scheduler.js';
import { Troubles } from './troubles.js';

/** The call that the running code is part of. One for all simulations: until Node 24 every storage slows every promise of the process. */
const current = new AsyncLocalStorage<Operation>();

const GONE: readonly Meaning['kind'][] = ['removed', 'deleted elsewhere', 'evicted entry'];

export interface WatchOptions {
  /** Milliseconds that a request may take when nothing goes wrong. */
  readonly deadline: number;
  readonly lockMaxHold: number;
  /** Of the breakers. */
  readonly cooldown: number;
  /** How far clocks differ at most. */
  readonly skew: number;
  readonly keys: readonly string[];
  readonly trace: boolean;
}

export class Watch<Request, Reply> implements Wiretap<Request, Reply> {
  readonly violations: string[] = [];
  readonly trace: string[] = [];
  calls = 0;
  creations = 0;
  readonly troubles: Troubles;
  readonly #scheduler: Scheduler;
  readonly #model: StoreModel<Request, Reply>;
  readonly #options: WatchOptions;
  readonly #ledger: Ledger;
  readonly #finality: Finality;
  readonly #elections: Elections;
  readonly #promptness: Promptness;
  /** Calls that have not settled. */
  readonly #pending = new Set<Operation>();
  /** Calls by the requests that they sent. */
  readonly #senders = new Map<number, Operation>();
  /** The same of those that are under way. */
  readonly #underWay = new Map<number, Operation>();
  /** Requests that were not answered in time. */
  readonly #givenUp = new Set<number>();
  /** Who has learnt that he won a lease, by its token. */
  readonly #winners = new Map<string, Tickets>();
  readonly #origins = new Map<number, Origin>();
  /** What is stored, as it was said and answered. */
  readonly #stored = new Map<string, { readonly bytes: Uint8Array; readonly at: number; readonly until: number }>();
  #order = 0;
  #ids = 0;

  constructor(scheduler: Scheduler, model: StoreModel<Request, Reply>, options: WatchOptions) {
    this.#scheduler = scheduler;
    this.#model = model;
    this.#options = options;
    const { deadline, cooldown, skew, keys } = options;
    const violated = (what: string) => this.violated(what);
    const entryOf = (key: string) => this.#entryOf(key);
    const recordsOf = (region: string) => model.recordsOf(region);
    this.#ledger = new Ledger(violated, options.lockMaxHold);
    const bound = model.bound ?? 0;
    this.#finality = new Finality(violated, this.#origins, { skew, bound, isForeignCut: !model.isPiecemeal });
    this.#elections = new Elections({
      scheduler,
      ledger: this.#ledger,
      // What is known of the records may be as old as the request.
      slack: model.isPiecemeal ? deadline : 0,
      heldFor: model.heldFor ?? 0,
      entryOf,
      storedAt: (key) => this.#stored.get(key)?.at ?? Number.NEGATIVE_INFINITY,
      recordsOf,
      violated,
    });
    this.#promptness = new Promptness({ scheduler, keys, patience: 5 * deadline, skew, entryOf, violated });
    this.troubles = new Troubles({
      scheduler,
      cooldown,
      recovery: deadline + cooldown + 1000,
      asksInParts: model.asksInParts ?? false,
      violated,
    });
  }

  violated(what: string): void {
    this.violations.push(`at ${this.#scheduler.now} ms: ${what}`);
    this.log(`VIOLATION: ${what}`);
  }

  log(line: string): void {
    if (this.#options.trace) this.trace.push(`${this.#scheduler.now.toFixed(0).padStart(7)} ${line}`);
  }

  // -------------------------------------------------------------------------------------------------------- requests

  sent(process: SimulatedProcess, id: number, request: Request): void {
    this.log(`${process.name} asks ${id}: ${this.#options.trace ? this.#model.describe(request) : ''}`);
    const operation = current.getStore();
    if (operation) {
      this.#senders.set(id, operation);
      this.#underWay.set(id, operation);
      operation.askedAt ??= this.#scheduler.now;
      if (this.#model.isGuarded(request)) this.troubles.asked(operation);
    }
    for (const token of this.#model.leasesReleased(request)) {
      // Not where it is voided by a call that deletes or sets its key.
      const isVoided = operation && (isRemoval(operation.verb) || isSaid(operation.verb));
      if (!isVoided) this.#winners.get(token)?.lost(token);
      this.#ledger.givesUp(token);
    }
  }

  handled(process: SimulatedProcess, id: number, request: Request, reply: Reply): void {
    this.log(`store ${id} of ${process.name}: ${this.#options.trace ? this.#model.describe(request, reply) : ''}`);
    const operation = this.#senders.get(id);
    for (const meaning of this.#model.meaningOf(request, reply)) {
      this.happened(meaning, process, id);
      // Nobody is left who would learn of it: it lapses.
      const isGivenUp = this.#givenUp.has(id) || this.#model.isGivenUp?.(request);
      if (meaning.kind === 'granted' && isGivenUp) this.#ledger.givesUp(meaning.token);
      if (operation) this.#takesEffect(operation, meaning);
    }
  }

  /** Something happened to the store; without a process: by itself. */
  happened(meaning: Meaning, process?: SimulatedProcess, id = 0): void {
    if (!process) this.log(`store by itself: ${meaning.kind} ${'key' in meaning ? meaning.key : (meaning.tags ?? '')}`);
    const committed = meaning.kind === 'committed' ? this.#origins.get(valueIdIn(meaning.bytes)) : undefined;
    if (committed && meaning.kind === 'committed') {
      committed.isCommitted = true;
      committed.isDoubtful = this.#ledger.isDoubtful(meaning.token, this.#scheduler.now);
    }
    this.#ledger.enter(meaning, process, id, this.#scheduler.now);
    this.#enter(meaning);
    if (meaning.kind === 'granted' && !meaning.isVoid) this.#elections.granted(meaning);
    if (meaning.kind === 'invalidated' && (meaning.lost || meaning.follows)) this.#elections.recordChanged();
    if (meaning.kind === 'invalidated' && meaning.lost) this.#finality.recordLost();
    this.#promptness.changed({ isCut: meaning.kind === 'invalidated' && meaning.hard });
  }

  answered(process: SimulatedProcess, id: number, request: Request, reply: Reply): void {
    this.log(`${process.name} learns ${id}`);
    this.#underWay.delete(id);
    const isRefused = this.#model.isRefused?.(reply) === true;
    if (isRefused || this.#model.isRepeated(reply)) process.troubledAt = this.#scheduler.now;
    if (isRefused) this.#hasNotAsked(id, request);
    const tickets = this.#senders.get(id)?.tickets;
    if (!tickets) return;
    for (const [key, won] of this.#model.leasesWon(request, reply)) {
      tickets.set(key, won);
      this.#winners.set(won.token, tickets);
    }
  }

  failed(process: SimulatedProcess, id: number, request: Request): void {
    this.log(`${process.name} fails ${id}`);
    this.#givenUp.add(id);
    this.#underWay.delete(id);
    this.#hasNotAsked(id, request);
  }

  /** The call that the running code is part of is told that the store has not answered in time. */
  ranOut({ verb, key }: { readonly verb: string; readonly key?: string }): void {
    const operation = current.getStore();
    if (!operation || !this.#model.asksOneByOne) return;
    const { process } = operation.region;
    // It may wait for what another call has asked, which the network may have given up a millisecond before this one began.
    const isWaiting = [...this.#underWay.values()].some(({ region }) => region.process === process);
    if (!isWaiting && process.troubledAt < operation.time - 1) return;
    this.log(`call ${operation.id} gives up`);
    process.troubledAt = this.#scheduler.now;
    // Of a lease that is told to it later it knows nothing.
    if (verb !== 'acquire' && verb !== 'acquireMulti') return;
    for (const each of key === undefined ? operation.keys : [key]) operation.tickets.set(each, undefined);
  }

  #hasNotAsked(id: number, request: Request): void {
    for (const key of this.#model.leasesAsked(request)?.keys() ?? [])
      this.#senders.get(id)?.tickets.set(key, undefined);
  }

  #enter(meaning: Meaning): void {
    if (meaning.kind === 'committed' || meaning.kind === 'said' || meaning.kind === 'written elsewhere') {
      const { key, bytes, ttl = Number.POSITIVE_INFINITY, region } = meaning;
      const cut = region === undefined ? undefined : cutOf(bytes, this.#model.recordsOf(region));
      if (cut === 'hard' || (cut === 'soft' && meaning.kind === 'said'))
        this.violated(`a value of ${key} was stored that no longer counted: ${Buffer.from(bytes).toString()}`);
      const { now: at } = this.#scheduler;
      this.#stored.set(key, { bytes, at, until: at + ttl });
    } else if (GONE.includes(meaning.kind) && 'key' in meaning) this.#stored.delete(meaning.key);
  }

  #entryOf(key: string): Uint8Array | undefined {
    const entry = this.#stored.get(key);
    return entry && entry.until > this.#scheduler.now ? entry.bytes : undefined;
  }

  #takesEffect(operation: Operation, meaning: Meaning): void {
    const { kind } = meaning;
    if (kind === 'invalidated' && meaning.follows) return;
    const isIts =
      ((kind === 'said' || kind === 'written elsewhere') && operation.written.length > 0) ||
      (kind === 'removed' && isRemoval(operation.verb)) ||
      (kind === 'invalidated' && isInvalidation(operation.verb));
    if (!isIts) return;
    operation.effect = this.#tick();
    operation.effectAt = this.#scheduler.now;
    if (!('key' in meaning)) return;
    const { key } = meaning;
    if (kind !== 'removed' || !operation.effects.has(key)) operation.effects.set(key, operation.effect);
    for (const origin of operation.written)
      if (origin.key === key) Object.assign(origin, { order: operation.effect, time: this.#scheduler.now });
  }

  // ----------------------------------------------------------------------------------------------------------- calls

  newValue(
    key: string,
    version: number,
    { tags = [], isForeign = false }: { tags?: readonly string[]; isForeign?: boolean } = {},
  ): { readonly value: SimulatedValue; readonly origin: Origin } {
    this.#ids++;
    const never = Number.POSITIVE_INFINITY;
    const origin: Origin = {
      key,
      tags: new Set(tags),
      isForeign,
      order: never,
      time: never,
      isDoubtful: false,
      isCommitted: false,
    };
    this.#origins.set(this.#ids, origin);
    return { value: { id: this.#ids, key, version }, origin };
  }

  /** Makes a call, and holds what comes of it against the promises. Never rejects. */
  async call<T>(
    about: CallAbout,
    make: () => Promise<T>,
    values: (result: T) => readonly [key: string, value: unknown][],
  ): Promise<void> {
    const operation = this.#begin(about);
    const { id, verb, region, keys, tags, hard } = operation;
    const name = `call ${id}: ${region.label} ${verb} ${[...keys, ...tags].join(' ')}${isInvalidation(verb) ? (hard ? ' hard' : ' soft') : ''}`;
    this.log(name);
    try {
      const result = await current.run(operation, make);
      const found = values(result);
      this.log(`${name} → ${JSON.stringify(found.map(([, value]) => (isSimulatedValue(value) ? value.id : value)))}`);
      for (const [key, value] of found) this.#finality.check(operation, key, value);
      this.#finality.finished(operation);
      if (isRemoval(verb) || isSaid(verb)) for (const key of keys) this.#ledger.overruled(key, this.#scheduler.now);
    } catch (error) {
      this.log(`${name} → ${String(error)}`);
      this.troubles.checkFailure(operation, error);
    } finally {
      this.#say(operation);
      this.#pending.delete(operation);
      this.#promptness.ended(operation);
    }
    this.troubles.checkProbe(operation);
    if (!this.troubles.isRecovering(region, operation.time)) this.#promptness.check(operation);
  }

  #begin(about: CallAbout): Operation {
    const { verb, region, keys = [], tags = [], written = [], signal, lockWait = false, hard = false } = about;
    const time = this.#scheduler.now;
    this.calls++;
    const operation: Operation = {
      id: this.calls,
      verb,
      region,
      keys,
      tags,
      written,
      signal,
      lockWait,
      hard,
      order: this.#tick(),
      time,
      step: this.#scheduler.steps,
      barriers: this.#finality.barriersFor(verb, region.process, time),
      hardBarriers: this.#finality.barriersFor('set', region.process, time),
      ownBarriers: new Map(region.barriers),
      localBarriers: new Map(region.localBarriers),
      presentSince: this.#promptness.presentSince,
      tickets: new Tickets(),
      askedAt: undefined,
      effect: undefined,
      effectAt: undefined,
      effects: new Map(),
      creates: false,
    };
    this.#say(operation);
    if (isInvalidation(verb) && hard) region.cutCalledAt = time;
    this.#promptness.began(operation);
    this.#pending.add(operation);
    return operation;
  }

  #say(operation: Operation): void {
    const { region, verb, hard } = operation;
    const { now } = this.#scheduler;
    for (const scope of scopesOf(operation)) region.saidAt.set(scope, now);
    if (verb === 'invalidate' && hard) region.revokedAt = now;
  }

  /** A creator is called. */
  beginCreation(region: WatchedRegion, key: string): Creation {
    const { process, label } = region;
    const operation = current.getStore();
    if (operation) operation.creates = true;
    const won = operation?.tickets.get(key);
    const hasLostLease = won !== undefined && this.#model.isLeaseLost?.(won.token) === true;
    const token = hasLostLease ? undefined : won?.token;
    const { value, origin } = this.newValue(key, 0);
    const creation: Creation = Object.assign(origin, {
      id: value.id,
      order: this.#tick(),
      time: this.#scheduler.now,
      askedAt: operation?.time ?? this.#scheduler.now,
      process,
      region,
      token,
      hasLostLease,
      endedIn: undefined,
    });
    this.creations++;
    this.log(`${label} creates ${key} as ${value.id} ${token ? `under #${token.slice(0, 4)}` : 'without a lease'}`);
    this.#elections.began(creation, operation, (since) => this.troubles.isCutOff(region, since));
    return creation;
  }

  endCreation(creation: Creation): void {
    creation.endedIn = this.#scheduler.steps;
    const { process, token } = creation;
    const lapsed = token === undefined ? undefined : this.#ledger.lapsed(token, this.#scheduler.now);
    if (lapsed && Math.max(process.troubledAt, process.disturbedAt) < lapsed.at)
      this.violated(`${process.name} let its lease lapse while it created ${creation.key}`);
    this.#elections.ended(creation);
  }

  /** At rest, with everybody awake and the store in reach. */
  checkRest(processes: readonly SimulatedProcess[], regions: Iterable<WatchedRegion>): void {
    for (const { region, verb, keys, id } of this.#pending) {
      if (region.process.isAlive)
        this.violated(`call ${id} of ${region.label} ${verb} ${keys.join(' ')} never settles`);
    }
    for (const { key, token, process, at } of this.#ledger.open) {
      if (process.isAlive && process.troubledAt < at && process.disturbedAt < at)
        this.violated(`${process.name} has kept the lease ${key}#${token.slice(0, 4)}`);
    }
    for (const { key, token, process } of this.#ledger.notTakenBack) {
      if (process.isAlive && process.troubledAt < this.#scheduler.now - this.#options.deadline)
        this.violated(`${process.name} has not taken back what it stored under ${key}#${token.slice(0, 4)}`);
    }
    for (const { name, isAlive, timers } of processes) {
      if (isAlive && timers > 0) this.violated(`${name} has ${timers} timers set with nothing left to do`);
    }
    for (const { label, process, breaker } of regions) {
      if (process.isAlive && breaker.state === 'half-open')
        this.violated(`${label} waits for ever for the one call that shows whether its store is back`);
    }
  }

  /** Order of events. */
  #tick(): number {
    this.#order++;
    return this.#order;
  }
}
