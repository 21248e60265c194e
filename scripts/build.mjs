// @ts-check
/**
 * `npm run build`: dist/ from src/, by tsc alone. Built beside and put in place by renaming, so that dist/ never holds a file
 * whose source is gone, and a program that runs from it never meets half of one.
 */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { binOf, ROOT, run } from './run.mjs';

/**
 * Compiles src/ into `into`; throws what tsc says.
 * @param {string} into
 */
export async function compile(into) {
  const { code, output } = await run(process.execPath, [
    binOf('typescript', 'tsc'),
    '-p',
    'tsconfig.build.json',
    '--outDir',
    into,
  ]);
  if (code !== 0) throw new Error(`src/ does not compile:\n${output.trim()}`);
}

export async function build() {
  const fresh = join(ROOT, `dist.${process.pid}`);
  const old = `${fresh}.old`;
  const dist = join(ROOT, 'dist');
  try {
    await compile(fresh);
    await rename(dist, old).catch(ignoreMissing);
    await rename(fresh, dist);
  } finally {
    await rm(fresh, { recursive: true, force: true });
    await rm(old, { recursive: true, force: true });
  }
}

/** @param {unknown} error */
function ignoreMissing(error) {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await build().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
