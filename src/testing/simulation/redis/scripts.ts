/**
 * What the scripts of the backend mean, each as one step of a simulated Redis: the protocol's rules as small methods, so that a test
 * can break one and see that the checks find out.
 */
import type { RegionRecord, TagRecord } from '../../../api.js';
import type { Word } from '../../../backends/redis/client.js';
import { WAKE } from '../../../backends/redis/names.js';
import { Keyspace, type LockParts } from './keyspace.js';

/** What a script answers with; `null` is Lua's `false`. */
export type Answer = number | Buffer | null | readonly Answer[];

export class SimulatedScripts {
  readonly keys = new Keyspace();
  publish: (channel: string) => void = () => {};

  acquire(names: readonly string[], args: readonly Word[]): Answer {
    const [n, token, ms, newRid] = [Number(args[0]), String(args[1]), Number(args[2]), String(args[3])];
    const recordName = names[2 * n];
    const region = newRid !== '' && recordName !== undefined ? this.seedRegion(recordName, newRid) : undefined;
    const tags = region ? names.slice(2 * n + 1) : [];
    for (const tag of tags) if (region) this.seedTag(tag, region);
    const records = region && recordName ? [recordName, ...tags].map((name) => this.keys.read(name) ?? null) : [];
    const answers = names.slice(0, n).flatMap((key, at): Answer[] => {
      const lock = names[n + at] ?? '';
      if (!this.mayAcquire(lock, token, region)) return [0, this.keys.ttl(lock), this.keys.read(lock) ?? null];
      this.keys.write(lock, `dp1:${token}:${region?.rid ?? ''}:${region?.seq ?? 0}`, ms);
      return [1, this.keys.read(key) ?? null, null];
    });
    return [records, ...answers];
  }

  /** Free, its own repeated request, or cut off. */
  protected mayAcquire(lock: string, token: string, region: RegionRecord | undefined): boolean {
    const held = this.keys.lock(lock);
    return this.keys.read(lock) === undefined || held?.token === token || this.isCut(held, region);
  }

  /** Whether a hard invalidation has cut a lease off. */
  protected isCut(lock: LockParts | undefined, region: RegionRecord | undefined): boolean {
    if (!lock || lock.rid === '' || !region) return false;
    return lock.rid !== region.rid || lock.seq < region.hard;
  }

  commit(names: readonly string[], args: readonly Word[]): Answer {
    const [n, isFenced, rid, seq] = [Number(args[0]), String(args[1]) === '1', String(args[2]), Number(args[3])];
    const region = isFenced ? this.keys.region(names[2 * n] ?? '') : undefined;
    const tagNames = names.slice(2 * n + 1);
    let at = 4;
    return names.slice(0, n).map((key, each) => {
      const [token, bytes, ttl, count] = [
        String(args[at]),
        args[at + 1] ?? '',
        String(args[at + 2]),
        Number(args[at + 3]),
      ];
      const tags = args.slice(at + 4, at + 4 + count).map((place) => tagNames[Number(place) - 1] ?? '');
      at += 4 + count;
      const lock = names[n + each] ?? '';
      if (!this.isHolder(lock, token)) return 0;
      this.letGo(lock);
      if (isFenced && !this.mayCommit({ rid, seq, tags }, region)) return 0;
      for (const tag of tags) if (region) this.seedTag(tag, region);
      this.store(key, bytes, ttl);
      return 1;
    });
  }

  protected isHolder(lock: string, token: string): boolean {
    return this.keys.lock(lock)?.token === token;
  }

  /** Whether no hard invalidation has come since. */
  protected mayCommit(
    { rid, seq, tags }: { readonly rid: string; readonly seq: number; readonly tags: readonly string[] },
    region: RegionRecord | undefined,
  ): boolean {
    if (!region || rid !== region.rid || seq < region.hard) return false;
    return tags.every((name) => seq >= (this.keys.tag(name, region)?.hard ?? region.tagged));
  }

  renew(names: readonly string[], args: readonly Word[]): Answer {
    const [n, ms] = [Number(args[0]), Number(args[1])];
    const recordName = names[n];
    const region = recordName === undefined ? undefined : this.keys.region(recordName);
    return names.slice(0, n).map((lock, at) => {
      const token = String(args[at + 2]);
      if (!this.isHolder(lock, token) || (recordName !== undefined && !region)) return 0;
      if (this.isCut(this.keys.lock(lock), region)) return 0;
      this.keys.expire(lock, ms);
      return 1;
    });
  }

