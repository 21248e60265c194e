/**
 * A simulated memcached, by the meaning of its meta protocol: items with a CAS number, stubs, a clock that ticks once a second. Its rules
 * are small methods, so that a test can break one and see that the checks find out.
 */
import { AT_ONCE } from '../../../backends/memcached/expiry.js';
import { Reply } from '../../../backends/memcached/meta/reply-parser.js';

/** What a client asks over one of its connections. */
export interface MetaRequest {
  /** Of the program that asks. */
  readonly owner: string;
  readonly connection: string;
  /** Its place among the requests of its connection. */
  readonly turn: number;
  readonly verb: 'open' | 'mg' | 'ms' | 'md' | 'many';
  /** Of `many`: those that are read. */
  readonly keys: readonly string[];
  readonly flags: readonly string[];
  /** Of `ms`. */
  readonly value: Buffer | undefined;
  /** Nobody waits for the reply any more. Written by the client. */
  isGivenUp: boolean;
}

/** `isLost`: there is no such connection any more. */
export interface MetaReply {
  readonly turn: number;
  readonly isLost: boolean;
  readonly replies: readonly (Reply | undefined)[];
}

export interface Item {
  readonly value: Buffer;
  readonly cas: string;
  /** In the seconds of the server. */
  readonly until: number;
  /** Made by the server where there was none: somebody has been told to make the value. */
  readonly isVivified: boolean;
}

export class SimulatedMemcached {
  readonly items = new Map<string, Item>();
  /** Of the server that runs now: how often it was restarted. */
  term = 0;
  /** Milliseconds. */
  now = 0;
  #cas = 0;
  /** Those that are open, with what was answered last. */
  readonly #connections = new Map<string, MetaReply>();

  handle(request: MetaRequest, now: number): MetaReply {
    this.now = now;
    const { connection, turn, verb } = request;
    const last = this.#connections.get(connection);
    if (last?.turn === turn) return last;
    if (verb === 'open' ? last || turn !== 0 : last?.turn !== turn - 1) {
      // Something on the way was lost, and with it the connection.
      this.#connections.delete(connection);
      return { turn, isLost: true, replies: [] };
    }
    const answer = { turn, isLost: false, replies: this.#answer(request) };
    this.#connections.set(connection, answer);
    return answer;
  }

  /** Everything is forgotten. */
  restart(): void {
    this.term++;
    this.items.clear();
    this.#connections.clear();
    this.#cas = 0;
  }

  read(key: string): Item | undefined {
    const item = this.items.get(key);
    return item && this.secondsUntil(0) < item.until ? item : undefined;
  }

  /** The second in which an item ends that is written now for so many. */
  secondsUntil(seconds: number): number {
    return Math.floor(this.now / 1000) + seconds;
  }

  #answer({ verb, keys, flags, value }: MetaRequest): (Reply | undefined)[] {
    const [key = ''] = keys;
    switch (verb) {
      case 'mg':
        return [this.get(key, flags)];
      case 'ms':
        return [this.store(key, value ?? Buffer.alloc(0), flags)];
      case 'md':
        return [this.remove(key, flagOf(flags, 'C'))];
      case 'many':
        return keys.map((each) => (this.read(each) ? this.get(each, flags) : undefined));
      default:
        return [];
    }
  }

  protected get(key: string, flags: readonly string[]): Reply {
    const seconds = flagOf(flags, 'N');
    const found = this.read(key);
    const item = found ?? (seconds === undefined ? undefined : this.vivify(key, Number(seconds)));
    if (!item) return new Reply('EN');
    const touched = flagOf(flags, 'T');
    if (touched !== undefined) this.items.set(key, { ...item, until: this.#end(Number(touched)) });
    const reply = new Reply(flags.includes('v') ? 'VA' : 'HD');
    if (flags.includes('v')) reply.value = item.value;
    if (flags.includes('c')) reply.cas = item.cas;
    if (flags.includes('t')) reply.ttl = this.#ttlOf(item);
    reply.isWon = !found;
    reply.isTaken = found?.isVivified === true;
    return reply;
  }

  protected vivify(key: string, seconds: number): Item {
    return this.write(key, Buffer.alloc(0), seconds, true);
  }

  protected store(key: string, value: Buffer, flags: readonly string[]): Reply {
    const item = this.read(key);
    const cas = flagOf(flags, 'C');
    if (cas !== undefined && !item) return new Reply('NF');
    if (cas !== undefined && item && !this.isUnchanged(key, item, cas)) return new Reply('EX');
    if (flags.includes('ME') && item && !this.mayAdd(key)) return new Reply('NS');
    if (flags.includes('MR') && !item) return new Reply('NS');
    const reply = new Reply('HD');
    reply.cas = this.write(key, value, Number(flagOf(flags, 'T') ?? 0)).cas;
    return reply;
  }

  protected remove(key: string, cas: string | undefined): Reply {
    const item = this.read(key);
    if (!item) return new Reply('NF');
    if (cas !== undefined && !this.isUnchanged(key, item, cas)) return new Reply('EX');
    this.items.delete(key);
    return new Reply('HD');
  }

  protected isUnchanged(_key: string, item: Item, cas: string): boolean {
    return item.cas === cas;
  }

  /** Over an item that is there. */
  protected mayAdd(_key: string): boolean {
    return false;
  }

  protected write(key: string, value: Buffer, seconds: number, isVivified = false): Item {
    this.#cas++;
    const item = { value, cas: String(this.#cas), until: this.#end(seconds), isVivified };
    this.items.set(key, item);
    return item;
  }

  /** 0 is for ever. */
  #end(seconds: number): number {
    return seconds === 0 ? Number.POSITIVE_INFINITY : this.secondsUntil(seconds);
  }

  #ttlOf({ until }: Item): number {
    return until === Number.POSITIVE_INFINITY ? -1 : until - this.secondsUntil(0);
  }
}

/** What follows a flag's letter. */
export function flagOf(flags: readonly string[], letter: 'C' | 'N' | 'T'): string | undefined {
  return flags.find((flag) => flag.startsWith(letter))?.slice(1);
}

/** Of a write that removes. */
export function isGoneAtOnce(flags: readonly string[]): boolean {
  return flags.includes(`T${AT_ONCE}`);
}
