/** memcached over its meta protocol: one or several servers, each with a pipelined connection. Decides which server a key is asked of. */
import { type MetaAddress, ringNameOf } from './address.js';
import { checkKey } from './key.js';
import { Ring } from './ring.js';
import { MetaServer, type ServerOptions } from './server.js';

export interface MetaClientOptions extends Omit<ServerOptions, 'isOneOfMany'> {
  readonly addresses: readonly MetaAddress[];
}

export class MetaClient {
  readonly #servers: ReadonlyMap<string, MetaServer>;
  readonly #ring: Ring<MetaServer>;

  constructor({ addresses, ...options }: MetaClientOptions) {
    const isOneOfMany = addresses.length > 1;
    this.#servers = new Map(
      addresses.map((address) => [ringNameOf(address), new MetaServer(address, { ...options, isOneOfMany })]),
    );
    this.#ring = new Ring(this.#servers);
  }

  get servers(): readonly MetaServer[] {
    return [...this.#servers.values()];
  }

  /** `ValidationError` for what is no key. */
  serverOf(key: string): MetaServer {
    checkKey(key);
    return this.#ring.serverOf(key);
  }

  /** Whatever is under way fails with this, and whatever comes later. */
  close(why: Error): void {
    for (const server of this.#servers.values()) server.close(why);
  }
}
