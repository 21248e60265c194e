/** memcached servers that want to know who asks (SASL), or that nobody reads along (TLS). */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { connect as connectSecurely } from 'node:tls';
import { type RunningServer, startServer } from './server.js';

const basics = (port: number) => [
  ...['-l', '127.0.0.1', '-p', String(port), '-U', '0'],
  ...(userInfo().uid === 0 ? ['-u', 'root'] : []),
];

/** A user is written into the database by the library that will look for it there. */
const ADD_USER = `
import ctypes, sys
sasl = ctypes.CDLL('libsasl2.so.2')
connection = ctypes.c_void_p()
user, password = sys.argv[1].encode(), sys.argv[2].encode()
done = sasl.sasl_server_init(None, b'memcached') == 0
done = done and sasl.sasl_server_new(b'memcached', None, None, None, None, None, 0, ctypes.byref(connection)) == 0
sys.exit(0 if done and sasl.sasl_setpass(connection, user, password, len(password), None, 0, 1) == 0 else 1)
`;

/** It speaks the binary protocol alone. Needs python3 and libsasl2-modules-db. */
export function startMemcachedWithSasl(username: string, password: string): Promise<RunningServer> {
  return startServer({
    command: 'env',
    args: (on, folder) => {
      const configuration = ['mech_list: plain', 'pwcheck_method: auxprop', 'auxprop_plugin: sasldb'];
      writeFileSync(join(folder, 'memcached.conf'), [...configuration, `sasldb_path: ${folder}/users`, ''].join('\n'));
      execFileSync('python3', ['-c', ADD_USER, username, password], {
        env: { ...process.env, SASL_CONF_PATH: folder },
      });
      return [`SASL_CONF_PATH=${folder}`, 'memcached', '-S', ...basics(on)];
    },
    probe: (on) =>
      new Promise((resolve, reject) => {
        const version = Buffer.alloc(24);
        version.set([0x80, 0x0b]);
        const socket = connect(on, '127.0.0.1', () => socket.write(version));
        socket.once('error', reject);
        socket.once('data', () => {
          socket.destroy();
          resolve();
        });
      }),
  });
}

export interface CertifiedServer extends RunningServer {
  /** Of the server, which nobody else has signed. */
  readonly certificate: Buffer;
}

/** Needs openssl, which makes a certificate for `localhost`. */
export async function startMemcachedWithTls(): Promise<CertifiedServer> {
  const own = await mkdtemp(join(tmpdir(), 'dogpile-tls-'));
  const [key, chain] = [join(own, 'key.pem'), join(own, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      key,
      '-out',
      chain,
    ],
    { stdio: 'ignore' },
  );
  const certificate = readFileSync(chain);
  const server = await startServer({
    command: 'memcached',
    args: (on) => [...basics(on), '-Z', '-o', `ssl_chain_cert=${chain},ssl_key=${key}`],
    probe: (on) =>
      new Promise((resolve, reject) => {
        const socket = connectSecurely(
          { host: '127.0.0.1', servername: 'localhost', port: on, ca: certificate },
          () => {
            socket.destroy();
            resolve();
          },
        );
        socket.once('error', reject);
      }),
  });
  const stop = async (end: () => Promise<void>) => {
    await end();
    await rm(own, { recursive: true, force: true });
  };
  return { ...server, certificate, stop: () => stop(server.stop), kill: () => stop(server.kill) };
}
