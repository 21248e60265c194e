/**
 * Several servers as one: which of them keeps a key (rendezvous hashing; Thaler, Ravishankar: Using name-based mappings to increase hit
 * rates, 1998). A server that is gone takes its keys along until it is back: nothing of them is looked for elsewhere, where it would be old.
 */
import type { Found, MemcachedClient } from './client.js';
import { keyOfLock } from './keys.js';

/** A client of one server, and the name that it is chosen by. */
export interface Member {
  readonly place: string;
  readonly client: MemcachedClient;
}

export class MemcachedServers implements MemcachedClient {
  readonly #members: readonly Member[];
  readonly #report: (error: unknown) => void;

  /** `report` is told of servers that did not take part in an answer. */
  constructor(members: readonly [Member, ...Member[]], report: (error: unknown) => void) {
    this.#members = members;
    this.#report = report;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#of(key).get(key);
  }

  /** What is kept where nobody answers counts as missing, as long as anybody answers. */
  async getMulti(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const groups = new Map<MemcachedClient, string[]>();
    for (const key of new Set(keys)) {
      const client = this.#of(key);
      const group = groups.get(client);
      if (group) group.push(key);
      else groups.set(client, [key]);
    }
    const found = new Map<string, Uint8Array | undefined>();
    const reads = [...groups].map(async ([client, group]) => {
      const answers = await client.getMulti(group);
      for (const [at, key] of group.entries()) found.set(key, answers[at]);
    });
    const settled = await Promise.allSettled(reads);
    const failed = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    if (failed.length > 0 && failed.length === settled.length) throw failed[0];
    for (const error of failed) this.#report(error);
    return keys.map((key) => found.get(key));
  }

  find(key: string): Promise<Found | undefined> {
    return this.#of(key).find(key);
  }
  set(key: string, bytes: Uint8Array, seconds: number): Promise<void> {
    return this.#of(key).set(key, bytes, seconds);
  }
  add(key: string, bytes: Uint8Array, seconds: number): Promise<boolean> {
    return this.#of(key).add(key, bytes, seconds);
  }
  swap(key: string, bytes: Uint8Array, seconds: number, found: Found): Promise<boolean> {
    return this.#of(key).swap(key, bytes, seconds, found);
  }
  extend(key: string, seconds: number, found: Found): Promise<boolean> {
    return this.#of(key).extend(key, seconds, found);
  }
  remove(key: string, found: Found): Promise<boolean> {
    return this.#of(key).remove(key, found);
  }
  delete(key: string): Promise<void> {
    return this.#of(key).delete(key);
  }

  async ping(): Promise<void> {
    await Promise.all(this.#members.map(({ client }) => client.ping()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ client }) => client.close()));
  }

  /** A lock is kept where its key is: a server that is gone stops no others. */
  #of(name: string): MemcachedClient {
    const key = keyOfLock(name);
    let [best] = this.#members as readonly [Member];
    let highest = -1;
    for (const member of this.#members) {
      const score = scoreOf(key, member.place);
      if (score > highest) {
        best = member;
        highest = score;
      }
    }
    return best.client;
  }
}

/** FNV-1a over both, mixed to the end (as MurmurHash3 ends). 32 bits. */
function scoreOf(key: string, place: string): number {
  const text = `${place}\n${key}`;
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
