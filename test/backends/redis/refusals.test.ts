/** When the server answers, and refuses: full, a replica, still loading, or in want of a password. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { observe, startRedis } from '../../services/redis.js';
import { until, untilDone } from '../../support/wait.js';
import { ioredisByUrl, nodeRedisByUrl } from './support/clients.js';
import { look, open, serve } from './support/during.js';
import { bytes, unavailable, verbs } from './support/verbs.js';

const clients = [nodeRedisByUrl, ioredisByUrl];

describe.each(clients)('a server that is full, to $way', (way) => {
  it('takes no values and no leases; deleting, invalidating, releasing and committing work', async () => {
    const server = await serve({ args: ['--maxmemory-policy', 'noeviction'] });
    const observer = await look(server.url);
    const backend = await open(server.url, {}, way);
    await backend.generations.read({ region: 'r', tags: [], found: undefined }, { seed: true });
    await backend.set('k', bytes);
    const lease = await backend.mutex('leased')?.acquire();
    const released = await backend.mutex('released')?.acquire();
    await observer.raw('CONFIG', 'SET', 'maxmemory', '1');
    await expect(backend.set('x', bytes)).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('OOM'),
    });
    await expect(backend.mutex('x')?.acquire()).rejects.toMatchObject(unavailable);
    expect(await backend.get('k')).toEqual(bytes);
    await backend.delete('k');
    expect(await backend.get('k')).toBeUndefined();
    await backend.generations.invalidate('r', { hard: true });
    await backend.generations.invalidateTags('r', ['t'], { hard: true });
    await backend.generations.invalidate('new', { hard: false });
    await released?.release();
    expect(await backend.set('leased', bytes, { lease })).toBe(true);
    expect(await observer.raw('EXISTS', '_lockreleased', '_lockleased', '_lockx')).toBe(0);
  });
});

describe.each(clients)('a server that can not be written to, to $way', (way) => {
  it('a replica: reads are answered, writes refused', async () => {
    const primary = await serve({ args: ['--repl-diskless-sync-delay', '0'] });
    const replica = await serve({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    const observer = await look(replica.url);
    await until(async () => String(await observer.raw('INFO', 'replication')).includes('master_link_status:up'));
    const backend = await open(replica.url, {}, way);
    expect(await backend.get('k')).toBeUndefined();
    for (const [, call] of verbs.slice(2, 8)) {
      await expect(call(backend)).rejects.toMatchObject({
        ...unavailable,
        message: expect.stringMatching(/READONLY|read only|replica/i),
      });
    }
  });

  it('one that is still loading says so; once it has loaded it serves', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dogpile-redis-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const first = await startRedis({ args: ['--dir', folder] });
    const writer = await observe(first.url);
    await writer
      .raw('DEBUG', 'POPULATE', '2000')
      .catch(() => writer.raw('EVAL', "for i = 1, 2000 do redis.call('SET', 'key:' .. i, i) end", '0'));
    await writer.raw('SAVE');
    writer.close();
    await first.stop();
    const second = await serve({
      // For as long as it is asked to.
      args: ['--dir', folder, '--key-load-delay', '2000', '--loading-process-events-interval-bytes', '1024'],
      anyAnswer: true,
    });
    const backend = await open(second.url, {}, way);
    await expect(backend.get('k')).rejects.toMatchObject({
      ...unavailable,
      message: expect.stringContaining('LOADING'),
    });
    await (await look(second.url)).raw('CONFIG', 'SET', 'key-load-delay', '0');
    await untilDone(() => backend.get('k'));
  });

  it('one that wants a password: without it, with a wrong one, with the right one', async () => {
    const password = 'p@ss/w:rd%';
    const server = await serve({ args: ['--requirepass', password] });
    const refused = await open(server.url, {}, way);
    const wrong = await open(`redis://:wrong@127.0.0.1:${server.port}`, {}, way);
    for (let round = 0; round < 3; round++) {
      await expect(refused.get('k')).rejects.toMatchObject({
        ...unavailable,
        message: expect.stringContaining('NOAUTH'),
      });
      await expect(wrong.get('k')).rejects.toMatchObject({
        ...unavailable,
        message: expect.stringMatching(/WRONGPASS|NOAUTH/),
      });
    }
    const url = `redis://:${encodeURIComponent(password)}@127.0.0.1:${server.port}/3`;
    const backend = await open(url, {}, way);
    await backend.set('k', bytes);
    expect(await (await look(url)).get('k')).toBe('value');
  });
});
