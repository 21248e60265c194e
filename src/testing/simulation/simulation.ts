/**
 * A simulation: several processes with real regions, one store, a network between them and everything that goes wrong, drawn from one
 * seed. Decides what there is and when it ends; what goes wrong is `trouble-maker.ts`'s, what is a violation `checks.ts`'s.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ChannelMessages } from '../../channels.js';
import { BackendTimeoutError } from '../../errors.js';
import { makeRegion } from '../../region/region.js';
import type { SimulatedValue, WatchedRegion } from './calls.js';
import type { Chance } from './chance.js';
import { Client, Database } from './clients.js';
import type { StoreModel } from './model.js';
import { Network } from './network.js';
import { SimulatedProcess } from './process.js';
import { Scheduler } from './scheduler.js';
import { MISFORTUNES, type Misfortunes, QUIET, TroubleMaker } from './trouble-maker.js';
import { Watch } from './watch.js';

export interface CommonOptions {
  /** The same seed is the same run. */
  readonly seed: number;
  /** Default: 2 to 4, drawn. */
  readonly processes?: number | undefined;
  /** Calls of each client, of which each process has one to three. Default 10. */
  readonly calls?: number | undefined;
  /** `false`: nothing goes wrong but delays. Default `true`. */
  readonly faults?: boolean | undefined;
  /** Whether the store keeps generations. Default: drawn. */
  readonly generations?: boolean | undefined;
  /** Whether entries bear tags. Default: drawn. */
  readonly tags?: boolean | undefined;
  /** Whether there is a program that is not ours, where the store knows of one. Default: drawn. */
  readonly stranger?: boolean | undefined;
  /** Milliseconds that the clock of a process may be ahead or behind, where anything goes wrong. Default 2000. */
  readonly skew?: number | undefined;
  /** How many times faster everything goes that is no deadline: 100 makes milliseconds of tenths of a second. Default 1. */
  readonly haste?: number | undefined;
  /** How likely each misfortune is, beside the others. */
  readonly misfortunes?: Partial<Misfortunes> | undefined;
  /** Whether a trace is kept. Default `false`. */
  readonly trace?: boolean | undefined;
}

export interface SimulationReport {
  readonly seed: number;
  readonly steps: number;
  readonly calls: number;
  readonly creations: number;
  /** What was promised and did not hold. */
  readonly violations: readonly string[];
  readonly trace: readonly string[];
}

const BREAKER = 'dogpile.cache:breaker';
const TROUBLE = 'dogpile.cache:backend-error';
const LOCK_TIMEOUT = 1000;
const LOCK_MAX_HOLD = 4000;
export const LEASES = { lockTimeout: LOCK_TIMEOUT, lockMaxHold: LOCK_MAX_HOLD, lockSleep: 50 };
/** Milliseconds that a request may take when nothing goes wrong. */
export const DEADLINE = 300;
const COOLDOWN = 500;
const SKEW = 2000;
/** By then everything has come to rest, or never will. */
const PATIENCE = 120_000;
const MOST_STEPS = 40_000;

export class Simulation<Request, Reply> {
  readonly #options: CommonOptions;
  readonly #chance: Chance;
  readonly #model: StoreModel<Request, Reply>;
  readonly #scheduler: Scheduler;
  readonly #network: Network<Request, Reply>;
  readonly #watch: Watch<Request, Reply>;
  readonly #trouble: TroubleMaker;
  readonly #database = new Database();
  readonly #processes: SimulatedProcess[] = [];
  #stranger: SimulatedProcess | undefined;
  readonly #keys: readonly string[];
  readonly #tags: readonly string[];
  readonly #keepsGenerations: boolean;
  /** Deadlines are the region's, not the client's. */
  readonly #isGuarded: boolean;
  readonly #faulty: boolean;
  readonly #skew: number;
  readonly #haste: number;
  readonly #regions = new Map<unknown, WatchedRegion>();
  /** Clients that have not made all their calls. */
  readonly #busy = new Map<SimulatedProcess, number>();
  /** Regions that have nothing left to do but to come to rest. */
  readonly #resting = new Set<WatchedRegion>();

