/** What a lease looks like in the store: `dp1:<token>:<rid>:<seq>`, or an empty item where the server made it. Decides what is no value. */
import type { RegionRecord } from '../../api.js';
import type { Reply } from './meta/reply-parser.js';

/** What a lease was won under: a hard invalidation after that cuts it off. */
export type WonUnder = Pick<RegionRecord, 'rid' | 'seq'>;

const MARK = 'dp1:';
const WITH_GENERATION = /^dp1:[^:]*:([^:]+):(\d+)$/;

export function markOf(token: string, under?: WonUnder): Buffer {
  return Buffer.from(`${MARK}${token}${under ? `:${under.rid}:${under.seq}` : ''}`);
}

/** A lease of ours, and no other program's lock. */
export function isMark(bytes: Buffer): boolean {
  return bytes.length >= MARK.length && bytes.toString('latin1', 0, MARK.length) === MARK;
}

/** What stands where a value would, and is none: the server's stub, as it was made or as its winner has rewritten it. */
export function isStub({ value, isWon, isTaken }: Reply): boolean {
  if (value === undefined) return false;
  return value.length === 0 ? isWon || isTaken : isMark(value);
}

/** Whether its holder can't commit any more. */
export function isCut(mark: Buffer, region: RegionRecord | undefined): boolean {
  const [, rid, seq] = WITH_GENERATION.exec(mark.toString('latin1')) ?? [];
  return region !== undefined && rid !== undefined && (rid !== region.rid || Number(seq) < region.hard);
}
