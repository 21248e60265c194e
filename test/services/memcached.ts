/** A memcached server for tests. */
import { userInfo } from 'node:os';
import { ask, type RunningServer, startServer } from './server.js';

export interface MemcachedServerOptions {
  /** Megabytes. */
  readonly memory?: number;
  /** More of its options: `['-I', '2m']`. */
  readonly args?: readonly string[];
  readonly port?: number;
}

export type RunningMemcached = RunningServer & { readonly url: string };

export async function startMemcached({
  memory = 64,
  args = [],
  port,
}: MemcachedServerOptions = {}): Promise<RunningMemcached> {
  const server = await startServer({
    command: 'memcached',
    args: (on) => [
      ...['-l', '127.0.0.1', '-p', String(on), '-U', '0', '-m', String(memory)],
      // It won't run as root, unless it is told whom to run as.
      ...(userInfo().uid === 0 ? ['-u', 'root'] : []),
      ...args,
    ],
    probe: async (on) => {
      const answer = await ask(on, 'version\r\n');
      if (!answer.startsWith('VERSION')) throw new Error(answer);
    },
    port,
  });
  return { ...server, url: `127.0.0.1:${server.port}` };
}
