/** A memcached server for tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type RunningServer, startServer } from './server.js';

export interface MemcachedServerOptions {
  /** Megabytes. */
  readonly memory?: number;
  /** More of its options: `['-I', '2m']`. */
  readonly args?: readonly string[];
  readonly port?: number;
}

export type RunningMemcached = RunningServer & {
  readonly url: string;
  /** `freeze`, and until it stands: it has many threads, and each may yet answer. */
  frozen(): Promise<void>;
};

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
  const frozen = async () => {
    server.freeze();
    while (!hasStopped(server.pid)) await sleep(1);
  };
  return { ...server, url: `127.0.0.1:${server.port}`, frozen };
}

function hasStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
  );
}
