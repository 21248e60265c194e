/** A lease as it stands in the file, and whether it stands in another's way: pure. Decides nothing about who asks, or when. */
import type { RegionRecord } from '../../api.js';
import { isCut } from './generations.js';
import { bootId, uptime } from './host.js';

export interface LeaseRecord {
  readonly token: string;
  /** When it was acquired or last renewed, and when it lapses: milliseconds of this boot's clock. */
  readonly since: number;
  readonly deadline: number;
  readonly boot: string;
  /** Its holder holds the byte range too: when that is free, it has died. */
  readonly ranged: boolean;
  /** What it was won under. */
  readonly generation: { readonly region: string; readonly rid: string; readonly seq: number } | undefined;
}

export function newRecord(fields: Pick<LeaseRecord, 'token' | 'ranged' | 'generation'>, timeout: number): LeaseRecord {
  const since = uptime();
  return { ...fields, since, deadline: since + timeout, boot: bootId() };
}

/** Until it lapses, if nobody renews it: milliseconds. */
export function timeLeft({ deadline }: LeaseRecord): number {
  return deadline - uptime();
}

export function encodeLease(record: LeaseRecord): Buffer {
  return Buffer.from(JSON.stringify(record));
}

/** Garbage is no lease. */
export function decodeLease(bytes: Uint8Array | undefined): LeaseRecord | undefined {
  if (bytes === undefined) return undefined;
  try {
    const record: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
    return isLease(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

function isLease(record: unknown): record is LeaseRecord {
  if (typeof record !== 'object' || record === null) return false;
  const { token, since, deadline, boot, generation } = record as Partial<LeaseRecord>;
  const areTexts = typeof token === 'string' && typeof boot === 'string';
  return areTexts && typeof since === 'number' && typeof deadline === 'number' && isStamp(generation);
}

function isStamp(generation: LeaseRecord['generation'] | null): boolean {
  if (generation === undefined) return true;
  if (typeof generation !== 'object' || generation === null) return false;
  const { region, rid, seq } = generation as { readonly [Name in 'region' | 'rid' | 'seq']?: unknown };
  return typeof region === 'string' && typeof rid === 'string' && typeof seq === 'number';
}

/** Void: of another boot, lapsed, or cut off by its region's record. */
export function isVoid(record: LeaseRecord, regionOf: (region: string) => RegionRecord | undefined): boolean {
  const now = uptime();
  // A record from the future was written before a reboot, where boots can't be told apart otherwise.
  if (record.boot !== bootId() || record.deadline <= now || record.since > now + 1000) return true;
  return isCutOff(record, regionOf);
}

export function isCutOff({ generation }: LeaseRecord, regionOf: (region: string) => RegionRecord | undefined): boolean {
  if (!generation) return false;
  const region = regionOf(generation.region);
  return !region || isCut(generation, region);
}
