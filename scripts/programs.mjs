// @ts-check
/**
 * The programs of the system that tests need, and the modules of its Python. Decides whether they are there; a missing one fails,
 * nothing is skipped. .ci/run installs the packages.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, resolve } from 'node:path';

/**
 * @typedef {object} Program
 * @property {string} name as it is called
 * @property {string} debian the package that has it
 */

/**
 * What the servers of test/services/ are started with.
 * @type {readonly Program[]}
 */
const PROGRAMS = [
  { name: process.env.VALKEY_SERVER || 'redis-server', debian: 'redis-server' },
  { name: 'memcached', debian: 'memcached' },
  // Makes the certificates of servers with TLS.
  { name: 'openssl', debian: 'openssl' },
];

/** Debian's, whichever other Python comes first in the PATH. */
export const PYTHON = '/usr/bin/python3';

/**
 * Modules that test/interop/ shares a store with.
 * @type {readonly Program[]}
 */
const MODULES = [
  { name: 'dogpile.cache', debian: 'python3-dogpile.cache' },
  { name: 'redis', debian: 'python3-redis' },
  { name: 'memcache', debian: 'python3-memcache' },
  { name: 'pylibmc', debian: 'python3-pylibmc' },
  { name: 'pymemcache', debian: 'python3-pymemcache' },
];

/**
 * A sentence that says what to install for `npm test`, or `undefined`: all is there.
 * @param {object} [needed]
 * @param {readonly Program[]} [needed.programs]
 * @param {readonly Program[]} [needed.modules] of Python, as they are imported
 * @param {string} [path]
 */
export function missingPrograms({ programs = PROGRAMS, modules = MODULES } = {}, path = process.env.PATH ?? '') {
  // Debian keeps servers where users don't look.
  const folders = [...path.split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const missing = [
    ...programs.filter(({ name }) => !folders.some((folder) => isExecutable(resolve(folder, name)))),
    ...modules
      .filter(({ name }) => !isImportable(name))
      .map(({ name, debian }) => ({ name: `Python's ${name}`, debian })),
  ];
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

/** @param {string} module */
function isImportable(module) {
  return spawnSync(PYTHON, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0;
}
