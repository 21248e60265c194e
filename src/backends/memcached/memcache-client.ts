/**
 * npm `memcache-client` (1.x): the text protocol, multi-get, CAS and TLS. It would send each call to any one of its servers: it is
 * given one. Decides how each verb is said to it, and what its errors mean.
 */
import type { Socket } from 'node:net';
import { BackendUnavailableError, ValueTooLargeError } from '../../errors.js';
import type { MemcachedServer } from './address.js';
import { type Found, type MemcachedClient, readInRequests, removeByWrite } from './client.js';
import type { MemcacheClientLike } from './clients.js';
import { AT_ONCE } from './expiry.js';
import type { Connection, Link } from './link.js';
import { placeOf } from './meta/address.js';
import { connectionOf, endOnAbort, guardParser } from './own-socket.js';
import { asBytes, asText } from './text-values.js';

/** The slice of the package that is used. */
export interface MemcacheClientModule {
  readonly MemcacheClient: new (options: object) => OwnClient;
}
interface OwnClient extends MemcacheClientLike {
  send(data: (socket: Socket) => void): Promise<unknown>;
}

/** Of one server. */
export async function openMemcacheClient(
  { MemcacheClient }: MemcacheClientModule,
  server: MemcachedServer,
  { timeout, tls }: { readonly timeout: number; readonly tls: object | undefined },
  lost: (why: unknown) => void,
  givenUp: AbortSignal,
): Promise<Connection<MemcacheClientLike>> {
  const client = new MemcacheClient({
    // One connection: in the order of the calls.
    server: { server: placeOf(server), maxConnections: 1 },
    // It is the link that gives up first.
    cmdTimeout: 2 * timeout,
    connectTimeout: 2 * timeout,
    noDelay: true,
    // Values that Python has pickled bear the flag that stands here for compressed ones.
    compressor: { compressSync: asGiven, decompressSync: asGiven },
    ...(tls && { tls }),
  });
  let socket: Socket | undefined;
  try {
    await client.send((connected) => {
      socket = connected;
      guardParser(connected);
      endOnAbort(connected, givenUp);
      connected.write('version\r\n');
    });
  } catch (error) {
    // The package keeps it.
    socket?.destroy();
    throw error;
  }
  if (!socket) throw new Error('no connection');
  return connectionOf<MemcacheClientLike>(client, socket, lost);
}

const asGiven = ({ input }: { input: unknown }) => input;

export class MemcacheClientClient implements MemcachedClient {
  readonly #link: Link<MemcacheClientLike>;

  constructor(link: Link<MemcacheClientLike>) {
    this.#link = link;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#read('get', [key])).get(key)?.bytes;
  }

  getMulti(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return readInRequests(keys, async (some) => {
      const found = await this.#read('get', [...new Set(some)]);
      return some.map((key) => found.get(key)?.bytes);
    });
  }

  async find(key: string): Promise<Found | undefined> {
    return (await this.#read('gets', [key])).get(key);
  }

  async set(key: string, bytes: Uint8Array, seconds: number): Promise<void> {
    const isStored = await this.#write('set', key, bytes, seconds);
    if (!isStored) throw new BackendUnavailableError(`memcached did not store "${key}".`);
  }

  add(key: string, bytes: Uint8Array, seconds: number): Promise<boolean> {
    return this.#write('add', key, bytes, seconds);
  }

  swap(key: string, bytes: Uint8Array, seconds: number, found: Found): Promise<boolean> {
    return this.#write('cas', key, bytes, seconds, found);
  }

  extend(key: string, seconds: number, found: Found): Promise<boolean> {
    return this.#write('cas', key, found.bytes, seconds, found);
  }

  remove(key: string, found: Found): Promise<boolean> {
    return removeByWrite(this, key, found, () => this.#write('cas', key, new Uint8Array(0), AT_ONCE, found));
  }

  async delete(key: string): Promise<void> {
    await this.#link.call('delete', (client) => answered(client.delete(key), 'delete', key, 0));
  }

  async ping(): Promise<void> {
    await this.get('ping');
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  #read(verb: 'get' | 'gets', keys: readonly string[]): Promise<ReadonlyMap<string, Found>> {
    return this.#link.call(verb, async (client) => {
      let answer: unknown;
      try {
        answer = await client[verb]([...keys]);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        // It says of none what it can't say of one.
        const each = await Promise.all(keys.map((key) => readAlone(client, verb, key)));
        return new Map(each.flat());
      }
      return foundIn(answer, keys);
    });
  }

  #write(
    verb: 'set' | 'add' | 'cas',
    key: string,
    bytes: Uint8Array,
    lifetime: number,
    found?: Found,
  ): Promise<boolean> {
    return this.#link.call(verb, (client) => {
      // An entry that could not be read has no number: then it is overwritten as it is.
      const said = verb === 'cas' && !found?.cas ? 'set' : verb;
      const sent = client[said](key, asText(bytes), {
        lifetime,
        compress: false,
        ...(said === 'cas' && { casUniq: found?.cas }),
      });
      return answered(sent, verb, key, bytes.length);
    });
  }
}

async function readAlone(client: MemcacheClientLike, verb: 'get' | 'gets', key: string): Promise<[string, Found][]> {
  try {
    return [...foundIn(await client[verb]([key]), [key])];
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return [[key, { bytes: new Uint8Array(0), cas: undefined }]];
  }
}

/** In a plain object by key, where everything that objects have is, too. */
function foundIn(answer: unknown, keys: readonly string[]): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>();
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) throw outOfStep();
  for (const key of keys) {
    const one: unknown = Object.hasOwn(answer, key) ? Reflect.get(answer, key) : undefined;
    if (typeof one !== 'object' || one === null || !('value' in one)) continue;
    const cas = 'casUniq' in one && typeof one.casUniq === 'string' ? one.casUniq : undefined;
    found.set(key, { bytes: asBytes(one.value), cas });
  }
  return found;
}

function outOfStep(): Error {
  return new Error('its answers are out of step with what was asked');
}

/** A client that was handed in may not know what to do with the flags of a value. */
function isUnreadable(error: unknown): boolean {
  return error instanceof SyntaxError || (error instanceof Error && 'code' in error && error.code === 'ERR_ASSERTION');
}

/** What the server answers as an error is an answer: `false`, or an error of ours. */
async function answered(sent: Promise<unknown>, verb: string, key: string, bytes: number): Promise<boolean> {
  try {
    const answer = await sent;
    // By its first word.
    const [word] = Array.isArray(answer) ? answer : [];
    if (word === (verb === 'delete' ? 'DELETED' : 'STORED')) return true;
    throw outOfStep();
  } catch (error) {
    if (!(error instanceof Error && 'cmdTokens' in error && Array.isArray(error.cmdTokens))) throw error;
    const [kind] = error.cmdTokens;
    if (kind === 'NOT_STORED' || kind === 'EXISTS' || kind === 'NOT_FOUND') return false;
    if (error.message.includes('too large'))
      throw new ValueTooLargeError(`The entry "${key}" has ${bytes} bytes; the server takes fewer (its -I).`, {
        cause: error,
      });
    throw new BackendUnavailableError(`memcached failed at "${verb}": ${error.message}`, { cause: error });
  }
}
