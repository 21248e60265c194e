/** A Redis server for tests, and a client that looks at it from outside. */
import { createClient } from 'redis';
import { ask, type RunningServer, startServer } from './server.js';

/** `VALKEY_SERVER` names another program, to run the same suite on: `VALKEY_SERVER=valkey-server npm test`. */
export const REDIS_SERVER = process.env.VALKEY_SERVER || 'redis-server';

export interface RedisServerOptions {
  /** More of its options: `['--maxmemory', '2mb']`. */
  readonly args?: readonly string[];
  readonly port?: number;
  /** Settle as soon as it answers at all, with whatever. */
  readonly anyAnswer?: boolean;
}

export type RunningRedis = RunningServer & { readonly url: string };

export async function startRedis({
  args = [],
  port,
  anyAnswer = false,
}: RedisServerOptions = {}): Promise<RunningRedis> {
  const server = await startServer({
    command: REDIS_SERVER,
    args: (on, folder) => [
      '--bind',
      '127.0.0.1',
      '--port',
      String(on),
      '--dir',
      folder,
      '--save',
      '',
      '--appendonly',
      'no',
      ...args,
    ],
    probe: async (on) => {
      const answer = await ask(on, 'PING\r\n');
      if (!anyAnswer && !answer.startsWith('+PONG') && !answer.startsWith('-NOAUTH')) throw new Error(answer);
    },
    port,
  });
  return { ...server, url: `redis://127.0.0.1:${server.port}` };
}

/** Looks at a server, and plays the others who use it. */
export type Observer = Awaited<ReturnType<typeof observe>>;

export async function observe(url: string) {
  const client = createClient({ url, disableOfflineQueue: true, commandOptions: { timeout: 0 } });
  client.on('error', () => {});
  await client.connect();
  const raw = (...words: (string | Buffer)[]) => client.sendCommand(words);
  return {
    raw,
    get: (key: string) => raw('GET', key),
    /** Commands that clients send while `run` runs, those of scripts and of connecting left out: `['mget k _region{r}', …]`. */
    async commandsOf(run: () => Promise<unknown>): Promise<string[]> {
      const monitor = client.duplicate();
      monitor.on('error', () => {});
      await monitor.connect();
      const lines: string[] = [];
      await monitor.monitor((line) => void lines.push(String(line)));
      try {
        await run();
        const mark = `mark ${Math.random()}`;
        await raw('ECHO', mark);
        while (!lines.some((line) => line.includes(mark))) await new Promise((resolve) => setImmediate(resolve));
      } finally {
        monitor.destroy();
      }
      return lines.filter((line) => !/\[\d+ lua\]/.test(line)).flatMap((line) => commandIn(line) ?? []);
    },
    close: () => client.destroy(),
  };
}

const CONNECTING = /^(hello|client|info|select|auth|echo|ping|monitor|subscribe|unsubscribe)\b/;

function commandIn(line: string): string | undefined {
  const words = [...line.replace(/^.*?\] /, '').matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => word ?? '');
  const text = words.join(' ').replace(/^\S+/, (name) => name.toLowerCase());
  return CONNECTING.test(text) ? undefined : text;
}
