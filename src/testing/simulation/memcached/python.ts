/** What a Python program says to a memcached: dogpile.cache's commands, each over a connection of its own. */
import type { StrangerSetting } from '../model.js';
import type { Link } from '../network.js';
import type { PythonStore } from '../python.js';
import { SimulatedPeers } from './client.js';
import type { MetaReply, MetaRequest } from './server.js';

export class PythonClient implements PythonStore {
  readonly #peers: SimulatedPeers;
  readonly #setting: StrangerSetting;

  constructor(link: Link<MetaRequest, MetaReply>, setting: StrangerSetting) {
    this.#setting = setting;
    this.#peers = new SimulatedPeers({ link, process: setting.process, timeout: setting.deadline });
  }

  async get(key: string): Promise<Buffer | undefined> {
    const line = await this.#line();
    const { value } = await line.send('mg', key, 'v', { deadline: this.#deadline() });
    return value;
  }

  async set(key: string, text: string): Promise<void> {
    const line = await this.#line();
    await line.store(key, Buffer.from(text), 'T0 c', { deadline: this.#deadline() });
  }

  async delete(key: string): Promise<void> {
    const line = await this.#line();
    await line.send('md', key, '', { deadline: this.#deadline() });
  }

  async lock(key: string, _token: string, ms: number | undefined): Promise<boolean> {
    const line = await this.#line();
    const seconds = ms === undefined ? 0 : Math.ceil(ms / 1000);
    const { code } = await line.store(`_lock${key}`, Buffer.from('1'), `ME T${seconds} c`, {
      deadline: this.#deadline(),
    });
    return code === 'HD';
  }

  /** Whoever's it is by now. */
  unlock(key: string): Promise<void> {
    return this.delete(`_lock${key}`);
  }

  #line() {
    return this.#peers.connection(this.#deadline());
  }

  #deadline(): number {
    return this.#setting.process.clock.now() + this.#setting.deadline;
  }
}
