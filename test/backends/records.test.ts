/** What counts as a record, and what as none: the same in all stores. */
import { describe, expect, it } from 'vitest';
import {
  parseRecords,
  parseRegion,
  parseTag,
  parseTagOf,
  textOfRegion,
  textOfTag,
} from '../../src/backends/records.js';
import { BEYOND_THE_REGION, NO_REGIONS, NO_TAG_RECORDS } from './support/garbage-records.js';

const rid = 'ab'.repeat(16);
const most = 999_999_999_999_999;

describe('a record', () => {
  it.each([
    { rid, seq: 0, hard: 0, soft: 0, tagged: 0, at: undefined },
    { rid, seq: 3, hard: 3, soft: 2, tagged: 1, at: 1_700_000_000_000 },
    { rid, seq: most, hard: most, soft: most, tagged: most, at: most },
  ])('of a region is read as it was written: %j', (record) => {
    expect(parseRegion(Buffer.from(textOfRegion(record)))).toEqual(record);
  });

  it('of a tag is read as it was written', () => {
    const record = { rid, hard: most, soft: 2 };
    expect(parseTag(Buffer.from(textOfTag(record)))).toEqual(record);
  });

  it.each(NO_REGIONS)('of a region is not %j', (text) => {
    expect(parseRegion(Buffer.from(text, 'latin1'))).toBeUndefined();
  });

  it.each(NO_TAG_RECORDS)('of a tag is not %j', (text) => {
    expect(parseTag(Buffer.from(text, 'latin1'))).toBeUndefined();
  });

  it.each(BEYOND_THE_REGION)('of a tag is not %j where its region has not counted so far', (text) => {
    const region = { rid: 'ab', seq: 3, hard: 0, soft: 0, tagged: 3, at: undefined };
    const stored = Buffer.from(text, 'latin1');
    expect(parseTagOf(region, stored)).toBeUndefined();
    // Of another incarnation, or of none that is known, it is nothing that counts anyway.
    expect(parseTagOf({ ...region, rid: 'cd' }, stored)).toMatchObject({ rid: 'ab' });
    expect(parseTagOf(undefined, stored)).toMatchObject({ rid: 'ab' });
    expect(parseTagOf(region, Buffer.from('ab 3 3', 'latin1'))).toEqual({ rid: 'ab', hard: 3, soft: 3 });
  });

  it('of a tag may be ahead of its region’s where they are read apart', () => {
    const replies = ['ab 3 0 0 3 -', 'ab 4 0'].map((text) => Buffer.from(text, 'latin1'));
    const request = { region: 'r', tags: ['t'], found: undefined };
    expect(parseRecords(request, replies).tags.get('t')).toBeUndefined();
    expect(parseRecords(request, replies, { apart: true }).tags.get('t')).toEqual({ rid: 'ab', hard: 4, soft: 0 });
  });
});
