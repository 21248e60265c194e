/** A store for several "processes" that keeps generations as the protocol says, beside locks of its own and fenced writes. */
import type {
  GenerationFence,
  GenerationStore,
  Lease,
  ReadOptions,
  RecordsRequest,
  RegionRecord,
  Storable,
  StoreOptions,
  TagRecord,
} from '../../../src/api.js';
import { FencedBackend, SharedStore } from './later-backend.js';

export class GenerationStoreState extends SharedStore {
  readonly records = new Map<string, RegionRecord>();
  readonly tags = new Map<string, TagRecord>();
  #seeds = 0;

  /** One of another incarnation counts as absent. */
  tagOf(region: string, tag: string): TagRecord | undefined {
    const record = this.tags.get(`${region} ${tag}`);
    return record?.rid === this.records.get(region)?.rid ? record : undefined;
  }

  seeded(region: string): RegionRecord {
    const known = this.records.get(region);
    if (known) return known;
    this.#seeds++;
    const record = { rid: `rid ${this.#seeds}`, seq: 0, hard: 0, soft: 0, tagged: 0, at: undefined };
    this.records.set(region, record);
    return record;
  }
}

export class GenerationBackend extends FencedBackend {
  readonly state: GenerationStoreState;
  /** Whether reads pass the request on, as a proxy that doesn't would not. */
  bringsRecords = true;

  constructor(state: GenerationStoreState) {
    super(state);
    this.state = state;
  }

  readonly generations: GenerationStore = {
    invalidate: (region, { hard }) =>
      this.call('invalidate', [region], () => {
        const record = this.state.seeded(region);
        const seq = record.seq + 1;
        this.state.records.set(region, { ...record, seq, ...(hard ? { hard: seq, at: 1 } : { soft: seq }) });
      }),
    invalidateTags: (region, tags, { hard }) =>
      this.call('invalidateTags', tags, () => {
        const before = this.state.seeded(region);
        const seq = before.seq + 1;
        this.state.records.set(region, { ...before, seq, tagged: seq });
        for (const tag of tags) {
          const known = this.state.tagOf(region, tag) ?? { rid: before.rid, hard: before.tagged, soft: before.tagged };
          this.state.tags.set(`${region} ${tag}`, { ...known, ...(hard ? { hard: seq } : { soft: seq }) });
        }
      }),
    read: (request, { seed = false } = {}) =>
      this.call('read', [request.region], () => {
        if (seed) this.state.seeded(request.region);
        this.#bring(request);
      }),
  };

  override async get(key: string, options: ReadOptions = {}) {
    const stored = await super.get(key);
    if (this.bringsRecords) this.#bring(options.records);
    return stored;
  }
  override async getMulti(keys: readonly string[], options: ReadOptions = {}) {
    const stored = await super.getMulti(keys);
    if (this.bringsRecords) this.#bring(options.records);
    return stored;
  }
  override mutex(key: string) {
    const inner = super.mutex(key);
    return {
      locked: () => inner.locked(),
      acquire: async (options: Parameters<typeof inner.acquire>[0] & ReadOptions = {}) => {
        const lease = await inner.acquire(options);
        this.#seed(options.records);
        if (this.bringsRecords) this.#bring(options.records);
        return lease;
      },
    };
  }
  override async set(key: string, stored: Storable, options: StoreOptions = {}) {
    return this.#accepts(options.generation, options.lease !== undefined) ? super.set(key, stored, options) : false;
  }
  override async setMulti(
    entries: ReadonlyMap<string, Storable>,
    options: { leases?: ReadonlyMap<string, Lease> | undefined; generation?: GenerationFence | undefined } = {},
  ) {
    return this.#accepts(options.generation, options.leases !== undefined)
      ? super.setMulti(entries, options)
      : new Set(entries.keys());
  }

  #bring(request: RecordsRequest | undefined): void {
    if (!request) return;
    const { region, tags } = request;
    request.found = {
      region: this.state.records.get(region),
      tags: new Map(tags.map((tag) => [tag, this.state.tagOf(region, tag)])),
    };
  }

  /** What ACQUIRE makes of records that are absent (protocol). */
  #seed(request: RecordsRequest | undefined): void {
    if (!request) return;
    const record = this.state.seeded(request.region);
    for (const tag of request.tags) this.#seedTag(request.region, tag, record);
  }

  /** COMMIT's and SET's comparison (protocol): seeds the records of tags that are absent. */
  #accepts(fence: GenerationFence | undefined, hasLease: boolean): boolean {
    if (!fence) return true;
    const record = this.state.seeded(fence.region);
    const tags = [...new Set([...(fence.tags?.values() ?? [])].flat())];
    let isCut = fence.rid !== record.rid || fence.seq < record.hard || (!hasLease && fence.seq < record.soft);
    for (const tag of tags) {
      const known = this.state.tagOf(fence.region, tag);
      if (known ? known.hard > fence.seq || (!hasLease && known.soft > fence.seq) : record.tagged > fence.seq)
        isCut = true;
    }
    if (isCut) fence.moved = record;
    else for (const tag of tags) this.#seedTag(fence.region, tag, record);
    return !isCut;
  }

  #seedTag(region: string, tag: string, { rid, tagged }: RegionRecord): void {
    if (!this.state.tagOf(region, tag)) this.state.tags.set(`${region} ${tag}`, { rid, hard: tagged, soft: tagged });
  }
}
