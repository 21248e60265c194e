/**
 * Hits in a memcached server that this case starts, of values of about 200 bytes: one after the other, a hundred in flight, and a
 * hundred keys at once; by our four backends and by the packages as they come. The baseline is a hit of our own client. The law is of
 * like with like, bytes against text: with a hundred in flight our backend's `get` takes at most a third of the time of the fastest
 * package's. A hit of a region is more than either: it reads the region's record, checks the entry and makes the value. It is shown
 * beside them.
 */
import { userInfo } from 'node:os';
import { makeRegion } from 'dogpile-cache';
import { memcacheClientBackend, memcachedBackend, memjsBackend, nodeMemcachedBackend } from 'dogpile-cache/memcached';
import MemcacheClientPackage from 'memcache-client';
import Memcached from 'memcached';
import { Client as Memjs } from 'memjs';
import { compare } from '../harness.mjs';
import { inLanes } from '../lanes.mjs';
import { startServer } from '../server.mjs';
import { user } from '../values.mjs';

export const title = 'Hits in memcached, 200 bytes of JSON, against the packages';

const HOUR = 3_600_000;
const KEYS = Array.from({ length: 100 }, (_, at) => `user:${at}`);
const GET = 'backend.get, 100 in flight, against the fastest package';
const HIT = 'getOrCreate, 100 in flight, against the fastest package';

export const laws = [{ name: GET, most: 1 / 3 }];

export async function run(options) {
  const args = (port) => ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-u', userInfo().username];
  const server = await startServer('memcached', args);
  if (!server) throw new Error('There is no memcached.');
  const place = `127.0.0.1:${server.port}`;
  const ends = [];
  try {
    const ours = await Promise.all(
      [...backends].map(async ([name, open]) => {
        const backend = open({ url: place });
        const region = makeRegion({ name: 'bench' }).configure(backend, { expirationTime: HOUR });
        ends.push(() => region.close());
        await region.setMulti(new Map(KEYS.map((key) => [key, user()])));
        return { name, backend, region };
      }),
    );
    const theirs = packages.map(({ name, open, ...verbs }) => {
      const client = open(place);
      ends.push(() => verbs.end(client));
      return { name, get: (key) => verbs.get(client, key), getMulti: (keys) => verbs.getMulti(client, keys) };
    });
    const results = [];
    for (const inFlight of [1, KEYS.length]) {
      const keys = KEYS.slice(0, inFlight);
      const contestant = (name, call) => inLanes(`${name}, ${inFlight} in flight`, keys, call);
      const compared = await compare(
        [
          ...ours.map(({ name, region }) => contestant(`${name}: getOrCreate`, (key) => region.getOrCreate(key, user))),
          ...ours.map(({ name, backend }) => contestant(`${name}: backend.get`, (key) => backend.get(key))),
          ...theirs.map(({ name, get }) => contestant(`the package ${name}: get`, get)),
        ],
        { ...options, most: 20_000 / inFlight },
      );
      results.push(...compared);
      if (inFlight > 1) {
        const packages = compared.slice(-theirs.length);
        const [hit] = compared;
        results.push(against(packages, hit, HIT), against(packages, compared[ours.length], GET));
      }
    }
    const many = (name, call) => inLanes(`${name} of 100 keys`, [KEYS], call);
    const compared = await compare(
      [
        ...ours.map(({ name, region }) => many(`${name}: getMulti`, (keys) => region.getMulti(keys))),
        ...ours.map(({ name, backend }) => many(`${name}: backend.getMulti`, (keys) => backend.getMulti(keys))),
        ...theirs.map(({ name, getMulti }) => many(`the package ${name}: get`, getMulti)),
      ],
      { ...options, most: 2000 },
    );
    return [...results, ...compared];
  } finally {
    for (const end of ends) await end();
    await server.stop();
  }
}

/** What one is to the fastest of the packages. */
function against(packages, { ns, ratio }, name) {
  const fastest = packages.reduce((best, one) => (one.ratio < best.ratio ? one : best));
  return { name, detail: fastest.name, ns, ratio: ratio / fastest.ratio };
}

const backends = new Map([
  ['memcached', memcachedBackend],
  ['node_memcached', nodeMemcachedBackend],
  ['memjs', memjsBackend],
  ['memcache_client', memcacheClientBackend],
]);

/** As they come; memjs is told its server and nothing else. */
const packages = [
  {
    name: 'memcached',
    open: (place) => new Memcached(place),
    get: (client, key) => called((done) => client.get(key, done)),
    getMulti: (client, keys) => called((done) => client.getMulti(keys, done)),
    end: (client) => client.end(),
  },
  {
    name: 'memjs',
    open: (place) => Memjs.create(place),
    get: (client, key) => client.get(key),
    getMulti: (client, keys) => Promise.all(keys.map((key) => client.get(key))),
    end: (client) => client.close(),
  },
  {
    name: 'memcache-client',
    open: (place) => new MemcacheClientPackage.MemcacheClient({ server: place }),
    get: (client, key) => client.get(key),
    getMulti: (client, keys) => client.get(keys),
    end: (client) => client.shutdown(),
  },
];

function called(call) {
  return new Promise((resolve, reject) => {
    call((error, value) => (error ? reject(error) : resolve(value)));
  });
}
