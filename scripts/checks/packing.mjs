// @ts-check
/**
 * The package as a user gets it: the project's files copied aside, built there, packed by npm. Nothing of the checkout is
 * touched, so that tests may pack while others build.
 */
import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compile } from '../build.mjs';
import { ROOT, run } from '../run.mjs';
import { projectFiles } from './leftovers.mjs';

/**
 * @typedef {object} Packed
 * @property {string} tarball its path
 * @property {string} stage the folder it was packed from: package.json, dist/ and all else
 * @property {readonly string[]} files what is in it
 * @property {number} size in bytes, packed
 */

/**
 * Packs into a folder that exists and is the caller's to remove.
 * @param {string} into
 * @returns {Promise<Packed>}
 */
export async function pack(into) {
  const stage = join(into, 'stage');
  for (const file of await projectFiles()) {
    await mkdir(dirname(join(stage, file)), { recursive: true });
    await cp(join(ROOT, file), join(stage, file));
  }
  await compile(join(stage, 'dist'));
  const { code, output, stdout } = await run(
    'npm',
    ['pack', '--json', '--offline', '--ignore-scripts', '--pack-destination', into],
    {
      cwd: stage,
      env: quietNpm(),
    },
  );
  if (code !== 0) throw new Error(`npm pack failed:\n${output.trim()}`);
  /** @type {[{ filename: string, size: number, files: { path: string }[] }]} */
  const [{ filename, size, files }] = JSON.parse(stdout);
  return { tarball: join(into, filename), stage, size, files: files.map(({ path }) => path) };
}

/** Asks nobody anything: no registry, no news. */
export function quietNpm() {
  return { ...process.env, npm_config_update_notifier: 'false', npm_config_audit: 'false', npm_config_fund: 'false' };
}
