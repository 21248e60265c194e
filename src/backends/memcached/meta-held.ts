/**
 * A lease as its holder has it in the store: an item, and the CAS number that it has since it was last written. Decides whether it is
 * still his; its steps go one after the other, over the connection that it was won on and no other: a server that was restarted
 * counts CAS numbers from 1 again.
 */
import { secondsOf } from './expiry.js';
import type { Reply } from './meta/reply-parser.js';
import type { MetaLine } from './meta-peers.js';

export interface HeldOptions {
  readonly connection: MetaLine;
  /** The item that stands for the lease: the value's own, or its lock. */
  readonly name: string;
  readonly cas: string;
  readonly mark: Buffer;
  /** Milliseconds. */
  readonly timeout: number;
  readonly deadline: () => number;
}

export class Held {
  readonly connection: MetaLine;
  readonly name: string;
  readonly #options: HeldOptions;
  #mark: Buffer;
  /** `undefined`: it is no longer ours, or nobody knows. */
  #cas: string | undefined;
  /** The steps so far. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: HeldOptions) {
    this.connection = options.connection;
    this.name = options.name;
    this.#options = options;
    this.#mark = options.mark;
    this.#cas = options.cas;
  }

  /** Keeps it for its whole time from now on. `false`: it is lost. */
  renew(mark = this.#mark): Promise<boolean> {
    return this.#next(async () => {
      const cas = this.#cas;
      this.#cas = undefined;
      if (cas === undefined || !this.connection.isOpen) return false;
      const { timeout, deadline } = this.#options;
      const flags = `C${cas} T${secondsOf(timeout)} c`;
      // By then it is lost to its holder, and would keep others waiting for as long as it was renewed.
      const late = (reply: Reply) => this.#drop(reply);
      const reply = await this.connection.store(this.name, mark, flags, { deadline: deadline(), late });
      if (reply.code === 'HD') this.#cas = reply.cas;
      this.#mark = mark;
      return this.#cas !== undefined;
    });
  }

  /** Its CAS number, to commit or to release with; nothing can be done with it afterwards. `undefined`: it is lost. */
  take(): Promise<string | undefined> {
    return this.#next(async () => {
      const cas = this.#cas;
      this.#cas = undefined;
      return this.connection.isOpen ? cas : undefined;
    });
  }

  async release(): Promise<void> {
    const cas = await this.take();
    if (cas !== undefined) await this.giveBack(cas);
  }

  /** What `take` has answered with. In a time of its own: that of who took it may be over. */
  async giveBack(cas: string): Promise<void> {
    await this.connection.send('md', this.name, `C${cas}`, { deadline: this.#options.deadline() });
  }

  #drop({ code, cas }: Reply): void {
    // Nobody waits for it: what does not succeed ends by itself.
    if (code === 'HD' && cas !== undefined) this.giveBack(cas).catch(() => {});
  }

  #next<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#last.then(step, step);
    this.#last = done.catch(() => {});
    return done;
  }
}
