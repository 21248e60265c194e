import { execFile } from 'node:child_process';
import * as diagnostics from 'node:diagnostics_channel';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { MetaAddress } from '../../../../src/backends/memcached/meta/address.js';
import { SingleCall } from '../../../../src/backends/memcached/meta/call.js';
import { MetaClient, type MetaClientOptions } from '../../../../src/backends/memcached/meta/client.js';
import type { MetaServer } from '../../../../src/backends/memcached/meta/server.js';
import {
  BackendTimeoutError,
  BackendUnavailableError,
  DogpileCacheError,
  RegionClosedError,
  ValidationError,
  ValueTooLargeError,
} from '../../../../src/errors.js';
import { makeCertificate } from '../../../services/certificate.js';
import { type MemcachedServerOptions, type RunningMemcached, startMemcached } from '../../../services/memcached.js';
import { listen } from '../../../services/server.js';
import { until, untilDone } from '../../../support/wait.js';

const running: RunningMemcached[] = [];
const clients: MetaClient[] = [];
const fakes: Server[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close(new RegionClosedError('The test is over.'));
  for (const fake of fakes.splice(0)) fake.close();
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

async function start(options?: MemcachedServerOptions): Promise<RunningMemcached> {
  const server = await startMemcached(options);
  running.push(server);
  return server;
}

function clientOf(addresses: readonly MetaAddress[], options: Partial<MetaClientOptions> = {}): MetaClient {
  // A deadline that no test is about, unless it says one.
  const client = new MetaClient({ addresses, timeout: 20_000, largest: 2 ** 27, tls: undefined, ...options });
  clients.push(client);
  return client;
}

function serverOf(at: MetaAddress, options: Partial<MetaClientOptions> = {}): MetaServer {
  return clientOf([at], options).serverOf('k');
}

async function get(server: MetaServer, key: string, flags = 'v', deadline = server.deadline()) {
  return (await server.connection(deadline)).send('mg', key, flags, { deadline });
}

async function set(server: MetaServer, key: string, value: Buffer | string, flags = '') {
  const deadline = server.deadline();
  return (await server.connection(deadline)).store(key, Buffer.from(value), flags, { deadline });
}

/** A server that says what it is told to; `greeting` is its answer to the first words. */
async function fake(
  answer: (words: string, socket: Socket) => void,
  { greeting = 'EN\r\n', isTls = false } = {},
): Promise<MetaAddress> {
  const take = (socket: Socket) => {
    let isGreeted = false;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (!isGreeted) socket.write(greeting);
      else answer(chunk.toString('latin1'), socket);
      isGreeted = true;
    });
  };
  const server = isTls ? createTlsServer(certificate(), take) : createServer(take);
  fakes.push(server);
  return { host: '127.0.0.1', port: await listen(server) };
}

