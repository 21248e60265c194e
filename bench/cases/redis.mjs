/**
 * Hits in a Redis server that this case starts, of values of about 200 bytes, one after the other and a hundred in flight. The baseline
 * is the raw client's own GET of the same bytes; beside it what anyone has to do who wants a value of it: read the text, and parse it.
 * The law: 85 % of the raw throughput of both clients as they come, with a hundred in flight, whose hits are one MGET. Shown and not
 * judged are those that gather commands or have no timers of their own, to whom parsing the value is more than that alone; and hits one after
 * the other, where the record that comes with the value, the metadata and the deadlines are all paid for each time.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRegion } from 'dogpile-cache';
import { redisBackend } from 'dogpile-cache/redis';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { compare } from '../harness.mjs';
import { inLanes } from '../lanes.mjs';
import { startRedis } from '../redis-server.mjs';
import { user } from '../values.mjs';

export const title = 'Hits in Redis, 200 bytes of JSON, against the raw client';

const HOUR = 3_600_000;
const IN_FLIGHT = 100;
const JUDGED = ['redis', 'ioredis'];
const nameOf = (client, inFlight, what) => `${client}, ${inFlight} in flight: ${what}`;
const HIT = 'region.getOrCreate';

export const laws = JUDGED.map((client) => ({ name: nameOf(client, IN_FLIGHT, HIT), most: 1 / 0.85 }));

export async function run(options) {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-bench-'));
  const server = await startRedis(folder);
  if (!server) throw new Error('There is no redis-server.');
  const ends = [];
  try {
    const results = [];
    for (const [client, open] of clients) {
      const { get, backend, end } = await open(server.port);
      ends.push(end);
      const region = makeRegion({ name: 'bench' }).configure(backend, { expirationTime: HOUR });
      ends.push(() => region.close());
      const value = user();
      const keys = Array.from({ length: IN_FLIGHT }, (_, at) => `${client}:${at}`);
      for (const key of keys) await region.set(key, value);
      for (const inFlight of [1, IN_FLIGHT]) {
        const lanes = keys.slice(0, inFlight);
        const contestant = (what, call) => inLanes(nameOf(client, inFlight, what), lanes, call);
        const compared = await compare(
          [
            contestant("the client's GET", get),
            contestant('GET and JSON.parse', async (key) => parsed(await get(key))),
            contestant(HIT, (key) => region.getOrCreate(key, user)),
          ],
          { ...options, most: 20_000 / inFlight },
        );
        results.push(...compared);
      }
    }
    return results;
  } finally {
    for (const end of ends.reverse()) await end();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What stands behind the metadata of an entry. */
function parsed(text) {
  return JSON.parse(text.slice(text.indexOf('|') + 1));
}

/** Each with a second client of the same options, which the region is given. */
const clients = new Map([
  ['redis', (port) => openNodeRedis(port, {})],
  // As clients that are made of a URL: no timer for each command.
  ['redis without its timeout', (port) => openNodeRedis(port, { commandOptions: { timeout: 0 } })],
  ['ioredis', (port) => openIoredis(port, {})],
  ['ioredis with enableAutoPipelining', (port) => openIoredis(port, { enableAutoPipelining: true })],
]);

async function openNodeRedis(port, options) {
  const [raw, client] = [1, 2].map(() => createClient({ socket: { host: '127.0.0.1', port }, ...options }));
  await Promise.all([raw.connect(), client.connect()]);
  const end = () => [raw, client].forEach((one) => void one.destroy());
  return { get: (key) => raw.get(key), backend: redisBackend({ client }), end };
}

async function openIoredis(port, options) {
  const [raw, client] = [1, 2].map(() => new Redis(port, '127.0.0.1', options));
  const end = () => [raw, client].forEach((one) => void one.disconnect());
  return { get: (key) => raw.get(key), backend: redisBackend({ client }), end };
}
