/**
 * Connections to the simulated memcached, as the backend wants them. What a network loses here costs the connection, as it does a stream:
 * decides when a call has failed, and when its connection has.
 */
import type { Clock } from '../../../api.js';
import type { Reply } from '../../../backends/memcached/meta/reply-parser.js';
import type { MetaLine, MetaPeer, MetaPeers } from '../../../backends/memcached/meta-peers.js';
import { BackendTimeoutError, BackendUnavailableError } from '../../../errors.js';
import type { Link } from '../network.js';
import type { SimulatedProcess } from '../process.js';
import type { MetaReply, MetaRequest } from './server.js';

export interface MetaPortOptions {
  readonly link: Link<MetaRequest, MetaReply>;
  readonly process: SimulatedProcess;
  /** Milliseconds of silence after which a server that owes a reply is given up. */
  readonly timeout: number;
}

/** What a call asks, as its connection does. */
type Question = Pick<MetaRequest, 'verb' | 'keys'> & { readonly flags?: string; readonly value?: Buffer };
/** `deadline`: by the clock of the process. */
interface Limits {
  readonly deadline: number;
  readonly late?: ((reply: Reply) => void) | undefined;
}

interface Asked {
  readonly request: MetaRequest;
  readonly sentAt: number;
  /** Idempotent. */
  fail(error: Error): void;
  take(replies: readonly (Reply | undefined)[]): void;
}

export class SimulatedLine implements MetaLine {
  readonly name: string;
  readonly #options: MetaPortOptions;
  readonly #lost: () => void;
  /** In the order they were sent. */
  readonly #asked: Asked[] = [];
  #turns = 0;
  #heardAt = 0;
  #trouble: Error | undefined;

  constructor(options: MetaPortOptions, name: string, lost: () => void) {
    this.#options = options;
    this.name = name;
    this.#lost = lost;
  }

  get isOpen(): boolean {
    return this.#trouble === undefined;
  }

  async open(deadline: number): Promise<void> {
    await this.#ask({ verb: 'open', keys: [] }, { deadline });
  }

  async send(verb: 'mg' | 'md' | 'ma', key: string, flags: string, limits: Limits): Promise<Reply> {
    if (verb === 'ma') throw new Error('The backend does not count.');
    return one(await this.#ask({ verb, keys: [key], flags }, limits));
  }

  async store(key: string, value: Buffer, flags: string, limits: Limits): Promise<Reply> {
    return one(await this.#ask({ verb: 'ms', keys: [key], flags, value }, limits));
  }

  async getMany(keys: readonly string[], flags: string, limits: Limits): Promise<(Reply | undefined)[]> {
    return [...(await this.#ask({ verb: 'many', keys, flags }, limits))];
  }

  close(why: Error): void {
    this.#fail(why);
  }

  #ask(
    { verb, keys, flags = '', value }: Question,
    { deadline, late }: Limits,
  ): Promise<readonly (Reply | undefined)[]> {
    const { link, process } = this.#options;
    const { clock } = process;
    const sentAt = clock.now();
    if (this.#trouble || deadline <= sentAt) {
      process.meetsTrouble();
      return Promise.reject(this.#trouble ?? timedOut());
    }
    const words = flags.split(' ').filter((word) => word !== '');
    const request: MetaRequest = {
      owner: process.name,
      connection: this.name,
      turn: this.#turns,
      verb,
      keys,
      flags: words,
      value,
      isGivenUp: false,
    };
    this.#turns++;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => this.#expire(asked), deadline - sentAt);
      const asked: Asked = {
        request,
        sentAt,
        fail: (error) => {
          clock.clearTimeout(timer);
          request.isGivenUp = true;
          process.meetsTrouble();
          reject(error);
        },
        take: (replies) => {
          clock.clearTimeout(timer);
          if (!request.isGivenUp) resolve(replies);
          else if (replies[0]) late?.(replies[0]);
        },
      };
      this.#asked.push(asked);
      link.send(request).then(
        (reply) => this.#hear(reply),
        (why) => this.#fail(lost(why)),
      );
    });
  }

  #hear({ turn, isLost, replies }: MetaReply): void {
    if (this.#trouble) return;
    const [first] = this.#asked;
    if (isLost || first?.request.turn !== turn) return this.#fail(lost('a message of it was lost'));
    this.#heardAt = this.#options.process.clock.now();
    this.#asked.shift();
    first.take(replies);
  }

  /** Fails the call, and the connection where the server has been silent all the time. */
  #expire(asked: Asked): void {
    const [oldest] = this.#asked;
    if (this.#trouble || !oldest) return;
    asked.fail(timedOut());
    const silentSince = Math.max(this.#heardAt, oldest.sentAt);
    if (this.#options.process.clock.now() - silentSince >= this.#options.timeout - 1) this.#fail(timedOut());
  }

  #fail(why: Error): void {
    if (this.#trouble) return;
    this.#trouble = why;
    this.#lost();
    for (const asked of this.#asked.splice(0)) asked.fail(why);
  }
}

export class SimulatedPeers implements MetaPeers, MetaPeer {
  readonly servers = [this];
  readonly #options: MetaPortOptions;
  readonly #clock: Clock;
  #ready: SimulatedLine | undefined;
  #attempt: Promise<SimulatedLine> | undefined;
  #opened = 0;

  constructor(options: MetaPortOptions) {
    this.#options = options;
    this.#clock = options.process.clock;
  }

  get ready(): SimulatedLine | undefined {
    return this.#ready;
  }

  serverOf(_key: string): MetaPeer {
    return this;
  }

  /** At the deadline of who tries first, for all. */
  async connection(deadline: number): Promise<SimulatedLine> {
    if (this.#ready) return this.#ready;
    this.#attempt ??= this.#open(deadline);
    return this.#attempt;
  }

  close(why: Error): void {
    this.#ready?.close(why);
  }

  /** A test may have others. */
  protected line(...args: ConstructorParameters<typeof SimulatedLine>): SimulatedLine {
    return new SimulatedLine(...args);
  }

  async #open(deadline: number): Promise<SimulatedLine> {
    this.#opened++;
    const { process, timeout } = this.#options;
    const line: SimulatedLine = this.line(this.#options, `${process.name}#${this.#opened}`, () => {
      if (this.#ready === line) this.#ready = undefined;
    });
    try {
      await line.open(Math.min(deadline, this.#clock.now() + timeout));
      if (line.isOpen) this.#ready = line;
      return line;
    } catch (error) {
      line.close(lost(error));
      throw error;
    } finally {
      this.#attempt = undefined;
    }
  }
}

function one([reply]: readonly (Reply | undefined)[]): Reply {
  if (!reply) throw new Error('One question has one answer.');
  return reply;
}

function timedOut(): BackendTimeoutError {
  return new BackendTimeoutError('The simulated memcached has not answered in time.');
}

function lost(cause: unknown): BackendUnavailableError {
  return new BackendUnavailableError(`The connection to the simulated memcached is lost: ${String(cause)}.`, { cause });
}
