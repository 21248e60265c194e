/** Promise 2: nobody waits for what is there. Decides from when on a key could be served to everybody. */
import { isInvalidation, type Operation } from './calls.js';
import type { Scheduler } from './scheduler.js';

export interface PromptnessOptions {
  readonly scheduler: Scheduler;
  readonly keys: readonly string[];
  /** Milliseconds that a call may take at most when nothing goes wrong and nobody has to be waited for. */
  readonly patience: number;
  /** How far clocks differ at most. */
  readonly skew: number;
  entryOf(key: string): Uint8Array | undefined;
  violated(what: string): void;
}

export class Promptness {
  readonly #options: PromptnessOptions;
  readonly #presentSince = new Map<string, number>();
  /** When something was last cut off in the store: for all processes. */
  #cutAt = Number.NEGATIVE_INFINITY;
  #cutsUnderWay = 0;

  constructor(options: PromptnessOptions) {
    this.#options = options;
  }

  /** Since when each key has been there; none while that is in doubt. */
  get presentSince(): ReadonlyMap<string, number> {
    return this.#cutsUnderWay > 0 ? new Map() : new Map(this.#presentSince);
  }

  /** Something has happened to the store. */
  changed({ isCut }: { isCut: boolean }): void {
    const { entryOf, keys, scheduler } = this.#options;
    if (isCut) this.#cutAt = scheduler.now;
    for (const key of keys) {
      if (entryOf(key) === undefined) this.#presentSince.delete(key);
      else if (!this.#presentSince.has(key)) this.#presentSince.set(key, scheduler.now);
    }
  }

  began({ verb, hard }: Operation): void {
    if (isInvalidation(verb) && hard) this.#cutsUnderWay++;
  }

  ended({ verb, hard }: Operation): void {
    if (isInvalidation(verb) && hard) this.#cutsUnderWay--;
  }

  check({ id, verb, region, keys, time, creates, presentSince }: Operation): void {
    const { scheduler, patience, skew, violated } = this.#options;
    const waited = scheduler.now - time;
    if (creates || (verb !== 'getOrCreate' && verb !== 'getOrCreateMulti')) return;
    if (!region.servesStale || waited <= patience || this.#cutsUnderWay > 0) return;
    const cut = Math.max(this.#cutAt, region.cutCalledAt) + skew;
    const isServable = (key: string) => {
      const since = presentSince.get(key);
      return since !== undefined && since === this.#presentSince.get(key) && since > cut && since < time;
    };
    if (keys.every(isServable))
      violated(
        `call ${id} of ${region.label} waited ${waited} ms for ${keys.join(' ')}, of which there was a value all the time`,
      );
  }
}
