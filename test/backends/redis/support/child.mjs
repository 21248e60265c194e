/** A process of a fleet that shares a Redis server, and does what it is told: `{ id, verb, args }` in, `{ id, answer | error }` out. */
import { pathToFileURL } from 'node:url';
import { openMade } from './made.mjs';

const { built, ...given } = JSON.parse(process.argv[2]);
const { makeRegion } = await import(pathToFileURL(`${built}/index.js`).href);

const backend = await openMade(built, given);
const region = makeRegion({ name: 'fleet' }).configure(backend, {
  expirationTime: '1h',
  backendTimeout: given.timeout,
  breaker: false,
});

/** Creators that wait until they are told; by key. */
const gates = new Map();
let creations = 0;
let traffic;

const creatorOf =
  (key, { value = `${process.pid}`, takes }) =>
  async () => {
    creations++;
    send({ id: `creating ${key}` });
    if (takes === undefined) await new Promise((resolve) => gates.set(key, resolve));
    else await new Promise((resolve) => setTimeout(resolve, takes));
    return { value, endedAt: Date.now() };
  };

const verbs = {
  ready: () => region.ready(),
  get: async ({ key }) => (await region.get(key))?.value,
  set: ({ key, value }) => region.set(key, { value }),
  delete: ({ key }) => region.delete(key),
  invalidate: () => region.invalidate(),
  creations: () => creations,
  statistics: () => ({ ...region.statistics }),
  /** One caller; its creator ends when it is told to, or after so long. */
  create: async ({ key, ...how }) => (await region.getOrCreate(key, creatorOf(key, how))).value,
  finish: ({ key }) => gates.get(key)(),
  /** Many callers at once, whose creator ends when it is told to: how many creations, which values, how long after the creation's end the last was served. */
  callers: async ({ key, count, expirationTime }) => {
    const before = creations;
    const values = new Map();
    let slowest = 0;
    await Promise.all(
      Array.from({ length: count }, async () => {
        const { value, endedAt } = await region.getOrCreate(key, creatorOf(key, {}), { expirationTime });
        values.set(value, (values.get(value) ?? 0) + 1);
        slowest = Math.max(slowest, endedAt === undefined ? 0 : Date.now() - endedAt);
      }),
    );
    return { creations: creations - before, values: [...values], slowest };
  },
  /** Reads, creates and deletes without end, half of it in one slot; what becomes of that is answered by `rest`. */
  traffic: ({ keys }) => {
    traffic = { isOn: true, served: 0, wrong: 0, failed: [], done: undefined };
    const mine = traffic;
    const lane = async (at) => {
      for (let n = 0; mine.isOn; n++) {
        const key = `${n % 2 === 0 ? '{moving}' : 'traffic'}:${(at + n) % keys}`;
        try {
          const { value } = await region.getOrCreate(key, async () => ({ value: key }), { expirationTime: 50 });
          if (value === key) mine.served++;
          else mine.wrong++;
          if (n % 10 === 9) await region.delete(key);
        } catch (error) {
          mine.failed.push(error.code ?? String(error));
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    mine.done = Promise.all(Array.from({ length: 10 }, (_, at) => lane(at)));
  },
  served: () => traffic.served,
  rest: async () => {
    traffic.isOn = false;
    await traffic.done;
    return { served: traffic.served, wrong: traffic.wrong, failed: [...new Set(traffic.failed)] };
  },
  close: () => region.close(),
};

const send = (message) => process.send(message);
process.on('message', async ({ id, verb, args }) => {
  try {
    send({ id, answer: (await verbs[verb](args ?? {})) ?? null });
  } catch (error) {
    send({ id, error: `${error.code ?? error.name}: ${error.message}` });
  }
});
// On a machine that is busy connecting may take longer than the deadline that is to be tried.
const isReady = () =>
  region.ready().then(
    () => true,
    () => false,
  );
while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, 50));
send({ id: 'here' });
