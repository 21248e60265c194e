/**
 * The sockets of a client of node-redis that we make: how long they may take, when they are tried again, and how all of them end.
 * The package's `destroy` passes over those that are connecting, that of a sentinel waits for whom it has asked, and listeners go on
 * trying. Decides nothing about commands.
 */
import { CONNECT_TIMEOUT, reconnectDelay, SILENCE_TIMEOUT } from './client.js';

/** How soon a connection is tried, in vain, while its client is being ended: who tries is ended by it, with its timers. */
const ENDING = 100;

export class NodeSockets {
  #state: 'open' | 'closing' | 'closed' = 'open';
  /** They live as long as their clients do, of which a sentinel makes one whenever it asks around. */
  readonly #ends = new Set<WeakRef<SocketsEnd>>();

  get isClosed(): boolean {
    return this.#state !== 'open';
  }

  /** For a client, or for all that a sentinel or a cluster makes: each of them copies these, and so has an end of its own. */
  options(more: object = {}): object {
    const newEnd = () => this.#newEnd();
    return {
      connectTimeout: CONNECT_TIMEOUT,
      socketTimeout: SILENCE_TIMEOUT,
      ...more,
      reconnectStrategy: (tries: number) => this.#pause(tries),
      get signal() {
        return newEnd();
      },
    };
  }

  /** Ends them, those that come later, too; `ended` settles once the client has ended what it knows of. */
  close(ended: Promise<unknown>): void {
    this.#state = 'closing';
    const close = () => {
      this.#state = 'closed';
    };
    ended.then(close, close);
    for (const end of this.#ends) end.deref()?.abort();
    this.#ends.clear();
  }

  #pause(tries: number): number | false {
    if (this.#state === 'open') return reconnectDelay(tries);
    return this.#state === 'closing' && ENDING;
  }

  #newEnd(): SocketsEnd {
    for (const end of this.#ends) if (!end.deref()) this.#ends.delete(end);
    const end = new SocketsEnd(this.isClosed);
    this.#ends.add(new WeakRef(end));
    return end;
  }
}

/** A client has one socket at a time, and so have its duplicates; Node listens twice for each. */
const KEPT = 8;

/**
 * As much of an `AbortSignal` as a socket asks for, as its option `signal`. A real one keeps every socket that it was ever given to,
 * one more with each try to connect: Node does not take its listeners away. And a socket that is made with one that is aborted
 * already connects all the same (Node 20), so this never says that it is.
 */
class SocketsEnd {
  readonly aborted = false;
  #isOver: boolean;
  #listeners: readonly (() => void)[] = [];

  constructor(isOver: boolean) {
    this.#isOver = isOver;
  }

  addEventListener(_: 'abort', listener: () => void): void {
    // Once the socket is made.
    if (this.#isOver) queueMicrotask(listener);
    else this.#listeners = [...this.#listeners, listener].slice(-KEPT);
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.#listeners = this.#listeners.filter((one) => one !== listener);
  }

  abort(): void {
    this.#isOver = true;
    for (const listener of this.#listeners) listener();
    this.#listeners = [];
  }
}
