/** A process whose only business is a region, and that ends when nothing keeps it alive: `{ id, verb }` in, `{ id, answer | error }` out. */
import { pathToFileURL } from 'node:url';
import { openMade } from './made.mjs';

const { built, ...given } = JSON.parse(process.argv[2]);
const { makeRegion } = await import(pathToFileURL(`${built}/index.js`).href);
const backend = await openMade(built, given);
const region = makeRegion({ name: 'leaving' }).configure(backend, { expirationTime: '1h', breaker: false });

const codeOf = (call) =>
  call.then(
    () => 'done',
    (error) => error.code ?? String(error),
  );

/** The deadline is short, and the machine may be busy. */
async function done(call) {
  for (;;) {
    try {
      return await call();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const verbs = {
  ready: () => done(() => region.ready()),
  /** Somebody waits for a lock: there is a connection that listens. */
  listen: async () => {
    const mutex = backend.mutex('listened');
    const held = await done(() => mutex.acquire());
    const waiting = done(() => mutex.acquire());
    await new Promise((resolve) => setTimeout(resolve, 200));
    await codeOf(held.release());
    await (await waiting).release();
  },
  call: () => codeOf(region.get('k')),
  leave: () => region.close(),
  /** Under a call: what it comes to, and that it comes to something. */
  leaveUnderCall: async () => {
    const call = codeOf(backend.get('k'));
    await backend.close();
    return call;
  },
  /** The last it does is a call: exits with 1 if it has ended before the call has. */
  callAndEnd: () => {
    process.exitCode = 1;
    codeOf(region.getOrCreate('k', () => 'made')).then(async () => {
      await region.close();
      process.exitCode = 0;
    });
  },
};

process.on('message', async ({ id, verb }) => {
  let said;
  try {
    said = { id, answer: (await verbs[verb]()) ?? null };
  } catch (error) {
    said = { id, error: String(error) };
  }
  process.send(said);
  // From here on nobody but the region keeps it alive.
  if (verb === 'leave' || verb === 'leaveUnderCall' || verb === 'callAndEnd') process.disconnect();
});
process.send({ id: 'here' });
