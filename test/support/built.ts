/**
 * The library as plain JavaScript, for child processes and worker threads of tests, which can't import TypeScript. Made once for each
 * state of `src/`, by whoever asks first.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { transform } from 'esbuild';

const root = join(import.meta.dirname, '../..');
const source = join(root, 'src');
/** Inside the project, so that what is built finds its packages. */
const shelf = join(root, 'node_modules/.cache/dogpile-cache-built');
/** Builds of other states are kept for so long: another run may be using them. */
const KEPT = 3_600_000;

let built: Promise<string> | undefined;

/** The folder that stands for `dist/`: `index.js`, `backends/file.js`, … */
export function builtPath(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const paths = (await readdir(source, { recursive: true })).filter((path) => path.endsWith('.ts')).sort();
  const files = await Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(source, path), 'utf8') })),
  );
  const hash = createHash('sha256');
  for (const { path, text } of files) hash.update(`${path}\0${text}\0`);
  const target = join(shelf, hash.digest('hex').slice(0, 32));
  if (await isFound(target)) return target;
  await removeOld();
  // Under a name of its own, then moved: who comes at the same time finds all of it or nothing.
  const making = join(shelf, `making-${randomUUID()}`);
  await Promise.all(files.map((file) => compile(making, file)));
  await rename(making, target).catch(async (error: unknown) => {
    if (!existsSync(target)) throw error;
    await rm(making, { recursive: true, force: true });
  });
  return target;
}

/** Whoever finds it uses it from now on: no other run takes it for old. */
async function isFound(target: string): Promise<boolean> {
  const now = new Date();
  return utimes(target, now, now).then(
    () => true,
    () => false,
  );
}

async function compile(folder: string, { path, text }: { path: string; text: string }): Promise<void> {
  const target = join(folder, path.replace(/\.ts$/, '.js'));
  const { code } = await transform(text, { loader: 'ts', format: 'esm', target: 'es2022', sourcefile: path });
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, code);
}

async function removeOld(): Promise<void> {
  await mkdir(shelf, { recursive: true });
  for (const name of await readdir(shelf)) {
    const path = join(shelf, name);
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > KEPT) await rm(path, { recursive: true, force: true });
  }
}
