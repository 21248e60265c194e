import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fileBackend } from '../../../src/backends/file.js';
import { BackendUnavailableError } from '../../../src/errors.js';
import { startProcess } from './support/child.js';
import { newFile, opened, rebooted } from './support/folder.js';

const KEYS = 40;
const names = Array.from({ length: KEYS }, (_, at) => `k${at}`);

function isWhole(value: Uint8Array): boolean {
  return Buffer.from(value)
    .subarray(0, 20)
    .equals(createHash('sha1').update(value.subarray(20)).digest());
}

describe('processes that are killed', () => {
  it('while four of them write: the file opens, and every value in it is whole', async () => {
    const filename = newFile();
    for (let round = 0; round < 6; round++) {
      const writers = await Promise.all([1, 2, 3, 4].map(() => startProcess({ filename })));
      for (const writer of writers) writer.call('writeOn', { keys: KEYS, largest: 60_000 }).catch(() => {});
      await Promise.all(writers.map((writer) => writer.says('writing')));
      await Promise.all(writers.map((writer) => writer.kill()));
      const backend = await opened({ filename });
      const values = await backend.getMulti(names);
      expect(values.filter((value) => value && !isWhole(value))).toEqual([]);
      expect(values.some((value) => value)).toBe(true);
      await backend.set('after', Buffer.from('v'));
      await backend.close?.();
    }
  });

  it('while they make the file: it opens afterwards', async () => {
    const files: string[] = [];
    for (let after = 0; after < 12; after++) {
      const filename = newFile();
      files.push(filename);
      const child = await startProcess({ filename });
      child.call('ready').catch(() => {});
      const end = performance.now() + after * 4;
      while (performance.now() < end && !existsSync(filename)) await new Promise(setImmediate);
      await child.kill();
    }
    for (const filename of files) {
      const backend = await opened({ filename });
      await backend.set('k', Buffer.from('v'));
      expect(Buffer.from((await backend.get('k')) ?? []).toString()).toBe('v');
    }
  });

  it('leave nothing behind that keeps readers out', async () => {
    const filename = newFile();
    await opened({ filename, maxReaders: 8 });
    for (let n = 0; n < 12; n++) {
      const child = await startProcess({ filename });
      await child.call('get', { key: 'k' });
      await child.kill();
    }
    const child = await startProcess({ filename });
    expect(await child.call('get', { key: 'k' })).toBe(null);
  });

  it.each([0, 4096, 8191])('a file of which %d bytes were made when its creator died begins anew', async (size) => {
    const filename = newFile();
    const first = await opened({ filename });
    await first.close?.();
    truncateSync(filename, size);
    const backend = await opened({ filename });
    await backend.set('k', Buffer.from('v'));
    expect(Buffer.from((await backend.get('k')) ?? []).toString()).toBe('v');
  });
});

describe('a crash of the machine', () => {
  it('with the file closed: what it holds is kept', async () => {
    const filename = newFile();
    const first = await opened({ filename });
    await first.set('k', Buffer.from('v'));
    await first.close?.();
    rebooted(filename);
    const backend = await opened({ filename });
    expect(Buffer.from((await backend.get('k')) ?? []).toString()).toBe('v');
  });

  it('with the file open: what did not wait for the disk may be torn, and the file begins anew', async () => {
    const filename = newFile();
    const child = await startProcess({ filename });
    await child.call('set', { key: 'k', value: 'v' });
    await child.kill();
    const same = await opened({ filename });
    expect(await same.get('k')).toBeDefined();
    await same.close?.();

    const other = await startProcess({ filename });
    await other.call('set', { key: 'k', value: 'v' });
    await other.kill();
    rebooted(filename);
    const backend = await opened({ filename });
    expect(await backend.get('k')).toBe(undefined);
    await backend.set('k', Buffer.from('w'));
    expect(await backend.get('k')).toBeDefined();
  });

  const pageOf = (whole: Buffer) => whole.readUInt32LE(48);
  it.each([
    ['nothing of it', (_whole: Buffer, size: number) => Buffer.alloc(size)],
    ['one of its first two pages', (whole: Buffer) => whole.fill(0, pageOf(whole), 2 * pageOf(whole))],
  ])('of which %s has reached the disk begins anew, but only then', async (_what, torn) => {
    const filename = newFile();
    const child = await startProcess({ filename });
    await child.call('set', { key: 'k', value: 'v' });
    await child.kill();
    const contents = readFileSync(filename);
    writeFileSync(filename, torn(contents, contents.length));
    await expect((async () => fileBackend({ filename }).ready?.())()).rejects.toThrow(BackendUnavailableError);
    rebooted(filename);
    const backend = await opened({ filename });
    expect(await backend.get('k')).toBe(undefined);
    await backend.set('k', Buffer.from('w'));
    expect(await backend.get('k')).toBeDefined();
  });

  it('leaves alone what another has put in the place of the file', async () => {
    const filename = newFile();
    const child = await startProcess({ filename });
    await child.call('ready');
    await child.kill();
    rebooted(filename);
    writeFileSync(filename, 'SQLite format 3');
    await expect((async () => fileBackend({ filename }).ready?.())()).rejects.toThrow('not an LMDB file');
    expect(readFileSync(filename, 'latin1')).toBe('SQLite format 3');
  });

  it('with `sync`, what was written is kept', async () => {
    const filename = newFile();
    const child = await startProcess({ filename, sync: true });
    await child.call('set', { key: 'k', value: 'v' });
    await child.kill();
    rebooted(filename);
    const backend = await opened({ filename, sync: true });
    expect(await backend.get('k')).toBeDefined();
    expect(statSync(filename).size).toBeGreaterThan(8192);
  });
});
