// @ts-check
/** What must not be left in the project's files: notes to oneself, tests that shut out others, paths of somebody's machine. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ROOT, run } from '../run.mjs';

// Written so that they don't find themselves.
const LEFTOVERS = [
  { pattern: /\b(?:TOD[O]|FIXM[E]|XX[X])\b/, what: 'a note to oneself: do it, or open an issue' },
  { pattern: /\b(?:it|test|describe|suite)(?:\.\w+)*\.onl[y]\b/, what: 'a test that shuts out all others' },
  { pattern: /(?<![\w.])\/(?:(?:hom[e]|User[s])\/[\w.-]+\/|(?:roo[t]|wor[k])\/[\w.-])/, what: 'a path of a machine' },
  { pattern: /\b[A-Z]:\\User[s]\\/, what: 'a path of a machine' },
];

const BINARY = /\.(?:png|jpe?g|gif|ico|tgz|gz|mdb|woff2?)$/;

/**
 * The files of the project, new ones included, without what git ignores.
 * @returns {Promise<string[]>}
 */
export async function projectFiles() {
  const { code, stdout, output } = await run('git', [
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    '--deduplicate',
  ]);
  if (code !== 0) throw new Error(`git can't list the files of the project:\n${output.trim()}`);
  const { stdout: gone } = await run('git', ['ls-files', '-z', '--deleted']);
  const deleted = new Set(gone.split('\0'));
  return stdout.split('\0').filter((path) => path !== '' && !deleted.has(path));
}

/** @returns {Promise<string[]>} */
export async function leftovers() {
  const found = [];
  for (const path of await projectFiles()) {
    if (BINARY.test(path)) continue;
    found.push(...leftoversIn(path, await readFile(join(ROOT, path), 'utf8')));
  }
  return found;
}

/**
 * @param {string} path
 * @param {string} text
 * @param {readonly string[]} [machine] folders of this machine, whose names nothing may bear
 * @returns {string[]}
 */
export function leftoversIn(path, text, machine = [ROOT, homedir()]) {
  const paths = machine.filter((folder) => folder.length > '/root'.length);
  /** @type {string[]} */
  const found = [];
  for (const [at, line] of text.split('\n').entries()) {
    for (const { pattern, what } of LEFTOVERS)
      if (pattern.test(line)) found.push(`${path}:${at + 1} has ${what}: ${line.trim().slice(0, 100)}`);
    for (const folder of paths)
      if (line.includes(folder))
        found.push(`${path}:${at + 1} has a path of this machine: ${line.trim().slice(0, 100)}`);
  }
  return found;
}
