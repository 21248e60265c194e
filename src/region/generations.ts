/**
 * Generations (protocol, Records): invalidations that the store keeps for all processes, as counters instead of clocks. Decides what
 * they do to an entry and what a write is stamped with; how the store keeps them is the backend's.
 */
import type {
  Awaitable,
  CachedValue,
  GenerationFence,
  GenerationStore,
  Records,
  RecordsRequest,
  RegionRecord,
} from '../api.js';
import { stampOf } from '../clock.js';
import { andThen } from '../promises.js';
import type { Cut } from './freshness.js';

/** What an entry is stamped with: the region's record as its lease read it. */
export type Generation = Pick<RegionRecord, 'rid' | 'seq'>;

/** Older than every record: a write that bears it is refused, and told the record there is. */
const UNKNOWN: Generation = { rid: '', seq: 0 };

const NO_RECORDS: Records = { region: undefined, tags: new Map() };

/** `g` of the metadata. */
export function stampedWith({ rid, seq }: Generation): readonly [rid: string, seq: number] {
  return [rid, seq];
}

/** What the records say of an entry. Records that are absent or of another incarnation only ever invalidate. */
export function cutByRecords({ metadata }: CachedValue, { region, tags }: Records): Cut {
  const { g, t } = metadata;
  if (g === undefined) return region?.at !== undefined && stampOf(metadata.ct) <= region.at ? 'hard' : undefined;
  if (!isStamp(g) || !region || g[0] !== region.rid || g[1] < region.hard) return 'hard';
  let isStale = g[1] < region.soft;
  for (const name of t ?? []) {
    const tag = tags.get(name);
    if (!tag || tag.rid !== region.rid || tag.hard > g[1]) return 'hard';
    isStale ||= tag.soft > g[1];
  }
  return isStale ? 'soft' : undefined;
}

function isStamp(g: unknown): g is [rid: string, seq: number] {
  return Array.isArray(g) && typeof g[0] === 'string' && typeof g[1] === 'number';
}

/** The records of one region, as this process knows them. */
export class SharedGenerations {
  readonly #region: string;
  readonly #store: GenerationStore;
  /** The region's record as it was last read: what `set` is stamped with. Older is safe, the store compares. Written by `learn`. */
  #seen: Generation = UNKNOWN;

  /** Regions that share keys share a name. */
  constructor(region: string, store: GenerationStore) {
    this.#region = region;
    this.#store = store;
  }

  /** To be given along with a read or an acquire. */
  request(tags: readonly string[] = []): RecordsRequest {
    return { region: this.#region, tags, found: undefined };
  }

  /** The records that came with a read; read now where they did not come along, or not those of all these tags. */
  recordsFor(tags: readonly string[] | undefined, request: RecordsRequest | undefined): Awaitable<Records> {
    const found = request?.found;
    if (found && (!tags || tags.every((tag) => found.tags.has(tag)))) return this.#learn(found);
    const anew = this.request(tags);
    return andThen(this.#store.read(anew), () => {
      if (request) request.found = anew.found;
      return this.#learn(anew.found ?? NO_RECORDS);
    });
  }

  /** What a creation is stamped with: read before its creator is called, and there from then on. */
  async generationOf(request: RecordsRequest): Promise<Generation> {
    if (!request.found?.region) await this.#store.read(request, { seed: true });
    const { found } = request;
    return (found && this.#learn(found).region) ?? UNKNOWN;
  }

  /** What a write of the user's is stamped with. */
  get current(): Generation {
    return this.#seen;
  }

  /** What a creation is stamped with whose record can't be read: it is not stored. */
  readonly unknown = UNKNOWN;

  /** `tags`: of each entry, by the name that it is stored under. */
  fence({ rid, seq }: Generation, tags?: ReadonlyMap<string, readonly string[]>): GenerationFence {
    return { region: this.#region, rid, seq, tags, moved: undefined };
  }

  /** A write was refused because the record had moved. */
  moved({ moved }: GenerationFence): void {
    if (moved) this.#seen = moved;
  }

  invalidate(hard: boolean): Awaitable<void> {
    return this.#store.invalidate(this.#region, { hard });
  }

  invalidateTags(tags: readonly string[], hard: boolean): Awaitable<void> {
    return this.#store.invalidateTags(this.#region, tags, { hard });
  }

  /** For people. */
  describe({ metadata }: CachedValue, request: RecordsRequest | undefined): Record<string, string> {
    const { g } = metadata;
    const { region, tags } = request?.found ?? NO_RECORDS;
    const said: Record<string, string> = {
      entry: isStamp(g) ? `${g[0]} ${g[1]}` : 'none',
      [`region ${this.#region}`]: region
        ? `${region.rid} ${region.seq}: hard ${region.hard}, soft ${region.soft}`
        : 'absent',
    };
    for (const [tag, record] of tags)
      said[`tag ${tag}`] = record ? `hard ${record.hard}, soft ${record.soft}` : 'absent';
    return said;
  }

  #learn(records: Records): Records {
    if (records.region) this.#seen = records.region;
    return records;
  }
}
