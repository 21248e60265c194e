/**
 * Replies of the meta protocol, out of bytes that come in any pieces. Decides what is a reply; whom it is for is the connection's.
 * What is none ends the connection: nobody knows where the next reply would begin.
 */
import { BackendUnavailableError } from '../../../errors.js';

/** `VA` value, `HD` done, `EN` miss, `NS` not stored, `EX` another CAS, `NF` not found, `MN` the end of what was quiet. */
export type ReplyCode =
  | 'VA'
  | 'HD'
  | 'EN'
  | 'NS'
  | 'EX'
  | 'NF'
  | 'MN'
  | 'STORED'
  | 'ERROR'
  | 'CLIENT_ERROR'
  | 'SERVER_ERROR';

export class Reply {
  readonly code: ReplyCode;
  /** Of `VA`. */
  value: Buffer | undefined = undefined;
  /** 64 bits, in decimal; with `c`. */
  cas: string | undefined = undefined;
  /** Seconds left, -1: for ever; with `t`. */
  ttl: number | undefined = undefined;
  /** The server has chosen this caller to make the value. */
  isWon = false;
  /** The server has chosen another. */
  isTaken = false;
  /** With `O`; -1: none. */
  opaque = -1;
  /** What the server says of an error. */
  text = '';

  constructor(code: ReplyCode) {
    this.code = code;
  }
}

/** No line of a reply is longer than a key and its flags. */
const LONGEST_LINE = 2048;

/** A value of which a part is still to come. */
interface Unfinished {
  readonly reply: Reply;
  readonly size: number;
  readonly parts: Buffer[];
  /** Bytes in `parts`. */
  have: number;
}

export class ReplyParser {
  readonly #largest: number;
  readonly #each: (reply: Reply) => void;
  /** The beginning of a line. */
  #rest: Buffer | undefined;
  #unfinished: Unfinished | undefined;

  /** `largest`: a longer value is garbage, in bytes. */
  constructor(largest: number, each: (reply: Reply) => void) {
    this.#largest = largest;
    this.#each = each;
  }

  /** Throws `BackendUnavailableError` for what is no reply; nothing may be fed after that. */
  feed(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#unfinished) {
      const whole = this.#finish(this.#unfinished, chunk);
      if (!whole) return;
      bytes = whole;
    } else if (this.#rest) {
      bytes = Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
    }
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      if ((newline === -1 ? bytes.length : newline) - at > LONGEST_LINE) throw garbage(bytes, at);
      if (newline === -1) {
        this.#rest = bytes.subarray(at);
        return;
      }
      if (newline === at || bytes[newline - 1] !== RETURN) throw garbage(bytes, at);
      const reply = this.#line(bytes, at, newline - 1);
      at = newline + 1;
      if (reply.code === 'VA') {
        const size = this.#size;
        if (bytes.length - at < size + 2) {
          const part = bytes.subarray(at);
          this.#unfinished = { reply, size, parts: [part], have: part.length };
          return;
        }
        reply.value = valueIn(bytes, at, size);
        at += size + 2;
      }
      this.#each(reply);
    }
  }

  /** What comes after the value once it is whole; `undefined`: it is not yet. */
  #finish(unfinished: Unfinished, chunk: Buffer): Buffer | undefined {
    const { reply, size, parts } = unfinished;
    parts.push(chunk);
    unfinished.have += chunk.length;
    if (unfinished.have < size + 2) return undefined;
    this.#unfinished = undefined;
    const bytes = Buffer.concat(parts, unfinished.have);
    reply.value = valueIn(bytes, 0, size);
    this.#each(reply);
    return bytes.subarray(size + 2);
  }

  /** Of the value that follows the line read last. */
  #size = 0;

  #line(bytes: Buffer, start: number, end: number): Reply {
    const code = end - start === 2 || bytes[start + 2] === SPACE ? codeAt(bytes, start) : undefined;
    if (!code) return errorLine(bytes, start, end);
    const reply = new Reply(code);
    let at = start + 2;
    if (code === 'VA') {
      const from = ++at;
      while (at < end && isDigit(bytes[at])) at++;
      this.#size = numberIn(bytes, from, at);
      if (this.#size > this.#largest) {
        throw new BackendUnavailableError(
          `The server answers with a value of ${this.#size} bytes; at most ${this.#largest} are taken.`,
        );
      }
    }
    while (at < end) {
      if (bytes[at] !== SPACE) throw garbage(bytes, start);
      const flag = ++at;
      while (at < end && bytes[at] !== SPACE) at++;
      if (flag < at) readFlag(reply, bytes, flag, at);
    }
    return reply;
  }
}

const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;

const CODES: ReadonlyMap<number, ReplyCode> = new Map(
  (['VA', 'HD', 'EN', 'NS', 'EX', 'NF', 'MN'] as const).map((code) => [
    pairOf(code.charCodeAt(0), code.charCodeAt(1)),
    code,
  ]),
);

function codeAt(bytes: Buffer, at: number): ReplyCode | undefined {
  return CODES.get(pairOf(bytes[at] ?? 0, bytes[at + 1] ?? 0));
}

function pairOf(first: number, second: number): number {
  return first * 256 + second;
}

/** Those that are asked for here; others are passed over. */
function readFlag(reply: Reply, bytes: Buffer, at: number, end: number): void {
  switch (bytes[at]) {
    case 0x57: // W
      reply.isWon = true;
      return;
    case 0x5a: // Z
      reply.isTaken = true;
      return;
    case 0x63: // c
      numberIn(bytes, at + 1, end);
      reply.cas = bytes.toString('latin1', at + 1, end);
      return;
    case 0x4f: // O
      reply.opaque = numberIn(bytes, at + 1, end);
      return;
    case 0x74: // t
      reply.ttl = bytes[at + 1] === 0x2d ? -1 : numberIn(bytes, at + 1, end);
  }
}

function errorLine(bytes: Buffer, start: number, end: number): Reply {
  const line = bytes.toString('latin1', start, end);
  const [, code, text = ''] = /^(ERROR|CLIENT_ERROR|SERVER_ERROR|STORED)(?: (.*))?$/.exec(line) ?? [];
  if (code === undefined) throw garbage(bytes, start);
  const reply = new Reply(code as ReplyCode);
  reply.text = text;
  return reply;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** Digits only, at least one and at most as many as 64 bits have. */
function numberIn(bytes: Buffer, from: number, end: number): number {
  if (end <= from || end - from > 20) throw garbage(bytes, from);
  let number = 0;
  for (let at = from; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (!isDigit(byte)) throw garbage(bytes, from);
    number = number * 10 + byte - 0x30;
  }
  return number;
}

function valueIn(bytes: Buffer, at: number, size: number): Buffer {
  if (bytes[at + size] !== RETURN || bytes[at + size + 1] !== NEWLINE) throw garbage(bytes, at + size);
  return bytes.subarray(at, at + size);
}

function garbage(bytes: Buffer, at: number): BackendUnavailableError {
  const shown = JSON.stringify(bytes.toString('latin1', at, Math.min(bytes.length, at + 40)));
  return new BackendUnavailableError(
    `The server answers with something that is not memcached's meta protocol (${shown}): is it memcached, 1.6 or later?`,
  );
}
