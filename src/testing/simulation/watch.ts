/**
 * The watch over a simulation: who is told of its calls, creations and requests, and what is looked at when it rests. Takes no part in
 * what happens; what is a violation is decided by the promises in `checks.ts`.
 */
import type { WatchedRegion } from './calls.js';
import { type CheckOptions, type Checks, makeChecks } from './checks.js';
import type { StoreModel } from './model.js';
import type { Notes } from './notes.js';
import type { Origins } from './origins.js';
import type { SimulatedProcess } from './process.js';
import { checkRest } from './rest.js';
import type { Scheduler } from './scheduler.js';
import type { Troubles } from './troubles.js';
import { WatchedCalls } from './watched-calls.js';
import { WatchedCreations } from './watched-creations.js';
import { WatchedRequests } from './watched-requests.js';

export class Watch<Request, Reply> {
  readonly calls: WatchedCalls;
  readonly creations: WatchedCreations;
  readonly requests: WatchedRequests<Request, Reply>;
  readonly #checks: Checks;
  readonly #deadline: number;

  constructor(scheduler: Scheduler, model: StoreModel<Request, Reply>, options: CheckOptions) {
    this.#checks = makeChecks(scheduler, model, options);
    this.#deadline = options.deadline;
    this.calls = new WatchedCalls(this.#checks);
    const callNow = () => this.calls.current;
    this.creations = new WatchedCreations(this.#checks, model, callNow);
    this.requests = new WatchedRequests(this.#checks, model, callNow);
  }

  get notes(): Notes {
    return this.#checks.notes;
  }

  get origins(): Origins {
    return this.#checks.origins;
  }

  get troubles(): Troubles {
    return this.#checks.troubles;
  }

  /** At rest, with everybody awake and the store in reach. */
  checkRest(processes: readonly SimulatedProcess[], regions: Iterable<WatchedRegion>): void {
    checkRest(this.#checks, { pending: this.calls.pending, processes, regions, deadline: this.#deadline });
  }
}
