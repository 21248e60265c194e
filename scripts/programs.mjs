// @ts-check
/** The programs of the system that tests need. Decides whether they are there; a missing one fails, nothing is skipped. */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { ROOT } from './run.mjs';

/**
 * @typedef {object} Program
 * @property {string} name as it is called
 * @property {string} debian the package that has it
 */

/**
 * Servers that tests start, and what they need for it, each by one file of test/services/: who has the file needs the program.
 * .ci/run installs the packages.
 * @type {readonly (Program & { startedBy: string })[]}
 */
const SERVERS = [
  { name: process.env.VALKEY_SERVER || 'redis-server', debian: 'redis-server', startedBy: 'redis.ts' },
  { name: 'openssl', debian: 'openssl', startedBy: 'certificate.ts' },
  { name: 'memcached', debian: 'memcached', startedBy: 'memcached.ts' },
];

/**
 * What `npm test` needs besides Node.
 * @type {readonly Program[]}
 */
export const NEEDED = SERVERS.filter(({ startedBy }) => existsSync(join(ROOT, 'test/services', startedBy)));

/**
 * A sentence that says what to install, or `undefined`: all are there.
 * @param {readonly Program[]} [needed]
 * @param {string} [path]
 */
export function missingPrograms(needed = NEEDED, path = process.env.PATH ?? '') {
  // Debian keeps servers where users don't look.
  const folders = [...path.split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const missing = needed.filter(({ name }) => !folders.some((folder) => isExecutable(resolve(folder, name))));
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map(({ debian }) => debian))].join(' ');
  return `The tests need ${missing.map(({ name }) => name).join(', ')}: apt-get install ${packages}`;
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
