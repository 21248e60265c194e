/**
 * What a file is before LMDB is let near it: LMDB maps a file into memory, and one that is cut short or none of its own can end the process.
 * Reads the two meta pages only; changes nothing.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/**
 * `missing`: or empty. `begun`: its creator died before anything stood in it. `short`: pages at its end are missing, which may be so when
 * they are free. `isTorn`: its first pages have not reached the disk, or were damaged: it may have been ours.
 */
export type Inspected =
  | { readonly kind: 'missing' | 'begun' | 'whole' }
  | { readonly kind: 'short'; readonly size: number; readonly wanted: number }
  | { readonly kind: 'refused'; readonly why: string; readonly isTorn: boolean };

const PAGE_HEADER = 24;
const MAGIC = 0xbeefc0de;
/** The format of lmdb 3; other programs' LMDB has 1. */
const DATA_VERSION = 2;

export function inspect(path: string): Inspected {
  let fd: number;
  try {
    // A pipe would wait for somebody to write to it; Windows has no such flag.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return { kind: 'missing' };
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return refused(stat.isDirectory() ? 'it is a directory' : 'it is no ordinary file');
    return stat.size === 0 ? { kind: 'missing' } : inspectMetas(fd);
  } finally {
    closeSync(fd);
  }
}

function inspectMetas(fd: number): Inspected {
  const first = readMeta(fd, 0);
  if (first?.magic !== MAGIC) return refused('it is not an LMDB file', { isTorn: first?.isBlank ?? false });
  if (first.version !== DATA_VERSION)
    return refused(`it has version ${first.version} of LMDB's format, which this lmdb doesn't read`);
  if (first.pageSize < 256 || first.pageSize > 65_536) return damaged();
  const second = readMeta(fd, first.pageSize);
  // After the metas: whoever has it open may be making it larger, never smaller.
  const { size } = fstatSync(fd);
  if (size < first.pageSize * 2) return { kind: 'begun' };
  if (second?.magic !== MAGIC) return damaged();
  const { lastPage } = second.transaction > first.transaction ? second : first;
  const wanted = (lastPage + 1) * first.pageSize;
  if (!Number.isSafeInteger(wanted)) return damaged();
  return size < wanted ? { kind: 'short', size, wanted } : { kind: 'whole' };
}

function readMeta(fd: number, page: number) {
  const head = Buffer.alloc(PAGE_HEADER + 144);
  if (readSync(fd, head, 0, head.length, page) < PAGE_HEADER + 136) return undefined;
  const meta = head.subarray(PAGE_HEADER);
  return {
    isBlank: head.every((byte) => byte === 0),
    magic: meta.readUInt32LE(0),
    version: meta.readUInt32LE(4),
    pageSize: meta.readUInt32LE(24),
    lastPage: Number(meta.readBigUInt64LE(120)),
    transaction: Number(meta.readBigUInt64LE(128)),
  };
}

function refused(why: string, { isTorn = false } = {}): Inspected {
  return { kind: 'refused', why, isTorn };
}

function damaged(): Inspected {
  return refused('it is damaged', { isTorn: true });
}
