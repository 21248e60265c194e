/** What a simulated Redis keeps: text under keys, or something of another type, each until its time. Decides nothing. */

import type { RegionRecord, TagRecord } from '../../../api.js';
import { parseRegion, parseTagOf } from '../../../backends/records.js';

/** `dp1:<token>:<rid>:<seq>`, of ours. */
export interface LockParts {
  readonly token: string;
  readonly rid: string;
  readonly seq: number;
}

export class Keyspace {
  readonly #keys = new Map<string, { readonly value: Buffer | undefined; readonly deadline: number }>();
  now = 0;

  /** Those that are there, expired ones too. */
  get names(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** What is of another type than text counts as absent. */
  read(key: string): Buffer | undefined {
    const entry = this.#keys.get(key);
    return entry && entry.deadline > this.now ? entry.value : undefined;
  }

  has(key: string): boolean {
    return this.ttl(key) !== -2;
  }

  /** Milliseconds; -1: for ever, -2: it is not there. */
  ttl(key: string): number {
    const entry = this.#keys.get(key);
    if (!entry || entry.deadline <= this.now) return -2;
    return entry.deadline === Number.POSITIVE_INFINITY ? -1 : entry.deadline - this.now;
  }

  write(key: string, value: string | Buffer, ms = Number.POSITIVE_INFINITY): void {
    this.#keys.set(key, { value: Buffer.from(value), deadline: this.now + ms });
  }

  /** Something of another type. */
  writeStrange(key: string): void {
    this.#keys.set(key, { value: undefined, deadline: Number.POSITIVE_INFINITY });
  }

  /** Whether it was there. */
  delete(key: string): boolean {
    const isThere = this.has(key);
    this.#keys.delete(key);
    return isThere;
  }

  /** To another server, with the time it has left. */
  moveTo(other: Keyspace, key: string): void {
    const entry = this.#keys.get(key);
    this.#keys.delete(key);
    if (entry) other.#keys.set(key, entry);
  }

  expire(key: string, ms: number): void {
    const value = this.read(key);
    if (value) this.write(key, value, ms);
  }

  // ------------------------------------------------------------------------------------------------ what they say

  lock(key: string): LockParts | undefined {
    const [, token, rid, seq] = /^dp1:([0-9a-f]+):([0-9a-f]*):(\d+)$/.exec(String(this.read(key) ?? '')) ?? [];
    return token === undefined ? undefined : { token, rid: rid ?? '', seq: Number(seq) };
  }

  region(key: string): RegionRecord | undefined {
    return parseRegion(this.read(key));
  }

  /** One of another incarnation counts as absent. */
  tag(key: string, region: RegionRecord): TagRecord | undefined {
    const tag = parseTagOf(region, this.read(key));
    return tag?.rid === region.rid ? tag : undefined;
  }

  writeRegion(key: string, { rid, seq, hard, soft, tagged, at }: RegionRecord): RegionRecord {
    this.write(key, `${rid} ${seq} ${hard} ${soft} ${tagged} ${at ?? '-'}`);
    return { rid, seq, hard, soft, tagged, at };
  }

  writeTag(key: string, { rid, hard, soft }: TagRecord): void {
    this.write(key, `${rid} ${hard} ${soft}`);
  }
}
