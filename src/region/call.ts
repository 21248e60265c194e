/** One call for one key: what it asks for and how long it waits. Decides nothing. */
import type { AnyFunction, Clock, Creator } from '../api.js';
import type { Core } from './core.js';
import type { Freshness } from './freshness.js';
import { freshnessOf, type Settings } from './settings.js';

/** One call for one key. */
export interface Call {
  readonly key: string;
  readonly name: string;
  readonly creator: Creator<unknown, unknown>;
  readonly settings: Settings;
  readonly asked: Freshness;
  /** Begin of the call, in ticks of the flights. */
  readonly began: number;
  /** How long the call still waits for others. */
  readonly patience: Patience;
  /** The cached function and its arguments, for runners. */
  readonly cached: { readonly fn: AnyFunction; readonly args: readonly unknown[] } | undefined;
}

/** `lockWait`, counted from the first time that the call waits. */
export class Patience {
  readonly #limit: number;
  readonly #clock: Clock;
  #until: number | undefined;

  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Milliseconds that are left; the first to ask starts the time. */
  left(): number {
    if (this.#limit === Number.POSITIVE_INFINITY) return this.#limit;
    const now = this.#clock.now();
    this.#until ??= now + this.#limit;
    return Math.max(0, this.#until - now);
  }
}

export function callOf(
  core: Core,
  key: string,
  creator: Creator<unknown, unknown>,
  settings: Settings,
  cached?: Call['cached'],
): Call {
  const name = core.store.mangle(key);
  return {
    key,
    name,
    creator,
    settings,
    asked: freshnessOf(settings),
    began: core.flights.tick(),
    patience: new Patience(settings.lockWait, core.clock),
    cached,
  };
}
