/** Every verb of a plain backend, for faults that fall on all of them, and how they end. */
import type { RedisBackend } from '../../../../src/backends/redis/backend.js';

export const bytes = Buffer.from('value');
export const unavailable = { code: 'DOGPILE_BACKEND_UNAVAILABLE' };
export const timeout = { code: 'DOGPILE_BACKEND_TIMEOUT' };

const request = () => ({ region: 'r', tags: [], found: undefined });

export const verbs: readonly [string, (backend: RedisBackend) => Promise<unknown>][] = [
  ['get', async (backend) => backend.get('k')],
  ['getMulti', async (backend) => backend.getMulti(['k', 'l'], { records: request() })],
  ['set', async (backend) => backend.set('k', bytes)],
  ['setMulti', async (backend) => backend.setMulti(new Map([['k', bytes]]))],
  ['delete', async (backend) => backend.delete('k')],
  ['deleteMulti', async (backend) => backend.deleteMulti(['k'])],
  ['acquire', async (backend) => backend.mutex('k')?.acquire()],
  ['acquireMulti', async (backend) => backend.acquireMulti(['k'])],
  ['locked', async (backend) => backend.mutex('k')?.locked()],
  ['read', async (backend) => backend.generations.read(request(), { seed: true })],
  ['invalidate', async (backend) => backend.generations.invalidate('r', { hard: true })],
  ['invalidateTags', async (backend) => backend.generations.invalidateTags('r', ['t'], { hard: true })],
  ['ready', async (backend) => backend.ready()],
];
