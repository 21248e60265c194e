/** A process with a region over memcached by the clients of packages; does what it is told: `{ id, verb, args }` in, `{ id, answer | error }` out. */
import { pathToFileURL } from 'node:url';

const { built, name, url, args } = JSON.parse(process.argv[2]);
const { makeRegion } = await import(pathToFileURL(`${built}/index.js`).href);
// Deadlines are not what these tests are about, and many processes begin slowly.
const region = makeRegion().configure(name, {
  expirationTime: '1h',
  backendTimeout: '1m',
  arguments: { url, timeout: '1m', ...args },
});
await region.ready();

let creations = 0;
let finish = () => {};
const finished = new Promise((resolve) => {
  finish = resolve;
});
const send = (message) => process.send(message);

const verbs = {
  /** So many callers at once. Says `rest` as soon as all but the one who creates here, if any, have an answer. */
  async create({ key, callers }) {
    const values = [];
    const tellRest = () => {
      if (values.length === callers - creations) send({ id: 'rest', answer: [...values] });
    };
    const calls = Array.from({ length: callers }, async () => {
      const value = await region.getOrCreate(key, async () => {
        creations++;
        send({ id: 'creating' });
        tellRest();
        await finished;
        return `new of ${process.pid}`;
      });
      values.push(value);
      tellRest();
    });
    await Promise.all(calls);
    return { values, creations };
  },
  finish: () => finish(),
  get: ({ key }) => region.get(key),
  delete: ({ key }) => region.delete(key),
};

process.on('message', async ({ id, verb, args }) => {
  try {
    send({ id, answer: (await verbs[verb](args)) ?? null });
  } catch (error) {
    send({ id, error: String(error) });
  }
});
send({ id: 'here' });
