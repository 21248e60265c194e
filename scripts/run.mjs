// @ts-check
/** Child processes of the scripts: run to their end, with what they said. Decides nothing of what is run. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * @typedef {object} Ran
 * @property {number} code 0: well; a signal counts as 1
 * @property {string} output stdout and stderr as they came, empty when `shown`
 * @property {string} stdout
 */

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, shown?: boolean }} [options] `shown`: its output goes to the terminal
 * @returns {Promise<Ran>}
 */
export function run(command, args, { cwd = ROOT, env = process.env, shown = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: shown ? 'inherit' : ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      output += text;
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output, stdout }));
  });
}

/**
 * The file that a development package's command is, to be run by this very Node.
 * @param {string} packageName
 * @param {string} [command]
 */
export function binOf(packageName, command = packageName) {
  const path = join(ROOT, 'node_modules', packageName, 'package.json');
  const { bin } = createRequire(import.meta.url)(path);
  return join(dirname(path), typeof bin === 'string' ? bin : bin[command]);
}

/**
 * @param {number} since of `performance.now()`
 */
export function secondsSince(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
