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
} from '../../../src/api.js';
import { FencedBackend, SharedStore } from './later-backend.js';

export class GenerationStoreState extends SharedStore {
  readonly records = new Map<string, RegionRecord>();
  #seeds = 0;

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
        if (options.records) this.state.seeded(options.records.region);
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
    return this.#accepts(options.generation, options.leases !== undefined) ? super.setMulti(entries, options) : new Set(entries.keys());
  }

  #bring(request: RecordsRequest | undefined): void {
    if (request) request.found = { region: this.state.records.get(request.region), tags: new Map() };
  }

  #accepts(fence: GenerationFence | undefined, hasLease: boolean): boolean {
    if (!fence) return true;
    const record = this.state.seeded(fence.region);
    const isCut = fence.rid !== record.rid || fence.seq < record.hard || (!hasLease && fence.seq < record.soft);
    if (isCut) fence.moved = record;
    return !isCut;
  }
}
