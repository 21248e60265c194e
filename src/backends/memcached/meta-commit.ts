/**
 * One write, with a lease or without, and how it is taken back. Decides what a lease needs to be committed: the CAS number of what was
 * there when it was won, over the connection that it was won on.
 */
import { ValueTooLargeError } from '../../errors.js';
import type { KeptLease } from '../../lock/lease.js';
import { lockNameOf } from './keys.js';
import { isMark } from './marks.js';
import type { Reply } from './meta/reply-parser.js';
import type { Won } from './meta-leases.js';
import type { MetaLine } from './meta-peers.js';

export interface Write {
  readonly key: string;
  readonly bytes: Buffer;
  /** As the protocol counts them. */
  readonly seconds: number;
}

export interface WriteOptions {
  readonly deadline: number;
  /** The deadline of what begins now: what has to be taken back is, also when the time of the write is over. */
  readonly anew: () => number;
  /** `_lock<key>` is the lock of every key, and Python's. */
  readonly isLockedByKey: boolean;
}

/** What was written, to be taken back should it not stand. */
export interface Written {
  takeBack(): Promise<void>;
}

/** Said by the user: whoever creates under the key finds it changed. */
export async function put(connection: MetaLine, write: Write, options: WriteOptions): Promise<Written> {
  const { key, bytes, seconds } = write;
  const { deadline, isLockedByKey } = options;
  try {
    // Its holder, if any, finds the value changed, whatever he does before his lock is gone.
    const [stored] = await Promise.all([
      connection.store(key, bytes, `T${seconds} c`, { deadline }),
      isLockedByKey ? voidLock(connection, key, deadline) : undefined,
    ]);
    // Within its own time: what it would take back counts for nobody, by its generation.
    return written(connection, key, { cas: stored.cas, anew: () => deadline });
  } catch (error) {
    // The value before this one is no longer true.
    if (error instanceof ValueTooLargeError) await remove(connection, key, options);
    throw error;
  }
}

/** `undefined`: refused. */
export async function commit(
  lease: KeptLease,
  won: Won,
  { key, bytes, seconds }: Write,
  { deadline, anew, isLockedByKey }: WriteOptions,
): Promise<Written | undefined> {
  const { connection } = won.held;
  const isLost = !lease.stands;
  const cas = await won.held.take();
  if (cas === undefined) return undefined;
  if (isLost) {
    // Held for too long, it may be there yet, and others wait for its end.
    won.held.giveBack(cas).catch(() => {});
    return undefined;
  }
  // What was there is overwritten, what wasn't is added.
  const entry = won.by === 'stub' ? cas : won.entry;
  let storing: Promise<Reply> | undefined;
  /** Of a commit that has failed: nobody has looked whether what it wrote stands, or will. */
  const drop = (stored: Reply) => {
    if (stored.code !== 'HD') return;
    const done = written(connection, key, { cas: stored.cas, anew });
    done.takeBack().catch(() => {});
  };
  try {
    // A lock that was taken over is another's: what would be written here, and taken back, would void his creation.
    if (won.by === 'lock' && !(await isHeld(connection, { key, cas, deadline }))) return undefined;
    const flags = `${entry === undefined ? 'ME' : `C${entry}`} T${seconds} c`;
    storing = connection.store(key, bytes, flags, { deadline, late: isLockedByKey ? drop : undefined });
    // Once more behind the write: a delete that came between has voided the lock.
    const checking = isLockedByKey ? isHeld(connection, { key, cas, deadline }) : true;
    const releasing = won.by === 'lock' ? connection.send('md', won.held.name, `C${cas}`, { deadline }) : undefined;
    const [stored, stands] = await Promise.all([storing, checking, releasing]);
    if (stored.code !== 'HD') return undefined;
    const done = written(connection, key, { cas: stored.cas, anew });
    if (stands) return done;
    await done.takeBack();
    return undefined;
  } catch (error) {
    if (isLockedByKey) storing?.then(drop, () => {});
    if (!(error instanceof ValueTooLargeError)) {
      // Whatever the server makes of it yet. A write that is done has changed the number.
      won.held.giveBack(cas).catch(() => {});
    } else if (entry !== undefined) {
      await connection.send('md', key, `C${entry}`, { deadline });
    }
    throw error;
  }
}

/**
 * Removes the key; with locks by key its lease as well. Whoever holds that when the key is first removed either has it yet when the lock
 * is looked at, or has committed by then: that goes with what is removed behind each look.
 */
export async function remove(
  connection: MetaLine,
  key: string,
  { deadline, isLockedByKey }: WriteOptions,
): Promise<void> {
  const drop = () => connection.send('md', key, '', { deadline });
  await Promise.all([drop(), isLockedByKey ? voidLock(connection, key, deadline, drop) : undefined]);
}

/** Removes a lock of ours; another program's is left alone. `behind`: sent right behind each step, in the same write. */
async function voidLock(
  connection: MetaLine,
  key: string,
  deadline: number,
  behind: () => unknown = () => {},
): Promise<void> {
  const name = lockNameOf(key);
  const [{ value, cas }] = await Promise.all([connection.send('mg', name, 'v c', { deadline }), behind()]);
  if (!value || !isMark(value) || cas === undefined) return;
  const [{ code }] = await Promise.all([connection.send('md', name, `C${cas}`, { deadline }), behind()]);
  // Renewed in between, or given back and won by another.
  if (code === 'EX') await voidLock(connection, key, deadline, behind);
}

async function isHeld(
  connection: MetaLine,
  { key, cas, deadline }: { readonly key: string; readonly cas: string; readonly deadline: number },
): Promise<boolean> {
  const lock = await connection.send('mg', lockNameOf(key), 'c', { deadline });
  return lock.cas === cas;
}

function written(
  connection: MetaLine,
  key: string,
  { cas, anew }: { readonly cas: string | undefined; readonly anew: () => number },
): Written {
  return {
    takeBack: async () => {
      if (cas !== undefined) await connection.send('md', key, `C${cas}`, { deadline: anew() });
    },
  };
}
