/**
 * What removals and renewals are about: a package without CAS can't say so to the server. Heard between the real backend and the adapter;
 * requests about one key are sent in the order of the calls.
 */
import type { Found, MemcachedClient } from '../../../backends/memcached/client.js';
import { flagOf, isGoneAtOnce, type MetaRequest } from './server.js';

export class Intents {
  readonly #byKey = new Map<string, { readonly read: Buffer | undefined; isOver: boolean }[]>();

  /** What the request is about, which is about to be sent. */
  of({ verb, keys: [key = ''], flags }: MetaRequest): Buffer | undefined {
    const isAny = verb === 'md' || (verb === 'mg' && flagOf(flags, 'T')) || (verb === 'ms' && isGoneAtOnce(flags));
    const waiting = isAny ? this.#byKey.get(key) : undefined;
    for (let next = waiting?.shift(); next; next = waiting?.shift()) if (!next.isOver) return next.read;
    return undefined;
  }

  heardBy(client: MemcachedClient): MemcachedClient {
    const heard = <T>(key: string, found: Found | undefined, send: () => Promise<T>): Promise<T> => {
      const intent = { read: found && Buffer.from(found.bytes), isOver: false };
      this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), intent]);
      return send().finally(() => {
        intent.isOver = true;
      });
    };
    return {
      get: (key) => client.get(key),
      getMulti: (keys) => client.getMulti(keys),
      find: (key) => client.find(key),
      set: (...write) => client.set(...write),
      add: (...write) => client.add(...write),
      swap: (...write) => client.swap(...write),
      extend: (key, seconds, found) =>
        isCas(found) ? client.extend(key, seconds, found) : heard(key, found, () => client.extend(key, seconds, found)),
      remove: (key, found) => heard(key, found, () => client.remove(key, found)),
      delete: (key) => heard(key, undefined, () => client.delete(key)),
      ping: () => client.ping(),
      close: () => client.close(),
    };
  }
}

/** A renewal by CAS number is no touch. */
function isCas({ cas }: Found): boolean {
  return cas !== undefined;
}
