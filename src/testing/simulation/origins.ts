/**
 * Where the values of a simulation come from. Hands them out, keeps the order of events, and decides when a call, and with it what it
 * wrote, took effect in that order.
 */
import { isInvalidation, isRemoval, isSaid, type Operation, type Origin, type SimulatedValue } from './calls.js';
import type { Meaning } from './model.js';
import type { Scheduler } from './scheduler.js';

export class Origins {
  readonly #scheduler: Scheduler;
  readonly #byId = new Map<number, Origin>();
  #order = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  get(id: number): Origin | undefined {
    return this.#byId.get(id);
  }

  /** The next in the order of events. */
  tick(): number {
    this.#order++;
    return this.#order;
  }

  newValue(
    key: string,
    version: number,
    { tags = [], isForeign = false }: { tags?: readonly string[]; isForeign?: boolean } = {},
  ): { readonly value: SimulatedValue; readonly origin: Origin } {
    const id = this.#byId.size + 1;
    const never = Number.POSITIVE_INFINITY;
    const origin: Origin = {
      key,
      tags: new Set(tags),
      isForeign,
      order: never,
      time: never,
      doubt: undefined,
      goneAt: never,
      isCommitted: false,
    };
    this.#byId.set(id, origin);
    return { value: { id, key, version }, origin };
  }

  /** The store has carried out a request of this call. */
  takesEffect(operation: Operation, meaning: Meaning): void {
    const { kind } = meaning;
    if (kind === 'invalidated' && meaning.follows) return;
    const isOver = isRemoval(operation.verb) || isSaid(operation.verb);
    if (kind === 'looked' && isOver && !operation.overruled.has(meaning.key))
      operation.overruled.set(meaning.key, this.tick());
    const isIts =
      ((kind === 'said' || kind === 'written elsewhere') && operation.written.length > 0) ||
      (kind === 'removed' && isRemoval(operation.verb)) ||
      (kind === 'invalidated' && isInvalidation(operation.verb));
    if (!isIts) return;
    operation.effect = this.tick();
    operation.effectAt = this.#scheduler.now;
    if (!('key' in meaning)) return;
    const { key } = meaning;
    if (kind !== 'removed' || !operation.effects.has(key)) operation.effects.set(key, operation.effect);
    for (const origin of operation.written)
      if (origin.key === key) Object.assign(origin, { order: operation.effect, time: this.#scheduler.now });
  }
}
