/**
 * The file beside the LMDB file, as one thread has it open: who opens or closes goes alone, nobody writes while LMDB is being opened, who
 * uses holds a shared lock, and a mark says whether the LMDB file can be trusted after a crash of the machine. Leases have open files of
 * their own over it.
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
import type { Awaitable } from '../../api.js';
import { BackendUnavailableError } from '../../errors.js';
import type { RangeLocks } from './engine.js';
import { bootId } from './host.js';

/** Behind the mark, and below the bytes of keys. */
const OPENING = 2 ** 40;
const USING = OPENING + 1;
/** Who writes passes the gate, and holds the other while he writes; who opens shuts the gate, and waits until nobody writes. */
const GATE = OPENING + 2;
const WRITING = OPENING + 3;

/** How long another may take to open or close, or to write. */
const PATIENCE = 30_000;
const SHARED = { shared: true };

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

  /** Nobody else opens or closes meanwhile. */
  alone<T>(run: () => Awaitable<T>): Promise<T> {
    return this.#holding(OPENING, 'another process has been opening it for half a minute', run);
  }

  /**
   * Nobody writes meanwhile. LMDB, when it is opened, sets the number of the last transaction, which all processes share, to what it has
   * read a moment before: were there another one in between, the next would begin from an older state, and destroy the file.
   */
  still<T>(run: () => Awaitable<T>): Promise<T> {
    const why = 'another process has been writing to it for half a minute';
    return this.#holding(GATE, why, () => this.#holding(WRITING, why, run));
  }

  /** Waits, with all of the thread, while another opens the file: that takes a few milliseconds. */
  writing<T>(run: () => T): T {
    const locks = this.#locks;
    if (!locks) return run();
    for (const end = performance.now() + PATIENCE; !this.#passesGate(locks); ) {
      if (performance.now() > end) throw new Error('another process has been opening it for half a minute');
      Atomics.wait(NOBODY_WAKES, 0, 0, 1);
    }
    try {
      return run();
    } finally {
      locks.unlock(this.#fd, WRITING, 1);
    }
  }

  #passesGate(locks: RangeLocks): boolean {
    if (!locks.tryLock(this.#fd, GATE, 1, SHARED)) return false;
    try {
      return locks.tryLock(this.#fd, WRITING, 1, SHARED);
    } finally {
      locks.unlock(this.#fd, GATE, 1);
    }
  }

  async #holding<T>(byte: number, why: string, run: () => Awaitable<T>): Promise<T> {
    if (!this.#locks) return run();
    for (const end = performance.now() + PATIENCE; !this.#locks.tryLock(this.#fd, byte, 1); ) {
      if (performance.now() > end) throw new Error(why);
      await sleep(Math.random() * 5);
    }
    try {
      return await run();
    } finally {
      this.#locks.unlock(this.#fd, byte, 1);
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

  /** Before LMDB opens the file. */
  enter(): void {
    this.#locks?.tryLock(this.#fd, USING, 1, SHARED);
  }

  /** Before anything is written, and only of a file that is ours: what bears the mark of another boot is removed. */
  mark({ isSynced }: { readonly isSynced: boolean }): void {
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

/** To sleep on. */
const NOBODY_WAKES = new Int32Array(new SharedArrayBuffer(4));
