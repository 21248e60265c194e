/**
 * Whether the disk has room for a write. LMDB must not find out by itself: where a write fails it formats a message into a buffer that
 * may be too short for it, and the process may die of that.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** Left to others before entries go to make room for new ones, and below which none is written. */
const SPARE = 4 * 2 ** 20;
const LEAST = 2 ** 20;

/** Asked again after so many bytes, or so many milliseconds: others fill the disk too. */
const BYTES_BETWEEN = 2 ** 20;
const TIME_BETWEEN = 1000;

export class Room {
  readonly #folder: string;
  /** Known to be there since it was last asked, less what has been written. */
  #known = 0;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.#folder = dirname(path);
  }

  /** For so many bytes more. */
  isPlenty(bytes: number): boolean {
    const now = performance.now();
    if (now - this.#askedAt > TIME_BETWEEN || bytes > this.#known) {
      this.#known = Math.min(this.#free() - SPARE, BYTES_BETWEEN + bytes);
      this.#askedAt = now;
    }
    if (bytes > this.#known) return false;
    this.#known -= bytes;
    return true;
  }

  /** For bytes that take the place of others, should the others' not fit. */
  isEnough(bytes: number): boolean {
    return this.#free() >= bytes + LEAST;
  }

  #free(): number {
    const { bavail, bsize } = statfsSync(this.#folder);
    return bavail * bsize;
  }
}
