/** What locks and backends need of a memcached, whatever the package that speaks to it. The adapters beside this file make one each. */
import { BackendUnavailableError } from '../../errors.js';

/** What is stored under a key, as one read found it. */
export interface Found {
  readonly bytes: Uint8Array;
  /** Its CAS number; `undefined`: the package has none. */
  readonly cas: string | undefined;
}

/**
 * `seconds` are as the protocol counts them (`expiry.ts`). "Unless it has changed" is one step of the server where the package knows
 * CAS; else the name of a window, and each adapter says of which. Rejects for all that isn't an answer; every call settles in time.
 */
export interface MemcachedClient {
  get(key: string): Promise<Uint8Array | undefined>;
  /** In the keys' order. */
  getMulti(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  find(key: string): Promise<Found | undefined>;
  /** Rejects with `ValueTooLargeError`, as every verb that writes. */
  set(key: string, bytes: Uint8Array, seconds: number): Promise<void>;
  /** `false`: something is there. */
  add(key: string, bytes: Uint8Array, seconds: number): Promise<boolean>;
  /** Overwrites what was found, unless it has changed or is gone. */
  swap(key: string, bytes: Uint8Array, seconds: number, found: Found): Promise<boolean>;
  /** The same bytes for longer, unless they have changed or are gone. */
  extend(key: string, seconds: number, found: Found): Promise<boolean>;
  /** Removes what was found, unless it has changed or is gone. */
  remove(key: string, found: Found): Promise<boolean>;
  delete(key: string): Promise<void>;
  /** Settles when the server answers. */
  ping(): Promise<void>;
  /** Ends what was made here: a client that was handed in is its owner's. */
  close(): Promise<void>;
}

/**
 * By a write that is gone at once, where a package can't delete by CAS number. A server that is full and may not evict refuses even
 * that: then it is compared and deleted, in two steps.
 */
export async function removeByWrite(
  client: Pick<MemcachedClient, 'find' | 'delete'>,
  key: string,
  found: Found,
  write: () => Promise<boolean>,
): Promise<boolean> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof BackendUnavailableError && error.message.includes('out of memory'))) throw error;
    const now = await client.find(key);
    if (now?.cas !== found.cas) return false;
    await client.delete(key);
    return true;
  }
}

/** In one request: packages go through all of it once for each key, and the server through all of its answer. */
const MOST_KEYS = 100;

/** Reads of many keys, in as many requests as it takes. */
export async function readInRequests(
  keys: readonly string[],
  read: (keys: readonly string[]) => Promise<readonly (Uint8Array | undefined)[]>,
): Promise<(Uint8Array | undefined)[]> {
  const reads: Promise<readonly (Uint8Array | undefined)[]>[] = [];
  for (let from = 0; from < keys.length; from += MOST_KEYS) reads.push(read(keys.slice(from, from + MOST_KEYS)));
  return (await Promise.all(reads)).flat();
}
