import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, it } from 'vitest';
import { fileBackend } from '../../../src/backends/file.js';
import { BackendUnavailableError, RegionClosedError, ValidationError } from '../../../src/errors.js';
import { builtPath } from '../../support/built.js';
import { newFile, newFolder, opened, rebooted } from './support/folder.js';

const ready = async (filename: string) => fileBackend({ filename }).ready?.();

async function refusal(filename: string): Promise<Error> {
  const error = await ready(filename).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(BackendUnavailableError);
  expect((error as Error).message).toContain(filename);
  return error as Error;
}

describe('what is no cache file is refused by name, and left as it is', () => {
  it.each([
    ['text', Buffer.from('SQLite format 3\0 and more of it')],
    ['zeros', Buffer.alloc(20_000)],
    ['noise', Buffer.from(Array.from({ length: 20_000 }, (_, at) => (at * 7919) % 251))],
  ])('%s', async (_, contents) => {
    const filename = newFile();
    writeFileSync(filename, contents);
    expect((await refusal(filename)).message).toContain('not an LMDB file');
    expect(readFileSync(filename)).toEqual(contents);
    expect(existsSync(`${filename}-leases`)).toBe(false);
  });

  it('a directory, and a device', async () => {
    const filename = newFile();
    mkdirSync(filename);
    expect((await refusal(filename)).message).toContain('directory');
    if (process.platform === 'win32') return;
    expect((await refusal('/dev/null')).message).toContain('no ordinary file');
  });

  it.skipIf(process.platform === 'win32')('a pipe, without waiting for who writes to it', async () => {
    const filename = newFile();
    spawnSync('mkfifo', [filename]);
    // In another process: one that waits would hold up this one.
    const program = `
      const { fileBackend } = await import(${JSON.stringify(`file://${await builtPath()}/backends/file.js`)});
      await fileBackend({ filename: ${JSON.stringify(filename)} }).ready().catch((error) => console.log(error.message));`;
    const said = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
    expect(said.stdout.toString()).toContain('no ordinary file');
  });

  it('an LMDB file of another program', async () => {
    const filename = newFile();
    const foreign = open({ path: filename, noSubdir: true });
    await foreign.put('theirs', 1);
    await foreign.close();
    const before = readFileSync(filename);
    expect((await refusal(filename)).message).toContain('another program');
    expect(readFileSync(filename)).toEqual(before);
    rebooted(filename);
    expect((await refusal(filename)).message).toContain('another program');
    expect(readFileSync(filename)).toEqual(before);
  });

  it('an LMDB file of another version of LMDB', async () => {
    const filename = newFile();
    await (await opened({ filename })).close?.();
    const contents = readFileSync(filename);
    contents.writeUInt32LE(1, 28);
    writeFileSync(filename, contents);
    expect((await refusal(filename)).message).toContain("version 1 of LMDB's format");
    expect(readFileSync(filename)).toEqual(contents);
  });

  it('a cache file of a version to come', async () => {
    const filename = newFile();
    const foreign = open({ path: filename, noSubdir: true, encoding: 'binary', keyEncoding: 'binary' });
    await foreign.put(Buffer.from('f'), Buffer.from('dogpile-cache 2'));
    await foreign.close();
    expect((await refusal(filename)).message).toContain('newer version');
  });

  it('a lock file of another program', async () => {
    const filename = newFile();
    writeFileSync(`${filename}-leases`, 'theirs');
    expect((await refusal(filename)).message).toContain(`${filename}-leases`);
    expect(readFileSync(`${filename}-leases`, 'latin1')).toBe('theirs');
  });

  it('one that is cut short, whose size is kept', async () => {
    const filename = newFile();
    const backend = await opened({ filename });
    for (let n = 0; n < 200; n++) await backend.set(`k${n}`, Buffer.alloc(1000, n));
    await backend.close?.();
    for (const part of [0.9, 0.5, 0.1]) {
      const size = Math.floor(statSync(filename).size * part);
      truncateSync(filename, size);
      await refusal(filename);
      expect(statSync(filename).size).toBe(size);
    }
  });

  it('a folder that is a file', async () => {
    const parent = newFile();
    writeFileSync(parent, '');
    await refusal(join(parent, 'cache.db'));
  });

  // Whoever is root may read and write everything.
  it.skipIf(process.getuid?.() === 0)('a file and a folder without permission', async () => {
    const filename = newFile();
    writeFileSync(filename, '');
    chmodSync(filename, 0o000);
    await refusal(filename);
    const folder = newFolder();
    chmodSync(folder, 0o500);
    await refusal(join(folder, 'cache.db'));
  });
});

describe('a cache file', () => {
  it('is made with its folders', async () => {
    const filename = join(newFolder(), 'a/b/c/cache');
    await opened({ filename });
    expect(existsSync(filename)).toBe(true);
  });

  it('has the permissions that were asked for', async () => {
    const filename = newFile();
    await opened({ filename, mode: 0o600 });
    for (const path of [filename, `${filename}-leases`]) expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('keeps what it holds when it is closed and opened, also through another name', async () => {
    const filename = newFile();
    const first = await opened({ filename });
    await first.set('k', Buffer.from('v'));
    const alias = `${filename}.alias`;
    symlinkSync(filename, alias);
    const second = await opened({ filename: alias });
    expect(await second.get('k')).toBeDefined();
    await first.close?.();
    expect(await second.get('k')).toBeDefined();
    await second.close?.();
    expect(await (await opened({ filename })).get('k')).toBeDefined();
  });

  it('is tried again after it was refused', async () => {
    const filename = newFile();
    writeFileSync(filename, 'theirs');
    const backend = fileBackend({ filename });
    await expect((async () => backend.get('k'))()).rejects.toThrow(BackendUnavailableError);
    writeFileSync(filename, '');
    expect(await backend.get('k')).toBe(undefined);
    await backend.close?.();
  });

  it('closes once, however often and whenever it is said, and is used no more', async () => {
    const filename = newFile();
    const backend = fileBackend({ filename });
    const used = backend.get('k');
    await Promise.all([backend.close?.(), backend.close?.()]);
    expect(await used).toBe(undefined);
    await backend.close?.();
    await expect((async () => backend.get('k'))()).rejects.toThrow(RegionClosedError);
    const unused = fileBackend({ filename });
    await unused.close?.();
    await expect((async () => unused.ready?.())()).rejects.toThrow(RegionClosedError);
  });

  it('gives back its leases when it closes', async () => {
    const filename = newFile();
    const one = await opened({ filename });
    const other = await opened({ filename });
    const lease = await one.mutex?.('k')?.acquire({ wait: false });
    expect(await other.mutex?.('k')?.acquire({ wait: false })).toBe(undefined);
    await one.close?.();
    expect(await other.mutex?.('k')?.acquire({ wait: false })).toBeDefined();
    await lease?.release();
    expect(await other.mutex?.('k')?.locked()).toBe(true);
  });

  it('a lease that was lost before it closed may be released afterwards', async () => {
    const backend = await opened({ filename: newFile(), lockMaxHold: '20ms' });
    const lease = await backend.mutex?.('k')?.acquire({ wait: false });
    await new Promise((resolve) => lease?.whenLost?.(resolve));
    await backend.close?.();
    await lease?.release();
  });

  it('what was called before it closes is answered, though the file was not open yet', async () => {
    const filename = newFile();
    const backend = fileBackend({ filename });
    const set = backend.set('k', Buffer.from('v'));
    const locked = backend.mutex?.('k')?.locked();
    await Promise.all([backend.close?.(), set, locked]);
    expect(await (await opened({ filename })).get('k')).toBeDefined();
  });

  it('closes when its folder has been removed', async () => {
    const filename = newFile();
    const backend = await opened({ filename });
    await backend.set('k', Buffer.from('v'));
    rmSync(dirname(filename), { recursive: true });
    expect(await backend.get('k')).toBeDefined();
    await backend.close?.();
  });

  it('whoever waits for a lease when it closes is told so', async () => {
    const filename = newFile();
    const one = await opened({ filename });
    const other = await opened({ filename });
    await one.mutex?.('k')?.acquire({ wait: false });
    const told = expect((async () => other.mutex?.('k')?.acquire())()).rejects.toThrow(RegionClosedError);
    await other.close?.();
    await told;
  });
});

describe('arguments', () => {
  it.each([
    [{}, 'needs a filename'],
    [{ filename: '' }, 'path of a file'],
    [{ filename: 'a\0b' }, 'path of a file'],
    [{ filename: 5 }, 'filename must be a string'],
    [{ filename: 'x', maxSize: 0 }, 'maxSize'],
    [{ filename: 'x', lockTimeout: 0 }, 'lockTimeout must be between'],
    [{ filename: 'x', lockTimeout: Number.POSITIVE_INFINITY }, 'lockTimeout must be between'],
    [{ filename: 'x', lockSleep: 0 }, 'more than 0 and finite'],
    [{ filename: 'x', lockSleep: Number.POSITIVE_INFINITY }, 'more than 0 and finite'],
    [{ filename: 'x', lockMaxHold: 'Infinity' }, 'more than 0 and finite'],
    [{ filename: 'x', lockMaxHold: 'soon' }, 'lockMaxHold'],
    [{ filename: 'x', distributedLock: 'yes' }, 'distributedLock'],
    [{ filename: 'x', sync: 1 }, 'sync'],
    [{ filename: 'x', mutex: {} }, 'mutex must be a function'],
    [{ filename: 'x', mode: 0o400 }, 'mode must be permissions'],
    [{ filename: 'x', lock_timeout: 10 }, 'lockTimeout'],
    [{ filename: 'x', dogpile_lockfile: false }, 'knows no option'],
  ])('%o is a ValidationError that names what is wrong', (args, message) => {
    expect(() => fileBackend(args as never)).toThrow(ValidationError);
    expect(() => fileBackend(args as never)).toThrow(message);
  });
});

it('nothing of an open file keeps a process alive', async () => {
  const code = `
    const { fileBackend } = await import(${JSON.stringify(`file://${await builtPath()}/backends/file.js`)});
    const backend = fileBackend({ filename: ${JSON.stringify(newFile())} });
    await backend.ready();
    await backend.mutex('k').acquire();
    console.log('done');`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    timeout: 20_000,
    encoding: 'utf8',
  });
  expect({ stdout, status }).toEqual({ stdout: 'done\n', status: 0 });
});
