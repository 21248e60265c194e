/**
 * Records of regions and tags where no command can read them along with a value (a cluster): held in the process, and read again
 * after at most a second. That is the bound within which an invalidation by another process is seen here.
 */
import type { Clock, GenerationStore, Records, RecordsRequest, RegionRecord, TagRecord } from '../../api.js';

/** Milliseconds. */
const BOUND = 1000;
/** Tags of one region that are remembered at most. */
const MOST_TAGS = 10_000;

interface Read<T> {
  readonly record: T;
  /** When it was sent. */
  readonly at: number;
}

interface Region {
  region: Read<RegionRecord | undefined> | undefined;
  readonly tags: Map<string, Read<TagRecord | undefined>>;
  /** A read of the region's record alone, that others may share. */
  reading: Promise<void> | undefined;
}

export class HeldRecords {
  readonly #store: GenerationStore;
  readonly #clock: () => Clock;
  /** By name. An invalidation made here replaces it: reads that were under way then write into what nobody looks at. */
  readonly #regions = new Map<string, Region>();

  constructor(store: GenerationStore, clock: () => Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Answers with what is held, if all of it was read within the bound and is there; else reads. What was absent is asked for each time:
   * if it has been made since, it would be taken for missing as long as the bound.
   */
  async read(request: RecordsRequest): Promise<void> {
    const held = this.#region(request.region);
    const known = this.#known(held, request);
    if (known && isWhole(known)) {
      request.found = known;
      return;
    }
    if (request.tags.length > 0) return this.readNow(request, {});
    held.reading ??= this.readNow(request, {}).finally(() => {
      held.reading = undefined;
    });
    await held.reading;
    request.found ??= this.#known(held, request);
    if (!request.found) await this.readNow(request, {});
  }

  /** The same, and there is a record of the region. */
  async readSeeded(request: RecordsRequest): Promise<void> {
    await this.read(request);
    if (!request.found?.region) await this.readNow(request, { seed: true });
  }

  /** Sent now, whatever is held. With `seed`, records that are absent are made, those of tags as well. */
  async readNow(request: RecordsRequest, options: { readonly seed?: boolean }): Promise<void> {
    const held = this.#region(request.region);
    const at = this.#clock().now();
    await this.#store.read(request, options);
    if (request.found) learn(held, request.found, { at, now: this.#clock().now() });
  }

  /** An invalidation was made here: nothing that was read before it counts. */
  forget(region: string): void {
    this.#regions.delete(region);
  }

  #region(name: string): Region {
    const held = this.#regions.get(name) ?? { region: undefined, tags: new Map(), reading: undefined };
    this.#regions.set(name, held);
    return held;
  }

  #known({ region, tags }: Region, request: RecordsRequest): Records | undefined {
    const now = this.#clock().now();
    const isFresh = (read: Read<unknown> | undefined) => read !== undefined && now >= read.at && now - read.at < BOUND;
    if (!region || !isFresh(region) || !request.tags.every((tag) => isFresh(tags.get(tag)))) return undefined;
    return { region: region.record, tags: new Map(request.tags.map((tag) => [tag, tags.get(tag)?.record])) };
  }
}

/** No record is absent, or of another incarnation than the region's. */
function isWhole({ region, tags }: Records): boolean {
  return region !== undefined && [...tags.values()].every((tag) => tag?.rid === region.rid);
}

function learn(held: Region, found: Records, { at, now }: { readonly at: number; readonly now: number }): void {
  // Answers of several nodes, or of a replica that took over, may come in another order than they were sent. What is of a time to come was
  // read before the clock was set back.
  const isNewer = (known: Read<unknown> | undefined) => !known || known.at <= at || known.at > now;
  if (isNewer(held.region)) held.region = { record: found.region, at };
  if (held.tags.size > MOST_TAGS) held.tags.clear();
  for (const [tag, record] of found.tags) if (isNewer(held.tags.get(tag))) held.tags.set(tag, { record, at });
}
