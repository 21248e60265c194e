/**
 * Client packages for memcached as a simulation has them: two with CAS, and one without, each with the verbs that its adapter takes. They
 * know one connection, and tell of its end as packages do: with an error that says nothing, or not at all.
 */

import type { Clock } from '../../../api.js';
import type { MemcacheClientLike, MemjsLike, NodeMemcachedLike } from '../../../backends/memcached/clients.js';
import type { Reply } from '../../../backends/memcached/meta/reply-parser.js';
import type { SimulatedLine } from './client.js';

/** Milliseconds: their own deadline, which the adapter's comes before. */
const PATIENCE = 10_000;

class Connected {
  readonly #line: SimulatedLine;
  readonly #clock: Clock;

  constructor(line: SimulatedLine, clock: Clock) {
    this.#line = line;
    this.#clock = clock;
  }

  protected send(verb: 'mg' | 'md', key: string, flags: string): Promise<Reply> {
    return plain(this.#line.send(verb, key, flags, this.#limits()));
  }

  protected store(key: string, value: string | Uint8Array, flags: string): Promise<Reply> {
    return plain(this.#line.store(key, Buffer.from(value), flags, this.#limits()));
  }

  protected getMany(keys: readonly string[]): Promise<(Reply | undefined)[]> {
    return plain(this.#line.getMany(keys, 'v', this.#limits()));
  }

  protected get isOpen(): boolean {
    return this.#line.isOpen;
  }

  #limits() {
    return { deadline: this.#clock.now() + PATIENCE };
  }
}

/** npm `memjs`: no CAS number is said or told. */
export class SimulatedMemjs extends Connected implements MemjsLike {
  async get(key: string): Promise<{ value: Uint8Array | null; flags: null }> {
    const { value } = await this.send('mg', key, 'v');
    return { value: value ?? null, flags: null };
  }

  async set(key: string, value: string | Uint8Array, { expires = 0 } = {}): Promise<boolean> {
    return isDone(await this.store(key, value, `T${expires}`));
  }

  async add(key: string, value: string | Uint8Array, { expires = 0 } = {}): Promise<boolean> {
    return isDone(await this.store(key, value, `ME T${expires}`));
  }

  async replace(key: string, value: string | Uint8Array, { expires = 0 } = {}): Promise<boolean> {
    return isDone(await this.store(key, value, `MR T${expires}`));
  }

  async touch(key: string, expires: number): Promise<boolean> {
    return isDone(await this.send('mg', key, `T${expires}`));
  }

  async delete(key: string): Promise<boolean> {
    return isDone(await this.send('md', key, ''));
  }

  close(): void {}
}

interface CasOptions {
  readonly lifetime: number;
  readonly casUniq?: string;
}

/** npm `memcache-client`: CAS, and what the server refuses is an error. */
export class SimulatedMemcacheClient extends Connected implements MemcacheClientLike {
  async get(keys: readonly string[]): Promise<object> {
    const found = await this.getMany(keys);
    return Object.fromEntries(keys.flatMap((key, at) => toldOf(key, found[at])));
  }

  async gets([key = '']: readonly string[]): Promise<object> {
    return Object.fromEntries(toldOf(key, await this.send('mg', key, 'v c')));
  }

  set(key: string, value: string, { lifetime }: CasOptions): Promise<unknown> {
    return this.#say(key, value, `T${lifetime} c`);
  }

  add(key: string, value: string, { lifetime }: CasOptions): Promise<unknown> {
    return this.#say(key, value, `ME T${lifetime} c`);
  }

  cas(key: string, value: string, { lifetime, casUniq }: CasOptions): Promise<unknown> {
    return this.#say(key, value, `C${casUniq} T${lifetime} c`);
  }

  async delete(key: string): Promise<unknown> {
    return answered(await this.send('md', key, ''), 'DELETED');
  }

  shutdown(): void {}

  async #say(key: string, value: string, flags: string): Promise<unknown> {
    return answered(await this.store(key, value, flags), 'STORED');
  }
}

type Done<T> = (error: unknown, result: T) => void;
type Told = Readonly<Record<string, string>>;

/** npm `memcached`: CAS, by callbacks. What is under way when its connection ends is never answered. */
export class SimulatedNodeMemcached extends Connected implements NodeMemcachedLike {
  get(key: string, done: Done<string | undefined>): void {
    this.#answer(this.send('mg', key, 'v'), ({ value }) => value?.toString(), done, undefined);
  }

  gets(key: string, done: Done<Told | undefined>): void {
    const told = ({ value, cas = '' }: Reply) => value && { [key]: value.toString(), cas };
    this.#answer(this.send('mg', key, 'v c'), told, done, undefined);
  }

  getMulti(keys: readonly string[], done: Done<Told>): void {
    const told = (found: readonly (Reply | undefined)[]) =>
      Object.fromEntries(keys.flatMap((key, at) => (found[at]?.value ? [[key, found[at].value.toString()]] : [])));
    this.#answer(this.getMany(keys), told, done, {});
  }

  set(key: string, value: string, lifetime: number, done: Done<boolean>): void {
    this.#say(this.store(key, value, `T${lifetime} c`), done);
  }

  /** What is refused is `false`, and an error besides. */
  add(key: string, value: string, lifetime: number, done: Done<boolean>): void {
    this.#say(this.store(key, value, `ME T${lifetime} c`), (error, isAdded) => {
      const refusal = isAdded ? undefined : Object.assign(new Error('Item is not stored'), { notStored: true });
      done(error ?? refusal, isAdded);
    });
  }

  cas(key: string, value: string, cas: string, lifetime: number, done: Done<boolean>): void {
    this.#say(this.store(key, value, `C${cas} T${lifetime} c`), done);
  }

  del(key: string, done: Done<boolean>): void {
    this.#say(this.send('md', key, ''), done);
  }

  end(): void {}

  #say(asked: Promise<Reply>, done: Done<boolean>): void {
    this.#answer(asked, isDone, done, false);
  }

  /** Who asks over a connection that has ended is told, with `none`. */
  #answer<R, T>(asked: Promise<R>, told: (reply: R) => T, done: Done<T>, none: T): void {
    const isSent = this.isOpen;
    asked.then(
      (reply) => done(undefined, told(reply)),
      (error: unknown) => {
        if (!isSent) done(error, none);
      },
    );
  }
}

function isDone({ code }: Reply): boolean {
  return code === 'HD';
}

function toldOf(key: string, reply: Reply | undefined): [string, object][] {
  return reply?.value ? [[key, { value: reply.value.toString(), casUniq: reply.cas }]] : [];
}

/** In the words of the text protocol. */
const REFUSALS: Readonly<Record<string, string>> = { NS: 'NOT_STORED', EX: 'EXISTS', NF: 'NOT_FOUND' };

function answered({ code }: Reply, done: 'STORED' | 'DELETED'): [string] {
  const refusal = REFUSALS[code];
  if (refusal !== undefined) throw Object.assign(new Error(refusal), { cmdTokens: [refusal] });
  return [done];
}

/** What becomes of a connection is nothing that an adapter would take for the server's answer. */
async function plain<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw new Error(String(error));
  }
}
