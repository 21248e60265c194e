/**
 * Records of regions and tags (protocol, Records) as stores keep them: their text, the same in all of them, and their names where these
 * are keys. What is not of that form counts as absent, there and here.
 */
import { randomBytes } from 'node:crypto';
import type { Records, RecordsRequest, RegionRecord, TagRecord } from '../api.js';

/** Numbers of at most 15 digits: whoever adds one to a larger one may get the same. */
const REGION = /^([0-9a-fA-F]+) (\d{1,15}) (\d{1,15}) (\d{1,15}) (\d{1,15}) (\d{1,15}|-)$/;
const TAG = /^([0-9a-fA-F]+) (\d{1,15}) (\d{1,15})$/;

/** As many as a process has regions, and more. */
const MOST_REMEMBERED = 1000;
/** Characters: of what others wrote there may be any number. */
const LONGEST_REMEMBERED = 200;

/** `rid seq hard soft tagged at`. No invalidation has a number that `seq` has not reached. */
export function parseRegion(stored: unknown): RegionRecord | undefined {
  return regionIn(textOf(stored));
}

const regionIn = remembered((text): RegionRecord | undefined => {
  const [, rid, ...rest] = REGION.exec(text) ?? [];
  if (rid === undefined) return undefined;
  const [seq = 0, hard = 0, soft = 0, tagged = 0, at] = rest.map(Number);
  if (Math.max(hard, soft, tagged) > seq) return undefined;
  return { rid, seq, hard, soft, tagged, at: Number.isNaN(at) ? undefined : at };
});

/** `rid hard soft`. Where it is read in one step with its region's: `parseTagOf`. */
export function parseTag(stored: unknown): TagRecord | undefined {
  const [, rid, hard, soft] = TAG.exec(textOf(stored)) ?? [];
  return rid === undefined ? undefined : { rid, hard: Number(hard), soft: Number(soft) };
}

/**
 * The same, of a tag whose region's record was read in the same step: what says more than that has counted was never said by an
 * invalidation, and would be behind no write for as long as the count takes to get there.
 */
export function parseTagOf(region: RegionRecord | undefined, stored: unknown): TagRecord | undefined {
  const tag = parseTag(stored);
  const isBeyond = tag && region && tag.rid === region.rid && Math.max(tag.hard, tag.soft) > region.seq;
  return isBeyond ? undefined : tag;
}

export function textOfRegion({ rid, seq, hard, soft, tagged, at }: RegionRecord): string {
  return `${rid} ${seq} ${hard} ${soft} ${tagged} ${at ?? '-'}`;
}

export function textOfTag({ rid, hard, soft }: TagRecord): string {
  return `${rid} ${hard} ${soft}`;
}

/** Of another incarnation than all before: what was stamped under one that was lost never counts again. */
export function newRegion(): RegionRecord {
  return { rid: randomBytes(16).toString('hex'), seq: 0, hard: 0, soft: 0, tagged: 0, at: undefined };
}

/** Of every hit without tags. */
export const NO_TAGS: Records['tags'] = new Map();

/** A region's name in braces, so that its record and those of its tags are in one slot of a Redis cluster. */
const braced = remembered((region) => {
  const name = region.replace(/[%{}]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  // A cluster takes empty braces for none.
  return `{${name || '%'}}`;
});

export function regionRecordName(region: string): string {
  return `_region${braced(region)}`;
}

export function tagRecordName(region: string, tag: string): string {
  return `_tag${braced(region)}${tag}`;
}

/** Whether a key could be taken for a record. */
export function isRecordName(key: string): boolean {
  return key.startsWith('_region{') || key.startsWith('_tag{');
}

/** The names of the records asked for: the region's, then its tags'. */
export function recordNames({ region, tags }: RecordsRequest): string[] {
  const name = regionRecordName(region);
  return tags.length === 0 ? [name] : [name, ...tags.map((tag) => tagRecordName(region, tag))];
}

/** The same, as they were read; in one step, unless they are of several servers. */
export function parseRecords(
  { tags }: RecordsRequest,
  replies: readonly unknown[],
  { apart = false }: { readonly apart?: boolean } = {},
): Records {
  const region = parseRegion(replies[0]);
  const tagOf = (stored: unknown) => (apart ? parseTag(stored) : parseTagOf(region, stored));
  return {
    region,
    tags: tags.length === 0 ? NO_TAGS : new Map(tags.map((tag, at) => [tag, tagOf(replies[at + 1])])),
  };
}

/** Every hit asks for its region's record, and finds what the hit before it found: a lookup instead of a microsecond of parsing. */
function remembered<T>(make: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const made = make(text);
    if (text.length <= LONGEST_REMEMBERED) {
      if (known.size >= MOST_REMEMBERED) known.clear();
      known.set(text, made);
    }
    return made;
  };
}

function textOf(stored: unknown): string {
  return Buffer.isBuffer(stored) ? stored.toString('latin1') : '';
}
