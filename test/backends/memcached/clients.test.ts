/** Where clients come from: handed in, made here, with credentials, over TLS and unix sockets, or not installed. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CacheBackend } from '../../../src/api.js';
import { memcacheClientBackend, memjsBackend } from '../../../src/backends/memcached.js';
import { makeRegion } from '../../../src/region/region.js';
import { startMemcached } from '../../services/memcached.js';
import { startMemcachedWithSasl } from '../../services/memcached-sasl.js';
import { listen } from '../../services/server.js';
import { builtPath } from '../../support/built.js';
import { untilDone } from '../../support/wait.js';
import { PACKAGES } from './support/packages.js';
import { store, stored } from './support/raw.js';

/** Last in, first out. */
let ends: (() => unknown)[];
beforeEach(() => {
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

function closing<T extends CacheBackend<Uint8Array>>(backend: T): T {
  ends.push(() => backend.close?.());
  return backend;
}
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'dogpile-clients-'));
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
const bytes = Buffer.from('value');
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();

describe.each(PACKAGES)('$name', ({ name, handIn }) => {
  async function handedIn(timeout: string) {
    const server = await startMemcached();
    ends.push(() => server.kill());
    const { open, end } = handIn(server.url);
    ends.push(end);
    return { server, backend: open({ timeout }), open };
  }

  it('a client that is handed in serves a region, and stays open when that is closed', async () => {
    const { server, backend, open } = await handedIn('20s');
    const region = makeRegion().configure(backend, { expirationTime: '1h', backendTimeout: '20s' });
    expect(await region.getOrCreateMulti(['a', 'b'], async (keys) => keys.map((key) => `of ${key}`))).toEqual([
      'of a',
      'of b',
    ]);
    expect(await region.getMulti(['b', 'c', 'a'])).toEqual(['of b', undefined, 'of a']);
    expect((await stored(server.port, 'a'))?.flags).toBe(0);
    await region.delete('a');
    await region.close();
    const other = makeRegion().configure(open({ timeout: '20s' }), { expirationTime: '1h', backendTimeout: '20s' });
    expect(await other.get('b')).toBe('of b');
  });

  it('its calls end at our deadline, whatever it does about a frozen server', async () => {
    const { server, backend } = await handedIn('200ms');
    await untilDone(() => backend.set('k', bytes));
    await server.frozen();
    for (const call of [() => backend.get('k'), () => backend.set('k', bytes), () => backend.mutex?.('k')?.acquire()])
      await expect(async () => call()).rejects.toMatchObject({ code: expect.stringMatching(/^DOGPILE_BACKEND_/) });
  });

  it('of a value that is too large nothing older is left', async () => {
    const { backend } = await handedIn('20s');
    await backend.set('k', bytes);
    await expect(async () => backend.set('k', Buffer.alloc(2_000_000, 'x'))).rejects.toMatchObject({
      code: 'DOGPILE_VALUE_TOO_LARGE',
    });
    expect(await backend.get('k')).toBe(undefined);
  });

  it('what other programs have pickled or compressed is garbage, and harms no other key', async () => {
    const { server, backend } = await handedIn('20s');
    await store(server.port, 'pickle', Buffer.from('80049525000000000000008c', 'hex'), 1);
    await store(server.port, 'zlib', Buffer.from('789c4bcb', 'hex'), 9);
    await backend.set('fine', bytes);
    const region = makeRegion().configure(backend, { expirationTime: '1h', backendTimeout: '20s' });
    ends.push(() => region.close());
    expect(text((await backend.getMulti(['pickle', 'fine', 'zlib']))[1])).toBe('value');
    for (const key of ['pickle', 'zlib']) {
      expect(await region.getOrCreate(key, () => 'new')).toBe('new');
      expect(await region.get(key)).toBe('new');
    }
  });

  it('without its package, the error says what to install', async () => {
    const home = folder();
    cpSync(await builtPath(), join(home, 'library'), { recursive: true });
    mkdirSync(join(home, 'node_modules'));
    const program = `
      const { makeRegion } = await import(${JSON.stringify(`file://${home}/library/index.js`)});
      const region = makeRegion().configure('${name}', { expirationTime: '1h' });
      await region.ready().catch(({ code, message }) => console.log(code, message));
      for (let n = 0; n < 9; n++) await region.getOrCreate('k', () => 1).catch(({ code }) => n === 8 && console.log(code));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    const wanted = { node_memcached: 'memcached', memjs: 'memjs', memcache_client: 'memcache-client' }[name];
    expect(stdout).toBe(
      `DOGPILE_DRIVER_NOT_INSTALLED Backend "${name}" needs the package \`${wanted}\`. Install it, or pass \`client\`.\nDOGPILE_DRIVER_NOT_INSTALLED\n`,
    );
  });
});

