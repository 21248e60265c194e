/**
 * Holds writes against the records of their region and tags, which no command of memcached reads in the same step: before, where
 * tags may need a record, and once the writes are sent. Decides which writes stand; what doesn't is taken back by who wrote it.
 */
import type { GenerationFence, Records, RecordsRequest } from '../../api.js';
import type { MetaRecords } from './meta-records.js';

export interface FencedWrites {
  readonly keys: readonly string[];
  readonly generation: GenerationFence;
  /** `false`: said by the user, refused also when it is stale already. */
  readonly isLeased: boolean;
  readonly deadline: number;
}

export class MetaFence {
  readonly #records: MetaRecords;
  readonly #writes: FencedWrites;
  readonly #tags: readonly string[];
  /** What tags that had no record were given. */
  #seededWith = Number.POSITIVE_INFINITY;

  constructor(records: MetaRecords, writes: FencedWrites) {
    this.#records = records;
    this.#writes = writes;
    this.#tags = [...new Set(writes.keys.flatMap((key) => writes.generation.tags?.get(key) ?? []))];
  }

  /** The keys that need not be written at all. Tags without a record have one from here on. */
  async before(): Promise<ReadonlySet<string>> {
    const { generation, isLeased, deadline } = this.#writes;
    // Nothing is stamped with that: the records are asked for only to be told.
    const isUnknown = generation.rid === '';
    if (!isUnknown && this.#tags.length === 0) return new Set();
    const request = this.#request();
    if (isLeased) await this.#records.read(request, deadline);
    else await this.#records.readSeeded(request, deadline);
    const { region, tags } = request.found ?? NONE;
    // A tag whose record is gone may have been invalidated since: nobody can tell.
    const isForgotten = region !== undefined && region.tagged > generation.seq;
    const isAbsent = (tag: string) => tags.get(tag)?.rid !== region?.rid;
    const refused = this.#refused(request.found ?? NONE, (tag) => isAbsent(tag) && !isForgotten);
    if (region && !isForgotten && refused.size < this.#writes.keys.length) {
      const absent = this.#tags.filter(isAbsent);
      if (absent.length > 0) this.#seededWith = region.tagged;
      await Promise.all(absent.map((tag) => this.#records.seedTag(generation.region, tag, region, deadline)));
    }
    return refused;
  }

  /**
   * The keys whose write does not stand, by records that are read from here on. Nobody joins the creation any more: an invalidation that
   * is not in them came after all calls that this write answers, and what it has cut off is missing by its generation.
   */
  async after(): Promise<ReadonlySet<string>> {
    const { generation, isLeased, deadline } = this.#writes;
    const request = this.#request();
    if (isLeased) await this.#records.read(request, deadline);
    else await this.#records.readSeeded(request, deadline);
    const found = request.found ?? NONE;
    const { region } = found;
    if (region && region.tagged > this.#seededWith) {
      // Evicted between its invalidation and its seeding it would have forgotten that.
      const raise = { record: region, hard: true, soft: true, deadline };
      await Promise.all(this.#tags.map((tag) => this.#records.raiseTag(generation.region, tag, raise)));
      return new Set(this.#writes.keys.filter((key) => generation.tags?.get(key)?.length));
    }
    return this.#refused(found, () => false);
  }

  #request(): RecordsRequest {
    return { region: this.#writes.generation.region, tags: this.#tags, found: undefined };
  }

  #refused({ region, tags }: Records, isSeeded: (tag: string) => boolean): ReadonlySet<string> {
    const { keys, generation, isLeased } = this.#writes;
    const { rid, seq } = generation;
    const isBehind = (numbers: { readonly hard: number; readonly soft: number }) =>
      numbers.hard > seq || (!isLeased && numbers.soft > seq);
    const isCut = region === undefined || region.rid !== rid || isBehind(region);
    const isTagCut = (tag: string) => {
      if (isSeeded(tag)) return false;
      const record = tags.get(tag);
      return record === undefined || record.rid !== rid || isBehind(record);
    };
    const refused = keys.filter((key) => isCut || generation.tags?.get(key)?.some(isTagCut));
    if (refused.length > 0 && !isLeased) generation.moved = region;
    return new Set(refused);
  }
}

const NONE: Records = { region: undefined, tags: new Map() };
