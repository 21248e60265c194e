/** A memcached server that wants to know who asks, by SASL. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startServer } from './server.js';

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
      return [
        `SASL_CONF_PATH=${folder}`,
        'memcached',
        '-S',
        '-l',
        '127.0.0.1',
        '-p',
        String(on),
        '-U',
        '0',
        '-u',
        userInfo().username,
      ];
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