function certificate(): { readonly cert: Buffer; readonly key: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'dogpile-certificate-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { certFile, keyFile } = makeCertificate(folder);
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/** Whatever else there is to do, the event loop does it later. */
function holdUp(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('commands', () => {
  it('values come back byte for byte, with flags 0', async () => {
    const server = serverOf(await start());
    const values = [
      Buffer.alloc(0),
      Buffer.from('\r\nEN\r\nVA 5\r\n'),
      Buffer.from(Array.from({ length: 256 }, (_, at) => at)),
      Buffer.alloc(900_000, 7),
    ];
    for (const value of values) {
      expect((await set(server, 'k', value)).code).toBe('HD');
      const reply = await get(server, 'k', 'v f');
      expect(reply.value?.equals(value)).toBe(true);
    }
    const connection = await server.connection(server.deadline());
    expect((await connection.send('ma', 'n', 'N0 J5 v', { deadline: server.deadline() })).value?.toString()).toBe('5');
    expect((await connection.send('md', 'n', '', { deadline: server.deadline() })).code).toBe('HD');
    expect((await get(server, 'n')).code).toBe('EN');
  });

  it('a thousand at once are answered each with its own value', async () => {
    const server = serverOf(await start());
    const names = Array.from({ length: 1000 }, (_, at) => `k${at}`);
    await Promise.all(names.map((name) => set(server, name, `value of ${name}`)));
    const replies = await Promise.all(names.map((name) => get(server, name)));
    expect(replies.map(({ value }) => value?.toString())).toEqual(names.map((name) => `value of ${name}`));
  });

  it('many keys in one batch come back in their order, misses too', async () => {
    const server = serverOf(await start());
    await set(server, 'a', '1');
    await set(server, 'c', '3');
    const connection = await server.connection(server.deadline());
    const [batch, single] = await Promise.all([
      connection.getMany(['c', 'b', 'a', 'c'], 'v', { deadline: server.deadline() }),
      connection.send('mg', 'a', 'v', { deadline: server.deadline() }),
    ]);
    expect(batch.map((reply) => reply?.value?.toString())).toEqual(['3', undefined, '1', '3']);
    expect(single.value?.toString()).toBe('1');
  });

  it('the miss of a reader who wants to create is won once', async () => {
    const server = serverOf(await start());
    const won = await get(server, 'k', 'v c N10');
    expect(won).toMatchObject({ code: 'VA', isWon: true });
    expect(await get(server, 'k', 'v c t N10')).toMatchObject({ code: 'VA', cas: won.cas, isWon: false, ttl: 10 });
    expect((await set(server, 'k', 'made', `C${won.cas}`)).code).toBe('HD');
    expect((await set(server, 'k', 'late', `C${won.cas}`)).code).toBe('EX');
  });

  it.each(['', 'two words', 'line\r\nflush_all', 'nul\0', 'é', 'k'.repeat(251), '\u{1f511}'])(
    'the key %j is refused before a byte is written',
    async (key) => {
      const server = serverOf(await start());
      await set(server, 'k', 'kept');
      const connection = await server.connection(server.deadline());
      await expect(connection.send('mg', key, 'v', { deadline: server.deadline() })).rejects.toThrow(ValidationError);
      await expect(connection.store(key, Buffer.from('x'), '', { deadline: server.deadline() })).rejects.toThrow(
        ValidationError,
      );
      await expect(connection.getMany(['k', key], 'v', { deadline: server.deadline() })).rejects.toThrow(
        ValidationError,
      );
      expect((await get(server, 'k')).value?.toString()).toBe('kept');
    },
  );

  it('a value that is too large is refused, and the connection goes on', async () => {
    const server = serverOf(await start());
    const connection = await server.connection(server.deadline());
    await expect(set(server, 'k', Buffer.alloc(2_000_000))).rejects.toThrow(ValueTooLargeError);
    expect((await get(server, 'k')).code).toBe('EN');
    expect(server.ready).toBe(connection);
  });

  it('a reply that is too large loses the connection', async () => {
    const server = serverOf(await start(), { largest: 1000 });
    await set(server, 'k', Buffer.alloc(1001));
    await expect(get(server, 'k')).rejects.toThrow(/at most 1000/);
    expect((await get(server, 'other')).code).toBe('EN');
  });
});

describe('ways to a server', () => {
  it('TLS, and no other certificate than the one that is trusted', async () => {
    const at = await start({ tls: true });
    const server = serverOf(at, { tls: { ca: readFileSync(at.certificate ?? '') } });
    await set(server, 'k', 'v');
    expect((await get(server, 'k')).value?.toString()).toBe('v');
    await expect(get(serverOf(at, { tls: {} }), 'k')).rejects.toThrow(/self-signed/);
  });

  it('a Unix socket', async () => {
    const { path, host, port } = await start({ socket: true });
    const server = serverOf({ host, port, path });
    await set(server, 'k', 'v');
    expect((await get(server, 'k')).value?.toString()).toBe('v');
  });

  it('authentication, right, wrong and none', async () => {
    const login = { username: 'ada', password: 'päss:wörd' };
    const { host, port } = await start({ login });
    const server = serverOf({ host, port, ...login });
    await set(server, 'k', 'v');
    expect((await get(server, 'k')).value?.toString()).toBe('v');
    await expect(get(serverOf({ host, port, ...login, password: 'no' }), 'k')).rejects.toThrow(
      /authentication failure/,
    );
    await expect(get(serverOf({ host, port }), 'k')).rejects.toThrow(/unauthenticated/);
  });
});

describe('a server that fails', () => {
  it('calls to a port where nobody listens fail at once', async () => {
    const { host, port, stop } = await startMemcached();
    await stop();
    const server = serverOf({ host, port });
    await expect(get(server, 'k')).rejects.toThrow(BackendUnavailableError);
    await expect(get(server, 'k')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('a killed one fails what is under way, and is used again when it is back', async () => {
    const first = await start();
    const server = serverOf(first);
    await set(server, 'k', 'v');
    await first.frozen();
    const under = Promise.allSettled([get(server, 'k'), get(server, 'k')]);
    await first.kill();
    for (const call of await under)
      expect(call).toMatchObject({ status: 'rejected', reason: expect.any(BackendUnavailableError) });
    await expect(get(server, 'k')).rejects.toThrow(BackendUnavailableError);
    await start({ port: first.port });
    await until(() =>
      get(server, 'k').then(
        ({ code }) => code === 'EN',
        () => false,
      ),
    );
  });

  it('a restart between two calls is not noticed', async () => {
    const first = await start();
    const server = serverOf(first);
    await set(server, 'k', 'v');
    await first.kill();
    await start({ port: first.port });
    await until(() => !server.ready);
    expect((await get(server, 'k')).code).toBe('EN');
  });

  it('a frozen one ends calls at the deadline, later ones at once, and is used again when it thaws', async () => {
    const first = await start();
    const server = serverOf(first, { timeout: 300 });
    // A busy machine may need more than one deadline for it.
    await untilDone(() => set(server, 'k', 'v'));
    await first.frozen();
    const connection = await server.connection(server.deadline());
    const under = [get(server, 'k'), connection.getMany(['k'], 'v', { deadline: server.deadline() })];
    for (const call of await Promise.allSettled(under))
      expect(call).toMatchObject({ status: 'rejected', reason: expect.any(BackendTimeoutError) });
    // The silence is as long as the deadline, and begins when the call is sent, a moment later.
    await until(() => !connection.isOpen);
    await expect(get(server, 'k')).rejects.toThrow(BackendUnavailableError);
    first.thaw();
    await until(() =>
      get(server, 'k').then(
        ({ value }) => value?.toString() === 'v',
        () => false,
      ),
    );
  });

  it('a reply that came while the event loop was held up past the deadline counts', async () => {
    const at = await fake((_, socket) => {
      socket.write('VA 5\r\nthere\r\n');
      holdUp(300);
    });
    const server = serverOf(at, { timeout: 250 });
    await server.connection(server.deadline());
    expect((await get(server, 'k')).value?.toString()).toBe('there');
  });

  it.each(['plain', 'with TLS'])(
    'one that was connected to, %s, while the event loop was held up past the deadline is not down',
    async (how) => {
      const isTls = how === 'with TLS';
      const at = await fake((_, socket) => socket.write('EN\r\n'), { isTls });
      const server = serverOf(at, { timeout: 400, tls: isTls ? { rejectUnauthorized: false } : undefined });
      const reading = get(server, 'k');
      reading.catch(() => {});
      holdUp(800);
      await Promise.allSettled([reading]);
      expect((await get(server, 'k')).code).toBe('EN');
    },
  );

  it('nor one that let us in meanwhile', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        const isLogin = chunk.toString('latin1').startsWith('set auth');
        socket.write(isLogin ? 'STORED\r\n' : 'EN\r\n');
        if (isLogin) holdUp(600);
      });
    });
    fakes.push(server);
    const port = await listen(server);
    const known = serverOf({ host: '127.0.0.1', port, username: 'u', password: 'p' }, { timeout: 300 });
    const reading = get(known, 'k');
    reading.catch(() => {});
    await Promise.allSettled([reading]);
    expect((await get(known, 'k')).code).toBe('EN');
  });

  it('a call that is over is failed once, however long its reply is owed', async () => {
    const server = serverOf(await fake((_, socket) => setTimeout(() => socket.write('E'), 100)), { timeout: 200 });
    const failing = vi.spyOn(SingleCall.prototype, 'fail');
    onTestFinished(() => failing.mockRestore());
    const connection = await server.connection(server.deadline());
    const calls: Promise<string>[] = [];
    for (let at = 0; at < 10; at++) {
      const call = connection.send('mg', 'k', 'v', { deadline: server.deadline() });
      calls.push(
        call.then(
          () => 'answered',
          () => 'failed',
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await Promise.all(calls)).toEqual(Array(10).fill('failed'));
    expect(failing.mock.calls).toHaveLength(10);
  });

  it('a late reply is given to nobody', async () => {
    const held: (() => void)[] = [];
    const at = await fake((words, socket) => {
      for (const [, key] of words.matchAll(/mg (\S+)/g)) {
        const reply = `VA ${key?.length} \r\n${key}\r\n`;
        if (key === 'slow') held.push(() => socket.write(reply));
        else if (held.length > 0) held.push(() => socket.write(reply));
        else socket.write(reply);
        // A sign of life, so that the server does not count as silent.
        if (key === 'slow') setTimeout(() => socket.write('VA'), 500);
        if (key === 'slow') held[0] = () => socket.write(reply.slice(2));
      }
    });
    const server = serverOf(at, { timeout: 1000 });
    await expect(get(server, 'slow')).rejects.toThrow(BackendTimeoutError);
    const next = get(server, 'next');
    await until(() => held.length === 2);
    for (const answer of held) answer();
    expect((await next).value?.toString()).toBe('next');
  });

  it.each([
    ['garbage', 'nonsense\r\n'],
    ['a refusal that leaves the value on the wire', 'CLIENT_ERROR bad data chunk\r\n'],
    ['more than was asked', 'EN\r\nEN\r\nEN\r\nEN\r\n'],
  ])('%s loses the connection, and all that is under way', async (_, said) => {
    let isSaid = false;
    const at = await fake((_words, socket) => {
      if (isSaid) return;
      isSaid = true;
      socket.write(said);
    });
    const server = serverOf(at);
    const connection = await server.connection(server.deadline());
    const calls = [get(server, 'a'), get(server, 'b'), get(server, 'c')];
    const settled = await Promise.allSettled(calls);
    await until(() => !connection.isOpen);
    if (said.startsWith('EN')) expect(settled.every(({ status }) => status === 'fulfilled')).toBe(true);
    else
      for (const one of settled)
        expect(one).toMatchObject({ status: 'rejected', reason: expect.any(BackendUnavailableError) });
  });

  it('whatever a server says, every call settles, with replies or with one of our errors', async () => {
    const words = fc.constantFrom(
      'VA 2\r\nab\r\n',
      'HD\r\n',
      'EN\r\n',
      'MN\r\n',
      'VA 5 O1\r\n',
      'ERROR\r\n',
      'O0',
      '\r\n',
      'SERVER_ERROR x\r\n',
    );
    const bytes = fc.oneof(
      words,
      fc.uint8Array({ maxLength: 20 }).map((some) => Buffer.from(some).toString('latin1')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { maxLength: 8 }), async (said) => {
        const at = await fake((_words, socket) => void socket.write(Buffer.from(said.join(''), 'latin1')));
        const server = serverOf(at, { timeout: 20_000 });
        const connection = await server.connection(server.deadline());
        const deadline = performance.now() + 40;
        const calls = [
          connection.send('mg', 'a', 'v', { deadline }),
          connection.getMany(['b', 'c'], 'v', { deadline }),
          connection.store('d', Buffer.from('x'), '', { deadline }),
        ];
        for (const one of await Promise.allSettled<unknown>(calls))
          if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(DogpileCacheError);
        connection.close(new RegionClosedError('Done.'));
      }),
      { numRuns: 60 },
    );
  });

  it('a reply that can be none to what was asked is given to nobody, and loses the connection', async () => {
    const server = serverOf(await fake((words, socket) => socket.write(words.startsWith('ms') ? 'EN\r\n' : 'MN\r\n')));
    await expect(set(server, 'k', 'value')).rejects.toThrow(BackendUnavailableError);
    expect(server.ready).toBeUndefined();
    await expect(get(server, 'k')).rejects.toThrow('a question that was not asked');
    expect(server.ready).toBeUndefined();
  });

  it('a batch answered with an error fails as a whole', async () => {
    const at = await fake(
      (_words, socket) => void socket.write('SERVER_ERROR out of memory writing get response\r\nMN\r\n'),
    );
    const server = serverOf(at);
    const connection = await server.connection(server.deadline());
    await expect(connection.getMany(['a', 'b'], 'v', { deadline: server.deadline() })).rejects.toThrow(/out of memory/);
    expect(connection.isOpen).toBe(false);
  });

  it('what is no memcached is told so', async () => {
    const at = await fake(() => {}, { greeting: 'HTTP/1.1 400 Bad Request\r\n' });
    await expect(get(serverOf(at), 'k')).rejects.toThrow(/is it memcached/);
  });

  it('one that takes connections and says nothing ends calls at the deadline', async () => {
    const at = await fake(() => {}, { greeting: '' });
    await expect(get(serverOf(at, { timeout: 100 }), 'k')).rejects.toThrow(BackendTimeoutError);
  });
});

describe('several servers', () => {
  it('keys of a dead or frozen one fail, the others are untouched, and it is used again at its return', async () => {
    const three = [await start(), await start(), await start()];
    const client = clientOf(three);
    const keys = Array.from({ length: 60 }, (_, at) => `k${at}`);
    const ask = (key: string, deadline?: number) => get(client.serverOf(key), key, 'v', deadline);
    await Promise.all(keys.map((key) => set(client.serverOf(key), key, key)));
    const lame = three[0];
    const own = keys.filter((key) => client.serverOf(key).place === lame?.url);
    expect(own.length).toBeGreaterThan(0);
    await lame?.frozen();
    const soon = performance.now() + 300;
    const answers = await Promise.allSettled(keys.map((key) => ask(key, own.includes(key) ? soon : undefined)));
    for (const [at, answer] of answers.entries()) {
      if (own.includes(keys[at] ?? '')) expect(answer.status).toBe('rejected');
      else expect(answer).toMatchObject({ status: 'fulfilled', value: { value: Buffer.from(keys[at] ?? '') } });
    }
    lame?.thaw();
    await until(() =>
      ask(own[0] ?? '').then(
        ({ code }) => code === 'VA',
        () => false,
      ),
    );
  });
});

describe('close', () => {
  it('in the turn in which a connection is made ends it, and not the process', async () => {
    const client = clientOf([await fake(() => {})]);
    const server = client.serverOf('k');
    const why = new RegionClosedError('This backend is closed.');
    const closeAtOnce = (message: unknown) => {
      const { socket } = message as { socket: Socket };
      socket.once('connect', () => process.nextTick(() => client.close(why)));
    };
    diagnostics.subscribe('net.client.socket', closeAtOnce);
    const reading = get(server, 'k');
    diagnostics.unsubscribe('net.client.socket', closeAtOnce);
    await expect(reading).rejects.toBe(why);
  });

  it('settles what is under way, what waits for a connection, and what comes later', async () => {
    const at = await fake(() => {});
    const client = clientOf([at]);
    const server = client.serverOf('k');
    await server.connection(server.deadline());
    const silent = clientOf([await fake(() => {}, { greeting: '' })]);
    const under = Promise.allSettled([get(server, 'k'), get(silent.serverOf('k'), 'k')]);
    const why = new RegionClosedError('This backend is closed.');
    client.close(why);
    silent.close(why);
    expect(await under).toEqual([
      { status: 'rejected', reason: why },
      { status: 'rejected', reason: why },
    ]);
    await expect(get(server, 'k')).rejects.toBe(why);
  });
});

describe('the process', () => {
  const run = promisify(execFile);
  const built = new URL('../../../../dist/backends/memcached/meta/client.js', import.meta.url).href;
  const program = (at: MetaAddress, then: string, { tls = false, timeout = 15_000 }) => `
    import { MetaClient } from ${JSON.stringify(built)};
    const tls = ${tls ? '{ rejectUnauthorized: false }' : 'undefined'};
    const client = new MetaClient({ addresses: [${JSON.stringify(at)}], timeout: ${timeout}, largest: 1e6, tls });
    const server = client.serverOf('k');
    const get = async () => {
      const deadline = server.deadline();
      return (await server.connection(deadline)).send('mg', 'k', 'v', { deadline });
    };
    ${then}`;
  const said = async (at: MetaAddress, then: string, options: { tls?: boolean; timeout?: number } = {}) =>
    (
      await run(process.execPath, ['--input-type=module', '-e', program(at, then, options)], { timeout: 20_000 })
    ).stdout.trim();

  it('is not kept alive by a connection that nobody uses, and is by a call', async () => {
    const { host, port } = await start();
    expect(await said({ host, port }, `get().then(({ code }) => console.log(code));`)).toBe('EN');
  });

  it('nor by one with TLS', async () => {
    const { host, port } = await start({ tls: true });
    expect(await said({ host, port }, `get().then(({ code }) => console.log(code));`, { tls: true })).toBe('EN');
  });

  it('nor by a server that is down', async () => {
    const { host, port, stop } = await startMemcached();
    await stop();
    expect(await said({ host, port }, `get().catch(({ name }) => console.log(name));`)).toBe('BackendUnavailableError');
  });

  it('nor by one that is tried again, and says nothing', async () => {
    const { host, port, stop } = await startMemcached();
    await stop();
    const then = `
      import { createServer } from 'node:net';
      const silent = createServer((socket) => void socket.unref());
      get().catch(() => {
        silent.listen(${port}, '${host}').unref();
        // It is tried again meanwhile.
        setTimeout(() => console.log('over'), 500);
      });`;
    expect(await said({ host, port }, then, { timeout: 3_600_000 })).toBe('over');
  });

  it('is kept alive by a call until its deadline', async () => {
    const { host, port } = await fake(() => {});
    const then = `get().catch(({ name }) => console.log(name));`;
    expect(await said({ host, port }, then, { timeout: 1000 })).toBe('BackendTimeoutError');
  });
});
