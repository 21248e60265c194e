/**
 * One caller who waits on a flight. Decides what ends his wait before the flight does: his signal, his `lockWait`, his `softTimeout`;
 * what he is told else, and what becomes of a flight that nobody waits on, is `flight.ts`.
 */
import type { CachedValue, Clock } from '../api.js';
import { onAbort } from '../lock/aborts.js';

/** How a flight ended, as one who waited on it is told. */
export type Outcome =
  /** The look under the lease found a fresh entry. */
  | { readonly kind: 'found'; readonly entry: CachedValue }
  | { readonly kind: 'created'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly reason: unknown }
  /** For the caller who started it: the creator of many left this key out. */
  | { readonly kind: 'nothing' }
  /** Not an answer for this caller: look again. */
  | { readonly kind: 'again' }
  /** The caller's own limit of waiting has passed. */
  | { readonly kind: 'timeout' }
  /** The caller's `softTimeout` has passed: he takes his stale value, the creation goes on. */
  | { readonly kind: 'soft' };

export interface Joining {
  /** When the caller's call began, in `Flights.tick()`. */
  readonly began: number;
  readonly signal: AbortSignal | undefined;
  /** How long he still waits for another's creation, in milliseconds; asked when he begins to. */
  patience(): number;
  /** He started the flight: what it creates is not another's. */
  readonly first: boolean;
  /** Milliseconds after which he takes a stale value instead; `Infinity`: he has none, or waits. */
  readonly soft: number;
}

/** The caller's signal has aborted: he gets its reason. */
interface Aborted {
  readonly kind: 'aborted';
  readonly reason: unknown;
}

export class Waiter {
  readonly began: number;
  readonly first: boolean;
  readonly #joining: Joining;
  readonly #clock: Clock;
  readonly #done: (end: Outcome | Aborted) => void;
  readonly #stopListening: () => void;
  readonly #soft: unknown;
  /** His limit of waiting for another's creation, while it runs. */
  #limit: unknown;

  /** `done`: he waits no longer; called once. */
  constructor(joining: Joining, clock: Clock, done: (end: Outcome | Aborted) => void) {
    const { began, first, signal, soft } = joining;
    this.began = began;
    this.first = first;
    this.#joining = joining;
    this.#clock = clock;
    this.#done = done;
    this.#stopListening = onAbort(signal, () => this.#end({ kind: 'aborted', reason: signal?.reason }));
    if (soft !== Number.POSITIVE_INFINITY) this.#soft = clock.setTimeout(() => this.#end({ kind: 'soft' }), soft);
  }

  /** He has been aborted before he began to wait, as by the creator: his signal never aborts again. */
  leaveIfAborted(): void {
    const { signal } = this.#joining;
    if (signal?.aborted) this.#end({ kind: 'aborted', reason: signal.reason });
  }

  tell(outcome: Outcome): void {
    this.#end(outcome);
  }

  /** Another creates, as far as he is concerned: from now on his patience counts. */
  startLimit(): void {
    if (this.#limit !== undefined) return;
    const ms = this.#joining.patience();
    if (ms === Number.POSITIVE_INFINITY) return;
    this.#limit = this.#clock.setTimeout(() => this.#end({ kind: 'timeout' }), ms);
  }

  /** His own creation runs: that may take as long as it does. */
  stopLimit(): void {
    this.#clock.clearTimeout(this.#limit);
    this.#limit = undefined;
  }

  #end(end: Outcome | Aborted): void {
    this.stopLimit();
    this.#clock.clearTimeout(this.#soft);
    this.#stopListening();
    this.#done(end);
  }
}
