/** A connection to the simulated Redis, as the backend wants it: what a package's client would be. */
import type { EarEvents, RedisClient, RedisEar, Word } from '../../../backends/redis/client.js';
import { wakeChannel } from '../../../backends/redis/names.js';
import type { Link } from '../network.js';
import type { Command, Reply } from './server.js';

export class SimulatedClient implements RedisClient {
  readonly place = 'simulated:6379';
  readonly opening = undefined;
  readonly #link: Link<Command, Reply>;

  constructor(link: Link<Command, Reply>) {
    this.#link = link;
  }

  async send(words: readonly [string, ...Word[]], _key: string): Promise<unknown> {
    const reply = await this.#link.send(words);
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
          this.#link.subscribe(wakeChannel(lock), () => heard(lock)),
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
