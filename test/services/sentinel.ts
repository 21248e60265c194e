/** A primary with a replica, and three sentinels that watch over them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REDIS_SERVER, type RunningRedis, startRedis } from './redis.js';
import { ask, type RunningServer, startServer } from './server.js';

export interface Watched {
  readonly serviceName: string;
  /** Addresses of the sentinels. */
  readonly sentinels: readonly string[];
  readonly sentinelServers: readonly RunningServer[];
  readonly primary: RunningRedis;
  readonly replica: RunningRedis;
  /** The primary is gone, and soon given up. Until then no pause of a busy machine makes the sentinels fail over. */
  lose(how: 'kill' | 'freeze'): Promise<void>;
  stop(): Promise<void>;
}

export async function startWatched(): Promise<Watched> {
  const started: RunningServer[] = [];
  try {
    const primary = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] });
    started.push(primary);
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    started.push(replica);
    await until(replica.port, 'INFO replication\r\n', /master_link_status:up/);
    for (let at = 0; at < 3; at++) started.push(await startSentinel(primary.port));
    const sentinels = started.slice(2);
    for (const { port } of sentinels)
      await until(
        port,
        'SENTINEL master watched\r\n',
        /num-slaves\r\n\$1\r\n1\r\n[\s\S]*num-other-sentinels\r\n\$1\r\n2\r\n/,
      );
    return {
      serviceName: 'watched',
      sentinels: sentinels.map(({ port }) => `127.0.0.1:${port}`),
      sentinelServers: sentinels,
      primary,
      replica,
      lose: async (how) => {
        for (const { port } of sentinels)
          await ask(port, 'SENTINEL SET watched down-after-milliseconds 500\r\n').catch(() => {});
        await primary[how]();
      },
      stop: () => stopAll(started),
    };
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}

function startSentinel(primary: number): Promise<RunningServer> {
  return startServer({
    command: REDIS_SERVER,
    args: (port, folder) => {
      const file = join(folder, 'sentinel.conf');
      const settings = [
        'down-after-milliseconds watched 20000',
        'failover-timeout watched 3000',
        'parallel-syncs watched 1',
      ];
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${folder}`,
        `sentinel monitor watched 127.0.0.1 ${primary} 2`,
      ];
      writeFileSync(file, [...lines, ...settings.map((one) => `sentinel ${one}`), ''].join('\n'));
      return [file, '--sentinel'];
    },
    probe: async (port) => {
      const answer = await ask(port, 'PING\r\n');
      if (!answer.startsWith('+PONG')) throw new Error(answer);
    },
  });
}

async function until(port: number, line: string, isSo: RegExp): Promise<void> {
  while (!isSo.test(await ask(port, line).catch(() => ''))) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function stopAll(servers: readonly RunningServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}
