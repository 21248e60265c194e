/**
 * A byte of the lock file per key, held as the sign of life of a lease's holder: the system gives it back when the holder dies. One
 * open file per backend object, so that two of them in one process exclude each other too. Decides nothing about leases.
 */
import { closeSync } from 'node:fs';
import type { RangeLocks } from './engine.js';
import { byteOf } from './keys.js';

export interface Range {
  /** Idempotent. */
  release(): void;
}

export class Ranges {
  readonly #fd: number;
  readonly #locks: RangeLocks;
  /** How often each byte is held here: the system doesn't tell holders of one open file apart, and two keys may share a byte. */
  readonly #held = new Map<number, number>();
  #isClosed = false;

  /** The open file is handed over. */
  constructor(fd: number, locks: RangeLocks) {
    this.#fd = fd;
    this.#locks = locks;
  }

  /** `undefined`: held through another open file. */
  take(key: string): Range | undefined {
    const byte = byteOf(key);
    const count = this.#held.get(byte) ?? 0;
    if (this.#isClosed || (count === 0 && !this.#locks.tryLock(this.#fd, byte, 1))) return undefined;
    this.#held.set(byte, count + 1);
    let isHeld = true;
    return {
      release: () => {
        if (isHeld) this.#giveBack(byte);
        isHeld = false;
      },
    };
  }

  #giveBack(byte: number): void {
    const left = (this.#held.get(byte) ?? 0) - 1;
    if (left > 0) {
      this.#held.set(byte, left);
      return;
    }
    this.#held.delete(byte);
    if (!this.#isClosed) this.#locks.unlock(this.#fd, byte, 1);
  }

  /** Idempotent; gives everything back. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
  }
}
