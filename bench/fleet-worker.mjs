/** One process of the fleet: does what its parent says, and answers how long each caller took. */
import { setTimeout as sleep } from 'node:timers/promises';
import { makeRegion } from 'dogpile-cache';

const { backend, args, creation } = JSON.parse(process.argv[2] ?? '');
const EXPIRATION = 200;
let creations = 0;
/** On the clock that the processes of a host share. */
let endedAt = 0;

async function create() {
  creations++;
  await sleep(creation);
  endedAt = Date.now();
  return { id: 5 };
}

async function fill(region, key) {
  await region.set(key, { id: 4 });
  await sleep(EXPIRATION + 50);
  return {};
}

async function crowd(region, { key, callers, at }) {
  creations = 0;
  endedAt = 0;
  await sleep(at - Date.now());
  const times = await Promise.all(
    Array.from({ length: callers }, async () => {
      const start = performance.now();
      await region.getOrCreate(key, create);
      return performance.now() - start;
    }),
  );
  return { times, creations, endedAt, servedAt: Date.now() };
}

const answer = (message) => process.send?.(message);
try {
  const region = makeRegion().configure(backend, { expirationTime: EXPIRATION, arguments: args });
  await region.ready();
  process.on('message', async (question) => {
    try {
      const found = await (question.do === 'fill' ? fill(region, question.key) : crowd(region, question));
      answer({ kind: 'answer', ...found });
    } catch (error) {
      answer({ error: String(error) });
    }
  });
  answer({ kind: 'ready' });
} catch (error) {
  answer({ error: String(error) });
}
