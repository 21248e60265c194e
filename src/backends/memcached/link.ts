/**
 * One client of one server: opened on first use, held to a deadline at every call, and given up and opened anew once it is in doubt.
 * Decides when a call has failed, not what that means: packages that hang, that don't come back, or that are out of step end here.
 */

import type { Clock } from '../../api.js';
import { BackendTimeoutError, BackendUnavailableError, DogpileCacheError, RegionClosedError } from '../../errors.js';
import { messageOf } from '../../shown.js';
import { afterTurn } from '../../turn.js';
import type { Outage } from './outage.js';

/** A client that is connected. */
export interface Connection<Client> {
  readonly client: Client;
  /** Whether it keeps the process alive. */
  hold(isHeld: boolean): void;
  /** Whether it takes no more calls: those under way may yet be answered. */
  isSpent?(): boolean;
  /** Ends it at once, whatever is under way. */
  end(): void;
}

export interface LinkOptions<Client> {
  /** For messages. */
  readonly place: string;
  /**
   * Connects. `lost` says that the connection has ended: what was sent over it is not answered any more. `givenUp` aborts when nobody
   * wants the connection any more that is being made.
   */
  readonly open: (lost: (why: unknown) => void, givenUp: AbortSignal) => Promise<Connection<Client>>;
  /** A client that was handed in: it is neither given up nor ended, and only the call that fails fails. */
  readonly isHandedIn?: boolean;
  /** Of one server among several: its failures are no matter of the others, and it is not asked by everybody while it fails. */
  readonly outage?: Outage;
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: () => Clock;
}

/** Answers with what is to be told to the others. */
type Fail = (error: unknown) => unknown;

/** From one opening to the next. */
interface Term<Client> {
  readonly opening: Promise<Connection<Client>>;
  readonly givenUp: AbortController;
  connection: Connection<Client> | undefined;
  /** The calls under way. Written by each of them, and emptied when it is given up. */
  readonly waiting: Set<Fail>;
}

export class Link<Client> {
  readonly #options: LinkOptions<Client>;
  /** Of the next call. */
  #term: Term<Client> | undefined;
  /** All that have not ended: some are left, and have calls under way yet. */
  readonly #terms = new Set<Term<Client>>();
  /** What the last call failed with that put it in doubt. */
  #trouble: unknown;
  #isClosed = false;

  constructor(options: LinkOptions<Client>) {
    this.#options = options;
  }

  /** Rejects with an error of ours: what `send` throws of that kind is the server's answer, anything else puts the client in doubt. */
  call<T>(verb: string, send: (client: Client) => PromiseLike<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closed());
    const { outage } = this.#options;
    if (outage && !outage.admits())
      return Promise.reject(this.#typed(verb, new Error(`it is down (${messageOf(this.#trouble)})`)));
    this.#term ??= this.#open();
    const term = this.#term;
    const { timeout } = this.#options;
    const clock = this.#options.clock();
    const over = clock.now() + timeout;
    return new Promise((resolve, reject) => {
      const leave = () => {
        clock.clearTimeout(timer);
        term.waiting.delete(fail);
        if (term.waiting.size === 0) term.connection?.hold(false);
      };
      const fail = (said: unknown) => {
        leave();
        // After an event loop that was held up for long, the package may come before us to say that there is no answer.
        const error = said instanceof DogpileCacheError || clock.now() < over ? said : this.#late(verb);
        this.#note(error);
        reject(this.#typed(verb, error));
        return error;
      };
      const expire = () => {
        if (term.waiting.has(fail)) this.#giveUp(term, fail(this.#late(verb)));
      };
      const timer = clock.setTimeout(() => afterTurn(expire), timeout);
      term.waiting.add(fail);
      if (term.waiting.size === 1) term.connection?.hold(true);
      const { connection } = term;
      const sent = connection
        ? attempt(() => send(connection.client))
        : term.opening.then(({ client }) => {
            if (!term.waiting.has(fail)) throw new BackendTimeoutError('Too late to be sent.');
            return send(client);
          });
      sent.then(
        (value) => {
          if (!term.waiting.has(fail)) return;
          leave();
          outage?.answered();
          resolve(value);
        },
        (error: unknown) => {
          if (!term.waiting.has(fail)) return;
          const told = fail(error);
          if (!(error instanceof DogpileCacheError)) this.#giveUp(term, told);
          else if (term.connection?.isSpent?.()) this.#leave(term);
        },
      );
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const term of [...this.#terms]) this.#end(term, closed());
  }

  #open(): Term<Client> {
    const givenUp = new AbortController();
    const lost = (why: unknown) => this.#giveUp(term, why ?? 'the connection has ended');
    const opening = attempt(() => this.#options.open(lost, givenUp.signal));
    const term: Term<Client> = { opening, givenUp, connection: undefined, waiting: new Set() };
    this.#terms.add(term);
    opening.then(
      (connection) => {
        if (!this.#terms.has(term)) return connection.end();
        term.connection = connection;
        connection.hold(term.waiting.size > 0);
      },
      // Those who wait for it are told; the next one opens anew.
      () => {
        this.#leave(term);
        this.#terms.delete(term);
      },
    );
    return term;
  }

  /** Nothing more is sent over it, and who waits for an answer is told that none will come. */
  #giveUp(term: Term<Client>, why: unknown): void {
    if (!this.#options.isHandedIn) this.#end(term, why);
  }

  /** The next call opens anew. */
  #leave(term: Term<Client>): void {
    if (this.#term === term) this.#term = undefined;
  }

  #end(term: Term<Client>, why: unknown): void {
    this.#leave(term);
    this.#terms.delete(term);
    let told = why;
    // The oldest first.
    for (const fail of [...term.waiting]) told = fail(told);
    term.givenUp.abort();
    term.connection?.end();
  }

  #late(verb: string): BackendTimeoutError {
    const { place, timeout } = this.#options;
    return new BackendTimeoutError(`memcached (${place}) did not answer "${verb}" within ${timeout} ms.`);
  }

  /** What the server answers with, however unwelcome, is an answer. */
  #note(error: unknown): void {
    if (error instanceof DogpileCacheError && !(error instanceof BackendTimeoutError)) {
      this.#options.outage?.answered();
    } else {
      this.#trouble = error;
      this.#options.outage?.failed();
    }
  }

  #typed(verb: string, cause: unknown): DogpileCacheError {
    const error =
      cause instanceof DogpileCacheError
        ? cause
        : new BackendUnavailableError(`memcached (${this.#options.place}) failed at "${verb}": ${messageOf(cause)}`, {
            cause,
          });
    const isTrouble = error instanceof BackendTimeoutError || error instanceof BackendUnavailableError;
    if (isTrouble && this.#options.outage) error.isOfOneServer = true;
    return error;
  }
}

function closed(): RegionClosedError {
  return new RegionClosedError('This backend is closed.');
}

/** What it throws is a rejection. */
async function attempt<T>(run: () => PromiseLike<T>): Promise<T> {
  return run();
}
