/** What counts as a record, and what as none: the same in all stores. */
import { describe, expect, it } from 'vitest';
import { parseRegion, parseTag, textOfRegion, textOfTag } from '../../src/backends/records.js';
import { NO_REGIONS, NO_TAG_RECORDS } from './support/garbage-records.js';

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
});
