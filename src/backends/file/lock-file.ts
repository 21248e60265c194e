/**
 * The file beside the LMDB file, as one thread has it open: who opens or closes goes alone, who uses holds a shared lock, and a mark says
 * whether the LMDB file can be trusted after a crash of the machine. Leases have open files of their own over it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BackendUnavailableError } from '../../errors.js';
import type { RangeLocks } from './engine.js';
import { bootId } from './host.js';

/** Behind the mark, and below the bytes of keys. */
const OPENING = 2 ** 40;
const USING = OPENING + 1;

/** How long another may take to open or close. */
const PATIENCE = 30_000;

interface Mark {
  /** The boot in which the file was last written without waiting for the disk. */
  readonly boot: string;
  /** It has reached the disk since. */
  readonly isClean: boolean;
}

export interface LockFileOptions {
  readonly path: string;
  readonly mode: number;
  readonly locks: RangeLocks | undefined;
}

export function openLockFile(path: string, mode: number): number {
  // libuv opens everything with O_CLOEXEC: no child inherits a lock.
  return openSync(path, constants.O_RDWR | constants.O_CREAT, mode);
}

export class LockFile {
  readonly #fd: number;
  readonly #locks: RangeLocks | undefined;

  constructor({ path, mode, locks }: LockFileOptions) {
    this.#locks = locks;
    this.#fd = openLockFile(path, mode);
    const { size } = fstatSync(this.#fd);
    if (size > 0 && this.#mark() === undefined) {
      closeSync(this.#fd);
      throw new BackendUnavailableError(
        `"${path}" should be the lock file of a cache file, but belongs to another program. Name another cache file.`,
      );
    }
  }

  /** A write that doesn't wait for the disk is safe from a crash of the machine only where the next boot can tell that there was one. */
  get canTellCrashes(): boolean {
    return this.#locks !== undefined && bootId() !== '';
  }

  async alone<T>(run: () => T): Promise<T> {
    if (!this.#locks) return run();
    for (const end = performance.now() + PATIENCE; !this.#locks.tryLock(this.#fd, OPENING, 1); ) {
      if (performance.now() > end) throw new Error('another process has been opening it for half a minute');
      await sleep(1 + Math.random() * 10);
    }
    try {
      return run();
    } finally {
      this.#locks.unlock(this.#fd, OPENING, 1);
    }
  }

  /** What was written before a crash of the machine may have reached the disk in any order: the file begins anew. */
  discardAfterCrash(path: string): void {
    const mark = this.#mark();
    if (!mark || mark.isClean || mark.boot === bootId() || !this.canTellCrashes) return;
    if (this.isUsed()) throw new Error('another machine is using it');
    rmSync(path, { force: true });
    rmSync(`${path}-lock`, { force: true });
  }

  /** By others than this, as far as there are locks. */
  isUsed(): boolean {
    if (!this.#locks) return false;
    if (!this.#locks.tryLock(this.#fd, USING, 1)) return true;
    this.#locks.unlock(this.#fd, USING, 1);
    return false;
  }

  /** Before anything is written. */
  enter({ isSynced }: { readonly isSynced: boolean }): void {
    this.#locks?.tryLock(this.#fd, USING, 1, { shared: true });
    const mark = this.#mark();
    if (!mark) this.#write({ boot: bootId(), isClean: isSynced });
    else if (!isSynced && (mark.isClean || mark.boot !== bootId())) this.#write({ boot: bootId(), isClean: false });
  }

  /** The last to leave sees to it that everything has reached the disk, and says so. */
  leave(flush: () => void): void {
    if (!this.#locks) return;
    this.#locks.unlock(this.#fd, USING, 1);
    if (!this.#locks.tryLock(this.#fd, USING, 1)) return;
    try {
      const mark = this.#mark();
      if (!mark || mark.isClean) return;
      flush();
      this.#write({ ...mark, isClean: true });
    } finally {
      // Who opens it next must be able to say that it uses it.
      this.#locks.unlock(this.#fd, USING, 1);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** `undefined`: there is none, or it is none of ours. */
  #mark(): Mark | undefined {
    const text = Buffer.alloc(LONGEST_MARK);
    const [name, boot, state] = text.toString('latin1', 0, readSync(this.#fd, text, 0, text.length, 0)).split(' ');
    return name === NAME && boot !== undefined ? { boot, isClean: state?.trim() === 'clean' } : undefined;
  }

  #write({ boot, isClean }: Mark): void {
    const text = `${NAME} ${boot || '-'} ${isClean ? 'clean' : 'open'}\n`;
    writeSync(this.#fd, text, 0, 'latin1');
    ftruncateSync(this.#fd, text.length);
    fsyncSync(this.#fd);
  }
}

const NAME = 'dogpile-cache-leases-1';
const LONGEST_MARK = 256;
