/** Over several servers: each key is where libmemcached's weighted ketama ring has it, so that pylibmc and all of ours find it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeRegion } from '../../src/region/region.js';
import { type RunningMemcached, startMemcached } from '../services/memcached.js';
import { OUR_CLIENTS, type OurClient } from './support/memcached.js';
import { killAll, type Participant, startPython } from './support/participant.js';

const KEYS = Array.from({ length: 500 }, (_, at) => `users:load_user|v1|${at}`);
const theirs = KEYS.map((key) => `theirs of ${key}`);
const ours = KEYS.map((key) => `ours of ${key}`);

describe.each<{ places: string; socket: boolean; clients: readonly OurClient[] }>([
  { places: 'three ports', socket: false, clients: OUR_CLIENTS },
  { places: 'three unix sockets', socket: true, clients: ['memcached', 'memjs'] },
])('on $places', ({ socket, clients }) => {
  let servers: readonly RunningMemcached[];
  let python: Participant;
  let places: readonly string[];
  beforeAll(async () => {
    servers = await Promise.all([1, 2, 3].map(() => startMemcached({ socket })));
    places = servers.map(({ url, path }) => path ?? url);
    python = await startPython({
      backend: 'dogpile.cache.pylibmc',
      arguments: { url: places, behaviors: { ketama_weighted: true } },
    });
  });
  afterAll(async () => {
    await killAll();
    await Promise.all(servers.map((server) => server.stop()));
  });
  beforeEach(() => python.run('[region.delete(key) for key in keys]', { keys: KEYS }));

  it.each(clients)('%s finds what pylibmc has stored, and the other way round', async (client) => {
    const region = makeRegion().configure<string>(`dogpile.cache.${client}`, {
      expirationTime: '1h',
      backendTimeout: '1m',
      arguments: { url: [...places].reverse(), timeout: '1m', ...(client === 'memcached' && { lease: 'key' }) },
    });
    try {
      await python.run('region.set_multi(dict(zip(keys, values)))', { keys: KEYS, values: theirs });
      expect(await region.getMulti(KEYS)).toEqual(theirs);
      await region.setMulti(new Map(KEYS.map((key, at) => [key, ours[at]])));
      expect(await python.run('region.get_multi(keys)', { keys: KEYS })).toEqual(ours);
      await region.deleteMulti(KEYS);
      expect(await python.run('[key for key in keys if region.get(key)]', { keys: KEYS })).toEqual([]);
    } finally {
      await region.close();
    }
  });
});
