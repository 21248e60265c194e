/** What an entry says of itself, read from its bytes, and whether nothing speaks against it: the checks' own judgement, not the region's. */
import type { Scope, SimulatedValue } from './calls.js';
import type { RecordsKnown } from './model.js';

interface Metadata {
  /** Seconds. */
  readonly ct: number;
  readonly dt?: number;
  readonly t?: readonly string[];
  readonly g?: readonly [rid: string, seq: number];
}

export interface Judging {
  /** By the clock of who judges, in milliseconds. */
  readonly now: number;
  readonly expirationTime: number;
  /** `undefined`: invalidations are the process's own. */
  readonly records: RecordsKnown | undefined;
  /** When the process last called for an invalidation, by its clock. */
  calledAt(scope: Scope): number;
}

/** In doubt it is not. */
export function isFreshByRecords(bytes: Uint8Array, { now, expirationTime, records, calledAt }: Judging): boolean {
  const { ct, dt = 0, t = [] } = metadataOf(bytes);
  if (now - ct * 1000 >= expirationTime - 1) return false;
  if (!records) {
    const scopes: readonly Scope[] = ['region', ...t.map((tag): Scope => `tag ${tag}`)];
    return scopes.every((scope) => (ct - dt) * 1000 > calledAt(scope) + 1);
  }
  return cutOf(bytes, records) === undefined;
}

/** What the records have done to an entry. */
export function cutOf(bytes: Uint8Array, { region, tagOf }: RecordsKnown): 'hard' | 'soft' | undefined {
  const { ct, t = [], g } = metadataOf(bytes);
  if (!g) return region?.at !== undefined && ct * 1000 <= region.at + 1 ? 'hard' : undefined;
  const [rid, seq] = g;
  if (!region || rid !== region.rid || seq < region.hard) return 'hard';
  const tags = t.map(tagOf);
  if (tags.some((tag) => tag?.rid !== rid || seq < tag.hard)) return 'hard';
  return seq < region.soft || tags.some((tag) => tag && seq < tag.soft) ? 'soft' : undefined;
}

/** Which value it is. */
export function valueIdIn(bytes: Uint8Array): number {
  const text = Buffer.from(bytes).toString();
  const { id } = JSON.parse(text.slice(text.indexOf('|') + 1)) as SimulatedValue;
  return id;
}

function metadataOf(bytes: Uint8Array): Metadata {
  const text = Buffer.from(bytes).toString();
  return JSON.parse(text.slice(0, text.indexOf('|')));
}
