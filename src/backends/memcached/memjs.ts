/**
 * npm `memjs` (1.3): the binary protocol, with SASL. It knows neither multi-get nor CAS: many keys are as many requests at once, and
 * "unless it has changed" compares first, and leaves a window of a round trip. Decides how each verb is said to it.
 */

import type { Socket } from 'node:net';
import { BackendUnavailableError, ValueTooLargeError } from '../../errors.js';
import { errorOf } from '../../shown.js';
import type { MemcachedServer } from './address.js';
import type { Found, MemcachedClient } from './client.js';
import type { MemjsLike } from './clients.js';
import type { Connection, Link } from './link.js';
import { connectionOf, endOnAbort, guardParser } from './own-socket.js';

/** The slice of the package that is used. */
export interface MemjsModule {
  readonly Client: new (servers: readonly OwnServer[], options: object) => MemjsLike;
  readonly Server: new (
    host: string | undefined,
    port: number | string,
    username: string | undefined,
    password: string | undefined,
    options: object,
  ) => OwnServer;
}
interface OwnServer {
  username: string | undefined;
  password: string | undefined;
  onError(sequence: number, run: (error: unknown) => void): void;
  sock(sasl: boolean, ready: (socket: Socket) => void): void;
}

/** Of one server. */
export async function openMemjs(
  { Client, Server }: MemjsModule,
  { host, port, path, username, password }: MemcachedServer,
  timeout: number,
  lost: (why: unknown) => void,
  givenUp: AbortSignal,
): Promise<Connection<MemjsLike>> {
  const logger = { log: () => {} };
  // It is the link that gives up first.
  const seconds = (2 * timeout) / 1000;
  const server = new Server(path === undefined ? host : undefined, path ?? port, username, password, {
    timeout: seconds,
    conntimeout: seconds,
  });
  // It takes some from the environment, whatever server that is about.
  server.username = username;
  server.password = password;
  const socket = await new Promise<Socket>((resolve, reject) => {
    let connecting: Socket | undefined;
    // No request has the number 0. Told also of what it does not tell the callers.
    server.onError(0, (error) => {
      // It waits for the end of what never began.
      connecting?.destroy();
      reject(errorOf(error));
      lost(error);
    });
    server.sock(false, resolve);
    // At once, connected or not.
    server.sock(true, (made) => {
      connecting = made;
      endOnAbort(made, givenUp);
    });
  });
  guardParser(socket);
  // Twice the same request would lose the lock that the first has won. 1 is none.
  const client = new Client([server], { retries: 1, failover: false, expires: 0, logger });
  return connectionOf(client, socket, lost);
}

export class MemjsClient implements MemcachedClient {
  readonly #link: Link<MemjsLike>;

  constructor(link: Link<MemjsLike>) {
    this.#link = link;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#say('get', async (client) => (await client.get(key)).value ?? undefined);
  }

  getMulti(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async find(key: string): Promise<Found | undefined> {
    const bytes = await this.get(key);
    return bytes && { bytes, cas: undefined };
  }

  async set(key: string, bytes: Uint8Array, seconds: number): Promise<void> {
    await this.#write('set', key, bytes, seconds);
  }

  add(key: string, bytes: Uint8Array, seconds: number): Promise<boolean> {
    return this.#write('add', key, bytes, seconds);
  }

  /** Whatever is there by now is overwritten, unless it is gone. */
  swap(key: string, bytes: Uint8Array, seconds: number): Promise<boolean> {
    return this.#write('replace', key, bytes, seconds);
  }

  /** Whatever is there by now lives longer, unchanged. */
  extend(key: string, seconds: number): Promise<boolean> {
    return this.#say('touch', (client) => client.touch(key, seconds));
  }

  /** Whatever is there by now is removed. */
  remove(key: string): Promise<boolean> {
    return this.#say('delete', (client) => client.delete(key));
  }

  async delete(key: string): Promise<void> {
    await this.remove(key);
  }

  async ping(): Promise<void> {
    await this.get('ping');
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  #write(verb: 'set' | 'add' | 'replace', key: string, bytes: Uint8Array, seconds: number): Promise<boolean> {
    // It makes a copy of what isn't a Buffer.
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    return this.#say(verb, async (client) => {
      try {
        return await client[verb](key, buffer, { expires: seconds });
      } catch (error) {
        if (!(error instanceof Error && error.message.endsWith('Value too large'))) throw error;
        throw new ValueTooLargeError(`The entry "${key}" has ${bytes.length} bytes; the server takes fewer (its -I).`, {
          cause: error,
        });
      }
    });
  }

  #say<T>(verb: string, send: (client: MemjsLike) => Promise<T>): Promise<T> {
    return this.#link.call(verb, async (client) => {
      try {
        return await send(client);
      } catch (error) {
        // What the server says is an answer: the connection is as good as before.
        if (error instanceof Error && error.message.startsWith('MemJS '))
          throw new BackendUnavailableError(`memcached failed at "${verb}": ${error.message}`, { cause: error });
        throw error;
      }
    });
  }
}
