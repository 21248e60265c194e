/**
 * npm `memcached` (2.x): the text protocol, multi-get and CAS. Decides how each verb is said to it, and what its answers mean: it
 * marks failures in many ways, some of them as success.
 */
import type { Socket } from 'node:net';
import type { KeyMangler } from '../../api.js';
import { BackendUnavailableError, ValueTooLargeError } from '../../errors.js';
import { sha256MangleKey } from '../../keys/manglers.js';
import type { MemcachedServer } from './address.js';
import { type Found, type MemcachedClient, readInRequests, removeByWrite } from './client.js';
import type { NodeMemcachedLike } from './clients.js';
import { AT_ONCE } from './expiry.js';
import { isCarried, memcachedKeyMangler } from './keys.js';
import type { Connection, Link } from './link.js';
import { connectionOf, guardParser } from './own-socket.js';
import { asBytes, asText } from './text-values.js';

/** The slice of the package that is used. */
export interface NodeMemcachedModule {
  readonly default: new (server: string, options: object) => OwnClient;
}
interface OwnClient extends NodeMemcachedLike {
  connect(server: string, done: (error: unknown, socket: Socket | undefined) => void): void;
  connectionIssue(trouble: unknown, at: { end?(): unknown }): void;
}

/** It takes a key for a replacement text, where `$` is special; and keeps the CAS number beside the keys, as `cas`. */
export function isCarriedByNodeMemcached(key: string): boolean {
  return isCarried(key) && key !== 'cas' && !key.includes('$');
}

export const nodeMemcachedKeyMangler: KeyMangler = (key) =>
  isCarriedByNodeMemcached(key) ? memcachedKeyMangler(key) : sha256MangleKey(key);

/** Of one server. */
export async function openNodeMemcached(
  { default: Client }: NodeMemcachedModule,
  { host, port }: MemcachedServer,
  timeout: number,
  lost: (why: unknown) => void,
): Promise<Connection<NodeMemcachedLike>> {
  const place = `${host}:${port}`;
  const client = new Client(place, {
    // In the order of the calls.
    poolSize: 1,
    retries: 0,
    // It is the link that gives up first.
    timeout: 2 * timeout,
    idle: 0,
    redundancy: false,
    // What is too large is the server's to say.
    maxValue: Number.MAX_SAFE_INTEGER,
    maxQueueSize: -1,
    keyCompression: false,
    namespace: '',
    debug: false,
  });
  // Told before the call is answered, with nothing but `false`. What it would do about trouble itself is for a client that lives on: a
  // second one within milliseconds starts a timer of hours, which keeps the process alive, and a `ping` of the host when that ends.
  client.connectionIssue = (trouble, at) => {
    troubles.set(client, String(trouble));
    at.end?.();
  };
  const socket = await new Promise<Socket>((resolve, reject) => {
    client.connect(place, (error, connected) => {
      if (connected && !error) return resolve(connected);
      // It waits for the end of what never began.
      connected?.destroy();
      reject(error instanceof Error ? error : new Error(String(error || 'no connection')));
    });
  });
  guardParser(socket);
  // It would open another as soon as this one begins to end, and nobody would end that.
  client.connect = (_server, done) => done(undefined, socket);
  // After a failure of the server it says of itself that there is none, and ends what is there.
  return { ...connectionOf<NodeMemcachedLike>(client, socket, lost), isSpent: () => troubles.has(client) };
}

/** What the server said last, by client of ours. */
const troubles = new WeakMap<object, string>();

type Done = (error: unknown, result: unknown) => void;

export class NodeMemcachedClient implements MemcachedClient {
  readonly #link: Link<NodeMemcachedLike>;

  constructor(link: Link<NodeMemcachedLike>) {
    this.#link = link;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const [bytes] = await this.getMulti([key]);
    return bytes;
  }

