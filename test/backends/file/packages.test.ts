import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { builtPath } from '../../support/built.js';
import { crowd, startProcess } from './support/child.js';
import { newFile, newFolder } from './support/folder.js';

const packages = join(import.meta.dirname, '../../../node_modules');

/** The folder of a library that finds only these packages. */
async function libraryWith(installed: readonly string[]): Promise<string> {
  const folder = newFolder();
  cpSync(await builtPath(), join(folder, 'library'), { recursive: true });
  mkdirSync(join(folder, 'node_modules'));
  for (const name of installed) symlinkSync(join(packages, name), join(folder, 'node_modules', name));
  return join(folder, 'library');
}

/** Runs a program that finds only these packages. `backend`, `other` and `brief`, whose leases are, are open over one file. */
async function runWith(installed: readonly string[], program: string): Promise<string> {
  const code = `
    const { fileBackend } = await import(${JSON.stringify(`file://${await libraryWith(installed)}/backends/file.js`)});
    const args = { filename: ${JSON.stringify(newFile())} };
    const [backend, other, brief] = [fileBackend(args), fileBackend(args), fileBackend({ ...args, lockTimeout: 400 })];
    ${program}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  return stdout + stderr;
}

it('without lmdb, the error says what to install', async () => {
  const said = await runWith(
    ['fs-native-extensions'],
    'await backend.ready().catch(({ code, message }) => console.log(code, message));',
  );
  expect(said).toContain('DOGPILE_DRIVER_NOT_INSTALLED');
  expect(said).toContain('npm install lmdb fs-native-extensions');
});

it('without fs-native-extensions, leases exclude each other and end by their deadline', async () => {
  const said = await runWith(
    ['lmdb'],
    `
    await backend.set('kept', Buffer.from('v'));
    await backend.mutex('k').acquire();
    console.log((await other.mutex('k').acquire({ wait: false })) === undefined);
    const lease = await brief.mutex('l').acquire();
    for (const end = performance.now() + 600; performance.now() < end; );
    console.log((await other.mutex('l').acquire({ wait: false })) !== undefined);
    console.log(await brief.set('l', Buffer.from('late'), { lease }));
    for (const each of [backend, other, brief]) await each.close();`,
  );
  expect(said).toBe('true\ntrue\nfalse\n');
});

it('without fs-native-extensions, four processes of a hundred callers: one creation, of an expired entry too, and then nobody else waits', async () => {
  const built = await libraryWith(['lmdb']);
  const filename = newFile();
  const fleet = await Promise.all([1, 2, 3, 4].map(() => startProcess({ filename }, built)));
  const seen = await Promise.all(fleet.map((child) => child.call('callers', { key: 'k', count: 100, takes: 300 })));
  expect(seen.reduce((sum, { creations }) => sum + creations, 0)).toBe(1);
  expect(await crowd(fleet, { key: 'k', count: 100, expirationTime: 0 })).toEqual({
    creations: 1,
    rest: Array(399).fill(seen[0].values[0]),
  });
});
