/** Several servers as one: each key is asked of the client of its server. Decides what a server that fails means for the keys of the others. */
import type { Found, MemcachedClient } from './client.js';
import { Ring } from './meta/ring.js';

export class MemcachedServers implements MemcachedClient {
  readonly #clients: readonly MemcachedClient[];
  readonly #ring: Ring<MemcachedClient>;
  readonly #report: (verb: string, error: unknown) => void;

  /** Clients by the names of their servers on the ring. `report` is told of servers that did not take part in an answer. */
  constructor(clients: ReadonlyMap<string, MemcachedClient>, report: (verb: string, error: unknown) => void) {
    this.#clients = [...clients.values()];
    this.#ring = new Ring(clients);
    this.#report = report;
  }

  /** The client of the server that keeps the key. */
  of(key: string): MemcachedClient {
    return this.#ring.serverOf(key);
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.of(key).get(key);
  }

  /** What is kept where nobody answers counts as missing, as long as anybody answers. */
  async getMulti(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const groups = new Map<MemcachedClient, string[]>();
    for (const key of new Set(keys)) {
      const client = this.of(key);
      const group = groups.get(client);
      if (group) group.push(key);
      else groups.set(client, [key]);
    }
    const found = new Map<string, Uint8Array | undefined>();
    const reads = [...groups].map(async ([client, group]) => {
      const answers = await client.getMulti(group);
      for (const [at, key] of group.entries()) found.set(key, answers[at]);
    });
    await this.#anyOf('getMulti', reads);
    return keys.map((key) => found.get(key));
  }

  find(key: string): Promise<Found | undefined> {
    return this.of(key).find(key);
  }
  set(key: string, bytes: Uint8Array, seconds: number): Promise<void> {
    return this.of(key).set(key, bytes, seconds);
  }
  add(key: string, bytes: Uint8Array, seconds: number): Promise<boolean> {
    return this.of(key).add(key, bytes, seconds);
  }
  swap(key: string, bytes: Uint8Array, seconds: number, found: Found): Promise<boolean> {
    return this.of(key).swap(key, bytes, seconds, found);
  }
  extend(key: string, seconds: number, found: Found): Promise<boolean> {
    return this.of(key).extend(key, seconds, found);
  }
  remove(key: string, found: Found): Promise<boolean> {
    return this.of(key).remove(key, found);
  }
  delete(key: string): Promise<void> {
    return this.of(key).delete(key);
  }

  async ping(): Promise<void> {
    await this.#anyOf(
      'ready',
      this.#clients.map((client) => client.ping()),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  /** Some server answers; those that don't are told of. Rejects where none does. */
  async #anyOf(verb: string, answers: readonly Promise<void>[]): Promise<void> {
    const settled = await Promise.allSettled(answers);
    const failed = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    if (failed.length > 0 && failed.length === settled.length) throw failed[0];
    for (const error of failed) this.#report(verb, error);
  }
}
