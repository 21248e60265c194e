import { open } from 'lmdb';
import { describe, expect, it } from 'vitest';
import { bootId } from '../../../src/backends/file/host.js';
import { makeRegion } from '../../../src/index.js';
import { newFile, opened } from './support/folder.js';

/** Puts it there behind the library's back. */
async function plant(filename: string, name: Buffer, value: Buffer): Promise<void> {
  const db = open({ path: filename, noSubdir: true, encoding: 'binary', keyEncoding: 'binary' });
  await db.put(name, value);
  await db.close();
}

const lease = (fields: object) =>
  JSON.stringify({ token: 'x', since: 0, deadline: 1e300, boot: bootId(), ranged: false, ...fields });
const text = (content: string) => Buffer.from(content, 'latin1');
const place = (byte: number) => Buffer.concat([text('x'), Buffer.alloc(16, byte)]);

const garbage: readonly (readonly [what: string, name: Buffer, value: Buffer])[] = [
  ['a lease with a generation that is a number', text('l\0k'), text(lease({ generation: 5 }))],
  ['a lease with a generation of no region', text('l\0k'), text(lease({ generation: { region: 5 } }))],
  ['a lease with a generation of nothing', text('l\0k'), text(lease({ generation: null }))],
  ['a lease that is empty', text('l\0k'), text('')],
  ['a lease that is a list', text('l\0k'), text('[]')],
  ['an entry cut short', text('e\0k'), text('\u0001')],
  ['an entry of another version', text('e\0k'), Buffer.alloc(40, 9)],
  ['an entry whose numbers are none', text('e\0k'), Buffer.concat([Buffer.of(1), Buffer.alloc(40, 255)])],
  ['a place that is cut short', text('x'), text('e\0there')],
  ['a place of no name', place(0x30), text('')],
  ['a place of a lease', place(0), text('l\0there')],
  ['a place that its entry does not have', place(0), text('e\0there')],
  ['totals cut short', text('s'), text('zz')],
  ['totals that are no numbers', text('s'), Buffer.alloc(16, 255)],
  ['a region’s record of words', text('r\0default'), text('a b c d e f')],
  ['a region’s record of numbers too large', text('r\0default'), text('a 1e999 0 0 0 -')],
  ['a tag’s record of bytes', text('t\0["default","t"]'), Buffer.alloc(5, 255)],
];

describe('garbage in a file', () => {
  it.each(garbage)('%s keeps nobody from reading, creating, writing and deleting', async (_what, name, value) => {
    const filename = newFile();
    const maxSize = 4000;
    const first = await opened({ filename, maxSize });
    await first.set('there', Buffer.alloc(1000));
    await first.close?.();
    await plant(filename, name, value);

    const backend = await opened({ filename, maxSize });
    const region = makeRegion().configure(backend);
    expect(await region.get('k')).toBe(undefined);
    expect(await region.getOrCreate('k', () => 5, { tags: ['t'] })).toBe(5);
    expect(await region.get('k')).toBe(5);
    await region.set('k', 6, { tags: ['t'] });
    for (let n = 0; n < 8; n++) await backend.set(`${n}`, Buffer.alloc(1000));
    // Three of them, and what they are called: no more, no less.
    const left = await backend.getMulti(['there', ...Array.from({ length: 8 }, (_, n) => `${n}`)]);
    expect(left.map((each) => each !== undefined)).toEqual([...new Array(6).fill(false), true, true, true]);
    await region.invalidateTags(['t']);
    await region.invalidate();
    await region.delete('k');
    expect(region.statistics.backendErrors).toBe(0);
    await region.close();
  });

  it('a tag’s record that says more than its region has counted keeps no value with the tag from being stored', async () => {
    const filename = newFile();
    await (await opened({ filename })).close?.();
    await plant(filename, text('r\0default'), text('ab 3 0 0 0 -'));
    await plant(filename, text('t\0["default","t"]'), text('ab 9999 9999'));
    const region = makeRegion().configure(await opened({ filename }));
    await region.getOrCreate('k', () => 5, { tags: ['t'] });
    expect(await region.get('k')).toBe(5);
    await region.set('k', 6, { tags: ['t'] });
    expect(await region.get('k')).toBe(6);
    await region.close();
  });
});