  constructor(
    model: StoreModel<Request, Reply>,
    chance: Chance,
    options: CommonOptions,
    keepsGenerations: boolean,
    strike?: 'kill' | 'silence',
  ) {
    this.#options = options;
    this.#chance = chance;
    this.#model = model;
    this.#keepsGenerations = keepsGenerations;
    this.#isGuarded = chance.hits(0.4);
    this.#faulty = options.faults ?? true;
    this.#skew = options.skew ?? SKEW;
    this.#haste = options.haste ?? 1;
    this.#keys = (model.keys ?? ['a', 'b', 'c']).slice(0, chance.between(1, 3));
    this.#tags = (options.tags ?? chance.hits(0.5)) ? ['x', 'y'] : [];
    this.#scheduler = new Scheduler(chance);
    this.#watch = new Watch(this.#scheduler, model, {
      deadline: DEADLINE,
      lockMaxHold: LOCK_MAX_HOLD,
      cooldown: COOLDOWN,
      skew: 2 * this.#skew,
      keys: this.#keys,
      trace: options.trace ?? false,
      doubted: (process) => strike && this.#trouble.strike(process, strike),
    });
    this.#network = new Network(this.#scheduler, model, this.#watch.requests, {
      deadline: this.#isGuarded || !model.wire.rejects ? DEADLINE - 1 : DEADLINE,
      rejects: model.wire.rejects && !this.#isGuarded,
      isOrdered: model.wire.isOrdered,
      laneOf: model.wire.laneOf,
      isBatched: model.wire.isBatched ?? false,
      haste: this.#haste,
      faults: { ...QUIET },
    });
    this.#trouble = new TroubleMaker({
      scheduler: this.#scheduler,
      network: this.#network,
      processes: this.#processes,
      misfortunes: { ...MISFORTUNES, ...options.misfortunes },
      evict: () => {
        for (const meaning of model.evict(chance)) this.#watch.requests.happened(meaning);
      },
      log: (line) => this.#watch.notes.log(line),
    });
    model.publish = (key) => this.#network.publish(key);
    model.won = (key, token) => this.#watch.requests.won(key, token);
    model.violated = (what) => this.#watch.notes.violated(what);
  }

  async run(): Promise<SimulationReport> {
    subscribe(BREAKER, this.#breakerChanged);
    subscribe(TROUBLE, this.#troubled);
    try {
      return await this.#run();
    } finally {
      unsubscribe(BREAKER, this.#breakerChanged);
      unsubscribe(TROUBLE, this.#troubled);
    }
  }

  readonly #troubled = (message: unknown): void => {
    const { region, ...trouble } = message as ChannelMessages[typeof TROUBLE];
    if (this.#regions.has(region) && trouble.error instanceof BackendTimeoutError) this.#watch.requests.ranOut(trouble);
  };

  readonly #breakerChanged = (message: unknown): void => {
    const { region, state } = message as ChannelMessages[typeof BREAKER];
    const watched = this.#regions.get(region);
    if (!watched) return;
    this.#watch.notes.log(`the breaker of ${watched.label} is ${state}`);
    this.#watch.troubles.breakerChanged(watched, state);
  };

  async #run(): Promise<SimulationReport> {
    const { seed, processes = this.#chance.between(2, 4) } = this.#options;
    for (let at = 1; at <= processes; at++) this.#start(`p${at}`);
    if (this.#model.stranger && (this.#options.stranger ?? this.#chance.hits(0.4))) this.#startStranger('stranger');
    if (this.#faulty) this.#trouble.begin();
    await this.#scheduler.run(PATIENCE, { steps: MOST_STEPS, stop: () => this.#isDone() });
    this.#trouble.end();
    await this.#scheduler.run(this.#scheduler.now + PATIENCE, { steps: MOST_STEPS });
    // A program that is not ours may wait for ever for a lock that it could not give back.
    const ours = this.#processes.filter((process) => process !== this.#stranger);
    this.#watch.checkRest(ours, this.#regions.values());
    for (const { label, process } of this.#resting)
      if (process.isAlive) this.#watch.notes.violated(`${label} is never idle`);
    const { calls, creations, notes } = this.#watch;
    const { violations, trace } = notes;
    return {
      seed,
      steps: this.#scheduler.steps,
      calls: calls.count,
      creations: creations.count,
      violations,
      trace,
    };
  }

  #isDone(): boolean {
    return (
      this.#scheduler.now > 30_000 || [...this.#busy].every(([process, clients]) => clients === 0 || !process.isAlive)
    );
  }

  /** A process with one region or two over one backend, and its clients. */
  #start(name: string): void {
    const chance = this.#chance;
    const process = this.#newProcess(name, this.#faulty ? chance.between(-this.#skew, this.#skew) : 0);
    const backend = this.#model.connect(this.#network.link(process), process);
    const servesStale = chance.hits(0.8);
    const expirationTime = this.#expirationTime();
    const siblings: WatchedRegion[] = [];
    for (let at = 0; at < (chance.hits(0.25) ? 2 : 1); at++) {
      const region = makeRegion<SimulatedValue>({ name: 'simulated', clock: process.clock, random: chance.next });
      region.configure(backend, {
        expirationTime,
        serveStale: servesStale,
        backendTimeout: this.#isGuarded ? DEADLINE : Number.POSITIVE_INFINITY,
        breaker: this.#isGuarded ? { failures: 4, cooldown: COOLDOWN } : false,
        ...(this.#keepsGenerations ? {} : { regionInvalidator: 'local' as const }),
      });
      const label = at === 0 ? name : `${name}'`;
      const watched = this.#watchedRegion({ label, process, expirationTime, servesStale, siblings });
      siblings.push(watched);
      this.#regions.set(region, watched);
      const setting = { watch: this.#watch, chance, database: this.#database, keys: this.#keys, tags: this.#tags };
      const clients = Array.from({ length: chance.between(1, 3) }, () =>
        new Client(setting, region, watched).run(this.#options.calls ?? 10),
      );
      this.#awaitClients(process, clients);
      void Promise.all(clients).then(async () => {
        this.#resting.add(watched);
        await region.idle();
        this.#resting.delete(watched);
      });
    }
  }

  /** A program that is not ours. Its clock is the store's. */
  #startStranger(name: string): void {
    const process = this.#newProcess(name, 0);
    this.#stranger = process;
    const expirationTime = this.#expirationTime();
    const region = this.#watchedRegion({ label: name, process, expirationTime, servesStale: true, siblings: [] });
    const written = (key: string, write: (value: SimulatedValue) => Promise<void>) => {
      const { value, origin } = this.#watch.origins.newValue(key, this.#database.read(key), { isForeign: true });
      const about = { verb: 'elsewhere', region, keys: [key], written: [origin] } as const;
      return this.#watch.calls.make(
        about,
        () => write(value),
        () => [],
      );
    };
    const setting = { process, chance: this.#chance, keys: this.#keys, deadline: DEADLINE, expirationTime, written };
    const stranger = this.#model.stranger?.(this.#network.link(process), setting);
    if (stranger) this.#awaitClients(process, [stranger.run(2 * (this.#options.calls ?? 10))]);
  }

  #newProcess(name: string, skew: number): SimulatedProcess {
    const process = new SimulatedProcess(name, this.#scheduler, { skew, haste: this.#haste });
    this.#processes.push(process);
    return process;
  }

  #expirationTime(): number {
    return this.#chance.between(200, 2000) / this.#haste;
  }

  #awaitClients(process: SimulatedProcess, clients: readonly Promise<void>[]): void {
    const left = () => this.#busy.get(process) ?? 0;
    this.#busy.set(process, left() + clients.length);
    for (const client of clients) void client.then(() => this.#busy.set(process, left() - 1));
  }

  #watchedRegion(
    of: Pick<WatchedRegion, 'label' | 'process' | 'expirationTime' | 'servesStale' | 'siblings'>,
  ): WatchedRegion {
    const never = Number.NEGATIVE_INFINITY;
    return {
      ...of,
      shared: this.#keepsGenerations ? 'simulated' : undefined,
      breaker: { state: 'closed', changedAt: never, closedAt: never, probe: undefined },
      barriers: new Map(),
      localBarriers: new Map(),
      saidAt: new Map(),
      cutCalledAt: never,
      revokedAt: never,
    };
  }
}
