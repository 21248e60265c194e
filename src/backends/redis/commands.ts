/**
 * How a command is sent: the one deadline round each, errors of our own kind, and scripts by their digest. Decides when a call has
 * failed, not what that means; a late answer is dropped.
 */

import type { Clock } from '../../api.js';
import { systemClock } from '../../clock.js';
import { BackendTimeoutError, BackendUnavailableError, DogpileCacheError, RegionClosedError } from '../../errors.js';
import { after } from '../../lock/timer.js';
import { messageOf } from '../../shown.js';
import { afterTurn } from '../../turn.js';
import { PARTING_TIMEOUT, type RedisClient, type Word } from './client.js';
import type { Script } from './scripts.js';

export interface CommandsOptions {
  /** Connects, or takes what was handed in. Called again when it has failed. */
  readonly open: () => Promise<RedisClient>;
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: () => Clock;
}

export class Commands {
  readonly #options: CommandsOptions;
  #client: RedisClient | undefined;
  #opening: Promise<RedisClient> | undefined;
  #isClosed = false;
  /** Scripts that a server has had from us: sent by their digest from then on. */
  readonly #known = new Set<Script>();

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** One command; `key` routes it. */
  send(words: readonly [string, ...Word[]], key: string): Promise<unknown> {
    return this.ask(words, key, itself);
  }

  /** The same, answered with what `read` makes of the reply: a hit is worth saving a promise. */
  ask<T>(words: readonly [string, ...Word[]], key: string, read: (reply: unknown) => T): Promise<T> {
    return this.#within(words[0], (isOver) => this.#connected((client) => client.send(words, key), isOver), read);
  }

  /** One command, unless the server has lost the script, or never had it from this process. */
  run(script: Script, keys: readonly string[], args: readonly Word[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    const key = keys[0] ?? '';
    return this.#within(
      script.name,
      async (isOver) => {
        const evaluate = async () => {
          const reply = await this.#connected((client) => client.send(['EVAL', script.text, ...rest], key), isOver);
          this.#known.add(script);
          return reply;
        };
        if (!this.#known.has(script)) return evaluate();
        try {
          return await this.#connected((client) => client.send(['EVALSHA', script.sha, ...rest], key), isOver);
        } catch (error) {
          if (!isNoScript(error) || isOver()) throw error;
          return evaluate();
        }
      },
      itself,
    );
  }

  /** Sent behind a call that has failed, in case the server still takes that: nobody waits for it, nobody is told. */
  runBehind(script: Script, keys: readonly string[], args: readonly Word[]): void {
    if (!this.#isClosed) this.runLast(script, keys, args).catch(() => {});
  }

  /** For what ends something: also after the last call, where there is a connection. */
  async runLast(script: Script, keys: readonly string[], args: readonly Word[]): Promise<void> {
    const client = this.#client;
    if (!client) return;
    // In one command: a digest that is not known would lose the order.
    await this.#within(
      script.name,
      async () => client.send(['EVAL', script.text, String(keys.length), ...keys, ...args], keys[0] ?? ''),
      itself,
    );
  }

  /** The client, for what is no command. */
  client(): Promise<RedisClient> {
    return this.#open();
  }

  /** No call is taken any more. What is said `last` is answered by then, unless the server takes too long. */
  async close(last: () => Promise<unknown>): Promise<void> {
    this.#isClosed = true;
    await new Promise<void>((resolve) => {
      const stopLimit = after(systemClock, PARTING_TIMEOUT, resolve, { isAwaited: true });
      void last().then(() => {
        stopLimit();
        resolve();
      });
    });
    const client = this.#client ?? (await this.#opening?.catch(() => undefined));
    await client?.close();
  }

  /** Sends at once, if there is a connection; else as soon as there is one, unless nobody waits any more. */
  #connected(send: (client: RedisClient) => Promise<unknown>, isOver: () => boolean): Promise<unknown> {
    const client = this.#client;
    return client && !client.opening && !this.#isClosed ? send(client) : this.#connectedLater(send, isOver);
  }

  async #connectedLater(send: (client: RedisClient) => Promise<unknown>, isOver: () => boolean): Promise<unknown> {
    const client = await this.#open();
    await client.opening;
    if (this.#isClosed) throw closed();
    if (isOver()) throw new BackendTimeoutError('Too late to be sent.');
    return send(client);
  }

  async #open(): Promise<RedisClient> {
    if (this.#isClosed) throw closed();
    if (this.#client) return this.#client;
    this.#opening ??= this.#options.open();
    try {
      this.#client = await this.#opening;
      return this.#client;
    } finally {
      this.#opening = undefined;
    }
  }

  #within<T>(verb: string, work: (isOver: () => boolean) => Promise<unknown>, read: (reply: unknown) => T): Promise<T> {
    const { timeout } = this.#options;
    const clock = this.#options.clock();
    return new Promise((resolve, reject) => {
      let isOver = false;
      let timer: unknown;
      const fail = (error: unknown) => {
        clock.clearTimeout(timer);
        reject(this.#typed(verb, error));
      };
      const succeed = (reply: unknown) => {
        clock.clearTimeout(timer);
        if (isOver) return;
        try {
          resolve(read(reply));
        } catch (error) {
          reject(this.#typed(verb, error));
        }
      };
      try {
        const sent = work(() => isOver);
        // While the answer is on its way: before, it would hold up every hit.
        timer = clock.setTimeout(
          () =>
            afterTurn(() => {
              isOver = true;
              reject(this.#late(verb));
            }),
          timeout,
        );
        sent.then(succeed, fail);
      } catch (error) {
        fail(error);
      }
    });
  }

  /** With what is known of the connection, if there is none. */
  #late(verb: string): BackendTimeoutError {
    const cause = this.#client?.causeOf(undefined);
    const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
    const message = `Redis (${this.#place}) did not answer "${verb}" within ${this.#options.timeout} ms${why}.`;
    return new BackendTimeoutError(message, { cause });
  }

  #typed(verb: string, error: unknown): DogpileCacheError {
    if (error instanceof DogpileCacheError) return error;
    // Most often its connection was ended under it: that is no failure of the server.
    if (this.#isClosed) return closed({ cause: error });
    const cause = this.#client?.causeOf(error) ?? error;
    const why = messageOf(cause);
    const [, hint = ''] = HINTS.find(([sign]) => sign.test(why)) ?? [];
    return new BackendUnavailableError(`Redis (${this.#place}) failed at "${verb}": ${why}${hint}`, { cause });
  }

  get #place(): string {
    return this.#client?.place ?? 'not connected yet';
  }
}

/** A reply that is to be a list, with so many items. */
export function listOf(reply: unknown, length?: number): unknown[] {
  if (Array.isArray(reply) && (length === undefined || reply.length === length)) return reply;
  throw new BackendUnavailableError(
    'The server answered with something else than the list it was asked for: is it Redis?',
  );
}

export const TAKE_THE_CLUSTER = 'take the redis_cluster backend.';

/** What to do about some troubles. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  // What a client of one server is told by a node; clients of clusters go where they are sent.
  [/^(MOVED|CROSSSLOT) /, `. This is a node of a cluster: ${TAKE_THE_CLUSTER}`],
  [/cluster support disabled/, '. This is a server by itself: take the redis backend.'],
];

const itself = (reply: unknown): unknown => reply;

function closed(options?: { cause: unknown }): RegionClosedError {
  return new RegionClosedError('This backend is closed.', options);
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
