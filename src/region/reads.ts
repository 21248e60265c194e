/**
 * Reads of a store that answers later, shared: calls of the same tick share a read that has not been sent yet, who comes later
 * waits for the next one. At most one read of a key is under way and one is next (semantics §3).
 */
import type { Awaitable, RecordsRequest, Storable } from '../api.js';

export interface Read {
  readonly stored: Storable | undefined;
  /** The records that came along, where the store keeps generations. */
  readonly records: RecordsRequest | undefined;
  /** When it was sent, in the order of `Flights.tick()`. */
  readonly sentAt: number;
}

export interface ReadsOptions {
  /** `key`: of the first who asked. */
  get(name: string, key: string, records: RecordsRequest | undefined): Awaitable<Storable | undefined>;
  /** Which records each read brings along, if any: those of these tags among them. */
  request(tags: readonly string[]): RecordsRequest | undefined;
  tick(): number;
}

interface Lane {
  underWay: boolean;
  /** Tags that callers of the next read have named. */
  readonly tags: Set<string>;
  next: Promise<Read> | undefined;
  send: (() => void) | undefined;
}

export class SharedReads {
  readonly #get: ReadsOptions['get'];
  readonly #request: ReadsOptions['request'];
  readonly #tick: () => number;
  /** By mangled key; there while a read is under way or next. Written by `read` and the end of a read. */
  readonly #lanes = new Map<string, Lane>();

  constructor({ get, request, tick }: ReadsOptions) {
    this.#get = get;
    this.#request = request;
    this.#tick = tick;
  }

  get size(): number {
    return this.#lanes.size;
  }

  isReading(name: string): boolean {
    return this.#lanes.has(name);
  }

  /** `tags`: what the caller expects the entry to bear; their records come along. */
  read(name: string, key: string, tags: readonly string[] = []): Promise<Read> {
    let lane = this.#lanes.get(name);
    if (!lane) {
      lane = { underWay: false, tags: new Set(), next: undefined, send: undefined };
      this.#lanes.set(name, lane);
    }
    for (const tag of tags) lane.tags.add(tag);
    lane.next ??= this.#schedule(name, key, lane);
    return lane.next;
  }

  #schedule(name: string, key: string, lane: Lane): Promise<Read> {
    return new Promise((resolve, reject) => {
      lane.send = () => {
        lane.send = undefined;
        lane.next = undefined;
        lane.underWay = true;
        const tags = [...lane.tags];
        lane.tags.clear();
        this.#send(name, key, tags)
          .then(resolve, reject)
          .finally(() => this.#arrived(name, lane));
      };
      if (!lane.underWay) queueMicrotask(() => lane.send?.());
    });
  }

  async #send(name: string, key: string, tags: readonly string[]): Promise<Read> {
    const sentAt = this.#tick();
    const records = this.#request(tags);
    return { stored: await this.#get(name, key, records), records, sentAt };
  }

  #arrived(name: string, lane: Lane): void {
    lane.underWay = false;
    if (lane.send) lane.send();
    else this.#lanes.delete(name);
  }
}
