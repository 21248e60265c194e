// @ts-check
/** A backend of one's own, complete: a folder with a file for each entry. */
import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BasicBackend } from 'dogpile-cache';

/** @extends {BasicBackend<Uint8Array>} */
export class FolderBackend extends BasicBackend {
  stores = /** @type {const} */ ('bytes');

  /** @param {string} folder */
  constructor(folder) {
    super();
    this.path = (/** @type {string} */ key) => join(folder, createHash('sha256').update(key).digest('hex'));
  }

  /** @param {string} key */
  async get(key) {
    return readFile(this.path(key)).catch((error) => (error.code === 'ENOENT' ? undefined : Promise.reject(error)));
  }

  /** A reader finds the old file or the new one, never half of one. @param {string} key @param {Uint8Array} stored */
  async set(key, stored) {
    const draft = `${this.path(key)}.${randomUUID()}`;
    await writeFile(draft, stored);
    await rename(draft, this.path(key));
  }

  /** @param {string} key */
  async delete(key) {
    await rm(this.path(key), { force: true });
  }
}

/** @param {{ folder: string }} args */
export default ({ folder }) => new FolderBackend(folder);
