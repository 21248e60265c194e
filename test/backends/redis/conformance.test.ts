/** The suite that third parties run, over Redis, by each package. */
import { afterAll, beforeAll } from 'vitest';
import { prove } from '../../conformance/support/prove.js';
import { type Observer, observe, type RunningRedis, startRedis } from '../../services/redis.js';
import { ioredisByUrl, nodeRedisByUrl } from './support/clients.js';

let server: RunningRedis;
let observer: Observer;
beforeAll(async () => {
  server = await startRedis();
  observer = await observe(server.url);
});
afterAll(async () => {
  observer.close();
  await server.stop();
});

const except = {
  'region: a failure reaches all who wait, once and untouched, and frees the key':
    'A region tells its callers before it releases: the release is on its way then, not yet done.',
};

const forget = async (what: 'regions' | 'tags') => {
  const names = what === 'tags' ? '_tag*' : '_region*';
  await observer.raw(
    'EVAL',
    "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end",
    '0',
    names,
  );
};

for (const { way, open } of [nodeRedisByUrl, ioredisByUrl]) {
  const make = async () => (await open(server.url)).backend;
  const fresh = async () => {
    await observer.raw('FLUSHALL');
    return make();
  };
  const lapsing = async () => (await open(server.url, { lockMaxHold: '200ms' })).backend;
  prove(`Redis by ${way}`, { create: fresh, second: make, lapsing, forget, except });
}
