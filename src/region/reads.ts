/**
 * Reads of a store that answers later, shared: calls of the same tick share a read that has not been sent yet, who comes later
 * waits for the next one. At most one read of a key is under way and one is next (semantics §3).
 */
import type { Awaitable, RecordsRequest, Storable } from '../api.js';
import { isPromiseLike } from '../promises.js';

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
  /** Once for each read that fails, however many wait for it. */
  failed(key: string, error: unknown): void;
}

interface Lane {
  underWay: boolean;
  /** Tags that callers of the next read have named. */
  tags: readonly string[];
  next: Promise<Read> | undefined;
  send: (() => void) | undefined;
}

interface Asked {
  readonly name: string;
  readonly key: string;
  readonly tags: readonly string[];
  readonly lane: Lane;
}

const NO_TAGS: readonly string[] = [];
/** Goes on once the code that runs now has run: at a third of what `queueMicrotask` costs. */
const NOW = Promise.resolve();

export class SharedReads {
  readonly #options: ReadsOptions;
  /** By mangled key; there while a read is under way or next. Written by `read` and the end of a read. */
  readonly #lanes = new Map<string, Lane>();

  constructor(options: ReadsOptions) {
    this.#options = options;
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
      lane = { underWay: false, tags: NO_TAGS, next: undefined, send: undefined };
      this.#lanes.set(name, lane);
    }
    if (tags.length > 0) lane.tags = [...new Set([...lane.tags, ...tags])];
    lane.next ??= this.#schedule(name, key, lane);
    return lane.next;
  }

  #schedule(name: string, key: string, lane: Lane): Promise<Read> {
    return new Promise((resolve, reject) => {
      lane.send = () => {
        lane.send = undefined;
        lane.next = undefined;
        lane.underWay = true;
        const tags = lane.tags;
        lane.tags = NO_TAGS;
        this.#send({ name, key, tags, lane }, resolve, reject);
      };
      if (!lane.underWay) NOW.then(() => lane.send?.());
    });
  }

  /** By callbacks: every promise in between would be paid for by every hit. */
  #send({ name, key, tags, lane }: Asked, resolve: (read: Read) => void, reject: (error: unknown) => void): void {
    const { get, request, tick, failed } = this.#options;
    const sentAt = tick();
    const records = request(tags);
    const answered = (stored: Storable | undefined) => {
      resolve({ stored, records, sentAt });
      this.#arrived(name, lane);
    };
    const refused = (error: unknown) => {
      failed(key, error);
      reject(error);
      this.#arrived(name, lane);
    };
    try {
      const answer = get(name, key, records);
      if (isPromiseLike(answer)) answer.then(answered, refused);
      else answered(answer);
    } catch (error) {
      refused(error);
    }
  }

  #arrived(name: string, lane: Lane): void {
    lane.underWay = false;
    if (lane.send) lane.send();
    else this.#lanes.delete(name);
  }
}
