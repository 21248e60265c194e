/**
 * The stores that tests of behaviour run on: each says how one is made and how it is disposed of. What is asserted of them is the
 * tests' own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CacheBackend, ConfigureOptions } from '../../src/api.js';
import { memoryBackend, memorySerializedBackend } from '../../src/backends/memory.js';
import type { CacheRegion } from '../../src/region/region.js';

export interface MadeBackend {
  /** What `configure()` takes: a name, or an object. */
  readonly target: string | CacheBackend;
  /** With a name. */
  readonly arguments: Readonly<Record<string, unknown>> | undefined;
  /** Removes what it has left outside the process. The region is closed before. */
  dispose(): Promise<void>;
}

export interface BackendSetUp {
  readonly name: string;
  /** What is stored: the value itself, or bytes of it. */
  readonly stores: 'values' | 'bytes';
  /** It has locks of its own; else the region's, inside the process, serve it. */
  readonly hasLocks: boolean;
  make(): Promise<MadeBackend>;
}

const nothing = async () => {};

export const memorySetUp: BackendSetUp = {
  name: 'memory',
  stores: 'values',
  hasLocks: false,
  make: async () => ({ target: memoryBackend(), arguments: undefined, dispose: nothing }),
};

export const memorySerializedSetUp: BackendSetUp = {
  name: 'memory_serialized',
  stores: 'bytes',
  hasLocks: false,
  make: async () => ({ target: memorySerializedBackend(), arguments: undefined, dispose: nothing }),
};

/** A file of its own in a directory of its own, by name: the engine is loaded on first use. */
export const fileSetUp: BackendSetUp = {
  name: 'file',
  stores: 'bytes',
  hasLocks: true,
  make: async () => {
    const directory = await mkdtemp(join(tmpdir(), 'dogpile-cache-test-'));
    return {
      target: 'file',
      arguments: { filename: join(directory, 'cache') },
      dispose: () => rm(directory, { recursive: true, force: true }),
    };
  },
};

export const backendSetUps: readonly BackendSetUp[] = [memorySetUp, memorySerializedSetUp, fileSetUp];

/** Configures a region with what was made. */
export function configureWith<Region extends CacheRegion>(
  region: Region,
  made: MadeBackend,
  options: ConfigureOptions = {},
): Region {
  if (typeof made.target !== 'string') return region.configure(made.target, options);
  return region.configure(made.target, { ...options, arguments: made.arguments });
}
