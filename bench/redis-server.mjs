/** A Redis server without persistence; `undefined` where there is no `redis-server`. */
import { startServer } from './server.mjs';

export async function startRedis(folder) {
  const server = await startServer('redis-server', (port) => [
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '', '--appendonly', 'no'],
  ]);
  return server && { ...server, url: `redis://127.0.0.1:${server.port}` };
}
