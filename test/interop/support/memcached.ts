/** One memcached server, shared: by a client package of each side, or by several of them in turn. */
import { makeRegion } from '../../../src/region/region.js';
import { startMemcached } from '../../services/memcached.js';
import { ask } from '../../services/server.js';
import { startOurs, startPython } from './participant.js';
import type { RunningStore, SharedStore } from './store.js';

/** As each side names its backends. */
export const PYTHON_CLIENTS = ['memcached', 'pylibmc', 'pymemcache'] as const;
export type PythonClient = (typeof PYTHON_CLIENTS)[number];

/** With what they are told besides. */
const OURS = {
  memcached: { lease: 'key' },
  node_memcached: {},
  memjs: {},
  memcache_client: {},
} as const;

export type OurClient = keyof typeof OURS;
export const OUR_CLIENTS = Object.keys(OURS) as OurClient[];

export interface SharedMemcached extends RunningStore {
  /** What is there: `'EN'`, or its length, flags and seconds to live (`-1`: for ever), and on the next line its bytes. */
  look(key: string): Promise<string>;
  /** It has a second to live, as if the rest were over. */
  lapse(key: string): Promise<void>;
}

export interface Clients {
  readonly python: readonly PythonClient[];
  readonly ours: readonly OurClient[];
}

/** Each participant that is started has the next of the clients. */
export async function startSharedMemcached({ python, ours }: Clients): Promise<SharedMemcached> {
  const server = await startMemcached();
  const nextOfPython = inTurn(python);
  const nextOfOurs = inTurn(ours);
  // Deadlines are not what these tests are about, and eight processes begin slowly.
  const common = { url: server.url, timeout: '1m' } as const;
  return {
    look: async (key) => (await ask(server.port, `mg ${key} s f t v\r\n`)).trimEnd().replace('\r', ''),
    lapse: async (key) => void (await ask(server.port, `mg ${key} T1\r\n`)),
    python: ({ arguments: more, ...options } = {}) =>
      startPython({
        backend: `dogpile.cache.${nextOfPython()}`,
        arguments: { url: [server.url], distributed_lock: true, ...more },
        ...options,
      }),
    ours: ({ arguments: more, policy, ...options } = {}) => {
      const client = nextOfOurs();
      return startOurs({
        backend: `dogpile.cache.${client}`,
        arguments: { ...common, ...OURS[client], ...more },
        policy: { backendTimeout: '1m', ...policy },
        ...options,
      });
    },
    region: (policy, options, args) => {
      const client = nextOfOurs();
      return makeRegion(options).configure<string>(`dogpile.cache.${client}`, {
        expirationTime: '1h',
        backendTimeout: '1m',
        arguments: { ...common, ...OURS[client], ...args },
        ...policy,
      });
    },
    // It takes the bytes for the value that the client has unpickled.
    strangerRaises: 'AttributeError',
    clear: async () => void (await ask(server.port, 'flush_all\r\n')),
    stop: () => server.stop(),
  };
}

function inTurn<T>(list: readonly T[]): () => T {
  let at = 0;
  return () => {
    const next = list[at++ % list.length];
    if (next === undefined) throw new RangeError('There is at least one.');
    return next;
  };
}

/** Who shares it stands beside it. */
export interface MemcachedStore extends SharedStore {
  readonly clients: Clients;
  start(): Promise<SharedMemcached>;
}

function memcachedStore(name: string, clients: Clients): MemcachedStore {
  return { name, clients, start: () => startSharedMemcached(clients) };
}

/** In pairs, so that each client of either side is in one. */
export const memcachedPairs: readonly MemcachedStore[] = OUR_CLIENTS.map((ours, at) => {
  const python = PYTHON_CLIENTS[at % PYTHON_CLIENTS.length] ?? PYTHON_CLIENTS[0];
  return memcachedStore(`memcached (${python} there, ${ours} here)`, { python: [python], ours: [ours] });
});

export const memcachedMixed = memcachedStore('memcached (every client)', { python: PYTHON_CLIENTS, ours: OUR_CLIENTS });
