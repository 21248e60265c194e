/** The arguments of the file backend and their checks, apart from the engine: `configure` checks them before anything is imported. */
import type { CacheMutex, Duration } from '../api.js';
import { durationOption, finiteOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { checkBoolean, checkCount, checkFunction, checkObject, checkString, refuseUnknown } from '../validation.js';

export interface FileArguments {
  /** The LMDB file. Its folder is made where there is none. Beside it stand `<filename>-lock` (LMDB's) and `<filename>-leases`. */
  filename: string;
  /** Bytes of keys and entries; beyond them the entries go that would expire next. Default: no limit. */
  maxSize?: number | undefined;
  /** `false`: creations are elected in each process for itself, and their writes are not fenced. Default `true`. */
  distributedLock?: boolean | undefined;
  /** How long a lease stands without being renewed, 10 ms to a day; it is renewed at a third of it. Default `'10s'`. */
  lockTimeout?: Duration | undefined;
  /** How long a lease is renewed at most. Default `'5m'`. */
  lockMaxHold?: Duration | undefined;
  /** How long a waiter sleeps between its first tries, at most; grows to five times as much. Default `'10ms'`. */
  lockSleep?: Duration | undefined;
  /** A lock of your own elects (Python's `lock_factory`); what is written under it is fenced by the file all the same. */
  mutex?: ((key: string) => CacheMutex) | undefined;
  /** Every write waits until it is on the disk. Default `false`: after a crash of the machine (not of a process) the file begins anew. */
  sync?: boolean | undefined;
  /** Permissions of the files when they are made, less the umask. Default `0o666`. */
  mode?: number | undefined;
  /** How many threads of all processes may read at once. Counts when the file is opened by the first of them. Default 1024. */
  maxReaders?: number | undefined;
}

const NAMES = [
  'filename',
  'maxSize',
  'distributedLock',
  'lockTimeout',
  'lockMaxHold',
  'lockSleep',
  'mutex',
  'sync',
  'mode',
  'maxReaders',
];

export function checkFileArguments(args: object): FileArguments {
  checkObject('The arguments of the file backend', args);
  refuseUnknown('The file backend', args, NAMES);
  const given = args as Partial<FileArguments>;
  if (given.filename === undefined) throw new ValidationError('The file backend needs a filename.');
  const filename = checkString('filename', given.filename);
  if (filename === '' || filename.includes('\0')) {
    throw new ValidationError(`filename must be the path of a file, not ${shown(filename)}.`);
  }
  for (const name of ['maxSize', 'maxReaders'] as const) if (given[name] !== undefined) checkCount(name, given[name]);
  for (const name of ['distributedLock', 'sync'] as const)
    if (given[name] !== undefined) checkBoolean(name, given[name]);
  checkLockTimeout(given.lockTimeout);
  for (const name of ['lockMaxHold', 'lockSleep'] as const)
    if (given[name] !== undefined) finiteOption(given[name], name);
  if (given.mutex !== undefined) checkFunction('mutex', given.mutex);
  if (given.mode !== undefined) checkMode(given.mode);
  return given as FileArguments;
}

/** A lease that never lapses would outlive a holder that hangs. */
function checkLockTimeout(given: Duration | undefined): void {
  if (given === undefined) return;
  const ms = durationOption(given, 'lockTimeout');
  if (ms >= 10 && ms <= 86_400_000) return;
  throw new ValidationError(`lockTimeout must be between 10 ms and a day, not ${shown(given)}.`);
}

function checkMode(mode: unknown): void {
  const isMode =
    typeof mode === 'number' && Number.isInteger(mode) && mode >= 0 && mode <= 0o777 && (mode & 0o600) === 0o600;
  if (!isMode)
    throw new ValidationError(
      `mode must be permissions that let the owner read and write, such as 0o600, not ${shown(mode)}.`,
    );
}
