/**
 * The flights of a region: who is creating what in this process (semantics §3). Decides which flight a call may join, and which ones
 * a write or an invalidation is told to; what becomes of them is `flight.ts`.
 */
import type { Clock, Lease } from '../api.js';
import { Flight } from './flight.js';

export class Flights {
  readonly clock: Clock;
  /** Those that calls may join, by mangled key; never removed by key alone. */
  readonly #joinable = new Map<string, Flight>();
  /** Those that nobody may join any more and that have not ended. */
  readonly #closed = new Set<Flight>();
  #time = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Order of events in this region: begins of calls, reads sent, creators called. */
  tick(): number {
    this.#time++;
    return this.#time;
  }

  get size(): number {
    return this.#joinable.size + this.#closed.size;
  }

  joinable(name: string): Flight | undefined {
    return this.#joinable.get(name);
  }

  /** A new flight. `unattended`: it goes on when nobody waits for it; `listed`: calls may join it. */
  open(name: string, { unattended = false, listed = true } = {}): Flight {
    const flight = new Flight(this, name, unattended);
    if (listed) this.#joinable.set(name, flight);
    else this.#closed.add(flight);
    return flight;
  }

  /** Said by the flight: nobody joins it any more. */
  unlist(flight: Flight): void {
    if (this.#joinable.get(flight.name) !== flight) return;
    this.#joinable.delete(flight.name);
    this.#closed.add(flight);
  }

  /** Said by the flight: it has ended. */
  landed(flight: Flight): void {
    this.#closed.delete(flight);
  }

  /** What goes on with a key. */
  describe(name: string): { creating: boolean; isMine: boolean; waiting: number } {
    const flights = this.#all().filter((flight) => flight.name === name);
    return {
      creating: flights.some(({ creation, hasBegun }) => hasBegun && creation?.active),
      isMine: flights.some(({ holdsLease }) => holdsLease),
      waiting: flights.reduce((sum, { waiting }) => sum + waiting, 0),
    };
  }

  /** `set` or `delete` of this key has been called. */
  detach(name: string): void {
    this.#joinable.get(name)?.detach();
    for (const flight of this.#closed) if (flight.name === name) flight.detach();
  }

  /** A soft invalidation: what is being created goes on, newcomers look for themselves. */
  unlistAll(): void {
    for (const flight of [...this.#joinable.values()]) if (flight.hasBegun) this.unlist(flight);
  }

  /** A hard invalidation: all are detached. Answers with their leases, to be given back. */
  revokeAll(): Lease[] {
    return this.#all().flatMap((flight) => flight.revoke() ?? []);
  }

  dismissAll(reason: unknown): void {
    for (const flight of this.#all()) flight.dismiss(reason);
  }

  #all(): Flight[] {
    return [...this.#joinable.values(), ...this.#closed];
  }
}
