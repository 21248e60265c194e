/** One Redis server, shared. */
import { makeRegion } from '../../../src/region/region.js';
import { type Observer, observe, startRedis } from '../../services/redis.js';
import { startOurs, startPython } from './participant.js';
import type { RunningStore, SharedStore } from './store.js';

export interface SharedRedis extends RunningStore {
  readonly url: string;
  readonly observer: Observer;
}

export async function startSharedRedis(): Promise<SharedRedis> {
  const server = await startRedis();
  const observer = await observe(server.url);
  return {
    url: server.url,
    observer,
    python: ({ arguments: more, ...options } = {}) =>
      startPython({
        backend: 'dogpile.cache.redis',
        arguments: { url: server.url, distributed_lock: true, thread_local_lock: false, ...more },
        ...options,
      }),
    ours: ({ arguments: more, policy, ...options } = {}) =>
      startOurs({
        backend: 'redis',
        // Deadlines are not what these tests are about, and eight processes begin slowly.
        arguments: { url: server.url, timeout: '1m', ...more },
        policy: { backendTimeout: '1m', ...policy },
        ...options,
      }),
    region: (policy, options, args) =>
      makeRegion(options).configure('redis', {
        expirationTime: '1h',
        backendTimeout: '1m',
        arguments: { url: server.url, timeout: '1m', ...args },
        ...policy,
      }),
    strangerRaises: 'UnpicklingError',
    clear: async () => void (await observer.raw('FLUSHALL')),
    stop: async () => {
      observer.close();
      await server.stop();
    },
  };
}

export const redisStore: SharedStore = { name: 'Redis', start: startSharedRedis };
