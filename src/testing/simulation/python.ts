/**
 * A Python program over the same keys: what dogpile.cache does, with its lock, and with none of our fences. What it writes is new when
 * it writes it.
 */
import type { SimulatedValue } from './calls.js';
import type { Stranger, StrangerSetting } from './model.js';

/** Milliseconds between its tries for a lock, as in Python. */
const LOCK_SLEEP = 100;

/** What it says to a store. Rejects when that is out of reach. */
export interface PythonStore {
  get(key: string): Promise<Buffer | undefined>;
  set(key: string, text: string): Promise<void>;
  delete(key: string): Promise<void>;
  /** `ms`: how long it holds; `undefined`: for ever. */
  lock(key: string, token: string, ms: number | undefined): Promise<boolean>;
  unlock(key: string, token: string): Promise<void>;
}

export class Python implements Stranger {
  readonly #store: PythonStore;
  readonly #setting: StrangerSetting;
  /** Of its locks, in milliseconds; without one they never lapse, as is Python's default. */
  readonly #lockTimeout: number | undefined;
  #tokens = 0;

  constructor(store: PythonStore, setting: StrangerSetting) {
    this.#store = store;
    this.#setting = setting;
    this.#lockTimeout = setting.chance.hits(0.7) ? 1000 : undefined;
  }

  async run(calls: number): Promise<void> {
    const { chance, keys, process } = this.#setting;
    for (let call = 0; call < calls; call++) {
      await process.sleep(chance.between(1, 300));
      const key = chance.pick(keys);
      try {
        if (chance.hits(0.1)) await this.#store.delete(key);
        else await this.#getOrCreate(key);
      } catch {
        // It has raised, and has let go of nothing that it could not reach.
      }
    }
  }

  async #getOrCreate(key: string): Promise<void> {
    const { chance, process } = this.#setting;
    const seen = await this.#age(key);
    if (this.#isFresh(seen)) return;
    const token = this.#newToken();
    while (!(await this.#store.lock(key, token, this.#lockTimeout))) {
      if (seen !== undefined) return;
      await process.sleep(LOCK_SLEEP);
    }
    try {
      if (seen === undefined && this.#isFresh(await this.#age(key))) return;
      await process.sleep(chance.between(0, chance.hits(0.1) ? 3000 : 150));
      if (!chance.hits(0.1)) await this.#write(key);
    } finally {
      await this.#store.unlock(key, token);
    }
  }

  #write(key: string): Promise<void> {
    const { process, written } = this.#setting;
    return written(key, async (value: SimulatedValue) => {
      const metadata = { ct: process.clock.now() / 1000, v: 2 };
      await this.#store.set(key, `${JSON.stringify(metadata)}|${JSON.stringify(value)}`);
    });
  }

  /** Milliseconds since it was created, by its own clock. */
  async #age(key: string): Promise<number | undefined> {
    const bytes = await this.#store.get(key);
    if (!bytes) return undefined;
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
}
