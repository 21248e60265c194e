/**
 * A Python program over the same keys: dogpile.cache's commands one by one, with its lock, and with none of our fences. What it writes
 * is new when it writes it.
 */
import type { SimulatedValue } from '../calls.js';
import type { Stranger, StrangerSetting } from '../model.js';
import type { Link } from '../network.js';
import { type Command, PYTHON_RELEASE, type Reply } from './server.js';

/** Seconds between its tries for a lock, as in Python. */
const LOCK_SLEEP = 100;

export class Python implements Stranger {
  readonly #link: Link<Command, Reply>;
  readonly #setting: StrangerSetting;
  /** Of its locks, in milliseconds; without one they never lapse, as is Python's default. */
  readonly #lockTimeout: number | undefined;
  #tokens = 0;

  constructor(link: Link<Command, Reply>, setting: StrangerSetting) {
    this.#link = link;
    this.#setting = setting;
    this.#lockTimeout = setting.chance.hits(0.7) ? 1000 : undefined;
  }

  async run(calls: number): Promise<void> {
    const { chance, keys, process } = this.#setting;
    for (let call = 0; call < calls; call++) {
      await process.sleep(chance.between(1, 300));
      const key = chance.pick(keys);
      try {
        if (chance.hits(0.1)) await this.#ask('DEL', key);
        else await this.#getOrCreate(key);
      } catch (error) {
        // It has raised, and has let go of nothing that it could not reach.
        if (!(error instanceof Unanswered)) throw error;
      }
    }
  }

  async #getOrCreate(key: string): Promise<void> {
    const { chance, process } = this.#setting;
    const seen = await this.#age(key);
    if (this.#isFresh(seen)) return;
    const token = this.#newToken();
    while (!(await this.#lock(key, token))) {
      if (seen !== undefined) return;
      await process.sleep(LOCK_SLEEP);
    }
    try {
      if (seen === undefined && this.#isFresh(await this.#age(key))) return;
      await process.sleep(chance.between(0, chance.hits(0.1) ? 3000 : 150));
      if (!chance.hits(0.1)) await this.#write(key);
    } finally {
      await this.#ask('EVALSHA', PYTHON_RELEASE, '1', `_lock${key}`, token);
    }
  }

  async #lock(key: string, token: string): Promise<boolean> {
    const px = this.#lockTimeout === undefined ? [] : ['PX', String(this.#lockTimeout)];
    return (await this.#ask('SET', `_lock${key}`, token, ...px, 'NX')) !== null;
  }

  #write(key: string): Promise<void> {
    const { process, written } = this.#setting;
    return written(key, async (value: SimulatedValue) => {
      const metadata = { ct: process.clock.now() / 1000, v: 2 };
      await this.#ask('SET', key, `${JSON.stringify(metadata)}|${JSON.stringify(value)}`);
    });
  }

  /** Milliseconds since it was created, by its own clock. */
  async #age(key: string): Promise<number | undefined> {
    const bytes = await this.#ask('GET', key);
    if (!Buffer.isBuffer(bytes)) return undefined;
    const { ct } = JSON.parse(String(bytes).split('|', 1)[0] ?? '') as { readonly ct: number };
    return this.#setting.process.clock.now() - ct * 1000;
  }

  #isFresh(age: number | undefined): boolean {
    return age !== undefined && age <= this.#setting.expirationTime;
  }

  #newToken(): string {
    this.#tokens++;
    return `python ${this.#setting.process.name} ${this.#tokens}`;
  }

  #ask(...command: Command): Promise<unknown> {
    const { process, deadline } = this.#setting;
    return new Promise((resolve, reject) => {
      const timer = process.clock.setTimeout(() => reject(new Unanswered()), deadline);
      const settle = (run: () => void) => {
        process.clock.clearTimeout(timer);
        run();
      };
      this.#link.send(command).then(
        (reply) => settle(() => ('error' in reply ? reject(new Error(reply.error)) : resolve(reply.value))),
        () => settle(() => reject(new Unanswered())),
      );
    });
  }
}

/** The server is out of reach. */
class Unanswered extends Error {}
