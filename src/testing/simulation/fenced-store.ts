/**
 * A store as the protocol describes it, in one piece of memory: entries, leases with tokens and deadlines, and the records of
 * generations; each request is carried out as one step. Its verbs are small methods, so that a test can break one and see that the
 * checks find out.
 */
import type { RegionRecord, TagRecord } from '../../api.js';
import { newToken } from '../../lock/lease.js';

export interface RecordsWanted {
  readonly region: string;
  readonly tags: readonly string[];
}
export interface RecordsFound {
  readonly region: RegionRecord | undefined;
  readonly tags: ReadonlyMap<string, TagRecord | undefined>;
}
export interface Fence {
  readonly region: string;
  readonly rid: string;
  readonly seq: number;
  readonly tags: ReadonlyMap<string, readonly string[]>;
}
export interface WriteEntry {
  readonly bytes: Uint8Array;
  readonly ttl: number | undefined;
  /** Of the lease that it is committed under. */
  readonly token: string | undefined;
}

export type StoreRequest =
  | { readonly verb: 'get'; readonly keys: readonly string[]; readonly records: RecordsWanted | undefined }
  | {
      readonly verb: 'acquire';
      /** A token for each key. */
      readonly tokens: ReadonlyMap<string, string>;
      readonly ms: number;
      readonly records: RecordsWanted | undefined;
    }
  | { readonly verb: 'renew'; readonly key: string; readonly token: string; readonly ms: number }
  | { readonly verb: 'release'; readonly key: string; readonly token: string }
  | { readonly verb: 'locked'; readonly key: string }
  | { readonly verb: 'write'; readonly entries: ReadonlyMap<string, WriteEntry>; readonly fence: Fence | undefined }
  | { readonly verb: 'delete'; readonly keys: readonly string[] }
  | {
      readonly verb: 'invalidate';
      readonly region: string;
      readonly hard: boolean;
      readonly tags: readonly string[] | undefined;
    }
  | { readonly verb: 'records'; readonly records: RecordsWanted; readonly seed: boolean };

export interface StoreReply {
  readonly stored?: ReadonlyMap<string, Uint8Array | undefined>;
  /** Leases won, or whether a renewal was. */
  readonly won?: ReadonlySet<string>;
  readonly isLocked?: boolean;
  readonly refused?: ReadonlySet<string>;
  /** Of a refused write without a lease. */
  readonly moved?: RegionRecord | undefined;
  readonly records?: RecordsFound | undefined;
}

export interface Lock {
  readonly token: string;
  readonly deadline: number;
  /** The region's record as it stood when the lease was won. */
  readonly region: string | undefined;
  readonly rid: string | undefined;
  readonly seq: number;
}

export class FencedStore {
  readonly entries = new Map<string, { readonly bytes: Uint8Array; readonly deadline: number }>();
  readonly locks = new Map<string, Lock>();
  readonly records = new Map<string, RegionRecord>();
  readonly tags = new Map<string, TagRecord>();
  /** Wakes those who wait for a key. */
  publish: (key: string) => void = () => {};
  protected now = 0;

  handle(request: StoreRequest, now: number): StoreReply {
    this.now = now;
    switch (request.verb) {
      case 'get':
        return { stored: this.read(request.keys), records: this.found(request.records) };
      case 'acquire':
        return this.acquire(request.tokens, request.ms, request.records);
      case 'renew':
        return { won: this.renew(request.key, request.token, request.ms) ? new Set([request.key]) : new Set() };
      case 'release':
        this.release(request.key, request.token);
        return {};
      case 'locked':
        return { isLocked: this.lockOf(request.key) !== undefined };
      case 'write':
        return this.write(request.entries, request.fence);
      case 'delete':
        for (const key of request.keys) this.delete(key);
        return {};
      case 'invalidate':
        this.invalidate(request.region, request.tags, request.hard);
        return {};
      case 'records':
        if (request.seed) this.seeded(request.records.region);
        return { records: this.found(request.records) };
    }
  }

  // ----------------------------------------------------------------------------------------------------------- reading

  protected read(keys: Iterable<string>): Map<string, Uint8Array | undefined> {
    return new Map([...keys].map((key) => [key, this.entryOf(key)]));
  }

  entryOf(key: string): Uint8Array | undefined {
    const entry = this.entries.get(key);
    return entry && entry.deadline > this.now ? entry.bytes : undefined;
  }

  /** The lease that stands. */
  protected lockOf(key: string): Lock | undefined {
    const lock = this.locks.get(key);
    return lock && lock.deadline > this.now ? lock : undefined;
  }

  /** Whether a hard invalidation has cut it off. */
  protected isCut(lock: Lock): boolean {
    if (lock.region === undefined) return false;
    const record = this.records.get(lock.region);
    return !record || lock.rid !== record.rid || lock.seq < record.hard;
  }

  // ------------------------------------------------------------------------------------------------------------ leases

