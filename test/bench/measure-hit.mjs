/**
 * Run in a process of its own, without a test runner's instruments: measures a hit of the bundle whose path it is given, and prints
 * what it found. `ratio`: best sample of a hit over best sample of an awaited lookup in a bare map, sampled in turns.
 */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { getHeapStatistics } from 'node:v8';

const [what, bundle, limit] = process.argv.slice(2);
const { makeRegion } = await import(bundle);
const KEY = 'user:5';
const value = { id: 5 };
const create = () => value;
const region = makeRegion().configure('memory', { expirationTime: 3_600_000 });
await region.set(KEY, value);
const map = new Map([[KEY, value]]);
async function lookup(key) {
  return map.get(key);
}

const HITS = {
  hit: async (times) => {
    for (let i = 0; i < times; i++) await region.getOrCreate(KEY, create);
  },
  'five lookups': async (times) => {
    for (let i = 0; i < times * 5; i++) await lookup(KEY);
  },
};

/** Attempts until one is within the limit: noise only ever makes a sample longer. */
async function ratio(run) {
  const bare = async (times) => {
    for (let i = 0; i < times; i++) await lookup(KEY);
  };
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 10 && best > Number(limit); attempt++) {
    const times = { bare: Number.POSITIVE_INFINITY, run: Number.POSITIVE_INFINITY };
    for (let round = 0; round < 20; round++) {
      times.bare = Math.min(times.bare, await sample(bare));
      times.run = Math.min(times.run, await sample(run));
    }
    best = Math.min(best, times.run / times.bare);
  }
  return best;
}

async function sample(run) {
  const start = process.hrtime.bigint();
  await run(20_000);
  return Number(process.hrtime.bigint() - start);
}

/** Promises that come into being while it is called, and not awaited. */
function promises(run) {
  let count = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'PROMISE') count++;
    },
  });
  hook.enable();
  run();
  hook.disable();
  return count;
}

/**
 * Bytes of the heap that one call takes, once it is compiled; the new space is large enough for all calls of a sample. Until it is
 * within what is allowed: how soon it is compiled is the machine's affair.
 */
function bytes(run, allowed = 0) {
  const CALLS = 5000;
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 60 || (least > allowed && round < 300); round++) {
    globalThis.gc();
    const before = getHeapStatistics().used_heap_size;
    run(CALLS);
    least = Math.min(least, (getHeapStatistics().used_heap_size - before) / CALLS);
  }
  return least;
}

const measures = {
  // Promises cost more where an AsyncLocalStorage is in use, for both; creations use one, and so do tracers.
  ratio: async () => {
    await new AsyncLocalStorage().run(1, async () => {});
    return { hit: await ratio(HITS.hit) };
  },
  mutant: async () => {
    await new AsyncLocalStorage().run(1, async () => {});
    return { hit: await ratio(HITS['five lookups']) };
  },
  promises: () => ({
    hit: promises(() => void region.getOrCreate(KEY, create)),
    wrapped: promises(() => void (async () => region.getOrCreate(KEY, create))()),
  }),
  bytes: () => {
    let kept;
    const promise = bytes((calls) => {
      for (let i = 0; i < calls; i++) Promise.resolve(value);
    });
    // Numbers with a fraction are boxed, 16 bytes each, wherever the compiler does not see through a call.
    const allowed = promise + 3 * 16 + 4;
    const hit = bytes((calls) => {
      for (let i = 0; i < calls; i++) region.getOrCreate(KEY, create);
    }, allowed);
    const withClosure = bytes((calls) => {
      for (let i = 0; i < calls; i++) {
        kept = () => i;
        region.getOrCreate(KEY, create);
      }
    });
    const withOptions = bytes((calls) => {
      for (let i = 0; i < calls; i++) {
        kept = { key: KEY, create, i, now: i, settings: kept === undefined };
        region.getOrCreate(KEY, create);
      }
    });
    return { promise, allowed, hit, withClosure, withOptions };
  },
};
console.log(JSON.stringify(await measures[what]()));
