/** The calls of a simulation, from what was known when one began to what came of it. Decides which checks look at a call's end. */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type CallAbout,
  isInvalidation,
  isRemoval,
  isSaid,
  isSimulatedValue,
  type Operation,
  scopesOf,
  Tickets,
} from './calls.js';
import type { Checks } from './checks.js';

/** The call that the running code is part of. One for all simulations: until Node 24 every storage slows every promise of the process. */
const current = new AsyncLocalStorage<Operation>();

export class WatchedCalls {
  readonly #checks: Checks;
  /** Calls that have not settled. */
  readonly #pending = new Set<Operation>();
  #count = 0;

  constructor(checks: Checks) {
    this.#checks = checks;
  }

  /** So far. */
  get count(): number {
    return this.#count;
  }

  get current(): Operation | undefined {
    return current.getStore();
  }

  get pending(): Iterable<Operation> {
    return this.#pending;
  }

  /** Makes a call, and holds what comes of it against the promises. Never rejects. */
  async make<T>(
    about: CallAbout,
    make: () => Promise<T>,
    values: (result: T) => readonly [key: string, value: unknown][],
  ): Promise<void> {
    const { notes, scheduler, ledger, finality, promptness, troubles } = this.#checks;
    const operation = this.#begin(about);
    const { id, verb, region, keys, tags, hard } = operation;
    const name = `call ${id}: ${region.label} ${verb} ${[...keys, ...tags].join(' ')}${isInvalidation(verb) ? (hard ? ' hard' : ' soft') : ''}`;
    notes.log(name);
    try {
      const result = await current.run(operation, make);
      const found = values(result);
      notes.log(`${name} → ${JSON.stringify(found.map(([, value]) => (isSimulatedValue(value) ? value.id : value)))}`);
      for (const [key, value] of found) finality.check(operation, key, value);
      finality.finished(operation);
      if (isRemoval(verb) || isSaid(verb)) for (const key of keys) ledger.overruled(key, scheduler.now);
    } catch (error) {
      notes.log(`${name} → ${String(error)}`);
      troubles.checkFailure(operation, error);
    } finally {
      this.#say(operation);
      this.#pending.delete(operation);
      promptness.ended(operation);
    }
    troubles.checkProbe(operation);
    if (!troubles.isRecovering(region, operation.time)) promptness.check(operation);
  }

  #begin(about: CallAbout): Operation {
    const { scheduler, origins, finality, promptness } = this.#checks;
    const { verb, region, keys = [], tags = [], written = [], signal, lockWait = false, hard = false } = about;
    const time = scheduler.now;
    this.#count++;
    const operation: Operation = {
      id: this.#count,
      verb,
      region,
      keys,
      tags,
      written,
      signal,
      lockWait,
      hard,
      order: origins.tick(),
      time,
      step: scheduler.steps,
      barriers: finality.barriersFor(verb, region.process, time),
      foreignBarriers: finality.foreignBarriersFor(region.process, time),
      ownBarriers: new Map(region.barriers),
      localBarriers: new Map(region.localBarriers),
      presentSince: promptness.presentSince,
      tickets: new Tickets(),
      askedAt: undefined,
      effect: undefined,
      effectAt: undefined,
      effects: new Map(),
      overruled: new Map(),
      creates: false,
    };
    this.#say(operation);
    if (isInvalidation(verb) && hard) region.cutCalledAt = time;
    promptness.began(operation);
    this.#pending.add(operation);
    return operation;
  }

  /** Its region knows of what it is about: as it begins, and as it ends. */
  #say(operation: Operation): void {
    const { region, verb, hard } = operation;
    const { now } = this.#checks.scheduler;
    for (const scope of scopesOf(operation)) region.saidAt.set(scope, now);
    if (verb === 'invalidate' && hard) region.revokedAt = now;
  }
}
