/**
 * Reads of a store that answers later, shared: calls of the same tick share a read that has not been sent yet, who comes later
 * waits for the next one. At most one read of a key is under way and one is next (semantics §3).
 */
import type { Awaitable, Storable } from '../api.js';

export interface Read {
  readonly stored: Storable | undefined;
  /** When it was sent, in the order of `Flights.tick()`. */
  readonly sentAt: number;
}

interface Lane {
  underWay: boolean;
  next: Promise<Read> | undefined;
  send: (() => void) | undefined;
}

export class SharedReads {
  readonly #get: (name: string) => Awaitable<Storable | undefined>;
  readonly #tick: () => number;
  /** By mangled key; there while a read is under way or next. Written by `read` and the end of a read. */
  readonly #lanes = new Map<string, Lane>();

  constructor(get: (name: string) => Awaitable<Storable | undefined>, tick: () => number) {
    this.#get = get;
    this.#tick = tick;
  }

  get size(): number {
    return this.#lanes.size;
  }

  isReading(name: string): boolean {
    return this.#lanes.has(name);
  }

  read(name: string): Promise<Read> {
    let lane = this.#lanes.get(name);
    if (!lane) {
      lane = { underWay: false, next: undefined, send: undefined };
      this.#lanes.set(name, lane);
    }
    lane.next ??= this.#schedule(name, lane);
    return lane.next;
  }

  #schedule(name: string, lane: Lane): Promise<Read> {
    return new Promise((resolve, reject) => {
      lane.send = () => {
        lane.send = undefined;
        lane.next = undefined;
        lane.underWay = true;
        this.#send(name)
          .then(resolve, reject)
          .finally(() => this.#arrived(name, lane));
      };
      if (!lane.underWay) queueMicrotask(() => lane.send?.());
    });
  }

  async #send(name: string): Promise<Read> {
    const sentAt = this.#tick();
    return { stored: await this.#get(name), sentAt };
  }

  #arrived(name: string, lane: Lane): void {
    lane.underWay = false;
    if (lane.send) lane.send();
    else this.#lanes.delete(name);
  }
}
