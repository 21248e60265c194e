/**
 * Hits in a Redis server that this case starts, of values of about 200 bytes, one after the other and a hundred in flight. The baseline
 * is the raw client's own GET of the same bytes; beside it what anyone has to do who wants a value of it: read the text, and parse it; and
 * who wants to know whether it is still valid: read the record of invalidations in the same command, and parse all three.
 *
 * The laws, of both clients as they come: 85 % of the raw throughput with a hundred in flight, whose hits are one MGET; and 95 % of it
 * one after the other, over what stands for the network between two hosts (`distance.mjs`): there and back in about 0.3 ms. On one host,
 * where a GET takes a fraction of that, the record that comes with the value, the metadata and the deadlines weigh more: shown, and not
 * judged. Nor are clients that gather commands or have no timers of their own, to whom parsing the value is more than that alone.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRegion } from 'dogpile-cache';
import { redisBackend } from 'dogpile-cache/redis';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { startDistance } from '../distance.mjs';
import { compare } from '../harness.mjs';
import { inLanes } from '../lanes.mjs';
import { startRedis } from '../redis-server.mjs';
import { user } from '../values.mjs';

export const title = 'Hits in Redis, 200 bytes of JSON, against the raw client';

const HOUR = 3_600_000;
const IN_FLIGHT = 100;
const MICROSECONDS_AWAY = 50;
/** Milliseconds of a sample: what a network takes varies more than what we add to it. */
const LONG = 60;
const HIT = 'region.getOrCreate';
/** Of the region "bench". */
const RECORD = '_region{bench}';
const JUDGED = ['redis', 'ioredis'];

const near = (client, inFlight) => `${client}, ${inFlight} in flight`;
const far = (client) => `${client} over a network, 1 in flight`;
const nameOf = (where, what) => `${where}: ${what}`;

export const laws = JUDGED.flatMap((client) => [
  { name: nameOf(near(client, IN_FLIGHT), HIT), most: 1 / 0.85 },
  { name: nameOf(far(client), HIT), most: 1 / 0.95 },
]);

export async function run(options) {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-bench-'));
  const server = await startRedis(folder);
  if (!server) throw new Error('There is no redis-server.');
  const distance = await startDistance(server.port, MICROSECONDS_AWAY);
  try {
    const results = [];
    for (const [client, open] of clients) {
      results.push(...(await hits(open, server.port, near(client, 1), 1, options)));
      results.push(...(await hits(open, server.port, near(client, IN_FLIGHT), IN_FLIGHT, options)));
      if (JUDGED.includes(client))
        results.push(...(await hits(open, distance.port, far(client), 1, { ...options, sample: LONG })));
    }
    return results;
  } finally {
    await distance.stop();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function hits(open, port, where, inFlight, options) {
  const { get, mget, backend, end } = await open(port);
  const region = makeRegion({ name: 'bench' }).configure(backend, { expirationTime: HOUR });
  try {
    const keys = Array.from({ length: inFlight }, (_, at) => `${where}:${at}`);
    for (const key of keys) await region.set(key, user());
    const contestant = (what, call) => inLanes(nameOf(where, what), keys, call);
    return await compare(
      [
        contestant("the client's GET", get),
        contestant('GET and JSON.parse', async (key) => valueIn(await get(key))),
        contestant('MGET of entry and record, parsed', async (key) => judged(await mget([key, RECORD]))),
        contestant(HIT, (key) => region.getOrCreate(key, user)),
      ],
      { ...options, most: 20_000 / inFlight },
    );
  } finally {
    await region.close();
    await end();
  }
}

/** What stands behind the metadata of an entry. */
function valueIn(text) {
  return JSON.parse(text.slice(text.indexOf('|') + 1));
}

function judged([text, record]) {
  const { ct, g } = JSON.parse(text.slice(0, text.indexOf('|')));
  const [rid, , hard, soft] = record.split(' ');
  const isValid = g[0] === rid && g[1] >= Number(hard) && g[1] >= Number(soft) && Date.now() - ct * 1000 < HOUR;
  return isValid ? valueIn(text) : undefined;
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
  return { get: (key) => raw.get(key), mget: (keys) => raw.mGet(keys), backend: redisBackend({ client }), end };
}

async function openIoredis(port, options) {
  const [raw, client] = [1, 2].map(() => new Redis(port, '127.0.0.1', options));
  const end = () => [raw, client].forEach((one) => void one.disconnect());
  return { get: (key) => raw.get(key), mget: (keys) => raw.mget(keys), backend: redisBackend({ client }), end };
}
