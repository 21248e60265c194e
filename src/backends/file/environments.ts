/**
 * Opens LMDB files, one environment per path and thread, and closes them with their last user. Decides what may be opened: what is not ours,
 * or of a version to come, is refused with its name and left as it is.
 */
import { existsSync, truncateSync } from 'node:fs';
import { BackendUnavailableError, DogpileCacheError } from '../../errors.js';
import { messageOf } from '../../shown.js';
import { importLmdb, importRangeLocks, type Lmdb, type OpenLmdb, type RangeLocks } from './engine.js';
import { Environment } from './environment.js';
import { inspect } from './inspect.js';
import { NAMESPACE, rangeOf } from './keys.js';
import { decodeLease, isVoid } from './lease-records.js';
import { LockFile } from './lock-file.js';

export interface OpenOptions {
  readonly path: string;
  readonly sync: boolean;
  readonly mode: number;
  readonly maxReaders: number;
}

export interface Opened {
  readonly environment: Environment;
  readonly locks: RangeLocks | undefined;
  /** Once for each opening. */
  close(): Promise<void>;
}

/** Of this thread, by path. Removed with its last user, before it is closed. */
const shared = new Map<string, { readonly opening: Promise<Environment>; users: number }>();
/** A path that is being closed is opened again only afterwards. */
const closing = new Map<string, Promise<void>>();

const FORMAT = Buffer.of(NAMESPACE.format);
const FORMAT_VERSION = 1;
const FORMAT_TEXT = 'dogpile-cache ';

export async function openShared(options: OpenOptions): Promise<Opened> {
  const { path } = options;
  const locks = await importRangeLocks();
  const openLmdb = await importLmdb();
  // How the closing ended is for whoever closed it.
  while (closing.has(path)) await closing.get(path)?.catch(() => {});
  const known = shared.get(path) ?? { opening: naming(path, () => open(options, openLmdb, locks)), users: 0 };
  shared.set(path, known);
  known.users++;
  const leave = async () => {
    if (--known.users > 0) return;
    shared.delete(path);
    const closed = known.opening.then(
      (environment) => environment.close(),
      () => {},
    );
    closing.set(path, closed);
    await closed.finally(() => closing.delete(path));
  };
  try {
    return { environment: await known.opening, locks, close: leave };
  } catch (error) {
    await leave();
    throw error;
  }
}

async function open(options: OpenOptions, openLmdb: OpenLmdb, locks: RangeLocks | undefined): Promise<Environment> {
  const { path, mode } = options;
  // Should it have been ours, and torn by a crash, its mark says so: that is looked at when nobody else opens it.
  refuseForeign(path, { isTorn: existsSync(`${path}-leases`) });
  const lockFile = new LockFile({ path: `${path}-leases`, mode, locks });
  try {
    return await lockFile.alone(() => openAlone(options, openLmdb, lockFile));
  } catch (error) {
    lockFile.close();
    throw error;
  }
}

/** Nobody else opens or closes it meanwhile, where there are locks. */
async function openAlone(options: OpenOptions, openLmdb: OpenLmdb, lockFile: LockFile): Promise<Environment> {
  const { path, mode, maxReaders } = options;
  const isSynced = options.sync || !lockFile.canTellCrashes;
  lockFile.discardAfterCrash(path);
  refuseForeign(path);
  // Whoever has it open can read it, and may be making it larger.
  const file = lockFile.isUsed() ? undefined : inspect(path);
  if (file?.kind === 'begun') truncateSync(path, 0);
  // The map may then be read to its end; should it have been damaged, it gets its size back.
  if (file?.kind === 'short') truncateSync(path, file.wanted);
  lockFile.enter();
  if (file?.kind === 'missing' || file?.kind === 'begun') lockFile.mark({ isSynced });
  const db = await lockFile.still(() =>
    openLmdb({
      path,
      noSubdir: true,
      encoding: 'binary',
      keyEncoding: 'binary',
      noSync: !isSynced,
      maxReaders,
      permissionsMode: mode,
    }),
  );
  const environment = new Environment(db, path, { sync: isSynced, lockFile });
  try {
    if (file?.kind === 'short') readThrough(db);
    refuseOthers(db);
    lockFile.mark({ isSynced });
    environment.transaction(() => claim(db));
    environment.transaction(() => sweepLeases(db));
  } catch (error) {
    if (file?.kind === 'short') truncateSync(path, file.size);
    await db.close();
    throw error;
  }
  return environment;
}

/** `isTorn`: but for one that is. */
function refuseForeign(path: string, { isTorn = false } = {}): void {
  const file = inspect(path);
  if (file.kind === 'refused' && !(isTorn && file.isTorn)) throw new BackendUnavailableError(unusable(path, file.why));
}

/** Says in an empty file that it is ours. */
function claim(db: Lmdb): void {
  refuseOthers(db);
  if (!db.getBinary(FORMAT)) db.put(FORMAT, Buffer.from(`${FORMAT_TEXT}${FORMAT_VERSION}`, 'latin1'));
}

/** Reads only. */
function refuseOthers(db: Lmdb): void {
  const format = db.getBinary(FORMAT)?.toString('latin1');
  if (format === undefined) {
    for (const _ of db.getRange({ start: Buffer.of(0), end: Buffer.of(255), limit: 1 }))
      throw new Error('it belongs to another program');
    return;
  }
  if (!format.startsWith(FORMAT_TEXT)) throw new Error('it belongs to another program');
  const version = Number(format.slice(FORMAT_TEXT.length));
  if (version !== FORMAT_VERSION)
    throw new Error(
      `it was made by a newer version of dogpile-cache (format ${version}; this one knows ${FORMAT_VERSION})`,
    );
}

/** Leases whose holders died while nobody asked for their keys. */
function sweepLeases(db: Lmdb): void {
  for (const { key, value } of Array.from(db.getRange(rangeOf(NAMESPACE.lease)))) {
    const record = decodeLease(value);
    if (!record || isVoid({ ...record, generation: undefined }, () => undefined)) db.remove(key);
  }
}

/** LMDB says of pages that are none that the file is damaged. */
function readThrough(db: Lmdb): void {
  for (const { value } of db.getRange({ start: Buffer.of(0), end: Buffer.of(255) })) value.at(-1);
}

export async function naming<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof DogpileCacheError) throw error;
    throw new BackendUnavailableError(unusable(path, messageOf(error)), { cause: error });
  }
}

function unusable(path: string, why: string): string {
  return `The cache file "${path}" can't be used: ${why}. Nothing in it was changed. Name another file, see to its permissions, or remove it if nobody needs it.`;
}
