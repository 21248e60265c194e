import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { importRangeLocks } from '../../../src/backends/file/engine.js';
import { LockFile } from '../../../src/backends/file/lock-file.js';
import { builtPath } from '../../support/built.js';
import { startProcess } from './support/child.js';
import { newFile, opened } from './support/folder.js';

/** Long enough for whoever does not wait to be done, on any machine that is not asleep. */
const A_WHILE = 400;

async function lockFileOf(filename: string): Promise<LockFile> {
  return new LockFile({ path: `${filename}-leases`, mode: 0o600, locks: await importRangeLocks() });
}

/** As LMDB does when it is opened: the number of the last transaction, behind two words of the lock file. */
function setBack(lockFile: string): void {
  const fd = openSync(lockFile, 'r+');
  const number = Buffer.alloc(8);
  readSync(fd, number, 0, 8, 8);
  number.writeBigUInt64LE(number.readBigUInt64LE() - 1n);
  writeSync(fd, number, 0, 8, 8);
  closeSync(fd);
}

// LMDB sets back the number of the last transaction when it is opened while another process commits: the file is destroyed by that.
describe('a file that is opened', () => {
  it('is not opened while another process is in the middle of a write', async () => {
    const filename = newFile();
    await opened({ filename });
    const built = await builtPath();
    const code = (wait: number) => `
      const { fileBackend } = await import(${JSON.stringify(`file://${built}/backends/file.js`)});
      const backend = fileBackend({ filename: ${JSON.stringify(filename)} });
      const late = new Promise((resolve) => setTimeout(resolve, ${wait}, 'waits'));
      console.log(await Promise.race([backend.ready().then(() => 'opens'), late]));
      process.exit();`;
    const open = (wait: number) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', code(wait)], { encoding: 'utf8' }).stdout;
    const writer = await lockFileOf(filename);
    expect(writer.writing(() => open(A_WHILE))).toBe('waits\n');
    expect(open(20_000)).toBe('opens\n');
    writer.close();
  });

  it('is not written to by others meanwhile; they read, and write afterwards', async () => {
    const filename = newFile();
    const child = await startProcess({ filename });
    await child.call('set', { key: 'k', value: 'before' });
    const opener = await lockFileOf(filename);
    let isWritten = false;
    let writing: Promise<unknown> = Promise.resolve();
    await opener.still(async () => {
      expect(await child.call('get', { key: 'k' })).toBe('before');
      writing = child.call('set', { key: 'k', value: 'after' }).then(() => {
        isWritten = true;
      });
      await new Promise((resolve) => setTimeout(resolve, A_WHILE));
      expect(isWritten).toBe(false);
    });
    await writing;
    expect(await child.call('get', { key: 'k' })).toBe('after');
    opener.close();
  });

  it('by a process without locks at the wrong moment: no write goes on from an older state, and whoever opens it next sets it right', async () => {
    const filename = newFile();
    const child = await startProcess({ filename });
    for (const value of ['1', '2', '3']) await child.call('set', { key: 'k', value });
    setBack(`${filename}-lock`);
    await expect(child.call('set', { key: 'k', value: 'lost' })).rejects.toThrow('without fs-native-extensions');
    const other = await startProcess({ filename });
    expect(await other.call('get', { key: 'k' })).toBe('3');
    await child.call('set', { key: 'k', value: '4' });
    expect(await other.call('get', { key: 'k' })).toBe('4');
  });

  it('is opened however much the others write, and what they wrote is kept', async () => {
    const filename = newFile();
    const writers = [
      await startProcess({ filename }),
      await startProcess({ filename }),
      await startProcess({ filename }),
    ];
    for (const writer of writers) writer.call('writeOn', { keys: 40, largest: 20_000 }).catch(() => {});
    await Promise.all(writers.map((writer) => writer.says('writing')));
    for (let round = 0; round < 25; round++) {
      const backend = await opened({ filename });
      await backend.set(`kept ${round}`, Buffer.from('v'));
      await backend.close?.();
    }
    for (const writer of writers) await writer.kill();
    const backend = await opened({ filename });
    const kept = await backend.getMulti(Array.from({ length: 25 }, (_, round) => `kept ${round}`));
    expect(kept.filter((value) => value === undefined)).toEqual([]);
  });
});
