/**
 * Whether the disk has room for a write. LMDB must not find out by itself: where a write fails it formats a message into a buffer that
 * may be too short for it, and the process may die of that.
 */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

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

  /** For so many bytes, with so many to spare. */
  has(bytes: number, spare: number): boolean {
    const now = performance.now();
    if (now - this.#askedAt > TIME_BETWEEN || bytes > this.#known) {
      const { bavail, bsize } = statfsSync(this.#folder);
      this.#known = Math.min(bavail * bsize - spare, BYTES_BETWEEN + bytes);
      this.#askedAt = now;
    }
    if (bytes > this.#known) return false;
    this.#known -= bytes;
    return true;
  }
}
