/** Servers that tests start on free ports of the loopback and stop by pid. What a test can't start fails it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** What it has said so far. */
  output(): string;
  /** Ends it, frozen or not, and its files. */
  stop(): Promise<void>;
  /** Ends it without a word, as a crash does. */
  kill(): Promise<void>;
  /** It no longer answers; its connections stay. */
  freeze(): void;
  thaw(): void;
}

export interface ServerSpec {
  readonly command: string;
  /** What to start it with on a port, with a folder of its own. */
  readonly args: (port: number, folder: string) => readonly string[];
  /** Rejects as long as it is not ready. */
  readonly probe: (port: number) => Promise<void>;
  /** Default: a free one. */
  readonly port?: number | undefined;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startServer(spec: ServerSpec): Promise<RunningServer> {
  let why: unknown;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      return await startOnce(spec, spec.port ?? (await freePort()));
    } catch (error) {
      // Somebody else may have taken the port meanwhile.
      why = error;
    }
  }
  throw why;
}

async function startOnce({ command, args, probe }: ServerSpec, port: number): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-server-'));
  const child = spawn(command, args(port, folder), { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output = (output + chunk).slice(-20_000)));
  child.stderr.on('data', (chunk) => (output = (output + chunk).slice(-20_000)));
  child.once('error', (error) => (output += error.message));
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    // A frozen one hears nothing but SIGKILL.
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    await ended;
    running.delete(child);
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + 10_000;
  for (;;) {
    const hasEnded = await Promise.race([
      ended.then(() => true),
      probe(port).then(
        () => false,
        () => undefined,
      ),
    ]);
    if (hasEnded === false) break;
    if (hasEnded || Date.now() > deadline) {
      await end('SIGKILL');
      throw new Error(`${command} does not start on port ${port}: ${output.trim() || 'it says nothing'}`);
    }
    await sleep(20);
  }
  return {
    host: '127.0.0.1',
    port,
    pid: child.pid ?? 0,
    output: () => output,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** On the loopback, on a free port where none is said. Answers with the port. */
export async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address === 'object' && address) return address.port;
  throw new Error('It listens on no port.');
}

/** Sends a line and settles with what comes back first. */
export function ask(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(line));
    socket.setTimeout(10_000, () => socket.destroy(new Error('It does not answer.')));
    socket.once('error', reject);
    socket.once('data', (chunk) => {
      resolve(chunk.toString());
      socket.destroy();
    });
    socket.once('close', () => reject(new Error('It says nothing.')));
  });
}
