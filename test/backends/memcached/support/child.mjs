/** A process with a region over memcached; does what its parent says, and tells what came of it. */
import { pathToFileURL } from 'node:url';

const { built, name, url, args } = JSON.parse(process.argv[2] ?? '{}');
const { makeRegion } = await import(pathToFileURL(`${built}/index.js`).href);
const region = makeRegion().configure(name, { expirationTime: '1h', arguments: { url, ...args } });
await region.ready();

let creations = 0;
let finish = () => {};
const finished = new Promise((resolve) => {
  finish = resolve;
});
const say = (message) => process.send?.(message);

const verbs = {
  /** So many callers at once. Says `rest` as soon as all but the one who creates here, if any, have an answer. */
  async create({ key, callers }) {
    const values = [];
    const tellRest = () => {
      if (values.length === callers - creations) say({ said: 'rest', values: [...values] });
    };
    const calls = Array.from({ length: callers }, async () => {
      const value = await region.getOrCreate(key, async () => {
        creations++;
        say({ said: 'creating' });
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
  finish: async () => finish(),
  get: ({ key }) => region.get(key),
  delete: ({ key }) => region.delete(key),
};

process.on('message', async ({ id, verb, ...rest }) => {
  try {
    say({ id, answer: (await verbs[verb](rest)) ?? null });
  } catch (error) {
    say({ id, error: String(error) });
  }
});
say({ said: 'here' });
