/**
 * Reads of a store that answers later, shared: calls of the same tick share a read that has not been sent yet, who comes later
 * waits for the next one. At most one read of a key is under way and one is next (semantics §3). Where the store gathers reads,
 * those of different keys that are asked for in one tick are one call of the store.
 */
import type { Awaitable, RecordsRequest, Storable } from '../api.js';
import { isPromiseLike } from '../promises.js';
import { isDown } from './guard.js';

export interface Read {
  readonly stored: Storable | undefined;
  /** The records that came along, where the store keeps generations. */
  readonly records: RecordsRequest | undefined;
  /** When it was sent, in the order of `Flights.tick()`. */
  readonly sentAt: number;
  /** It was answered at once: nothing can have happened since. */
  readonly sync: boolean;
}

export interface ReadsOptions {
  get(name: string, records: RecordsRequest | undefined): Awaitable<Storable | undefined>;
  /** Absent: every read is a `get`. */
  getMulti?: ((names: readonly string[], records: RecordsRequest | undefined) => Awaitable<Answers>) | undefined;
  /** Which records each read brings along, if any: those of these tags among them. */
  request(tags: readonly string[]): RecordsRequest | undefined;
  tick(): number;
  /** Once for each read that fails, however many wait for it. `key`: of the first who asked. */
  failed(key: string, error: unknown): void;
}

type Answers = readonly (Storable | undefined)[];

/** One key, while a read of it is under way or next. */
interface Lane {
  readonly name: string;
  underWay: boolean;
  next: Asked | undefined;
}

/** A read that has not been sent. */
interface Asked {
  readonly lane: Lane;
  readonly key: string;
  /** Those that its callers have named. */
  tags: readonly string[];
  readonly read: Promise<Read>;
  resolve(read: Read): void;
  reject(error: unknown): void;
}

const NO_TAGS: readonly string[] = [];
/** So many keys in one call at most: nobody waits long for the values of others. */
const MOST = 100;
/** Goes on once the code that runs now has run: at a third of what `queueMicrotask` costs. */
const NOW = Promise.resolve();

export class SharedReads {
  readonly #options: ReadsOptions;
  /** By mangled key. Written by `read` and the end of a read. */
  readonly #lanes = new Map<string, Lane>();
  /** What is sent when the code that runs now has run. */
  #due: Asked[] = [];

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
  read(name: string, key: string, tags: readonly string[] = NO_TAGS): Promise<Read> {
    let lane = this.#lanes.get(name);
    if (!lane) {
      lane = { name, underWay: false, next: undefined };
      this.#lanes.set(name, lane);
    }
    if (!lane.next) {
      lane.next = askedOf(lane, key);
      if (!lane.underWay) this.#isDue(lane.next);
    }
    lane.next.tags = union(lane.next.tags, tags);
    return lane.next.read;
  }

  #isDue(asked: Asked): void {
    if (this.#due.length === 0) NOW.then(() => this.#sendDue());
    this.#due.push(asked);
  }

  #sendDue(): void {
    const due = this.#due;
    this.#due = [];
    for (const { lane } of due) {
      lane.next = undefined;
      lane.underWay = true;
    }
    const { getMulti } = this.#options;
    if (getMulti && due.length > 1) {
      for (let at = 0; at < due.length; at += MOST) this.#sendMany(due.slice(at, at + MOST), getMulti);
    } else {
      for (const asked of due) this.#sendOne(asked);
    }
  }

  #sendMany(batch: readonly Asked[], getMulti: NonNullable<ReadsOptions['getMulti']>): void {
    const names = batch.map(({ lane }) => lane.name);
    this.#ask(
      batch.reduce((all, { tags }) => union(all, tags), NO_TAGS),
      (records) => getMulti(names, records),
      (answers, read) => {
        for (const [at, asked] of batch.entries()) this.#answered(asked, answers[at], read);
      },
      (error) => {
        // What is out of reach is so for each; else one key may be why, and is no trouble of the others.
        if (isDown(error)) for (const asked of batch) this.#refused(asked, error);
        else for (const asked of batch) this.#sendOne(asked);
      },
    );
  }

  #sendOne(asked: Asked): void {
    const { get } = this.#options;
    this.#ask(
      asked.tags,
      (records) => get(asked.lane.name, records),
      (stored, read) => this.#answered(asked, stored, read),
      (error) => this.#refused(asked, error),
    );
  }

  /** By callbacks: every promise in between would be paid for by every hit. */
  #ask<T>(
    tags: readonly string[],
    send: (records: RecordsRequest | undefined) => Awaitable<T>,
    answered: (answer: T, read: Omit<Read, 'stored'>) => void,
    refused: (error: unknown) => void,
  ): void {
    const { request, tick } = this.#options;
    const sentAt = tick();
    const records = request(tags);
    try {
      const answer = send(records);
      const read = { records, sentAt, sync: false };
      if (isPromiseLike(answer)) answer.then((late) => answered(late, read), refused);
      else answered(answer, read);
    } catch (error) {
      refused(error);
    }
  }

  #answered(asked: Asked, stored: Storable | undefined, { records, sentAt, sync }: Omit<Read, 'stored'>): void {
    asked.resolve({ stored, records, sentAt, sync });
    this.#arrived(asked.lane);
  }

  #refused(asked: Asked, error: unknown): void {
    this.#options.failed(asked.key, error);
    asked.reject(error);
    this.#arrived(asked.lane);
  }

  #arrived(lane: Lane): void {
    lane.underWay = false;
    if (lane.next) this.#isDue(lane.next);
    else this.#lanes.delete(lane.name);
  }
}

function askedOf(lane: Lane, key: string): Asked {
  let resolve: Asked['resolve'] = () => {};
  let reject: Asked['reject'] = () => {};
  const read = new Promise<Read>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  return { lane, key, tags: NO_TAGS, read, resolve, reject };
}

function union(some: readonly string[], others: readonly string[]): readonly string[] {
  if (others.length === 0) return some;
  return some.length === 0 ? others : [...new Set([...some, ...others])];
}
