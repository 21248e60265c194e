/** Reads the records of regions and tags as the scripts write them. What is not of that form counts as absent, there and here. */
import type { Records, RecordsRequest, RegionRecord, TagRecord } from '../../api.js';
import { regionRecordName, tagRecordName } from './names.js';

const REGION = /^([0-9a-fA-F]+) (\d+) (\d+) (\d+) (\d+) (\d+|-)$/;
const TAG = /^([0-9a-fA-F]+) (\d+) (\d+)$/;

/** `rid seq hard soft tagged at`. */
export function parseRegion(reply: unknown): RegionRecord | undefined {
  const [, rid, seq, hard, soft, tagged, at] = REGION.exec(textOf(reply)) ?? [];
  if (rid === undefined) return undefined;
  return {
    rid,
    seq: Number(seq),
    hard: Number(hard),
    soft: Number(soft),
    tagged: Number(tagged),
    at: at === '-' ? undefined : Number(at),
  };
}

/** `rid hard soft`. */
export function parseTag(reply: unknown): TagRecord | undefined {
  const [, rid, hard, soft] = TAG.exec(textOf(reply)) ?? [];
  return rid === undefined ? undefined : { rid, hard: Number(hard), soft: Number(soft) };
}

/** Of every hit without tags. */
const NO_TAGS: Records['tags'] = new Map();

/** The names of the records asked for: the region's, then its tags'. */
export function recordNames({ region, tags }: RecordsRequest): string[] {
  return [regionRecordName(region), ...tags.map((tag) => tagRecordName(region, tag))];
}

/** The same, as they were read. */
export function parseRecords({ tags }: RecordsRequest, replies: readonly unknown[]): Records {
  return {
    region: parseRegion(replies[0]),
    tags: tags.length === 0 ? NO_TAGS : new Map(tags.map((tag, at) => [tag, parseTag(replies[at + 1])])),
  };
}

function textOf(reply: unknown): string {
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : '';
}
