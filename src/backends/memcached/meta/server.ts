/**
 * One memcached server: the connection there is, or the way to the next one. Decides when a server is down: from then on calls fail
 * at once, and it is tried again, ever more seldom and by chance, until it answers a command.
 */

import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { BackendTimeoutError, BackendUnavailableError } from '../../../errors.js';
import { errorOf } from '../../../shown.js';
import { afterTurn } from '../../../turn.js';
import { type MetaAddress, placeOf } from './address.js';
import { MetaConnection } from './connection.js';

export interface ServerOptions {
  /** Milliseconds: of a call, of connecting, and of the silence of a server that owes a reply. */
  readonly timeout: number;
  /** The largest value that is taken, in bytes. */
  readonly largest: number;
  /** What Node's `tls.connect` takes; `undefined`: no TLS. */
  readonly tls: TlsOptions | undefined;
  /** There are other servers, with other keys. */
  readonly isOneOfMany: boolean;
}

export class MetaServer {
  /** For messages. */
  readonly place: string;
  readonly #address: MetaAddress;
  readonly #options: ServerOptions;
  #ready: MetaConnection | undefined;
  #attempt: Promise<MetaConnection> | undefined;
  /** The socket of the attempt. */
  #opening: Socket | undefined;
  /** Attempts in a row that failed: from the first on it is down. */
  #failures = 0;
  #trouble: Error | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closedBy: Error | undefined;

  constructor(address: MetaAddress, options: ServerOptions) {
    this.place = placeOf(address);
    this.#address = address;
    this.#options = options;
  }

  /** When a call that begins now is over, in `performance.now()`. */
  deadline(): number {
    return performance.now() + this.#options.timeout;
  }

  /** If there is one at once. */
  get ready(): MetaConnection | undefined {
    return this.#ready;
  }

  /** Rejects with `BackendUnavailableError` if the server is down, with `BackendTimeoutError` at the deadline. */
  async connection(deadline: number): Promise<MetaConnection> {
    if (this.#closedBy) throw this.#closedBy;
    if (this.#ready) return this.#ready;
    if (this.#failures > 0) throw this.#down();
    this.#attempt ??= this.#connect();
    // Somebody waits for it.
    this.#opening?.ref();
    return before(deadline, this.#attempt, () => this.#late());
  }

  close(why: Error): void {
    if (this.#closedBy) return;
    this.#closedBy = why;
    clearTimeout(this.#retry);
    this.#opening?.destroy(why);
    this.#ready?.close(why);
    this.#ready = undefined;
  }

  async #connect(): Promise<MetaConnection> {
    try {
      const connection = await this.#open();
      if (this.#closedBy) {
        connection.close(this.#closedBy);
        throw this.#closedBy;
      }
      this.#failures = 0;
      this.#trouble = undefined;
      this.#ready = connection;
      connection.whenClosed((why) => this.#lose(connection, why));
      return connection;
    } catch (error) {
      this.#fail(errorOf(error));
      throw this.#closedBy ?? this.#down();
    } finally {
      this.#attempt = undefined;
      this.#opening = undefined;
    }
  }

  /** It has answered a command: a frozen server's system takes connections, too. */
  async #open(): Promise<MetaConnection> {
    const { timeout, largest, isOneOfMany } = this.#options;
    const socket = this.#dial();
    this.#opening = socket;
    await connected(socket, this.#options.tls ? 'secureConnect' : 'connect', timeout, () => this.#late());
    const connection = new MetaConnection(socket, { place: this.place, timeout, largest, isOneOfMany });
    try {
      await connection.greet(this.#address);
    } catch (error) {
      connection.close(errorOf(error));
      throw error;
    }
    return connection;
  }

  #dial(): Socket {
    const { host, port, path } = this.#address;
    const { tls } = this.#options;
    const place = path === undefined ? { host, port } : { path };
    const socket = tls
      ? connectTls({ ...(path === undefined ? { servername: nameOf(host) } : {}), ...place, ...tls })
      : connectPlain(place);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    return socket;
  }

  /** A silent server is down; one that ended the connection may be back already. */
  #lose(connection: MetaConnection, why: Error): void {
    if (this.#ready !== connection) return;
    this.#ready = undefined;
    if (why instanceof BackendTimeoutError) this.#fail(why);
  }

  #fail(why: Error): void {
    this.#failures++;
    this.#trouble = why;
    if (this.#closedBy) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#attempt ??= this.#connect();
      // What it fails with is told to the next call.
      this.#attempt.catch(() => {});
      this.#opening?.unref();
    }, retryDelay(this.#failures));
    this.#retry.unref();
  }

  #down(): BackendUnavailableError {
    const message = `memcached (${this.place}) can't be reached: ${this.#trouble?.message}`;
    return this.#marked(new BackendUnavailableError(message, { cause: this.#trouble }));
  }

  #late(): BackendTimeoutError {
    const message = `memcached (${this.place}) did not answer within ${this.#options.timeout} ms.`;
    return this.#marked(new BackendTimeoutError(message));
  }

  #marked<Trouble extends BackendTimeoutError | BackendUnavailableError>(error: Trouble): Trouble {
    if (this.#options.isOneOfMany) error.isOfOneServer = true;
    return error;
  }
}

/** Up to 1 s, by chance, so that a fleet does not come back all at once. */
function retryDelay(failures: number): number {
  return Math.min(1000, 50 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
}

/** TLS takes no address for a server's name. */
function nameOf(host: string): string {
  return /^[\d.]+$/.test(host) || host.includes(':') ? '' : host;
}

function connected(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  timeout: number,
  late: () => Error,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    let timer: NodeJS.Timeout;
    // In parts: whoever holds up the event loop takes one of them, and not the time that the server has.
    const wait = (parts: number) => {
      if (isOver) return;
      if (parts > 0) {
        timer = setTimeout(() => afterTurn(() => wait(parts - 1)), timeout / 4);
        timer.unref();
      } else socket.destroy(late());
    };
    wait(4);
    // One may follow when nobody is left to hear it, or before anybody is there who does.
    socket.on('error', () => {});
    const end = (error?: Error) => {
      isOver = true;
      clearTimeout(timer);
      socket.off('close', closed);
      socket.off('error', end);
      if (error) reject(error);
      else resolve();
    };
    const closed = () => end(new Error('The server ended the connection.'));
    socket.once(event, () => end());
    socket.once('error', end);
    socket.once('close', closed);
  });
}

function before<T>(deadline: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => afterTurn(() => reject(late())), Math.max(0, deadline - performance.now()));
    timer.unref();
    const settle = (run: () => void) => {
      clearTimeout(timer);
      run();
    };
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}
