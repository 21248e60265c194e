/**
 * An open LMDB file, shared by all backend objects of this thread that name it: one transaction at a time, looks that see what others have
 * committed, wake-ups among its users. Decides when it is opened and closed, nothing of what stands in it.
 */
import { BackendUnavailableError, DogpileCacheError } from '../../errors.js';
import { messageOf } from '../../shown.js';
import type { Lmdb } from './engine.js';
import type { LockFile } from './lock-file.js';
import { Room } from './room.js';

export class Environment {
  readonly db: Lmdb;
  readonly path: string;
  readonly #flags: number;
  readonly #lockFile: LockFile;
  readonly #sleepers = new Map<string, Set<() => void>>();
  readonly #room: Room;
  /** What was written while room was scarce, less what was taken out for it. */
  #owed = 0;
  /** Takes entries of so many bytes out, those that leave first, inside a transaction; answers with their bytes. 0: there are none. */
  reclaim: (bytes: number) => number = () => 0;

  constructor(db: Lmdb, path: string, { sync, lockFile }: { readonly sync: boolean; readonly lockFile: LockFile }) {
    this.db = db;
    this.path = path;
    this.#lockFile = lockFile;
    this.#room = new Room(path);
    this.#flags = sync && process.platform !== 'win32' ? SYNCHRONOUS | FLUSH_AFTER : SYNCHRONOUS;
  }

  /** The reads that follow in this turn see one state: what has been committed by now. */
  look(): void {
    this.db.resetReadTxn();
  }

  /** All or nothing. `run` must not wait for anything: other processes can't write meanwhile. `adding`: bytes of new entries. */
  transaction<T>(run: () => T, adding = 0): T {
    return this.naming(() => {
      if (adding > 0) this.#makeRoom(adding);
      try {
        return this.#transaction(run);
      } catch (error) {
        if (!isFull(error) || this.#takeOut(adding || LITTLE) === 0) throw error;
        return this.#transaction(run);
      }
    });
  }

  /** What LMDB, or the system, throws becomes an error that names the file. */
  naming<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof DogpileCacheError) throw error;
      throw new BackendUnavailableError(`The cache file "${this.path}" can't be read or written: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** While room is scarce, entries only take the place of others. */
  #makeRoom(bytes: number): void {
    if (this.#room.isPlenty(bytes)) {
      this.#owed = 0;
      return;
    }
    for (this.#owed += bytes; this.#owed > 0; ) {
      const freed = this.#takeOut(this.#owed);
      if (freed === 0) break;
      this.#owed -= freed;
    }
    if (!this.#room.isEnough(bytes)) throw new Error('the disk is full');
  }

  #takeOut(bytes: number): number {
    try {
      return this.#transaction(() => this.reclaim(bytes));
    } catch (error) {
      if (!isFull(error)) throw error;
      return 0;
    }
  }

  #transaction<T>(run: () => T): T {
    let answer: { readonly value: T } | undefined;
    // A callback that answered with a promise (as `put` does) would leave the transaction open.
    this.#lockFile.writing(() =>
      this.db.transactionSync(() => {
        this.#refuseOlderState();
        answer = { value: run() };
      }, this.#flags),
    );
    if (!answer) throw new Error('The transaction did not run.');
    return answer.value;
  }

  /**
   * LMDB was opened by a process that has no locks, while another wrote: this transaction would begin from an older state than the last, and
   * destroy the file. Whoever opens it next sets that right.
   */
  #refuseOlderState(): void {
    if (this.db.getWriteTxnId() <= this.db.env.info().lastTxnId)
      throw new Error(
        'it was opened by a process without fs-native-extensions while another wrote; restart one of them',
      );
  }

  /**
   * Once, by its last user. LMDB too is closed while nobody opens: it takes its locks apart, which whoever opens it just then would go on
   * with.
   */
  async close(): Promise<void> {
    let closed: Promise<void> | undefined;
    const closeOnce = () => {
      closed ??= this.db.close();
      return closed;
    };
    try {
      await this.#lockFile.alone(async () => {
        this.#lockFile.leave(() => this.db.env.sync());
        await closeOnce();
      });
    } finally {
      await closeOnce();
      this.#lockFile.close();
    }
  }

  /** The answer unsubscribes. */
  onRelease(key: string, run: () => void): () => void {
    const sleepers = this.#sleepers.get(key) ?? new Set();
    this.#sleepers.set(key, sleepers);
    sleepers.add(run);
    return () => {
      sleepers.delete(run);
      if (sleepers.size === 0 && this.#sleepers.get(key) === sleepers) this.#sleepers.delete(key);
    };
  }

  /** Those of this thread who wait for the key. */
  wake(key: string): void {
    for (const run of [...(this.#sleepers.get(key) ?? [])]) run();
  }
}

/** lmdb's flags of a transaction: commit before it returns; others may go on while it reaches the disk. */
const SYNCHRONOUS = 2;
const FLUSH_AFTER = 0x10000;

/** Taken out for a write of a lease or a record. */
const LITTLE = 16_384;

/** LMDB's map, the disk, its quota, or the file's permitted size. */
function isFull(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return (
    [-30792, 28, 27, 122].includes(Number(code)) || /MAP_FULL|No space left|File too large|quota/i.test(String(message))
  );
}