  release(names: readonly string[], args: readonly Word[]): Answer {
    const held = names.filter((lock, at) => this.isHolder(lock, String(args[at])));
    for (const lock of held) this.letGo(lock);
    return held.length;
  }

  delete(names: readonly string[], args: readonly Word[]): Answer {
    const n = Number(args[0]);
    for (const [at, key] of names.slice(0, n).entries()) {
      this.keys.delete(key);
      this.voidLease(names[n + at] ?? '');
    }
    return n;
  }

  void(names: readonly string[]): Answer {
    for (const lock of names) this.voidLease(lock);
    return names.length;
  }

  set(names: readonly string[], args: readonly Word[]): Answer {
    const [n, newRid, rid, seq] = [Number(args[0]), String(args[1]), String(args[2]), Number(args[3])];
    const recordName = names[2 * n];
    if (newRid !== '' && recordName !== undefined) {
      const region = this.seedRegion(recordName, newRid);
      const tags = names.slice(2 * n + 1);
      if (this.isBehind({ rid, seq, tags }, region)) return this.keys.read(recordName) ?? null;
      for (const tag of tags) this.seedTag(tag, region);
    }
    for (const [at, key] of names.slice(0, n).entries()) {
      this.store(key, args[4 + 2 * at] ?? '', String(args[5 + 2 * at]));
      this.voidLease(names[n + at] ?? '');
    }
    return 1;
  }

  /** Whether any invalidation has come since. */
  protected isBehind(
    { rid, seq, tags }: { readonly rid: string; readonly seq: number; readonly tags: readonly string[] },
    region: RegionRecord,
  ): boolean {
    if (rid !== region.rid || seq < Math.max(region.hard, region.soft)) return true;
    return tags.some((name) => {
      const tag = this.keys.tag(name, region);
      return seq < (tag ? Math.max(tag.hard, tag.soft) : region.tagged);
    });
  }

  invalidate(names: readonly string[], args: readonly Word[]): Answer {
    const [name = ''] = names;
    const region = this.keys.region(name) ?? fresh(String(args[0]));
    const seq = region.seq + 1;
    this.advance(name, {
      ...region,
      seq,
      ...(String(args[1]) === '1' ? { hard: seq, at: this.soon() } : { soft: seq }),
    });
    return this.keys.read(name) ?? null;
  }

  invalidateTags(names: readonly string[], args: readonly Word[]): Answer {
    const [name = '', ...tags] = names;
    const before = this.keys.region(name) ?? fresh(String(args[0]));
    const seq = before.seq + 1;
    const region = { ...before, seq, tagged: seq };
    this.advance(name, region);
    for (const tag of tags) {
      const known = this.keys.tag(tag, region) ?? { rid: region.rid, hard: before.tagged, soft: before.tagged };
      this.advanceTag(tag, { ...known, ...(String(args[1]) === '1' ? { hard: seq } : { soft: seq }) });
    }
    return this.keys.read(name) ?? null;
  }

  // -------------------------------------------------------------------------------------------------------- their parts

  /** Epoch milliseconds, as the server tells them, to the microsecond. */
  time = 0;

  /** When a hard invalidation is said to have been: the next whole millisecond. */
  protected soon(): number {
    return Math.floor(this.time) + 1;
  }

  protected advance(name: string, region: RegionRecord): void {
    this.keys.writeRegion(name, region);
  }

  protected advanceTag(name: string, tag: TagRecord): void {
    this.keys.writeTag(name, tag);
  }

  protected seedRegion(name: string, newRid: string): RegionRecord {
    return this.keys.region(name) ?? this.keys.writeRegion(name, fresh(newRid));
  }

  protected seedTag(name: string, region: RegionRecord): void {
    if (!this.keys.tag(name, region))
      this.keys.writeTag(name, { rid: region.rid, hard: region.tagged, soft: region.tagged });
  }

  protected store(key: string, bytes: Word, ttl: string): void {
    this.keys.write(key, bytes, ttl === '' ? undefined : Number(ttl));
  }

  /** Of ours alone: another program's lock is never touched. */
  protected voidLease(lock: string): void {
    if (String(this.keys.read(lock) ?? '').startsWith('dp1:')) this.letGo(lock);
  }

  protected letGo(lock: string): void {
    this.keys.delete(lock);
    this.publish(WAKE + lock);
  }
}

function fresh(rid: string): RegionRecord {
  return { rid, seq: 0, hard: 0, soft: 0, tagged: 0, at: undefined };
}
