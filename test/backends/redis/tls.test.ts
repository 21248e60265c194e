/** TLS, by URL and by clients handed in; whom a client does not trust gets nothing from it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis as IoRedis } from 'ioredis';
import { createClient } from 'redis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { redisBackend } from '../../../src/backends/redis.js';
import type { RedisLike } from '../../../src/backends/redis-arguments.js';
import { makeCertificate } from '../../services/certificate.js';
import { freePort } from '../../services/server.js';
import { until } from '../../support/wait.js';
import { ioredisByUrl, nodeRedisByUrl } from './support/clients.js';
import { look, open, serve } from './support/during.js';
import { startMember } from './support/fleet.js';
import { bytes, unavailable } from './support/verbs.js';

async function serveTls() {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-tls-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const certificate = makeCertificate(folder);
  const port = await freePort();
  const files = ['--tls-cert-file', certificate.certFile, '--tls-key-file', certificate.keyFile];
  const server = await serve({
    args: [
      '--tls-port',
      String(port),
      ...files,
      '--tls-ca-cert-file',
      certificate.certFile,
      '--tls-auth-clients',
      'no',
    ],
  });
  const observer = await look(server.url);
  await observer.raw('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all');
  return { certificate, port, observer };
}

const byHand: readonly [string, (port: number, ca: string) => Promise<{ client: RedisLike; end: () => void }>][] = [
  [
    'redis',
    async (port, ca) => {
      const client = createClient({ url: `rediss://app:secret@127.0.0.1:${port}`, socket: { tls: true, ca } });
      client.on('error', () => {});
      await client.connect();
      return { client, end: () => client.destroy() };
    },
  ],
  [
    'ioredis',
    async (port, ca) => {
      const client = new IoRedis({ host: '127.0.0.1', port, username: 'app', password: 'secret', tls: { ca } });
      client.on('error', () => {});
      return { client, end: () => client.disconnect() };
    },
  ],
];

describe.each(byHand)('a client of %s handed in', (_, connect) => {
  it('is spoken to through TLS, and so is the connection that waiters listen on', async () => {
    const { certificate, port, observer } = await serveTls();
    const { client, end } = await connect(port, certificate.text);
    onTestFinished(end);
    const backend = redisBackend({ client, lockSleep: '1h' });
    await backend.set('k', bytes);
    expect(await observer.get('k')).toBe('value');
    const lease = await backend.mutex?.('k')?.acquire();
    const waiting = backend.mutex?.('k')?.acquire();
    await until(async () => ((await observer.raw('PUBSUB', 'CHANNELS')) as unknown as string[]).length > 0);
    await lease?.release();
    expect((await waiting)?.stored).toEqual(bytes);
    await backend.close?.();
  });
});

describe.each(['redis', 'ioredis'] as const)('rediss://, by %s', (by) => {
  it.each(['localhost', '127.0.0.1'])('%s, with a certificate that the process trusts', async (host) => {
    const { certificate, port, observer } = await serveTls();
    const url = `rediss://app:secret@${host}:${port}`;
    const child = await startMember({ by, url }, { NODE_EXTRA_CA_CERTS: certificate.certFile });
    await child.call('set', { key: 'k', value: 'through TLS' });
    expect(await child.call('get', { key: 'k' })).toBe('through TLS');
    expect(await observer.get('k')).toContain('through TLS');
    const users = String(await observer.raw('CLIENT', 'LIST')).match(/ user=app /g);
    expect(users).toHaveLength(1);
  });
});

describe.each([nodeRedisByUrl, ioredisByUrl])('$way', (way) => {
  it('a certificate that nobody vouches for is said so, and nothing is sent', async () => {
    const { port, observer } = await serveTls();
    const backend = await open(`rediss://app:secret@localhost:${port}`, {}, way);
    await expect(backend.set('k', bytes)).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('self-signed certificate'),
    });
    expect(await observer.get('k')).toBe(null);
  });

  it('a server without TLS is not spoken to in the clear', async () => {
    const server = await serve();
    const backend = await open(server.url.replace('redis:', 'rediss:'), { timeout: '1s' }, way);
    await expect(backend.set('k', bytes)).rejects.toMatchObject({ code: expect.stringMatching(/^DOGPILE_BACKEND_/) });
    expect(await (await look(server.url)).get('k')).toBe(null);
  });
});
