/**
 * Records that another program has written over, on Redis: a text that says more than has been counted, numbers that can't be counted on,
 * half a text, another type. The promises hold, since all of that counts as absent; read as it stands, each breaks one for somebody.
 * `SEEDS=3000` runs more seeds.
 */
import { describe, expect, it, vi } from 'vitest';
import type { RegionRecord, TagRecord } from '../../src/api.js';
import { type RedisSimulationOptions, simulateRedis } from '../../src/testing/simulation/simulate.js';
import { failing } from './support/failing-seeds.js';
import { A_SEARCH, CAME_BACK, firstFound, MOST_SEEDS } from './support/first-found.js';

/** How records are read, by the scripts and by the client, where they are not read as they should be. */
interface Lenient {
  region?: ((text: string) => RegionRecord | undefined) | undefined;
  tag?: ((text: string, region: RegionRecord | undefined) => TagRecord | undefined) | undefined;
}
const lenient = vi.hoisted((): Lenient => ({}));

vi.mock('../../src/backends/records.js', async (original) => {
  const sound = await original<typeof import('../../src/backends/records.js')>();
  const textOf = (stored: unknown) => (Buffer.isBuffer(stored) ? stored.toString('latin1') : '');
  const parseRegion: typeof sound.parseRegion = (stored) =>
    lenient.region ? lenient.region(textOf(stored)) : sound.parseRegion(stored);
  const parseTagOf: typeof sound.parseTagOf = (region, stored) =>
    lenient.tag ? lenient.tag(textOf(stored), region) : sound.parseTagOf(region, stored);
  const parseRecords: typeof sound.parseRecords = ({ tags }, replies) => {
    const region = parseRegion(replies[0]);
    return { region, tags: new Map(tags.map((tag, at) => [tag, parseTagOf(region, replies[at + 1])])) };
  };
  return { ...sound, parseRegion, parseTagOf, parseRecords };
});

const seeds = Number(process.env.SEEDS ?? 25);
const SPOILT: Omit<RedisSimulationOptions, 'seed'> = {
  generations: true,
  tags: true,
  spoils: 1,
  calls: 30,
  misfortunes: { evict: 40, pause: 0, storm: 0, outage: 0, kill: 0 },
};

it(`the promises hold where records are written over all the time, over ${seeds} seeds`, {
  timeout: 1_200_000,
}, async () => {
  expect(await failing(seeds, (seed) => simulateRedis({ seed, ...SPOILT }))).toEqual([]);
});

const AGAIN_AND_AGAIN = /refused this write again and again/;
const DIGITS = /^\d{1,15}$/;
const LONG = /^\d+$/;
/** Anything that is not too large. */
const LAX = /^(?!\d{16})/;

interface Manner {
  /** What is a number; what is no number all the same counts as 0. */
  readonly number: RegExp;
  /** Fields may be missing. */
  readonly isShort?: boolean;
  /** More may be said than has been counted. */
  readonly isBeyond?: boolean;
}

function fieldsOf(text: string, count: number, { number, isShort = false }: Manner): [string, number[]] | undefined {
  const [rid = '', ...rest] = text.split(' ');
  const isWhole = isShort ? rest.length <= count : rest.length === count;
  if (!isWhole || !/^[0-9a-f]+$/i.test(rid) || !rest.slice(0, 4).every((each) => number.test(each))) return undefined;
  return [rid, rest.map((each) => Number(each) || 0)];
}

function reading(manner: Manner): Required<Lenient> {
  const isRefused = (numbers: readonly number[], seq = 0) => !manner.isBeyond && Math.max(...numbers) > seq;
  return {
    region: (text) => {
      const [rid, [seq = 0, hard = 0, soft = 0, tagged = 0, at]] = fieldsOf(text, 5, manner) ?? ['', []];
      if (rid === '' || isRefused([hard, soft, tagged], seq)) return undefined;
      return { rid, seq, hard, soft, tagged, at: at || undefined };
    },
    tag: (text, region) => {
      const [rid, [hard = 0, soft = 0]] = fieldsOf(text, 2, manner) ?? ['', []];
      if (rid === '' || (rid === region?.rid && isRefused([hard, soft], region.seq))) return undefined;
      return { rid, hard, soft };
    },
  };
}

const mutants: Record<string, { readonly reads: Lenient; readonly finds: RegExp }> = {
  'a region’s that says more than it has counted: every lease is cut off before it is won, and two create': {
    reads: { region: reading({ number: DIGITS, isBeyond: true }).region },
    finds: /was granted .* while .* stands/,
  },
  'the same: no write is ever new enough': {
    reads: { region: reading({ number: DIGITS, isBeyond: true }).region },
    finds: AGAIN_AND_AGAIN,
  },
  'a tag’s that says more than its region has counted: no write with the tag is ever new enough': {
    reads: { tag: reading({ number: DIGITS, isBeyond: true }).tag },
    finds: AGAIN_AND_AGAIN,
  },
  'numbers of more digits than can be counted on: an invalidation has the number of the one before': {
    reads: reading({ number: LONG }),
    finds: CAME_BACK,
  },
  'half a text, and words for numbers: what it no longer says has never been': {
    reads: reading({ number: LAX, isShort: true }),
    finds: CAME_BACK,
  },
};

describe('a record that is read as it stands, where that is', () => {
  for (const [name, { reads, finds }] of Object.entries(mutants)) {
    it(name, A_SEARCH, async () => {
      Object.assign(lenient, reads);
      try {
        const run = (seed: number) => simulateRedis({ seed, ...SPOILT });
        expect(await firstFound(run, MOST_SEEDS, { of: finds })).toMatch(finds);
      } finally {
        Object.assign(lenient, { region: undefined, tag: undefined });
      }
    });
  }
});
