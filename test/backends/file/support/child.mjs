/** A process, or a worker thread, that uses a cache file and does what it is told: `{ id, verb, args }` in, `{ id, answer | error }` out. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { callAsCrowd } from '../../../support/crowd.mjs';

const { built, filename, ...more } = isMainThread ? JSON.parse(process.argv[2]) : workerData;
const library = (path) => import(pathToFileURL(`${built}/${path}`).href);
const { makeRegion } = await library('index.js');
const { fileBackend } = await library('backends/file.js');

const backend = fileBackend({ filename, ...more });
const region = makeRegion().configure(backend, { expirationTime: 60_000 });
const leases = new Map();
let finish = () => {};
const text = (bytes) => (bytes === undefined ? null : Buffer.from(bytes).toString());

/** A value that tells whether it is whole. */
function whole(size, salt) {
  const body = Buffer.alloc(size, `${salt}/`);
  return Buffer.concat([createHash('sha1').update(body).digest(), body]);
}

const verbs = {
  ready: () => backend.ready(),
  get: async ({ key }) => text(await backend.get(key)),
  set: ({ key, value }) => backend.set(key, Buffer.from(value)),
  delete: ({ key }) => backend.delete(key),
  locked: ({ key }) => backend.mutex(key).locked(),
  invalidate: ({ hard }) => backend.generations.invalidate('default', { hard }),
  /** With the region's record, as a region acquires. */
  acquire: async ({ key, wait }) => {
    const records = { region: 'default', tags: [], found: undefined };
    const lease = await backend.mutex(key).acquire({ wait, records });
    if (!lease) return null;
    const held = {
      lease,
      generation: { region: 'default', ...records.found.region, moved: undefined },
      lost: undefined,
    };
    held.lost = new Promise((resolve) => lease.whenLost(resolve));
    leases.set(key, held);
    return lease.token;
  },
  commit: async ({ key, value }) => {
    const { lease, generation } = leases.get(key);
    return backend.set(key, Buffer.from(value), { lease, generation });
  },
  lost: ({ key }) => leases.get(key).lost,
  release: ({ key }) => leases.get(key).lease.release(),
  /** Many callers of one key at once. */
  callers: async ({ key, count, takes }) => {
    let creations = 0;
    const create = async () => {
      creations++;
      await new Promise((resolve) => setTimeout(resolve, takes));
      return `${process.pid}`;
    };
    const values = await Promise.all(Array.from({ length: count }, () => region.getOrCreate(key, create)));
    return { creations, values: [...new Set(values)] };
  },
  /** Until it is told to `finish`. */
  crowd: (args) => {
    const finished = new Promise((resolve) => {
      finish = resolve;
    });
    return callAsCrowd(region, args, { finished, send });
  },
  finish: () => finish(),
  /** Until it is killed. */
  writeOn: async ({ keys, largest }) => {
    for (let n = 0; ; n++) {
      const salt = `${process.pid}-${n}`;
      const entries = new Map([0, 1].map((more) => [`k${(n + more) % keys}`, whole((n * 977) % largest, salt)]));
      await backend.setMulti(entries, n % 3 === 0 ? { ttl: 1 + (n % 50) } : {});
      if (n % 5 === 0) await backend.delete(`k${(n * 7) % keys}`);
      if (n % 20 === 0) await new Promise(setImmediate);
      if (n === 20) send({ id: 'writing' });
    }
  },
  /** A creator that keeps the event loop for itself, until there is a file of this name. */
  block: ({ sign }) => {
    const still = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(sign)) Atomics.wait(still, 0, 0, 10);
  },
  close: () => region.close(),
};

const send = (message) => (isMainThread ? process.send(message) : parentPort.postMessage(message));
const receive = (listen) => (isMainThread ? process.on('message', listen) : parentPort.on('message', listen));

receive(async ({ id, verb, args }) => {
  try {
    send({ id, answer: (await verbs[verb](args ?? {})) ?? null });
  } catch (error) {
    send({ id, error: `${error.code ?? error.name}: ${error.message}` });
  }
});
send({ id: 'here' });
