/** A memcached server for tests: plain, with TLS, with authentication, on a Unix socket, or with little memory. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { makeCertificate } from './certificate.js';
import { type RunningServer, startServer } from './server.js';

export interface MemcachedServerOptions {
  readonly port?: number;
  /** Certificates made for `localhost` and 127.0.0.1. */
  readonly tls?: boolean;
  /** Who may enter: `{ username, password }`. */
  readonly login?: { readonly username: string; readonly password: string };
  /** A Unix socket instead of a port. */
  readonly socket?: boolean;
  /** Megabytes, for values. */
  readonly memory?: number;
  /** More of its options: `['-I', '2m']`. */
  readonly args?: readonly string[];
}

export type RunningMemcached = RunningServer & {
  /** `host:port`. */
  readonly url: string;
  /** Of the Unix socket. */
  readonly path: string | undefined;
  /** The certificate it shows, as a file, with TLS. */
  readonly certificate: string | undefined;
  /** `freeze`, and until it stands: it has many threads, and each may yet answer. */
  frozen(): Promise<void>;
};

export async function startMemcached(options: MemcachedServerOptions = {}): Promise<RunningMemcached> {
  const { port, tls = false, login, socket = false, memory = 64, args = [] } = options;
  let path: string | undefined;
  let certificate: string | undefined;
  const server = await startServer({
    command: 'memcached',
    args: (on, folder) => {
      path = socket ? join(folder, 'socket') : undefined;
      const words = path ? ['-s', path] : ['-l', '127.0.0.1', '-p', String(on), '-U', '0'];
      if (tls) {
        const { certFile, keyFile } = makeCertificate(folder);
        certificate = certFile;
        words.push('-Z', '-o', `ssl_chain_cert=${certFile},ssl_key=${keyFile}`);
      }
      if (login) {
        writeFileSync(join(folder, 'logins'), `${login.username}:${login.password}\n`);
        words.push('-Y', join(folder, 'logins'));
      }
      // It runs as root only if it is told to.
      return [...words, '-m', String(memory), '-u', userInfo().username, ...args];
    },
    probe: (on) =>
      greets(
        () =>
          tls
            ? connectTls({ port: on, host: '127.0.0.1', rejectUnauthorized: false })
            : path
              ? connectPlain(path)
              : connectPlain(on, '127.0.0.1'),
        path,
      ),
    port,
  });
  const frozen = async () => {
    server.freeze();
    while (!hasStopped(server.pid)) await sleep(1);
  };
  // Told to end it takes a second, and it has nothing to save.
  return { ...server, stop: server.kill, frozen, url: `127.0.0.1:${server.port}`, path, certificate };
}

/** Whatever it answers: with authentication it is a refusal. */
function greets(open: () => ReturnType<typeof connectPlain>, path: string | undefined): Promise<void> {
  if (path && !existsSync(path)) return Promise.reject(new Error('There is no socket yet.'));
  return new Promise((resolve, reject) => {
    const socket = open();
    socket.setTimeout(1000, () => socket.destroy(new Error('It does not answer.')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('It says nothing.')));
    socket.once('data', () => {
      resolve();
      socket.destroy();
    });
    socket.write('version\r\n');
  });
}

function hasStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
  );
}
