import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { builtPath } from '../../support/built.js';
import { newFolder } from './support/folder.js';

const packages = join(import.meta.dirname, '../../../node_modules');

/** Runs a program that finds only these packages. `backend` and `other` are open over one file. */
async function runWith(installed: readonly string[], program: string): Promise<string> {
  const folder = newFolder();
  cpSync(await builtPath(), join(folder, 'library'), { recursive: true });
  mkdirSync(join(folder, 'node_modules'));
  for (const name of installed) symlinkSync(join(packages, name), join(folder, 'node_modules', name));
  const code = `
    const { fileBackend } = await import(${JSON.stringify(`file://${folder}/library/backends/file.js`)});
    const args = { filename: ${JSON.stringify(join(folder, 'cache.db'))}, lockTimeout: 400 };
    const [backend, other] = [fileBackend(args), fileBackend(args)];
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
  expect(said).toContain('npm install lmdb');
});

it('without fs-native-extensions, leases exclude each other and end by their deadline', async () => {
  const said = await runWith(
    ['lmdb'],
    `
    await backend.set('kept', Buffer.from('v'));
    const lease = await backend.mutex('k').acquire();
    console.log((await other.mutex('k').acquire({ wait: false })) === undefined);
    for (const end = performance.now() + 600; performance.now() < end; );
    console.log((await other.mutex('k').acquire({ wait: false })) !== undefined);
    console.log(await backend.set('k', Buffer.from('late'), { lease }));
    await backend.close();
    await other.close();`,
  );
  expect(said).toBe('true\ntrue\nfalse\n');
});
