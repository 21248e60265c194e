/**
 * The one time of a simulation: events in the order of their time, those of one instant in an order drawn by lot. Decides what
 * happens next, and lets promises settle after each event; what an event does is others'.
 */
import { settle } from '../settle.js';
import type { Chance } from './chance.js';

export interface Event {
  readonly at: number;
  /** Draws the order of one instant. */
  readonly lot: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class Scheduler {
  readonly chance: Chance;
  /** Milliseconds since the simulation began. Written by `step`. */
  now = 0;
  steps = 0;
  /** A heap: the earliest first. */
  readonly #events: Event[] = [];

  constructor(chance: Chance) {
    this.chance = chance;
  }

  after(ms: number, run: () => void): Event {
    const event = { at: this.now + Math.max(0, ms), lot: this.chance.next(), run, cancelled: false };
    this.#push(event);
    return event;
  }

  /** Runs the next event and what follows from it. `false`: there is none up to that time. */
  async step(until: number): Promise<boolean> {
    for (let event = this.#events[0]; event && event.at <= until; event = this.#events[0]) {
      this.#pop();
      if (event.cancelled) continue;
      this.now = event.at;
      this.steps++;
      event.run();
      await settle();
      return true;
    }
    return false;
  }

  /** Runs everything up to a time, at most so many steps. */
  async run(until: number, { steps = Number.POSITIVE_INFINITY, stop = (): boolean => false } = {}): Promise<void> {
    for (let step = 0; step < steps && !stop() && (await this.step(until)); step++);
  }

  #push(event: Event): void {
    const events = this.#events;
    events.push(event);
    for (let at = events.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const events = this.#events;
    const last = events.pop();
    if (last === undefined || events.length === 0) return;
    events[0] = last;
    for (let at = 0; ; ) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < events.length && this.#isBefore(child, first)) first = child;
      if (first === at) break;
      this.#swap(at, first);
      at = first;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#events[a], this.#events[b]];
    if (!one || !other) return false;
    return one.at < other.at || (one.at === other.at && one.lot < other.lot);
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#events[a], this.#events[b]];
    if (one) this.#events[b] = one;
    if (other) this.#events[a] = other;
  }
}
