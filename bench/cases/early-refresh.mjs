/**
 * Creations per refresh of one popular key over a fleet, in simulated time: the code of real regions on a clock that is moved by hand.
 * Processes are regions; with the election they share one backend, and so its lock; without it they share the entries only, as they would
 * with a store that has no lock. The law: with early refresh and the election the fleet creates once per refresh.
 */
import { makeRegion, memoryBackend } from 'dogpile-cache';
import { FakeClock } from 'dogpile-cache/testing';
import { randomFrom } from '../random.mjs';

export const title = 'Creations per refresh, 16 processes with 10 calls a second each, creation 1 s, expiration 20 s';

const PROCESSES = 16;
const EXPIRATION = 20_000;
const CREATION = 1000;
const STEP = 100;
const DURATION = 100 * EXPIRATION;

const JUDGED = 'early refresh (XFetch) and the election';
export const laws = [{ name: JUDGED, most: 1 }];

export async function run() {
  const results = [];
  for (const [name, options] of [
    ['neither', { earlyRefresh: false, elects: false }],
    ['the election alone', { earlyRefresh: false, elects: true }],
    ['early refresh (XFetch) alone', { earlyRefresh: true, elects: false }],
    [JUDGED, { earlyRefresh: true, elects: true }],
  ]) {
    const { creations, refreshes, expired, calls } = await simulate(options);
    const ratio = creations / refreshes;
    const perExpiration = (creations * EXPIRATION) / DURATION;
    const share = (100 * expired) / calls;
    results.push({ name, detail: details({ perExpiration, share }), ratio, perExpiration, expired: share / 100 });
  }
  return results;
}

function details({ perExpiration, share }) {
  return `${perExpiration.toFixed(1)} creations per expiration time, ${share.toFixed(2)} % of the calls are given an expired value`;
}

async function simulate({ earlyRefresh, elects }) {
  const clock = new FakeClock();
  const random = randomFrom(1);
  const store = new Map();
  const shared = memoryBackend({ store });
  const regions = Array.from({ length: PROCESSES }, () =>
    makeRegion({ clock, random }).configure(elects ? shared : memoryBackend({ store }), {
      expirationTime: EXPIRATION,
      background: true,
      earlyRefresh,
    }),
  );
  let creations = 0;
  let refreshes = 0;
  let running = 0;
  const create = async () => {
    creations++;
    // Creations that overlap are of one refresh.
    if (running === 0) refreshes++;
    running++;
    await new Promise((resolve) => clock.setTimeout(resolve, CREATION));
    running--;
    return clock.now();
  };
  const first = regions[0].getOrCreate('k', create);
  await clock.advance(CREATION);
  await first;
  creations = refreshes = 0;
  let expired = 0;
  let calls = 0;
  for (let time = 0; time < DURATION; time += STEP) {
    await clock.advance(STEP);
    for (const region of regions) {
      const madeAt = await region.getOrCreate('k', create);
      calls++;
      if (clock.now() - madeAt > EXPIRATION) expired++;
    }
  }
  await clock.advance(CREATION);
  await Promise.all(regions.map((region) => region.close()));
  return { creations, refreshes, expired, calls };
}
