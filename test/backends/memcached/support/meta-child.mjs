/** A process with a region over memcached that does what it is told: `{ id, verb, args }` in, `{ id, answer | error }` out. */
import { pathToFileURL } from 'node:url';
import { callAsCrowd } from '../../../support/crowd.mjs';

const { built, policy, ...more } = JSON.parse(process.argv[2]);
const library = (path) => import(pathToFileURL(`${built}/${path}`).href);
const { makeRegion } = await library('index.js');
const { memcachedBackend } = await library('backends/memcached.js');

// Deadlines are not what these tests are about, and many processes begin slowly.
const region = makeRegion({ name: 'shared' }).configure(memcachedBackend({ timeout: '1m', ...more }), {
  expirationTime: '1h',
  backendTimeout: '1m',
  ...policy,
});
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let finish = () => {};
let made = 0;

const verbs = {
  ready: () => region.ready(),
  get: async ({ key }) => (await region.get(key)) ?? null,
  delete: ({ key }) => region.delete(key),
  invalidate: ({ hard }) => region.invalidate({ hard }),
  /** Many callers of one key at once. */
  callers: async ({ key, count, takes }) => {
    let creations = 0;
    const create = async () => {
      creations++;
      await pause(takes);
      return `${process.pid}, the ${++made}th`;
    };
    const values = await Promise.all(Array.from({ length: count }, () => region.getOrCreate(key, create)));
    return { creations, values: [...new Set(values)] };
  },
  /** Until it is told to `finish`. */
  crowd: (args) => {
    const finished = new Promise((resolve) => {
      finish = resolve;
    });
    return callAsCrowd(region, args, { finished, send: (message) => process.send(message) });
  },
  /** Says `creating`, and ends when it is told to `finish`. */
  create: ({ key, value }) =>
    region.getOrCreate(key, async () => {
      process.send({ id: 'creating' });
      await new Promise((resolve) => {
        finish = resolve;
      });
      return value;
    }),
  finish: () => finish(),
  refused: () => region.statistics.refusedCommits,
};

process.on('message', async ({ id, verb, args }) => {
  try {
    process.send({ id, answer: (await verbs[verb](args)) ?? null });
  } catch (error) {
    process.send({ id, error: `${error.name}: ${error.message}` });
  }
});
process.send({ id: 'here' });
