/**
 * The checks of a simulation: what is told of calls, creations and requests is held against the promises. Decides what is a violation;
 * takes no part in what happens.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { CreationTimeoutError, LockTimeoutError } from '../../errors.js';
import { Ledger } from './ledger.js';
import type { Meaning, StoreModel, Won } from './model.js';
import type { Wiretap } from './network.js';
import type { SimulatedProcess } from './process.js';
import type { Scheduler } from './scheduler.js';

/** The call that the running code is part of. One for all simulations: until Node 24 every storage slows every promise of the process. */
const current = new AsyncLocalStorage<Operation>();

/** What is cached. */
export interface SimulatedValue {
  readonly id: number;
  readonly key: string;
  /** Of the database, when it was read. */
  readonly version: number;
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

/** Where a value comes from: a creation, or a `set`. */
interface Origin {
  readonly key: string;
  /** When the creator was called, or when the store carried the `set` out: in the order of events, and in time. */
  order: number;
  time: number;
}

export interface Creation extends Origin {
  readonly id: number;
  readonly process: SimulatedProcess;
  readonly region: WatchedRegion;
  /** Of the lease that it runs under; `undefined`: the store was out of reach. */
  readonly token: string | undefined;
  /** The step of the simulation in which its creator settled. */
  endedIn: number | undefined;
}

export interface WatchedRegion {
  readonly label: string;
  readonly process: SimulatedProcess;
  /** By name, in the store; else in the process. */
  readonly shared: string | undefined;
  readonly expirationTime: number;
  /** Whether a stale value is served rather than waited for. */
  readonly servesStale: boolean;
  /** As the region says. `closedAt`: when it was closed last, after trouble. */
  readonly breaker: { isClosed: boolean; closedAt: number };
  /** Hard and soft invalidations of this process that were called, or have returned: what is older is invalidated. */
  /** When it called for what it deleted, set or invalidated itself, by key. */
  readonly barriers: Map<string, number>;
  hardCalledAt: number;
  hardDoneAt: number;
  softCalledAt: number;
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
  | 'invalidate';

export interface Operation {
  readonly id: number;
  readonly verb: Verb;
  readonly region: WatchedRegion;
  readonly keys: readonly string[];
  readonly order: number;
  readonly time: number;
  /** The step of the simulation in which it began. */
  readonly step: number;
  /** By key: what was deleted, set or invalidated by then. */
  readonly barriers: ReadonlyMap<string, number>;
  /** The same, by its own region. */
  readonly ownBarriers: ReadonlyMap<string, number>;
  readonly localBarrier: number;
  /** Whether each key could be served all the time: since when it is there. */
  readonly presentSince: ReadonlyMap<string, number | undefined>;
  readonly written: readonly Origin[];
  readonly signal: AbortSignal | undefined;
  readonly lockWait: boolean;
  readonly hard: boolean;
  /** When the store carried it out last. */
  effect: number | undefined;
  /** Its creator was called. */
  creates: boolean;
  readonly tickets: Tickets;
}

/** What one call may create under, by key: leases that it has learnt that it won; `undefined` where it could not ask. */
class Tickets extends Map<string, Won | undefined> {
  lost(token: string): void {
    for (const [key, won] of this) if (won?.token === token) this.delete(key);
  }
}

export interface WatchOptions {
  /** Milliseconds that a request may take when nothing goes wrong. */
  readonly deadline: number;
  /** How long after trouble a process may still go on without the store. */
  readonly recovery: number;
  /** How far clocks differ at most. */
  readonly skew: number;
  readonly keys: readonly string[];
  readonly trace: boolean;
}

export class Watch<Request, Reply> implements Wiretap<Request, Reply> {
  readonly violations: string[] = [];
  readonly trace: string[] = [];
  /** Calls that have not settled. */
  readonly pending = new Set<Operation>();
  readonly ledger = new Ledger((what) => this.violated(what));
  calls = 0;
  creations = 0;
  readonly #scheduler: Scheduler;
  readonly #model: StoreModel<Request, Reply>;
  readonly #options: WatchOptions;
  /** Calls by the requests that they sent. */
  readonly #senders = new Map<number, Operation>();
  /** By token. */
  readonly #winners = new Map<string, Tickets>();
  readonly #origins = new Map<number, Origin>();
  readonly #running = new Set<Creation>();
  /** In the order of events: what began before is gone for calls that begin from here on. */
  readonly #barriers = new Map<string, number>();
  readonly #presentSince = new Map<string, number>();
  /** Hard invalidations of all processes. */
  #cutAt = Number.NEGATIVE_INFINITY;
  #cutsUnderWay = 0;
  #order = 0;
  #ids = 0;