it('a package that does not find one of its own says which', async () => {
  const home = folder();
  cpSync(await builtPath(), join(home, 'library'), { recursive: true });
  mkdirSync(join(home, 'node_modules'));
  const packages = join(import.meta.dirname, '../../../node_modules');
  cpSync(join(packages, 'memcache-client'), join(home, 'node_modules/memcache-client'), { recursive: true });
  const program = `
    const { memcacheClientBackend } = await import(${JSON.stringify(`file://${home}/library/backends/memcached.js`)});
    await memcacheClientBackend().ready().catch(({ code, message }) => console.log(code, message));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(stdout).toContain('DOGPILE_DRIVER_NOT_INSTALLED');
  expect(stdout).toMatch(/which itself does not find \S+, and may not say so/);
});

it.each([
  ['nodeMemcachedBackend', {}],
  ['memjsBackend', {}],
  ['memjsBackend', { username: 'user', password: 'pass' }],
  ['memcacheClientBackend', {}],
])('%s(%j), closed while it connects to a server that is silent, keeps no process alive', async (factory, more) => {
  const server = createServer(() => {});
  ends.push(() => server.close());
  const args = { url: `127.0.0.1:${await listen(server)}`, timeout: '10m', distributedLock: false, ...more };
  // Before there is a connection, and while its first answer is awaited.
  const program = `
    const { ${factory} } = await import(${JSON.stringify(`file://${await builtPath()}/backends/memcached.js`)});
    for (const wait of [setImmediate, (run) => setTimeout(run, 100)]) {
      const backend = ${factory}(${JSON.stringify(args)});
      const told = backend.set('k', Buffer.from('v')).catch(({ code }) => console.log(code));
      await new Promise(wait);
      await backend.close();
      await told;
    }`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  expect({ stdout, status }).toEqual({ stdout: 'DOGPILE_REGION_CLOSED\n'.repeat(2), status: 0 });
});

describe('memjs', () => {
  it('authenticates by SASL, in the URL or beside it, and says when it is refused', async () => {
    const server = await startMemcachedWithSasl('user', 'se:cr@t');
    ends.push(() => server.kill());
    const open = (args: object) => closing(memjsBackend({ timeout: '20s', ...args }));
    const inUrl = open({ url: `memcached://user:se%3Acr%40t@127.0.0.1:${server.port}` });
    await inUrl.set('k', bytes);
    const url = `127.0.0.1:${server.port}`;
    expect(text(await open({ url, username: 'user', password: 'se:cr@t' }).get('k'))).toBe('value');
    await expect(async () => open({ url, username: 'user', password: 'wrong' }).get('k')).rejects.toMatchObject({
      code: 'DOGPILE_BACKEND_UNAVAILABLE',
      message: expect.stringContaining('authentication'),
    });
    await expect(async () => open({ url }).get('k')).rejects.toMatchObject({
      code: 'DOGPILE_BACKEND_UNAVAILABLE',
    });
  });

  it('sends no credentials that only the environment knows', async () => {
    const server = await startMemcached();
    ends.push(() => server.kill());
    process.env.MEMCACHE_USERNAME = 'elsewhere';
    process.env.MEMCACHE_PASSWORD = 'elsewhere';
    ends.push(() => {
      delete process.env.MEMCACHE_USERNAME;
      delete process.env.MEMCACHE_PASSWORD;
    });
    const backend = closing(memjsBackend({ url: server.url, timeout: '20s' }));
    await backend.set('k', bytes);
    expect(text(await backend.get('k'))).toBe('value');
  });

  it('connects to a unix socket', async () => {
    const server = await startMemcached({ socket: true });
    ends.push(() => server.kill());
    const { path = '' } = server;
    for (const url of [path, `unix://${path}`]) {
      const backend = closing(memjsBackend({ url, timeout: '20s' }));
      await backend.set('k', bytes);
      expect(text(await backend.get('k'))).toBe('value');
    }
  });
});

describe('memcache_client', () => {
  it('speaks TLS, and believes only who proves who he is', async () => {
    const server = await startMemcached({ tls: true });
    ends.push(() => server.kill());
    const url = `127.0.0.1:${server.port}`;
    const ca = readFileSync(server.certificate ?? '');
    const tls = { ca, servername: 'localhost' };
    const backend = closing(memcacheClientBackend({ url, tls, timeout: '20s' }));
    await backend.set('k', bytes);
    expect(text(await backend.get('k'))).toBe('value');
    for (const other of [true, { servername: 'localhost' }, { ca, servername: 'elsewhere' }]) {
      await expect(async () =>
        closing(memcacheClientBackend({ url, tls: other, timeout: '20s' })).get('k'),
      ).rejects.toMatchObject({ code: 'DOGPILE_BACKEND_UNAVAILABLE' });
    }
  });

  it.each(['DELETED', 'END', 'VERSION 1.6.18'])('a write that is answered with %s is none', async (answer) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        socket.write(chunk.toString('latin1').startsWith('version') ? 'VERSION 1.6.18\r\n' : `${answer}\r\n`);
      });
      ends.push(() => socket.destroy());
    });
    ends.push(() => server.close());
    const port = await listen(server);
    const backend = closing(
      memcacheClientBackend({ url: `127.0.0.1:${port}`, timeout: '20s', distributedLock: false }),
    );
    await expect(Promise.resolve(backend.set('k', bytes))).rejects.toMatchObject({
      code: 'DOGPILE_BACKEND_UNAVAILABLE',
    });
  });
});
