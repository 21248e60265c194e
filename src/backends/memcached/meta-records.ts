/**
 * Records of regions and tags in memcached (protocol, Records): read, seeded, advanced, each by CAS. Decides nothing about entries;
 * what a write is held against is `meta-backend.ts`'s.
 */
import type { BackendHost, Records, RecordsRequest, RegionRecord, TagRecord } from '../../api.js';
import { BackendUnavailableError } from '../../errors.js';
import {
  NO_TAGS,
  newRegion,
  parseRecords,
  parseRegion,
  parseTag,
  recordNames,
  regionRecordName,
  tagRecordName,
  textOfRegion,
  textOfTag,
} from '../records.js';
import { carriedName } from './keys.js';
import type { Reply } from './meta/reply-parser.js';
import type { MetaPeers } from './meta-peers.js';
import { readMany } from './meta-reads.js';

interface RaiseOptions {
  /** Of the region, as it stands since. */
  readonly record: RegionRecord;
  readonly hard: boolean;
  readonly soft: boolean;
  readonly deadline: number;
}

export class MetaRecords {
  readonly #client: MetaPeers;
  readonly #host: () => BackendHost;
  readonly #now: () => number;
  /** Reads of this turn, by region. Written by `#regionAlone`; empty when the turn is over. */
  readonly #asked = new Map<string, Promise<Records>>();

  /** `now`: what deadlines are counted on. */
  constructor(client: MetaPeers, host: () => BackendHost, now: () => number) {
    this.#client = client;
    this.#host = host;
    this.#now = now;
  }

  async read(request: RecordsRequest, deadline: number): Promise<void> {
    if (request.tags.length === 0) {
      request.found = await this.#regionAlone(request.region, deadline);
      return;
    }
    const names = recordNames(request).map(carriedName);
    const replies = await readMany(this.#client, names, { flags: 'v', deadline });
    request.found = parseRecords(
      request,
      replies.map((reply) => reply?.value),
      { apart: true },
    );
  }

  /** One command for all who ask in one turn: it goes out with what they ask besides. */
  #regionAlone(region: string, deadline: number): Promise<Records> {
    const asked = this.#asked.get(region);
    if (asked) return asked;
    const reading = this.#readRegion(region, deadline);
    this.#asked.set(region, reading);
    process.nextTick(() => this.#asked.delete(region));
    return reading;
  }

  async #readRegion(region: string, deadline: number): Promise<Records> {
    const name = carriedName(regionRecordName(region));
    const server = this.#client.serverOf(name);
    const connection = server.ready ?? (await server.connection(deadline));
    const { value } = await connection.send('mg', name, 'v', { deadline });
    return { region: parseRegion(value), tags: NO_TAGS };
  }

  /** The same, and there is a record of the region afterwards. */
  async readSeeded(request: RecordsRequest, deadline: number): Promise<void> {
    await this.read(request, deadline);
    if (request.found?.region) return;
    const region = await this.#change(regionRecordName(request.region), deadline, {
      read: parseRegion,
      next: (record) => (record ? undefined : textOfRegion(newRegion())),
    });
    request.found = { region, tags: request.found?.tags ?? new Map() };
  }

  /** Counts the invalidation in the region's record first: that gives the tags their number. */
  async invalidate(
    region: string,
    tags: readonly string[],
    options: { readonly hard: boolean; readonly deadline: number },
  ): Promise<void> {
    const { hard, deadline } = options;
    const next = await this.#change(regionRecordName(region), deadline, {
      read: parseRegion,
      next: (record = newRegion()) => {
        const seq = record.seq + 1;
        if (tags.length > 0) return textOfRegion({ ...record, seq, tagged: seq });
        // The next whole millisecond: what Python wrote within this one, before, has a finer stamp and must not count as later.
        const at = hard ? Math.floor(this.#host().clock.now()) + 1 : record.at;
        return textOfRegion({ ...record, seq, [hard ? 'hard' : 'soft']: seq, at });
      },
    });
    if (!next) return;
    await Promise.all(tags.map((tag) => this.raiseTag(region, tag, { record: next, hard, soft: !hard, deadline })));
  }

  /** A tag without a record gets one: as late as any invalidation that its forgotten predecessor can have known. */
  async seedTag(region: string, tag: string, record: RegionRecord, deadline: number): Promise<void> {
    const { rid, tagged } = record;
    await this.#change(tagRecordName(region, tag), deadline, {
      read: parseTag,
      next: (found) => (found?.rid === rid ? undefined : textOfTag({ rid, hard: tagged, soft: tagged })),
    });
  }

  /** What is named of the tag's record counts at least what the region's says of tags. */
  async raiseTag(region: string, tag: string, { record, hard, soft, deadline }: RaiseOptions): Promise<void> {
    const { rid, tagged } = record;
    await this.#change(tagRecordName(region, tag), deadline, {
      read: parseTag,
      next: (found) => {
        // Absent: what was before this invalidation is one less.
        const known = found?.rid === rid ? found : { rid, hard: tagged - 1, soft: tagged - 1 };
        const raised: TagRecord = {
          rid,
          hard: hard ? Math.max(known.hard, tagged) : known.hard,
          soft: soft ? Math.max(known.soft, tagged) : known.soft,
        };
        const isSame = found?.rid === rid && raised.hard === found.hard && raised.soft === found.soft;
        return isSame ? undefined : textOfTag(raised);
      },
    });
  }

  /** Until it has come between nobody else's change. `next` says nothing to leave the record as it is. Answers with what is there. */
  async #change<R>(
    record: string,
    deadline: number,
    {
      read,
      next,
    }: {
      readonly read: (value: unknown) => R | undefined;
      readonly next: (record: R | undefined) => string | undefined;
    },
  ): Promise<R | undefined> {
    const name = carriedName(record);
    // Reading and writing over one connection: a server that was restarted counts CAS numbers from 1 again.
    const connection = await this.#client.serverOf(name).connection(deadline);
    for (;;) {
      const found = await connection.send('mg', name, 'v c', { deadline });
      const seen = read(found.value);
      const text = next(seen);
      if (text === undefined) return seen;
      const written = await connection.store(name, Buffer.from(text), unchanged(found), { deadline });
      if (written.code === 'HD') return read(Buffer.from(text));
      if (this.#now() > deadline) {
        throw new BackendUnavailableError(`The record "${record}" changes faster than it can be written.`);
      }
    }
  }
}

function unchanged({ cas }: Reply): string {
  return cas === undefined ? 'ME' : `C${cas}`;
}
