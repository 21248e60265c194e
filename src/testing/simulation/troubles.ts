/**
 * Promises 5 and 6: what a region does while its store is out of reach, and of which failures a call is told. Decides whether a breaker
 * lets through what it should and nothing else, and whether a call was right to reject.
 */
import { CreationTimeoutError, LockTimeoutError } from '../../errors.js';
import { isInvalidation, type Operation, SimulatedFailure, type WatchedRegion } from './calls.js';
import type { Scheduler } from './scheduler.js';

export interface TroublesOptions {
  readonly scheduler: Scheduler;
  /** Of the breakers, in milliseconds. */
  readonly cooldown: number;
  /** How long after trouble a process may still go on without the store. */
  readonly recovery: number;
  /** Whether a call may take several requests at once. */
  readonly asksInParts: boolean;
  violated(what: string): void;
}

export class Troubles {
  readonly #options: TroublesOptions;

  constructor(options: TroublesOptions) {
    this.#options = options;
  }

  breakerChanged({ breaker }: WatchedRegion, state: WatchedRegion['breaker']['state']): void {
    const { now } = this.#options.scheduler;
    if (state === 'closed') breaker.closedAt = now;
    Object.assign(breaker, { state, changedAt: now, probe: undefined });
  }

  /** A call of a region asks the store, and not for what goes on whatever the breaker says. */
  asked(operation: Operation): void {
    const { region, id, askedAt = this.#options.scheduler.now } = operation;
    const { label, breaker } = region;
    const { asksInParts } = this.#options;
    if (breaker.state === 'closed') return;
    const isAgain = breaker.probe !== undefined && !(asksInParts && breaker.probe === id);
    breaker.probe = id;
    // What was let through as one call goes on.
    if (asksInParts && askedAt <= breaker.changedAt) return;
    if (breaker.state === 'open') this.#options.violated(`${label} asks the store although its breaker is open`);
    else if (isAgain) this.#options.violated(`${label} asks the store a second time to see whether it is back`);
  }

  /** A call has ended: was it let through once the breaker had been open for long enough? */
  checkProbe({ id, verb, region, time, signal }: Operation): void {
    const { breaker, label } = region;
    if (breaker.state !== 'open' || signal?.aborted || (isInvalidation(verb) && region.shared === undefined)) return;
    if (breaker.changedAt + this.#options.cooldown < time)
      this.#options.violated(`call ${id} of ${label} ${verb} did not try the store, whose breaker has long been open`);
  }

  /** Whether a call that began then may have found that its region can't ask the store. */
  isCutOff({ process, breaker }: WatchedRegion, since = this.#options.scheduler.now): boolean {
    return breaker.state !== 'closed' || Math.max(breaker.closedAt, process.troubledAt, process.disturbedAt) >= since;
  }

  /** Since a call began, or shortly before. Who has been paused finds his deadlines passed when he goes on. */
  isRecovering({ process }: WatchedRegion, since: number): boolean {
    const { troubledAt, disturbedAt, isInTrouble } = process;
    return isInTrouble || Math.max(troubledAt, disturbedAt) >= since - this.#options.recovery;
  }

  checkFailure(operation: Operation, error: unknown): void {
    const { id, verb, keys, region } = operation;
    const { violated } = this.#options;
    if (error instanceof SimulatedFailure) return this.#checkOthersFailure(operation, error);
    if (operation.signal?.aborted && error === operation.signal.reason) return;
    if (operation.lockWait && error instanceof LockTimeoutError) return;
    if (error instanceof CreationTimeoutError || verb === 'elsewhere') return;
    const isRead = verb === 'getOrCreate' || verb === 'getOrCreateMulti' || verb === 'get' || verb === 'getMulti';
    if (!isRead && this.isCutOff(region, operation.time)) return;
    const why = error instanceof Error ? error.stack : String(error);
    violated(`call ${id} of ${region.label} ${verb} ${keys.join(' ')} was rejected with ${why}`);
  }

  /** A failure is one of a creation that was under way when the call was. */
  #checkOthersFailure({ id, keys, step }: Operation, { creations, message }: SimulatedFailure): void {
    const { violated } = this.#options;
    const theirs = creations.filter(({ key }) => keys.includes(key));
    if (theirs.length === 0) violated(`call ${id} for ${keys.join(' ')} was told of the failure of others: ${message}`);
    for (const { endedIn, id: which } of theirs) {
      if (endedIn !== undefined && endedIn < step)
        violated(`call ${id} was told of the failure of ${which}, which was over before it began`);
    }
  }
}
