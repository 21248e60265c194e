/**
 * One connection: commands out, replies in, in the same order. Decides when a call has failed: at its deadline, or with the
 * connection. A reply that comes after its deadline is counted and dropped; a server that is silent for a whole time limit, or says
 * what is no reply, loses the connection.
 */
import type { Socket } from 'node:net';
import { BackendTimeoutError, BackendUnavailableError, ValueTooLargeError } from '../../../errors.js';
import { afterTurn } from '../../../turn.js';
import type { MetaAddress } from './address.js';
import { type Call, QuietCall, refusal, SingleCall } from './call.js';
import { checkKey } from './key.js';
import { Outbox } from './outbox.js';
import { type Reply, type ReplyCode, ReplyParser } from './reply-parser.js';

export interface ConnectionOptions {
  /** For messages. */
  readonly place: string;
  /** Milliseconds of silence after which a server that owes a reply is given up. */
  readonly timeout: number;
  /** The largest value that is taken, in bytes. */
  readonly largest: number;
  /** There are other servers, with other keys. */
  readonly isOneOfMany: boolean;
}

export interface Limits {
  /** In `performance.now()`. */
  readonly deadline: number;
  /** Given the reply if it comes after that, for what it may have left behind. */
  readonly late?: ((reply: Reply) => void) | undefined;
}

/** Of a command with a value, the largest that any server can be told to take. */
const LARGEST_SENT = 1024 ** 3;

/** What a command can be answered with, besides errors. */
const ANSWERS = {
  mg: ['VA', 'HD', 'EN'],
  md: ['HD', 'NF', 'EX'],
  ma: ['VA', 'HD', 'NF', 'NS', 'EX'],
  ms: ['HD', 'NS', 'EX', 'NF'],
  set: ['STORED'],
} as const satisfies Readonly<Record<string, readonly ReplyCode[]>>;

/** A key that need not be there. */
const NOBODYS = '_hello';

