/** The two packages that the file backend needs, imported on first use: which functions of them are used, and what is said when they are missing. */
import { DriverNotInstalledError } from '../../errors.js';

/** The slice of an lmdb database that is used. Binary keys and values; all calls answer at once. */
export interface Lmdb {
  getBinary(key: Uint8Array): Buffer | undefined;
  /** Only inside a transaction. Their answers are promises, which must not be a transaction's answer. */
  put(key: Uint8Array, value: Uint8Array): unknown;
  remove(key: Uint8Array): unknown;
  getRange(options: { start: Uint8Array; end: Uint8Array; limit?: number }): Iterable<{ key: Buffer; value: Buffer }>;
  transactionSync(run: () => void, flags: number): void;
  /** The next read sees what has been committed by then. */
  resetReadTxn(): void;
  /** The number of the transaction under way. */
  getWriteTxnId(): number;
  readonly env: {
    /** Waits until everything written has reached the disk. */
    sync(): void;
    /** As the file says it. */
    info(): { readonly lastTxnId: number };
  };
  close(): Promise<void>;
}

export interface LmdbOptions {
  readonly path: string;
  readonly noSubdir: true;
  readonly encoding: 'binary';
  readonly keyEncoding: 'binary';
  readonly noSync: boolean;
  readonly maxReaders: number;
  readonly permissionsMode: number;
}

export type OpenLmdb = (options: LmdbOptions) => Lmdb;

/** Locks of byte ranges that belong to the open file, not to the process. */
export interface RangeLocks {
  /** `false`: held through another open file. */
  tryLock(fd: number, offset: number, length: number, options?: { shared?: boolean }): boolean;
  unlock(fd: number, offset: number, length: number): void;
}

export async function importLmdb(): Promise<OpenLmdb> {
  try {
    const { open } = await import('lmdb');
    return (options) => open(options) as unknown as Lmdb; // not all that is used stands in its types
  } catch (cause) {
    throw new DriverNotInstalledError(
      'Backend "file" needs the package `lmdb` (>=3.5.6 <4). Install it: npm install lmdb fs-native-extensions',
      { cause },
    );
  }
}

/** `undefined` where the package isn't there, can't load, or knows whole files only (macOS). */
export async function importRangeLocks(): Promise<RangeLocks | undefined> {
  if (process.platform !== 'linux' && process.platform !== 'win32') return undefined;
  try {
    // It has no types.
    const name: string = 'fs-native-extensions';
    const { tryLock, unlock, default: all } = await import(name);
    return (tryLock ? { tryLock, unlock } : all) as RangeLocks;
  } catch {
    return undefined;
  }
}
