/** A connection to the simulated Redis, as the backend wants it: what a package's client would be. */
import type { EarEvents, RedisClient, RedisEar, Word } from '../../../backends/redis/client.js';
import { wakeChannel } from '../../../backends/redis/names.js';
import type { Link } from '../network.js';
import type { Command, Reply } from './server.js';

export interface Wire {
  /** `key` routes it, where there are several servers. */
  send(command: Command, key: string): Promise<Reply>;
  readonly subscribe: Link<Command, Reply>['subscribe'];
}

export class SimulatedClient implements RedisClient {
  readonly place = 'simulated:6379';
  readonly opening = undefined;
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  async send(words: readonly [string, ...Word[]], key: string): Promise<unknown> {
    const reply = await this.#wire.send(words, key);
    if ('error' in reply) throw new Error(reply.error);
    return reply.value;
  }

  causeOf(error: unknown): unknown {
    return error;
  }

  async openEar({ heard }: EarEvents): Promise<RedisEar> {
    const ends = new Map<string, () => void>();
    const end = (lock: string) => {
      ends.get(lock)?.();
      ends.delete(lock);
    };
    return {
      subscribe: async (lock) => {
        end(lock);
        ends.set(
          lock,
          this.#wire.subscribe(wakeChannel(lock), () => heard(lock)),
        );
      },
      unsubscribe: async (lock) => end(lock),
      close: () => {
        for (const lock of [...ends.keys()]) end(lock);
      },
    };
  }

  async close(): Promise<void> {}
}
