/** What every client must be able to do for the backend, from bytes to wake-ups. */

import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Lease, RecordsRequest } from '../../../src/api.js';
import { type Observer, observe, type RunningRedis, startRedis } from '../../services/redis.js';
import { untilDone } from '../../support/wait.js';
import { type Opened, ways } from './support/clients.js';

let server: RunningRedis;
let observer: Observer;
beforeAll(async () => {
  server = await startRedis();
  observer = await observe(server.url);
});
afterAll(async () => {
  observer.close();
  await server.stop();
});

const everyByte = Uint8Array.from({ length: 512 }, (_, at) => at % 256);
const asked = (...tags: string[]): RecordsRequest => ({ region: 'r', tags, found: undefined });

describe.each(ways)('by $way', ({ open }) => {
  let opened: Opened;
  beforeEach(async () => {
    await observer.raw('FLUSHALL');
    await observer.raw('SCRIPT', 'FLUSH');
    opened = await open(server.url);
  });
  afterEach(() => opened.close());

  it('every byte comes back, empty values too', async () => {
    const { backend } = opened;
    await backend.set('k', everyByte);
    await backend.set('empty', new Uint8Array());
    expect(await backend.get('k')).toEqual(Buffer.from(everyByte));
    expect(await backend.get('empty')).toEqual(Buffer.alloc(0));
    expect(await backend.get('none')).toBeUndefined();
  });

  it('keys of any text, in their order, twice when asked twice', async () => {
    const { backend } = opened;
    await backend.setMulti(
      new Map([
        ['hé ☃ 😀', Buffer.from('1')],
        ['a b\r\n', Buffer.from('2')],
        ['', Buffer.from('3')],
      ]),
    );
    const found = await backend.getMulti(['', 'none', 'a b\r\n', 'hé ☃ 😀', 'a b\r\n']);
    expect(found.map(String)).toEqual(['3', 'undefined', '2', '1', '2']);
    expect(await backend.getMulti([])).toEqual([]);
  });

  it('a lease is won once, read with the value, and committed once', async () => {
    const { backend } = opened;
    await backend.set('k', Buffer.from('old'));
    const records = asked();
    const lease = await backend.mutex('k')?.acquire({ wait: false, records });
    if (!lease || !records.found?.region) throw new Error('It is not won.');
    expect(String(lease.stored)).toBe('old');
    expect(await backend.mutex('k')?.acquire({ wait: false })).toBeUndefined();
    expect(await backend.mutex('k')?.locked()).toBe(true);
    const { rid, seq } = records.found.region;
    const generation = { region: 'r', rid, seq, moved: undefined };
    expect(await backend.set('k', Buffer.from('new'), { lease, generation })).toBe(true);
    expect(await backend.set('k', Buffer.from('again'), { lease, generation })).toBe(false);
    expect(await backend.mutex('k')?.locked()).toBe(false);
    expect(String(await backend.get('k'))).toBe('new');
  });

  it('a call of very many words is done, and is no trouble of those beside it', async () => {
    const { backend } = opened;
    const keys = ['a', 'b', 'c'];
    for (const key of keys) await backend.set(key, Buffer.from(`of ${key}`));
    const request = asked(...Array.from({ length: 100_000 }, (_, at) => `t${at}`));
    const reading = backend.generations.read(request);
    const beside = await Promise.all(keys.map((key) => backend.get(key)));
    expect(beside.map(String)).toEqual(['of a', 'of b', 'of c']);
    await reading;
    expect(request.found?.tags.size).toBe(100_000);
  });

  it('survives the server forgetting its scripts', async () => {
    const { backend } = opened;
    for (let round = 0; round < 3; round++) {
      const leases = await backend.acquireMulti(['a', 'b']);
      expect(
        await backend.setMulti(
          new Map([
            ['a', everyByte],
            ['b', everyByte],
          ]),
          { leases },
        ),
      ).toEqual(new Set());
      await backend.deleteMulti(['a']);
      await backend.generations.invalidate('r', { hard: true });
      expect((await backend.getMulti(['a', 'b'])).map((one) => one?.length)).toEqual([undefined, 512]);
      await observer.raw('SCRIPT', 'FLUSH');
    }
  });

  /** Somebody else waits for this lock, whose next look is an hour away, until it is released. */
  async function whileWaiting(release: (lease: Lease | undefined) => Promise<unknown>): Promise<void> {
    const other = await open(server.url, { lockSleep: '1h' });
    try {
      const lease = await opened.backend.mutex('k')?.acquire();
      const waiting = other.backend.mutex('k')?.acquire();
      await subscribed(1);
      await release(lease);
      await (await waiting)?.release();
    } finally {
      await other.close();
    }
  }

  it('who waits for a lock is woken by its release, long before the next poll', () =>
    whileWaiting(async (lease) => lease?.release()));

  it('... also who missed it, because his listening connection was lost', () =>
    whileWaiting(async (lease) => {
      // By then he sleeps: he looks once more when he is listened to.
      await sleep(100);
      await Promise.all([observer.raw('CLIENT', 'KILL', 'TYPE', 'pubsub'), lease?.release()]);
    }));

  it('answers with the records as the store keeps them', async () => {
    const { backend } = opened;
    const request = asked('t', 'u');
    await backend.get('k', { records: request });
    expect(request.found?.region).toBeUndefined();
    await backend.generations.read(request, { seed: true });
    expect(request.found?.region).toEqual({
      rid: expect.stringMatching(/^[0-9a-f]{32}$/),
      seq: 0,
      hard: 0,
      soft: 0,
      tagged: 0,
      at: undefined,
    });
    await backend.generations.invalidate('r', { hard: true });
    await backend.generations.invalidate('r', { hard: false });
    await backend.generations.invalidateTags('r', ['t'], { hard: true });
    await backend.generations.invalidateTags('r', ['u', 't'], { hard: false });
    await backend.getMulti(['k'], { records: request });
    expect(request.found?.region).toMatchObject({ seq: 4, hard: 1, soft: 2, tagged: 4 });
    expect(request.found?.tags.get('t')).toMatchObject({ hard: 3, soft: 4 });
    expect(request.found?.tags.get('u')).toMatchObject({ hard: 0, soft: 4 });
  });

  it('an answer that came while the event loop was held up past the deadline counts', async () => {
    const { backend, close } = await open(server.url, { timeout: 100 });
    try {
      await untilDone(() => backend.set('k', everyByte));
      const reading = backend.get('k');
      // Some send at the end of the turn.
      await new Promise((resolve) => setImmediate(resolve));
      holdUp(150);
      askHeldUp(server.port);
      expect(await reading).toHaveLength(512);
    } finally {
      await close();
    }
  });

  it('[py 249, 250] a server that is frozen ends each call at its deadline', async () => {
    const { backend, close } = await open(server.url, { timeout: 100 });
    try {
      // Its first call opens the connection, which may take longer on a busy machine.
      await untilDone(() => backend.get('k'));
      server.freeze();
      const calls = [
        backend.get('k'),
        backend.getMulti(['k']),
        backend.set('k', everyByte),
        backend.setMulti(new Map([['k', everyByte]])),
        backend.delete('k'),
        backend.acquireMulti(['k']),
        backend.mutex('k')?.acquire(),
        backend.mutex('k')?.locked(),
        backend.generations.read(asked()),
        backend.generations.invalidate('r', { hard: true }),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'DOGPILE_BACKEND_TIMEOUT' } });
      }
    } finally {
      server.thaw();
      await close();
    }
  });
});

/** The event loop, for so many milliseconds. */
function holdUp(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** With the event loop held up until the server answers: by then it has answered all that came before. */
function askHeldUp(port: number): void {
  const program = `require('net').connect(${port}, '127.0.0.1').end('PING\\r\\n').on('data', () => process.exit())`;
  execFileSync(process.execPath, ['-e', program]);
}

/** Until so many channels are subscribed to. */
async function subscribed(count: number): Promise<void> {
  for (;;) {
    const channels = (await observer.raw('PUBSUB', 'CHANNELS', 'dp1:wake:*')) as unknown as string[];
    if (channels.length === count) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
