/** What the backend needs of a client, whatever its package. The adapters beside this file make one of each kind. */

/** A part of a command. Text is sent as UTF-8. */
export type Word = string | Buffer;

export interface RedisClient {
  /** `host:port`, for messages. */
  readonly place: string;
  /** The first connection, of a client that was made here, until it stands or has failed. From then on nothing waits for one. */
  readonly opening: Promise<void> | undefined;
  /**
   * Sends one command to the primary; `key` routes it where there are several. Strings in the reply are Buffers. Rejects with what
   * the client or the server says; may throw it, too.
   */
  send(words: readonly [string, ...Word[]], key: string): Promise<unknown>;
  /** What is behind an error of `send`: "offline" says less than what took the connection away. */
  causeOf(error: unknown): unknown;
  /** A connection of its own that listens, as yet to be made. `undefined`: this client can't. */
  openEar(events: EarEvents): Promise<RedisEar | undefined>;
  /** Ends what was made here: the connections of a client that was handed in are its owner's. */
  close(): Promise<void>;
}

export interface EarEvents {
  /** Somebody let go of this lock. */
  heard(lock: string): void;
  /** Connected (anew), and subscribed again to all that it was subscribed to: whatever came meanwhile was missed. */
  connected(): void;
  failed(error: unknown): void;
}

export interface RedisEar {
  /** Settles when the wake-ups of this lock come in; waits for the connection. */
  subscribe(lock: string): Promise<unknown>;
  unsubscribe(lock: string): Promise<unknown>;
  close(): void;
}

/** How long to wait before the next try to connect: up to 2 s, by chance, so that a fleet does not come back all at once. */
export function reconnectDelay(tries: number): number {
  return Math.round(Math.min(2000, 50 * 2 ** Math.min(tries, 10)) * (0.5 + Math.random() / 2));
}

/** How long connecting may take before it is tried anew. */
export const CONNECT_TIMEOUT = 5000;
/** A server that answers nothing for so long is no longer waited for: the connection is made anew. */
export const SILENCE_TIMEOUT = 30_000;
/** A sentinel that answers nothing for so long is passed over: another may know. */
export const SENTINEL_TIMEOUT = 5000;

/** How long a server may take to answer what is said to it last, and to see that a connection is ended by us; then it is cut. */
export const PARTING_TIMEOUT = 200;

/** For messages. */
export function placesOf(servers: readonly { readonly host: string; readonly port: number }[]): string {
  return servers.map(({ host, port }) => `${host}:${port}`).join(', ');
}

/** What is known of the connection of a client that we make. Written by its events. */
export class FirstConnection {
  /** `undefined` once it stands or has failed. */
  opening: Promise<void> | undefined;
  /** Why there was none, the last time there was none. */
  trouble: unknown;
  /** By us. */
  isClosed = false;
  #decide: () => void = () => {};

  constructor() {
    this.opening = new Promise((resolve) => {
      this.#decide = () => {
        this.opening = undefined;
        resolve();
      };
    });
  }

  stands(): void {
    this.trouble = undefined;
    this.#decide();
  }

  failed(error: unknown): void {
    this.trouble = error;
    this.#decide();
  }

  /** Nobody waits for it any more: a client that is ended while it connects may never say so. */
  close(): void {
    this.isClosed = true;
    this.#decide();
  }
}
