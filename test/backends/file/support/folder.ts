/** A folder per test for its cache files, removed when the test is over; and backends that are closed by then. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { CacheBackend } from '../../../../src/api.js';
import { type FileArguments, fileBackend } from '../../../../src/backends/file.js';

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dogpile-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The path of a cache file that is not there yet. */
export function newFile(): string {
  return join(newFolder(), 'cache.db');
}

/** As if the machine had been started anew since. */
export function rebooted(filename: string): void {
  const mark = readFileSync(`${filename}-leases`, 'latin1');
  writeFileSync(`${filename}-leases`, mark.replace(/ [0-9a-f-]{36} /, ' 00000000-0000-0000-0000-000000000000 '));
}

/** Opened, and closed when the test is over. */
export async function opened(args: FileArguments): Promise<CacheBackend<Uint8Array>> {
  const backend = fileBackend(args);
  onTestFinished(async () => backend.close?.());
  await backend.ready?.();
  return backend;
}
