/** What the checks of a simulation have to say: its violations, and its trace where one is kept. */
import type { Scheduler } from './scheduler.js';

export class Notes {
  readonly violations: string[] = [];
  readonly trace: string[] = [];
  readonly isTracing: boolean;
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, isTracing: boolean) {
    this.#scheduler = scheduler;
    this.isTracing = isTracing;
  }

  violated(what: string): void {
    this.violations.push(`at ${this.#scheduler.now} ms: ${what}`);
    this.log(`VIOLATION: ${what}`);
  }

  log(line: string): void {
    if (this.isTracing) this.trace.push(`${this.#scheduler.now.toFixed(0).padStart(7)} ${line}`);
  }
}
