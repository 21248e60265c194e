/**
 * Records of regions and tags (protocol, Records): how they stand in the file, how they are seeded and advanced, and what they say of a
 * write. Everything that seeds or advances runs inside a transaction.
 */
import type { GenerationFence, Records, RecordsRequest, RegionRecord, TagRecord } from '../../api.js';
import { NO_TAGS, newRegion, parseRegion, parseTagOf, textOfRegion, textOfTag } from '../records.js';
import type { Lmdb } from './engine.js';
import { NAMESPACE, nameOf } from './keys.js';

export class Generations {
  readonly #db: Lmdb;
  /** Records as they were last read, by region: their text seldom changes. */
  readonly #parsed = new Map<string, { readonly text: Buffer; readonly record: RegionRecord | undefined }>();

  constructor(db: Lmdb) {
    this.#db = db;
  }

  /** Garbage counts as absent. */
  region(region: string): RegionRecord | undefined {
    const text = this.#db.getBinary(nameOf(NAMESPACE.region, region));
    if (text === undefined) return undefined;
    const known = this.#parsed.get(region);
    if (known?.text.equals(text)) return known.record;
    const record = parseRegion(text);
    this.#parsed.set(region, { text, record });
    return record;
  }

  /** What came along is written into the request. */
  fill(request: RecordsRequest): void {
    request.found = this.#records(request, this.region(request.region));
  }

  #records({ region, tags }: RecordsRequest, record: RegionRecord | undefined): Records {
    if (tags.length === 0) return { region: record, tags: NO_TAGS };
    return { region: record, tags: new Map(tags.map((tag) => [tag, this.#tag(region, tag, record)])) };
  }

  seed(region: string): RegionRecord {
    const known = this.region(region);
    if (known) return known;
    const record = newRegion();
    this.#write(region, record);
    return record;
  }

  /** Seeds the region's record, and those of the tags named: as late as any invalidation that their predecessors can have known. */
  seedAll(request: RecordsRequest): void {
    const record = this.seed(request.region);
    this.#seedTags(request.region, request.tags, record);
    request.found = this.#records(request, record);
  }

  invalidate(region: string, { hard, now }: { readonly hard: boolean; readonly now: number }): void {
    const record = this.seed(region);
    const seq = record.seq + 1;
    this.#write(region, hard ? { ...record, seq, hard: seq, at: now } : { ...record, seq, soft: seq });
  }

  invalidateTags(region: string, tags: Iterable<string>, { hard }: { readonly hard: boolean }): void {
    const record = this.seed(region);
    const seq = record.seq + 1;
    for (const name of new Set(tags)) {
      const tag = this.#tag(region, name, record) ?? { hard: record.tagged, soft: record.tagged };
      this.#writeTag(region, name, { ...tag, rid: record.rid, [hard ? 'hard' : 'soft']: seq });
    }
    this.#write(region, { ...record, seq, tagged: seq });
  }

  /**
   * Whether a write may happen, its tags' records seeded if so. `committing`: with a lease, which only a hard invalidation cuts off; a
   * write without one is also refused when it would be stale at once, and told the record there is.
   */
  allows(fence: GenerationFence, keys: Iterable<string>, { committing }: { readonly committing: boolean }): boolean {
    const record = committing ? this.region(fence.region) : this.seed(fence.region);
    if (!record || isCut(fence, record)) return moved(fence, record);
    if (!committing && fence.seq < record.soft) return moved(fence, record);
    const tags = new Set<string>();
    for (const key of keys) for (const tag of fence.tags?.get(key) ?? []) tags.add(tag);
    for (const name of tags) {
      const tag = this.#tag(fence.region, name, record);
      // An absent one may have been forgotten since the creation began: then it can't be told whether it was invalidated meanwhile.
      const hard = tag?.hard ?? record.tagged;
      const soft = tag?.soft ?? record.tagged;
      if (hard > fence.seq || (!committing && soft > fence.seq)) return moved(fence, record);
    }
    this.#seedTags(fence.region, tags, record);
    return true;
  }

  #tag(region: string, tag: string, of: RegionRecord | undefined): TagRecord | undefined {
    const record = parseTagOf(of, this.#db.getBinary(tagName(region, tag)));
    return record?.rid === of?.rid ? record : undefined;
  }

  #seedTags(region: string, tags: Iterable<string>, record: RegionRecord): void {
    for (const tag of tags) {
      if (this.#tag(region, tag, record)) continue;
      this.#writeTag(region, tag, { rid: record.rid, hard: record.tagged, soft: record.tagged });
    }
  }

  #writeTag(region: string, tag: string, record: TagRecord): void {
    this.#db.put(tagName(region, tag), Buffer.from(textOfTag(record), 'latin1'));
  }

  #write(region: string, record: RegionRecord): void {
    this.#db.put(nameOf(NAMESPACE.region, region), Buffer.from(textOfRegion(record), 'latin1'));
  }
}

/** A hard invalidation, or another incarnation, has cut off what bears this. */
export function isCut(mine: { readonly rid: string; readonly seq: number }, record: RegionRecord): boolean {
  return mine.rid !== record.rid || mine.seq < record.hard;
}

function moved(fence: GenerationFence, record: RegionRecord | undefined): false {
  fence.moved = record;
  return false;
}

/** Region and tag can't run into each other. */
function tagName(region: string, tag: string): Buffer {
  return nameOf(NAMESPACE.tag, JSON.stringify([region, tag]));
}