export class MetaConnection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #outbox: Outbox;
  readonly #parser: ReplyParser;
  /** In the order they were sent; those before `#first` have been answered. Written by `#enter` and `#answer`. */
  #calls: Call[] = [];
  #first = 0;
  #heardAt = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When `#timer` fires. */
  #wakesAt = Number.POSITIVE_INFINITY;
  /** Until then whoever opened it says whether it keeps the process alive, from then on the calls under way do. */
  #isGreeted = false;
  /** Why it is closed. */
  #trouble: Error | undefined;
  #closed: ((why: Error) => void)[] = [];

  /** Of a socket that is connected. */
  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#outbox = new Outbox(socket);
    this.#parser = new ReplyParser(options.largest, (reply) => this.#answer(reply));
    socket.on('data', (chunk: Buffer) => this.#hear(chunk));
    socket.on('error', (cause) => this.#fail(this.#lost(cause)));
    socket.on('close', () => this.#fail(this.#lost()));
  }

  get isOpen(): boolean {
    return this.#trouble === undefined;
  }

  /** Once, also if it is closed already. */
  whenClosed(run: (why: Error) => void): void {
    if (this.#trouble) run(this.#trouble);
    else this.#closed.push(run);
  }

  /**
   * One command and its reply. `flags` are words of the protocol. Rejects with
   * `BackendTimeoutError`, `BackendUnavailableError` or `ValueTooLargeError`; with `ValidationError` for the key, before a byte is sent.
   */
  send(command: 'mg' | 'md' | 'ma', key: string, flags: string, { deadline, late }: Limits): Promise<Reply> {
    return this.#single(ANSWERS[command], { deadline, late }, () => {
      checkKey(key);
      return `${command} ${key}${flags && ` ${flags}`}\r\n`;
    });
  }

  /** The same with a value: `ms`. */
  store(key: string, value: Buffer, flags: string, limits: Limits): Promise<Reply> {
    const line = () => {
      checkKey(key);
      if (value.length <= LARGEST_SENT) return `ms ${key} ${value.length}${flags && ` ${flags}`}\r\n`;
      throw new ValueTooLargeError(`memcached takes no value of ${value.length} bytes.`);
    };
    return this.#single(ANSWERS.ms, limits, line, value);
  }

  /** Values of many keys in their order, by one quiet batch: `undefined` is a miss. */
  getMany(keys: readonly string[], flags: string, { deadline }: Limits): Promise<(Reply | undefined)[]> {
    return new Promise((resolve, reject) => {
      let text = '';
      for (const [at, key] of keys.entries()) {
        checkKey(key);
        text += `mg ${key} ${flags} q O${at}\r\n`;
      }
      const times = { deadline, sentAt: performance.now(), count: keys.length };
      if (this.#enter(new QuietCall(times, resolve, reject))) this.#outbox.add(`${text}mn\r\n`);
    });
  }

  /** Whether it is memcached that answers, and whether it lets us in. Nothing else may be sent before. */
  async greet({ username, password }: Pick<MetaAddress, 'username' | 'password'>): Promise<void> {
    // Of each step: an event loop that is held up at the first takes none of the second's time.
    const deadline = () => performance.now() + this.#options.timeout;
    if (username !== undefined && password !== undefined) {
      const words = Buffer.from(`${username} ${password}`);
      await this.#single(ANSWERS.set, { deadline: deadline() }, () => `set auth 0 0 ${words.length}\r\n`, words);
    }
    // Of a stranger who asks less than this, some versions end the connection without a word.
    const reply = await this.#single(ANSWERS.mg, { deadline: deadline() }, () => `mg ${NOBODYS} v\r\n`);
    if (reply.code !== 'EN' && reply.code !== 'VA') throw refusal(reply);
    this.#isGreeted = true;
    this.#socket.unref();
  }

  /** Whatever is under way fails with this. */
  close(why: Error): void {
    this.#fail(why);
  }

  /** What `line` throws, the call rejects with. */
  #single(codes: readonly ReplyCode[], { deadline, late }: Limits, line: () => string, value?: Buffer): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const text = line();
      if (!this.#enter(new SingleCall({ deadline, sentAt: performance.now(), codes, late }, resolve, reject))) return;
      this.#outbox.add(text);
      if (!value) return;
      this.#outbox.addValue(value);
      this.#outbox.add('\r\n');
    });
  }

  /** Whether it may be sent; if not it has failed. */
  #enter(call: Call): boolean {
    const late = call.deadline <= call.sentAt;
    if (this.#trouble || late) {
      call.fail(this.#trouble ?? this.#late());
      return false;
    }
    if (this.#isGreeted && this.#calls.length === this.#first) this.#socket.ref();
    this.#calls.push(call);
    if (call.deadline < this.#wakesAt) this.#wakeAt(call.deadline, call.sentAt);
    return true;
  }

  #hear(chunk: Buffer): void {
    if (this.#trouble) return;
    this.#heardAt = performance.now();
    try {
      this.#parser.feed(chunk);
    } catch (error) {
      const cause = error instanceof Error ? error : undefined;
      const message = `memcached (${this.#options.place}): ${cause?.message}`;
      return this.#fail(this.#marked(new BackendUnavailableError(message, { cause })));
    }
    if (this.#calls.length === this.#first) this.#rest();
  }

  #answer(reply: Reply): void {
    const call = this.#calls[this.#first];
    if (!call) throw new BackendUnavailableError('The server says something that nobody asked.');
    if (!call.take(reply)) return;
    this.#first++;
    if (this.#first < 1024) return;
    this.#calls = this.#calls.slice(this.#first);
    this.#first = 0;
  }

  /** Nothing is under way. The timer is left: it finds nothing to do. */
  #rest(): void {
    this.#calls.length = 0;
    this.#first = 0;
    if (this.#isGreeted) this.#socket.unref();
  }

  #wakeAt(at: number, now: number): void {
    clearTimeout(this.#timer);
    this.#wakesAt = at;
    this.#timer = setTimeout(() => afterTurn(() => this.#lookAtTheClock()), Math.max(1, at - now));
    this.#timer.unref();
  }

  /** Fails calls that are over, and the connection when the server is silent. */
  #lookAtTheClock(): void {
    this.#wakesAt = Number.POSITIVE_INFINITY;
    const oldest = this.#calls[this.#first];
    if (!oldest) return;
    const now = performance.now();
    const silentUntil = Math.max(this.#heardAt, oldest.sentAt) + this.#options.timeout;
    if (silentUntil <= now) return this.#fail(this.#late());
    let next = silentUntil;
    for (const call of this.#calls.slice(this.#first)) {
      // A slow server owes the replies of many that are over.
      if (call.hasFailed) continue;
      if (call.deadline <= now) call.fail(this.#late());
      else next = Math.min(next, call.deadline);
    }
    this.#wakeAt(next, now);
  }

  #late(): BackendTimeoutError {
    const { place, timeout } = this.#options;
    return this.#marked(new BackendTimeoutError(`memcached (${place}) did not answer within ${timeout} ms.`));
  }

  #lost(cause?: Error): BackendUnavailableError {
    const why = cause ? `: ${cause.message}` : ': the server ended it';
    const message = `The connection to memcached (${this.#options.place}) is lost${why}.`;
    return this.#marked(new BackendUnavailableError(message, { cause }));
  }

  #marked<Trouble extends BackendTimeoutError | BackendUnavailableError>(error: Trouble): Trouble {
    if (this.#options.isOneOfMany) error.isOfOneServer = true;
    return error;
  }

  #fail(why: Error): void {
    if (this.#trouble) return;
    this.#trouble = why;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    const calls = this.#calls.slice(this.#first);
    this.#calls = [];
    this.#first = 0;
    for (const call of calls) if (!call.hasFailed) call.fail(why);
    const closed = this.#closed;
    this.#closed = [];
    for (const run of closed) run(why);
  }
}
