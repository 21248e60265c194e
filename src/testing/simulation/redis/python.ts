/** What a Python program says to a Redis: dogpile.cache's commands. */
import type { StrangerSetting } from '../model.js';
import type { PythonStore } from '../python.js';
import { type Command, PYTHON_RELEASE, type Reply } from './server.js';

/** How it reaches its server, and what it calls locks. */
export interface PythonWire {
  ask(command: Command): Promise<Reply>;
  lockOf(key: string): string;
}

export class PythonClient implements PythonStore {
  readonly #wire: PythonWire;
  readonly #setting: StrangerSetting;

  constructor(wire: PythonWire, setting: StrangerSetting) {
    this.#wire = wire;
    this.#setting = setting;
  }

  async get(key: string): Promise<Buffer | undefined> {
    const bytes = await this.#ask('GET', key);
    return Buffer.isBuffer(bytes) ? bytes : undefined;
  }

  async set(key: string, text: string): Promise<void> {
    await this.#ask('SET', key, text);
  }

  async delete(key: string): Promise<void> {
    await this.#ask('DEL', key);
  }

  async lock(key: string, token: string, ms: number | undefined): Promise<boolean> {
    const px = ms === undefined ? [] : ['PX', String(ms)];
    return (await this.#ask('SET', this.#wire.lockOf(key), token, ...px, 'NX')) !== null;
  }

  async unlock(key: string, token: string): Promise<void> {
    await this.#ask('EVALSHA', PYTHON_RELEASE, '1', this.#wire.lockOf(key), token);
  }

  #ask(...command: Command): Promise<unknown> {
    const { process, deadline } = this.#setting;
    return new Promise((resolve, reject) => {
      const timer = process.clock.setTimeout(() => reject(new Error('The server has not answered.')), deadline);
      const settle = (run: () => void) => {
        process.clock.clearTimeout(timer);
        run();
      };
      this.#wire.ask(command).then(
        (reply) => settle(() => ('error' in reply ? reject(new Error(reply.error)) : resolve(reply.value))),
        (error: unknown) => settle(() => reject(error)),
      );
    });
  }
}