  constructor(scheduler: Scheduler, model: StoreModel<Request, Reply>, options: WatchOptions) {
    this.#scheduler = scheduler;
    this.#model = model;
    this.#options = options;
  }

  violated(what: string): void {
    this.violations.push(`at ${this.#scheduler.now} ms: ${what}`);
    this.log(`VIOLATION: ${what}`);
  }

  log(line: string): void {
    if (this.#options.trace) this.trace.push(`${String(this.#scheduler.now).padStart(7)} ${line}`);
  }

  // -------------------------------------------------------------------------------------------------------- requests

  sent(process: SimulatedProcess, id: number, request: Request): void {
    const operation = current.getStore();
    if (operation) this.#senders.set(id, operation);
    for (const token of this.#model.leasesReleased(request)) {
      this.#winners.get(token)?.lost(token);
      this.ledger.givesUp(token);
    }
    this.log(`${process.name} asks ${id}: ${this.#options.trace ? this.#model.describe(request) : ''}`);
  }

  handled(process: SimulatedProcess, id: number, request: Request, reply: Reply): void {
    this.log(`store ${id} of ${process.name}: ${this.#options.trace ? this.#model.describe(request, reply) : ''}`);
    const meanings = this.#model.meaningOf(request, reply);
    const operation = this.#senders.get(id);
    for (const meaning of meanings) this.happened(meaning, process, id);
    if (operation && meanings.length > 0 && (operation.written.length > 0 || isRemoval(operation.verb)))
      this.#takesEffect(operation, meanings);
  }

  /** Something happened to the store; without a process: by itself. */
  happened(meaning: Meaning, process?: SimulatedProcess, id = 0): void {
    if (!process) this.log(`store by itself: ${meaning.kind} ${'key' in meaning ? meaning.key : meaning.region}`);
    this.ledger.enter(meaning, process, id, this.#scheduler.now);
    if (meaning.kind === 'invalidated' && meaning.hard) this.#cutAt = this.#scheduler.now;
    for (const key of this.#options.keys) {
      if (this.#model.entryOf(key) === undefined) this.#presentSince.delete(key);
      else if (!this.#presentSince.has(key)) this.#presentSince.set(key, this.#scheduler.now);
    }
  }

  answered(process: SimulatedProcess, id: number, request: Request, reply: Reply): void {
    this.log(`${process.name} learns ${id}`);
    const tickets = this.#senders.get(id)?.tickets;
    if (!tickets) return;
    for (const [key, won] of this.#model.leasesWon(request, reply)) {
      tickets.set(key, won);
      this.#winners.set(won.token, tickets);
    }
  }

  failed(process: SimulatedProcess, id: number, request: Request): void {
    this.log(`${process.name} fails ${id}`);
    for (const key of this.#model.leasesAsked(request)?.keys() ?? [])
      this.#senders.get(id)?.tickets.set(key, undefined);
  }

  #takesEffect(operation: Operation, meanings: readonly Meaning[]): void {
    if (!meanings.some(({ kind }) => kind === 'said' || kind === 'removed' || kind === 'invalidated')) return;
    operation.effect = this.tick();
    for (const origin of operation.written)
      Object.assign(origin, { order: operation.effect, time: this.#scheduler.now });
  }

  // ----------------------------------------------------------------------------------------------------------- calls

  /** Order of events. */
  tick(): number {
    this.#order++;
    return this.#order;
  }

  newValue(key: string, version: number): { readonly value: SimulatedValue; readonly origin: Origin } {
    this.#ids++;
    const origin: Origin = { key, order: Number.POSITIVE_INFINITY, time: Number.POSITIVE_INFINITY };
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
    const { id, verb, region, keys } = operation;
    const name = `call ${id}: ${region.label} ${verb} ${keys.join(' ')}`;
    this.log(`${name}${operation.verb === 'invalidate' ? (operation.hard ? 'hard' : 'soft') : ''}`);
    try {
      const result = await current.run(operation, make);
      const found = values(result);
      this.log(`${name} → ${JSON.stringify(found.map(([, value]) => (isValue(value) ? value.id : value)))}`);
      for (const [key, value] of found) this.#checkValue(operation, key, value);
      this.#finished(operation);
    } catch (error) {
      this.log(`${name} → ${String(error)}`);
      this.#checkFailure(operation, error);
    } finally {
      this.pending.delete(operation);
      if (verb === 'invalidate' && operation.hard) this.#cutsUnderWay--;
    }
    this.#checkPromptness(operation);
  }

  #begin({ verb, region, keys = [], written = [], signal, lockWait = false, hard = false }: CallAbout): Operation {
    const now = this.#scheduler.now;
    this.calls++;
    const barriers = new Map(keys.map((key) => [key, this.#barriers.get(key) ?? 0]));
    const presentSince = new Map(keys.map((key) => [key, this.#presentSince.get(key)]));
    if (verb === 'invalidate') {
      if (hard) region.hardCalledAt = now;
      else region.softCalledAt = now;
      if (hard) this.#cutsUnderWay++;
    }
    const operation: Operation = {
      id: this.calls,
      verb,
      region,
      keys,
      order: this.tick(),
      time: now,
      step: this.#scheduler.steps,
      barriers,
      ownBarriers: new Map(region.barriers),
      localBarrier: region.hardDoneAt,
      presentSince: this.#cutsUnderWay > 0 ? new Map() : presentSince,
      written,
      signal,
      lockWait,
      hard,
      effect: undefined,
      creates: false,
      tickets: new Tickets(),
    };
    this.pending.add(operation);
    return operation;
  }

  /** A delete, set or hard invalidation has returned: what began before it was carried out must not come back. */
  #finished({ verb, region, keys, effect, order, time, hard }: Operation): void {
    if (verb === 'invalidate') {
      if (!hard) return;
      if (region.shared === undefined) region.hardDoneAt = Math.max(region.hardDoneAt, time);
      else for (const key of this.#options.keys) this.#raise(region, key, order, effect);
      return;
    }
    if (!isRemoval(verb) && verb !== 'set' && verb !== 'setMulti') return;
    if (effect === undefined)
      return this.violated(`${verb} of ${keys.join(' ')} returned without having been carried out`);
    for (const key of keys) this.#raise(region, key, order, effect);
  }

  #raise(region: WatchedRegion, key: string, called: number, effect = 0): void {
    this.#barriers.set(key, Math.max(this.#barriers.get(key) ?? 0, effect));
    region.barriers.set(key, Math.max(region.barriers.get(key) ?? 0, called));
  }

  // ------------------------------------------------------------------------------------------------------- creations

  /** A creator is called. */
  beginCreation(region: WatchedRegion, key: string): Creation {
    const { process } = region;
    const now = this.#scheduler.now;
    const operation = current.getStore();
    if (operation) operation.creates = true;
    const hasTicket = operation?.tickets.has(key) === true;
    const ticket = operation?.tickets.get(key);
    operation?.tickets.delete(key);
    const { value, origin } = this.newValue(key, 0);
    const creation: Creation = Object.assign(origin, {
      id: value.id,
      order: this.tick(),
      time: now,
      process,
      region,
      token: ticket?.token,
      endedIn: undefined,
    });
    this.creations++;
    this.log(
      `${region.label} creates ${key} as ${value.id}${ticket ? ` under #${ticket.token.slice(0, 4)}` : ' without a lease'}`,
    );
    if (!hasTicket && !this.#isCutOff(region, operation?.time))
      this.violated(`${process.name} creates ${key} without having asked for its lease`);
    if (ticket) this.#checkElection(creation, ticket, region);
    this.#running.add(creation);
    return creation;
  }

  endCreation(creation: Creation): void {
    creation.endedIn = this.#scheduler.steps;
    this.#running.delete(creation);
  }

  /** Promise 1: one creation at a time while its lease stands; and none of what is there already. */
  #checkElection(creation: Creation, ticket: Won, region: WatchedRegion): void {
    const { key, process } = creation;
    for (const other of this.#running) {
      if (other.key !== key || other.token === undefined || other.token === ticket.token) continue;
      const { now } = this.#scheduler;
      if (other.process.isAlive && this.ledger.stands(other.token, now) && this.ledger.stands(ticket.token, now)) {
        this.violated(`${process.name} creates ${key} while ${other.process.name} does, whose lease stands`);
      }
    }
    if (ticket.stored && this.#isSurelyFresh(ticket.stored, ticket, region)) {
      this.violated(
        `${process.name} creates ${key} although a fresh value came with its lease: ${Buffer.from(ticket.stored).toString()}`,
      );
    }
  }

  #isSurelyFresh(bytes: Uint8Array, { record }: Won, region: WatchedRegion): boolean {
    const { metadata } = parse(bytes);
    const { ct, dt = 0, g } = metadata;
    const now = region.process.clock.now();
    if (now - ct * 1000 >= region.expirationTime - 1) return false;
    if (region.shared !== undefined)
      return (
        g !== undefined && record !== undefined && g[0] === record.rid && g[1] >= Math.max(record.hard, record.soft)
      );
    const cut = Math.max(region.hardCalledAt, region.softCalledAt) - this.#scheduler.now + now;
    return (ct - dt) * 1000 > cut + 1;
  }

  // ---------------------------------------------------------------------------------------------------------- checks

  /** Promise 3, and that a value is one of its key. */
  #checkValue(operation: Operation, key: string, value: unknown): void {
    if (value === undefined && (operation.verb === 'get' || operation.verb === 'getMulti')) return;
    const { region, id } = operation;
    if (!isValue(value)) return this.violated(`call ${id} for ${key} was given ${String(value)}`);
    const origin = this.#origins.get(value.id);
    if (!origin || origin.key !== key || value.key !== key)
      return this.violated(`call ${id} for ${key} was given a value of ${value.key}`);
    // What was created while the store was out of reach knows of its own region's invalidations alone (protocol).
    const isUnleased = 'token' in origin && origin.token === undefined;
    const barriers = isUnleased ? operation.ownBarriers : operation.barriers;
    if (origin.order < (barriers.get(key) ?? 0)) {
      this.violated(
        `call ${id} of ${region.label} was given ${value.id} of ${key}, which was deleted, set or invalidated before the call began`,
      );
    }
    if (region.shared === undefined && origin.time + this.#options.skew < operation.localBarrier) {
      this.violated(
        `call ${id} of ${region.label} was given ${value.id} of ${key}, which its region had invalidated before the call began`,
      );
    }
  }

  /** Promise 2: nobody waits for what is there. */
  #checkPromptness(operation: Operation): void {
    const { region, verb, keys, time, id } = operation;
    const { now } = this.#scheduler;
    const isCreator = operation.creates || (verb !== 'getOrCreate' && verb !== 'getOrCreateMulti');
    if (isCreator || !region.servesStale || now - time <= 5 * this.#options.deadline) return;
    if (this.#isTroubled(region.process, time)) return;
    const isServable = (key: string) => {
      const since = operation.presentSince.get(key);
      const cut = Math.max(this.#cutAt, region.hardCalledAt) + this.#options.skew;
      return since !== undefined && since === this.#presentSince.get(key) && since > cut && since < time;
    };
    if (this.#cutsUnderWay === 0 && keys.every(isServable)) {
      this.violated(
        `call ${id} of ${region.label} waited ${now - time} ms for ${keys.join(' ')}, of which there was a value all the time`,
      );
    }
  }

  /** Promise 6, and that nothing else goes wrong. */
  #checkFailure(operation: Operation, error: unknown): void {
    const { id, verb, keys, region, step } = operation;
    if (error instanceof SimulatedFailure) {
      const theirs = error.creations.filter(({ key }) => keys.includes(key));
      if (theirs.length === 0)
        this.violated(`call ${id} for ${keys.join(' ')} was told of the failure of others: ${error.message}`);
      for (const { endedIn, id: which } of theirs) {
        if (endedIn !== undefined && endedIn < step)
          this.violated(`call ${id} was told of the failure of ${which}, which was over before it began`);
      }
      return;
    }
    if (operation.signal?.aborted && error === operation.signal.reason) return;
    if (operation.lockWait && error instanceof LockTimeoutError) return;
    if (error instanceof CreationTimeoutError) return;
    const isWrite = verb !== 'getOrCreate' && verb !== 'getOrCreateMulti' && verb !== 'get' && verb !== 'getMulti';
    if (isWrite && this.#isCutOff(region, operation.time)) return;
    this.violated(
      `call ${id} of ${region.label} ${verb} was rejected with ${error instanceof Error ? error.stack : String(error)}`,
    );
  }

  /** At rest, with everybody awake and the store in reach. */
  checkRest(processes: readonly SimulatedProcess[]): void {
    for (const { region, verb, keys, id } of this.pending) {
      if (region.process.isAlive)
        this.violated(`call ${id} of ${region.label} ${verb} ${keys.join(' ')} never settles`);
    }
    for (const { key, token, process, at } of this.ledger.open) {
      if (process.isAlive && process.troubledAt < at && process.disturbedAt < at)
        this.violated(`${process.name} has kept the lease ${key}#${token.slice(0, 4)}`);
    }
    for (const { name, isAlive, timers } of processes) {
      if (isAlive && timers > 0) this.violated(`${name} has ${timers} timers set with nothing left to do`);
    }
  }

  /** Whether a call that began then may have found that its region can't ask the store. */
  #isCutOff({ process, breaker }: WatchedRegion, since = this.#scheduler.now): boolean {
    return !breaker.isClosed || Math.max(breaker.closedAt, process.troubledAt, process.disturbedAt) >= since;
  }

  /** Since a call began, or shortly before. Who has been paused finds his deadlines passed when he goes on. */
  #isTroubled({ troubledAt, disturbedAt, isInTrouble }: SimulatedProcess, since = this.#scheduler.now): boolean {
    return isInTrouble || Math.max(troubledAt, disturbedAt) >= since - this.#options.recovery;
  }
}

/** What is said of a call when it begins. */
export interface CallAbout {
  readonly verb: Verb;
  readonly region: WatchedRegion;
  readonly keys?: readonly string[];
  readonly written?: readonly Origin[];
  readonly signal?: AbortSignal | undefined;
  readonly lockWait?: boolean;
  readonly hard?: boolean;
}

function isRemoval(verb: Verb): boolean {
  return verb === 'delete' || verb === 'deleteMulti' || verb === 'invalidate';
}

function isValue(value: unknown): value is SimulatedValue {
  return typeof value === 'object' && value !== null && 'id' in value && 'key' in value;
}

interface Parsed {
  readonly metadata: { readonly ct: number; readonly dt?: number; readonly g?: readonly [string, number] };
}

function parse(bytes: Uint8Array): Parsed {
  const text = Buffer.from(bytes).toString();
  return { metadata: JSON.parse(text.slice(0, text.indexOf('|'))) };
}
