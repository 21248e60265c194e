/**
 * What our own client's backend makes of answers that come too late: nothing is left behind that others would wait for, or read. The
 * deadlines' clock is moved by hand: whatever the server or this process takes, an answer is late only where a test says so.
 */
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CacheBackend, Lease, RecordsRequest } from '../../../src/api.js';
import { type MemcachedArguments, memcachedBackend } from '../../../src/backends/memcached.js';
import { BackendTimeoutError } from '../../../src/errors.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { startMemcached } from '../../services/memcached.js';
import { ask, listen } from '../../services/server.js';
import { until } from '../../support/wait.js';

const TIMEOUT = 300;

const entry = (text: string) => Buffer.from(`{"ct":1767225600,"v":2}|${JSON.stringify(text)}`);
const asked = (): RecordsRequest => ({ region: 'r', tags: [], found: undefined });
const NOTHING = 'EN\r\n';

interface Rule {
  readonly command: RegExp;
  /** Before it is passed on. */
  readonly before?: () => Promise<unknown>;
  /** Its answer comes too late. A sign of life comes in time: the connection is kept. */
  readonly isLate?: boolean;
  /** Once its answer is with the client's system. */
  readonly after?: () => void;
}

/** Until the event loop has read what has come by now. */
async function turn(): Promise<void> {
  for (let times = 0; times < 3; times++) await new Promise((resolve) => setImmediate(resolve));
}

/** Stands between a backend and a server, and follows one rule, once. */
async function setUp({ lockTimeout = '60s', lease = 'server' }: MemcachedArguments = {}) {
  const server = await startMemcached();
  onTestFinished(() => server.stop());
  let rule: Rule | undefined;
  const proxy = createServer((near) => {
    const far = connect(server.port, '127.0.0.1');
    let current: Rule | undefined;
    let queue: Buffer[] | undefined;
    near.on('data', async (chunk) => {
      if (rule?.command.test(chunk.toString('latin1'))) {
        current = rule;
        rule = undefined;
        await current.before?.();
      }
      far.write(chunk);
    });
    far.on('data', async (chunk) => {
      if (queue) return void queue.push(chunk);
      const { isLate = false, after } = current ?? {};
      current = undefined;
      if (!isLate) {
        near.write(chunk);
        return after?.();
      }
      queue = [chunk.subarray(2)];
      await vi.advanceTimersByTimeAsync(TIMEOUT / 2);
      near.write(chunk.subarray(0, 2));
      await turn();
      await vi.advanceTimersByTimeAsync(TIMEOUT / 2);
      await turn();
      near.write(Buffer.concat(queue));
      queue = undefined;
    });
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    onTestFinished(() => void near.destroy());
  });
  onTestFinished(() => void proxy.close());
  const port = await listen(proxy);
  const clock = new FakeClock();
  const open = (url: string, timeout: number): CacheBackend<Uint8Array> => {
    const backend = memcachedBackend({ url, timeout, lockTimeout, lease });
    backend.attach?.({ clock, random: Math.random, report: () => {} });
    onTestFinished(async () => backend.close?.());
    return backend;
  };
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const watched = open(`127.0.0.1:${port}`, TIMEOUT);
  await watched.get('k');
  return {
    clock,
    watched,
    other: open(server.url, 10_000),
    follow: (next: Rule) => {
      rule = next;
    },
    there: (name: string) => ask(server.port, `mg ${name} v\r\n`),
    isGone: (name: string) => until(async () => (await ask(server.port, `mg ${name} v\r\n`)) === NOTHING),
  };
}

async function won(backend: CacheBackend<Uint8Array>, records?: RecordsRequest): Promise<Lease> {
  const lease = await backend.mutex?.('k')?.acquire({ wait: false, records });
  if (lease) return lease;
  throw new Error('It is not won.');
}

/** As if the event loop had been held up: the deadline is over before what has come is read. */
function holdUp(ms: number): void {
  setImmediate(() => vi.advanceTimersByTime(ms));
}

describe('a lease', () => {
  it('that is renewed too late is given back: its holder has lost it', async () => {
    const { watched, follow, isGone, clock } = await setUp();
    const lease = await won(watched);
    const lost = vi.fn();
    lease.whenLost?.(lost);
    follow({ command: /^ms k /, isLate: true });
    await clock.advance(21_000);
    await until(async () => lost.mock.calls.length > 0);
    await isGone('k');
  });

  it('that is taken over too late is given back: nobody will create under it', async () => {
    const { watched, other, follow, isGone, there } = await setUp();
    await won(other, asked());
    await until(async () => (await there('k')).includes('dp1:'));
    await other.generations?.invalidate('r', { hard: true });
    follow({ command: /^ms k /, isLate: true });
    await expect(won(watched, asked())).rejects.toThrow(BackendTimeoutError);
    await isGone('k');
  });

  it.each([
    ['server', /^mg k v c N/, 'k'],
    ['key', /^ms _lockk /, '_lockk'],
  ] as const)('by %s that was granted too late is given back', async (by, command, name) => {
    const { watched, follow, isGone } = await setUp({ lease: by, lockTimeout: '5m' });
    follow({ command, isLate: true });
    await expect(won(watched)).rejects.toThrow(BackendTimeoutError);
    await isGone(name);
    expect(await won(watched)).toBeDefined();
  });

  it.each(['server', 'key'] as const)('by %s whose commit finds no time is given back', async (by) => {
    const { watched, follow, isGone } = await setUp({ lease: by });
    await watched.set('k', entry('old'));
    const lease = await won(watched);
    follow({ command: /^mg _lockk c\r/, isLate: true });
    await expect(watched.set('k', entry('new'), { lease })).rejects.toThrow(BackendTimeoutError);
    await isGone('_lockk');
  });

  it('that was voided before it could say under what it was won is lost at once', async () => {
    const { watched, other, follow } = await setUp();
    follow({ command: /^ms k /, before: async () => other.delete('k') });
    const lease = await won(watched, asked());
    const lost = vi.fn();
    lease.whenLost?.(lost);
    await until(async () => lost.mock.calls.length > 0);
    expect(lost).toHaveBeenCalledWith('voided');
  });
});

describe('a value that was deleted while it was committed', () => {
  it('is taken back also when the event loop was held up past the deadline meanwhile', async () => {
    const { watched, other, follow, isGone } = await setUp({ lease: 'key' });
    const lease = await won(watched);
    follow({ command: /^ms k /, before: async () => other.delete('k'), after: () => holdUp(TIMEOUT * 1.3) });
    expect(await watched.set('k', entry('dead'), { lease })).toBe(false);
    await isGone('k');
  });

  it('is taken back also when the answer comes too late', async () => {
    const { watched, other, follow, isGone, there } = await setUp({ lease: 'key' });
    const lease = await won(watched);
    follow({ command: /^ms k /, before: async () => other.delete('k'), isLate: true });
    await expect(watched.set('k', entry('dead'), { lease })).rejects.toThrow(BackendTimeoutError);
    await isGone('k');
    expect(await there('_lockk')).toBe(NOTHING);
  });
});
