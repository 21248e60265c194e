/** Gathers what is written in one turn of the event loop into one write. Decides nothing about replies. */
import type { Socket } from 'node:net';

/** Up to here one copy is cheaper than a list of pieces. */
const COPIED = 64 * 1024;

export class Outbox {
  readonly #socket: Socket;
  #pieces: (string | Buffer)[] = [];
  #size = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Text is ASCII. */
  add(text: string): void {
    if (this.#size === 0) process.nextTick(flush, this);
    this.#pieces.push(text);
    this.#size += text.length;
  }

  /** Behind a text. */
  addValue(value: Buffer): void {
    this.#pieces.push(value);
    this.#size += value.length;
  }

  flush(): void {
    const pieces = this.#pieces;
    const size = this.#size;
    this.#pieces = [];
    this.#size = 0;
    if (this.#socket.destroyed) return;
    if (size <= COPIED) {
      const bytes = Buffer.allocUnsafe(size);
      let at = 0;
      for (const piece of pieces) {
        at += typeof piece === 'string' ? bytes.write(piece, at, 'latin1') : piece.copy(bytes, at);
      }
      this.#socket.write(bytes);
      return;
    }
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece, 'latin1');
    this.#socket.uncork();
  }
}

function flush(outbox: Outbox): void {
  outbox.flush();
}
