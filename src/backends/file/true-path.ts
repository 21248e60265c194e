/**
 * The one name of a file, whatever links lead to it: LMDB's lock file and ours are named after it, and two names would be two locks. Makes the
 * folder where there is none.
 */
import { lstatSync, mkdirSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Links of links that lead nowhere, or round in a circle. */
const MOST_LINKS = 40;

export function truePath(filename: string): string {
  let path = resolve(filename);
  for (let links = 0; ; links++) {
    mkdirSync(dirname(path), { recursive: true });
    path = join(realpathSync(dirname(path)), basename(path));
    const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    if (!isLink) return path;
    if (links === MOST_LINKS) throw new Error(`"${filename}" is a link that leads round in a circle`);
    path = resolve(dirname(path), readlinkSync(path));
  }
}
