/** What an entry keeps of the heap over its value and the slot of a map; each measured in a process of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const title = 'Bytes of heap per entry over value and Map slot (100,000 entries)';

const WORKER = fileURLToPath(new URL('../bytes-worker.mjs', import.meta.url));

export async function run() {
  const results = [];
  let baseline = 0;
  for (const kind of ['map', 'region', 'hand', 'lru']) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', WORKER, kind]);
    const { name, bytes } = JSON.parse(stdout);
    if (kind === 'map') baseline = bytes;
    results.push({ name, bytes: Math.round(bytes - baseline), total: Math.round(bytes) });
  }
  return results;
}
