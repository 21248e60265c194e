/**
 * The stores that are servers, as set-ups for tests of behaviour: each name with its own server, started at the first use and shared
 * from then on, empty at every make.
 */
import { type RunningMemcached, startMemcached } from '../services/memcached.js';
import { type Observer, observe, startRedis } from '../services/redis.js';
import { startWatched } from '../services/sentinel.js';
import { ask } from '../services/server.js';
import type { BackendSetUp } from './backends.js';

interface Store {
  readonly arguments: Readonly<Record<string, unknown>>;
  clear(): Promise<unknown>;
  stop(): Promise<unknown>;
}

/** Where time is real: a machine that pauses is no outage. */
export const PATIENCE = '20s';

/** Those that were started. */
const started: Promise<Store>[] = [];

export async function stopServers(): Promise<void> {
  for (const store of started.splice(0)) await (await store).stop();
}

function setUp(name: string, target: string, start: () => Promise<Store>): BackendSetUp {
  let starting: Promise<Store> | undefined;
  return {
    name,
    stores: 'bytes',
    hasLocks: true,
    make: async () => {
      if (!starting) {
        starting = start();
        started.push(starting);
      }
      const { arguments: args, clear } = await starting;
      await clear();
      return { target, arguments: args, dispose: async () => {} };
    },
  };
}

async function onMemcached(args: object): Promise<Store> {
  const server: RunningMemcached = await startMemcached();
  return {
    arguments: { url: server.url, lockSleep: 5, timeout: PATIENCE, ...args },
    clear: () => ask(server.port, 'flush_all\r\n'),
    stop: () => server.stop(),
  };
}

async function onRedis(args: object): Promise<Store> {
  const server = await startRedis();
  const observer = await observe(server.url);
  return withObserver(observer, { url: server.url, lockSleep: 5, timeout: PATIENCE, ...args }, () => server.stop());
}

async function onSentinels(): Promise<Store> {
  const watched = await startWatched();
  const observer = await observe(`redis://127.0.0.1:${watched.primary.port}`);
  const { sentinels, serviceName } = watched;
  return withObserver(observer, { sentinels, serviceName, lockSleep: 5, timeout: PATIENCE }, () => watched.stop());
}

function withObserver(observer: Observer, args: Store['arguments'], stop: () => Promise<unknown>): Store {
  return {
    arguments: args,
    clear: () => observer.raw('FLUSHALL'),
    stop: async () => {
      observer.close();
      await stop();
    },
  };
}

/** By name, with the items of Python's suite that say of it that the suite of all stores holds. */
export const serverSetUps: readonly BackendSetUp[] = [
  setUp('[py 220–222] memcached', 'memcached', () => onMemcached({})),
  setUp("[py 220–222] memcached with lease: 'key'", 'memcached', () => onMemcached({ lease: 'key' })),
  setUp('[py 220–222] node_memcached', 'node_memcached', () => onMemcached({})),
  setUp('[py 220–222] memjs', 'memjs', () => onMemcached({})),
  setUp('[py 220–222] memcache_client', 'memcache_client', () => onMemcached({})),
  setUp('[py 240–242] redis', 'redis', () => onRedis({})),
  setUp('[py 243] redis with lockPrefix', 'redis', () => onRedis({ lockPrefix: '_lok.' })),
  setUp('[py 257] valkey', 'valkey', () => onRedis({})),
  setUp('[py 256] redis_sentinel', 'redis_sentinel', onSentinels),
];
