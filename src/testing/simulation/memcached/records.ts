/** The records of region and tags in a simulated memcached: what they say, and what a write of one has meant. */
import type { RegionRecord, TagRecord } from '../../../api.js';
import { carriedName } from '../../../backends/memcached/keys.js';
import { parseRegion, parseTag, regionRecordName, tagRecordName } from '../../../backends/records.js';
import type { Meaning, RecordsKnown } from '../model.js';
import type { SimulatedMemcached } from './server.js';

export const REGION = 'simulated';
const RECORD = carriedName(regionRecordName(REGION));

export class KnownRecords {
  readonly #server: SimulatedMemcached;
  /** As they were last written. */
  #region: RegionRecord | undefined;
  readonly #tags = new Map<string, TagRecord | undefined>();

  constructor(server: SimulatedMemcached) {
    this.#server = server;
  }

  isRecord(name: string): boolean {
    return name === RECORD || this.isTag(name);
  }

  isTag(name: string): boolean {
    return name.startsWith(TAGS);
  }

  /** It was written. */
  written(name: string, value: Buffer): readonly Meaning[] {
    if (this.isTag(name)) return this.#tagWritten(name, value);
    const before = this.#region;
    const region = parseRegion(value);
    this.#region = region;
    if (!region || region.seq === 0 || (region.seq === before?.seq && region.rid === before.rid)) return [];
    const { seq, hard, soft } = region;
    // Of tags, what they are told by this number comes next.
    const tags = seq === hard || seq === soft ? undefined : [];
    return [{ kind: 'invalidated', region: REGION, tags, hard: seq === hard }];
  }

  #tagWritten(name: string, value: Buffer): readonly Meaning[] {
    const before = this.#tags.get(name);
    const tag = parseTag(value);
    this.#tags.set(name, tag);
    if (!tag) return [];
    return [
      {
        kind: 'invalidated',
        region: REGION,
        tags: [name],
        follows: true,
        hard: before?.rid !== tag.rid || tag.hard > before.hard,
      },
    ];
  }

  /** It is gone. */
  lost(name: string): Meaning {
    return { kind: 'invalidated', region: REGION, tags: this.isTag(name) ? [name] : undefined, hard: true, lost: true };
  }

  /** The region's as it was written last, whatever has become of it. */
  get lastRegion(): RegionRecord | undefined {
    return this.#region;
  }

  get known(): RecordsKnown {
    const region = parseRegion(this.#server.read(RECORD)?.value);
    const tagOf = (name: string) => {
      const tag = parseTag(this.#server.read(carriedName(tagRecordName(REGION, name)))?.value);
      return tag?.rid === region?.rid ? tag : undefined;
    };
    return { region, tagOf };
  }
}

const TAGS = tagRecordName(REGION, '');
