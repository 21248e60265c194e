import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { FolderBackend } from '../../examples/backend/folder-backend.mjs';
import type { CacheBackend } from '../../src/api.js';
import { prove } from './support/prove.js';

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-cache-test-'));
  folders.push(folder);
  return folder;
}

let backend: CacheBackend | undefined;
prove('the backend of the example, as its two regions of one process have it', {
  create: async () => {
    backend = new FolderBackend(await newFolder());
    return backend;
  },
  second: () => backend ?? Promise.reject(new Error('create() comes first.')),
});

let folder = '';
prove('the backend of the example, as two processes have it', {
  create: async () => {
    folder = await newFolder();
    return new FolderBackend(folder);
  },
  second: () => new FolderBackend(folder),
});