  protected acquire(tokens: ReadonlyMap<string, string>, ms: number, wanted: RecordsWanted | undefined): StoreReply {
    const record = wanted && this.seeded(wanted.region);
    const won = new Set<string>();
    for (const [key, token] of tokens) {
      if (!this.mayAcquire(key, token)) continue;
      this.locks.set(key, {
        token,
        deadline: this.now + ms,
        region: wanted?.region,
        rid: record?.rid,
        seq: record?.seq ?? 0,
      });
      won.add(key);
    }
    return { won, stored: this.read(tokens.keys()), records: this.found(wanted) };
  }

  /** Free, its own repeated request, or cut off. */
  protected mayAcquire(key: string, token: string): boolean {
    const lock = this.lockOf(key);
    return !lock || lock.token === token || this.isCut(lock);
  }

  protected renew(key: string, token: string, ms: number): boolean {
    const lock = this.lockOf(key);
    if (!lock || lock.token !== token || this.isCut(lock)) return false;
    this.locks.set(key, { ...lock, deadline: this.now + ms });
    return true;
  }

  protected release(key: string, token: string): void {
    if (this.lockOf(key)?.token === token) this.voidLease(key);
  }

  protected voidLease(key: string): void {
    if (this.locks.delete(key)) this.publish(key);
  }

  // ----------------------------------------------------------------------------------------------------------- writing

  protected write(entries: ReadonlyMap<string, WriteEntry>, fence: Fence | undefined): StoreReply {
    const isSaid = [...entries.values()].every(({ token }) => token === undefined);
    const record = fence && (isSaid ? this.seeded(fence.region) : this.records.get(fence.region));
    if (isSaid && fence && record && this.isBehind(fence, record))
      return { refused: new Set(entries.keys()), moved: record };
    const refused = new Set<string>();
    for (const [key, entry] of entries) {
      const isOurs = this.isHolder(key, entry.token);
      if (isOurs) this.voidLease(key);
      if (isOurs && !this.isFenced(key, fence, record)) this.put(key, entry);
      else refused.add(key);
    }
    return { refused };
  }

  /** Of a write that the user said: always. */
  protected isHolder(key: string, token: string | undefined): boolean {
    return token === undefined || this.lockOf(key)?.token === token;
  }

  /** Whether any invalidation has come since: what is written without a lease is stamped anew then. */
  protected isBehind({ region, rid, seq, tags }: Fence, record: RegionRecord): boolean {
    if (rid !== record.rid || seq < Math.max(record.hard, record.soft)) return true;
    return [...new Set([...tags.values()].flat())].some((tag) => {
      const known = this.tagOf(region, tag);
      return known ? seq < Math.max(known.hard, known.soft) : seq < record.tagged;
    });
  }

  /** Whether an invalidation since has cut it off. Seeds the records of its tags. */
  protected isFenced(key: string, fence: Fence | undefined, record: RegionRecord | undefined): boolean {
    if (!fence) return false;
    if (!record || fence.rid !== record.rid || fence.seq < record.hard) return true;
    const tags = fence.tags.get(key) ?? [];
    for (const tag of tags) {
      const known = this.tagOf(fence.region, tag);
      if (known ? known.hard > fence.seq : record.tagged > fence.seq) return true;
    }
    for (const tag of tags) {
      if (this.tagOf(fence.region, tag)) continue;
      this.tags.set(nameOf(fence.region, tag), { rid: record.rid, hard: record.tagged, soft: record.tagged });
    }
    return false;
  }

  protected put(key: string, { bytes, ttl }: WriteEntry): void {
    this.entries.set(key, { bytes, deadline: this.now + (ttl ?? Number.POSITIVE_INFINITY) });
  }

  protected delete(key: string): void {
    this.entries.delete(key);
    this.voidLease(key);
  }

  // ------------------------------------------------------------------------------------------------------- generations

  protected found(wanted: RecordsWanted | undefined): RecordsFound | undefined {
    if (!wanted) return undefined;
    const { region, tags } = wanted;
    return { region: this.records.get(region), tags: new Map(tags.map((tag) => [tag, this.tagOf(region, tag)])) };
  }

  protected seeded(region: string): RegionRecord {
    const known = this.records.get(region);
    if (known) return known;
    const record = { rid: newToken(), seq: 0, hard: 0, soft: 0, tagged: 0, at: undefined };
    this.records.set(region, record);
    return record;
  }

  /** One of another incarnation counts as absent. */
  tagOf(region: string, tag: string): TagRecord | undefined {
    const record = this.tags.get(nameOf(region, tag));
    return record?.rid === this.records.get(region)?.rid ? record : undefined;
  }

  protected invalidate(region: string, tags: readonly string[] | undefined, hard: boolean): void {
    const before = this.seeded(region);
    const seq = before.seq + 1;
    if (!tags) {
      // The time is there for entries without a generation, of which a simulation has none: any will do.
      this.records.set(region, { ...before, seq, ...(hard ? { hard: seq, at: this.now + 1 } : { soft: seq }) });
      return;
    }
    this.records.set(region, { ...before, seq, tagged: seq });
    for (const tag of tags) {
      const known = this.tagOf(region, tag) ?? { rid: before.rid, hard: before.tagged, soft: before.tagged };
      this.tags.set(nameOf(region, tag), { ...known, ...(hard ? { hard: seq } : { soft: seq }) });
    }
  }
}

function nameOf(region: string, tag: string): string {
  return `${region}\n${tag}`;
}
