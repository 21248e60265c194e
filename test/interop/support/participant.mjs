/** A process that shares a store by our library. Told and telling as `participant.py`; what it runs are expressions of JavaScript. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const { built, backend, expiration, mangler, arguments: given, policy } = JSON.parse(process.argv[2]);
const { makeRegion, sha1MangleKey } = await import(pathToFileURL(`${built}/index.js`).href);

const region = makeRegion({ keyMangler: mangler === 'sha1' ? sha1MangleKey : undefined }).configure(backend, {
  expirationTime: expiration * 1000,
  arguments: given,
  ...policy,
});

const current = new AsyncLocalStorage();
const doors = new Map();
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** A creator: settles when it is told how. */
function create() {
  const id = current.getStore();
  say({ id, creates: [] });
  return new Promise((resolve, reject) => doors.set(id, { resolve, reject }));
}

subscribe('dogpile.cache:wait', ({ where }) => {
  if (where === 'elsewhere') say({ id: current.getStore(), waits: true });
});

async function run({ id, run: source, given: names }) {
  try {
    const told = new Function('region', 'create', ...Object.keys(names), `return (${source});`);
    say({ id, answer: (await told(region, create, ...Object.values(names))) ?? null });
  } catch (error) {
    say({ id, raises: `${error.name}: ${error.message}` });
  }
}

await region.ready();
say({ here: process.pid });
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if ('run' in told) current.run(told.id, () => void run(told));
  else if ('fail' in told) doors.get(told.id).reject(new Error(told.fail));
  else doors.get(told.id).resolve(told.finish);
}
// Whoever started it is gone.
process.exit();