  /** Also of one: a plain `get` doesn't say of which key it tells. */
  getMulti(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return readInRequests(keys, (some) => this.#getMany(some));
  }

  #getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return this.#link.call('get', async (client) => {
      const answer = await said((done) => client.getMulti([...new Set(keys)], done));
      const found = entriesOf(answer, keys);
      return keys.map((key) => (Object.hasOwn(found, key) ? asBytes(found[key]) : undefined));
    });
  }

  find(key: string): Promise<Found | undefined> {
    return this.#link.call('gets', async (client) => {
      const answer = await said((done) => client.gets(key, done));
      if (answer === undefined) return undefined;
      const found = entriesOf(answer, [key, 'cas']);
      if (!Object.hasOwn(found, key) || typeof found.cas !== 'string') throw outOfStep();
      return { bytes: asBytes(found[key]), cas: found.cas };
    });
  }

  async set(key: string, bytes: Uint8Array, seconds: number): Promise<void> {
    await this.#link.call('set', async (client) => {
      const answer = await said((done) => client.set(key, asText(bytes), seconds, done));
      if (answer !== true) throw refusal(client, key, bytes, answer);
    });
  }

  add(key: string, bytes: Uint8Array, seconds: number): Promise<boolean> {
    return this.#link.call('add', async (client) => {
      try {
        const answer = await said((done) => client.add(key, asText(bytes), seconds, done));
        if (answer === true) return true;
        throw refusal(client, key, bytes, answer);
      } catch (error) {
        if (error instanceof Error && 'notStored' in error) return false;
        throw error;
      }
    });
  }

  swap(key: string, bytes: Uint8Array, seconds: number, found: Found): Promise<boolean> {
    return this.#cas(key, asText(bytes), bytes, seconds, found);
  }

  extend(key: string, seconds: number, found: Found): Promise<boolean> {
    return this.#cas(key, asText(found.bytes), found.bytes, seconds, found);
  }

  remove(key: string, found: Found): Promise<boolean> {
    return removeByWrite(this, key, found, () => this.#cas(key, '', found.bytes, AT_ONCE, found));
  }

  async delete(key: string): Promise<void> {
    await this.#link.call('delete', async (client) => {
      const answer = await said((done) => client.del(key, done));
      if (typeof answer !== 'boolean') throw outOfStep();
    });
  }

  async ping(): Promise<void> {
    await this.get('ping');
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  #cas(key: string, text: string, bytes: Uint8Array, seconds: number, { cas = '' }: Found): Promise<boolean> {
    return this.#link.call('cas', async (client) => {
      const trouble = troubles.get(client);
      const answer = await said((done) => client.cas(key, text, cas, seconds, done));
      // A failure of the server is `false`, too.
      if (typeof answer !== 'boolean' || troubles.get(client) !== trouble) throw refusal(client, key, bytes, answer);
      return answer;
    });
  }
}

/** A limit of the client itself, below the server's or above. */
const TOO_LARGE = /^The length of the value is greater than/;

function said(call: (done: Done) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      const first: unknown = Array.isArray(error) ? error[0] : error;
      if (first instanceof Error && TOO_LARGE.test(first.message))
        reject(new ValueTooLargeError(first.message, { cause: first }));
      else if (first) reject(first);
      else resolve(result);
    });
  });
}

/** A reply that tells of other keys was another call's. */
function entriesOf(answer: unknown, asked: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof answer !== 'object' || answer === null) throw outOfStep();
  if (Object.keys(answer).some((key) => !asked.includes(key))) throw outOfStep();
  return answer as Readonly<Record<string, unknown>>;
}

function outOfStep(): Error {
  return new Error('its answers are out of step with what was asked: another program may have written line ends there');
}

/** Why a write was not done. */
function refusal(client: object, key: string, bytes: Uint8Array, answer: unknown): Error {
  if (answer !== false) return outOfStep();
  const trouble = troubles.get(client);
  if (trouble?.includes('too large'))
    return new ValueTooLargeError(`The entry "${key}" has ${bytes.length} bytes; the server takes fewer (its -I).`);
  if (trouble) return new BackendUnavailableError(`memcached did not store "${key}": ${trouble}`);
  return new BackendUnavailableError(
    `memcached did not store "${key}" (${bytes.length} bytes), and the client says no more.`,
  );
}
