/**
 * On memcached, where clients differ: what each client of either side writes, all of the other side read, under the same keys. What
 * crosses over while somebody creates, and what does not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RegionOptions } from '../../src/api.js';
import { sha1MangleKey } from '../../src/keys.js';
import type { CacheRegion } from '../../src/region/region.js';
import { hear } from './support/errors.js';
import {
  memcachedPairs,
  OUR_CLIENTS,
  type OurClient,
  PYTHON_CLIENTS,
  type PythonClient,
  type SharedMemcached,
  startSharedMemcached,
} from './support/memcached.js';
import { killAll, type Participant } from './support/participant.js';
import type { Wishes } from './support/store.js';
import { VALUES } from './support/values.js';

describe('what one writes, every other reads:', () => {
  let python: ReadonlyMap<PythonClient, Participant>;
  let ours: ReadonlyMap<OurClient, CacheRegion>;
  let mangling: typeof python;
  /** That were told of no serializer. */
  let pickling: typeof python;
  let ourMangling: typeof ours;
  let store: SharedMemcached;
  beforeAll(async () => {
    store = await startSharedMemcached({ python: PYTHON_CLIENTS, ours: OUR_CLIENTS });
    // Each that is started has the next client.
    const participants = async (wishes?: Wishes['python']) =>
      new Map(await Promise.all(PYTHON_CLIENTS.map(async (client) => [client, await store.python(wishes)] as const)));
    const regions = (options: RegionOptions) =>
      new Map(OUR_CLIENTS.map((client) => [client, store.region({}, options)]));
    ours = regions({});
    ourMangling = regions({ keyMangler: sha1MangleKey });
    [python, mangling, pickling] = await Promise.all([
      participants(),
      participants({ mangler: 'sha1' }),
      participants({ serializer: 'pickle' }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([...ours.values(), ...ourMangling.values()].map((region) => region.close()));
    await killAll();
    await store.stop();
  });
  beforeEach(() => store.clear());

  const pairs = PYTHON_CLIENTS.flatMap((theirs) => OUR_CLIENTS.map((mine) => [theirs, mine] as const));

  describe.each(pairs)('%s and %s', (theirs, mine) => {
    let participant: Participant;
    let region: CacheRegion;
    beforeEach(() => {
      participant = known(python, theirs);
      region = known(ours, mine);
    });

    it('values', async () => {
      for (const [source, value] of VALUES) {
        await participant.run(`region.set("theirs", ${source})`);
        expect(await region.get('theirs')).toEqual(value);
        await region.set('ours', value);
        expect(await store.look('ours')).toContain(' f0 ');
        expect(await participant.run(`region.get("ours") == ${source}`)).toBe(true);
      }
    });

    it('many at once, and Python is not out of step afterwards', async () => {
      const keys = VALUES.map((_, at) => `k${at}`);
      await region.setMulti(new Map(VALUES.map(([, value], at) => [`k${at}`, value])));
      const expected = `[${VALUES.map(([source]) => source).join(', ')}]`;
      expect(await participant.run(`region.get_multi(keys) == ${expected}`, { keys })).toBe(true);
      expect(await participant.run(`[region.get(key) for key in keys] == ${expected}`, { keys })).toBe(true);
      await participant.run(`region.set_multi(dict(zip(keys, ${expected})))`, { keys: keys.map((key) => `_${key}`) });
      expect(await region.getMulti(keys.map((key) => `_${key}`))).toEqual(VALUES.map(([, value]) => value));
    });

    it('locks: each sees the one of the other, and that it is gone', async () => {
      const locked = () => participant.run('region.key_is_locked("k")');
      const theirCreation = participant.getOrCreate('k');
      await theirCreation.creates;
      expect(await region.keyIsLocked('k')).toBe(true);
      await theirCreation.finish('theirs');
      expect(await region.keyIsLocked('k')).toBe(false);
      await region.delete('k');
      expect(await region.getOrCreate('k', async () => `locked: ${await locked()}`)).toBe('locked: true');
      expect(await locked()).toBe(false);
    });

    it('but for what Python pickles, which is missing and overwritten', async () => {
      // The package takes a line end in a value for its end, and may wait for the rest.
      const sources =
        mine === 'node_memcached' ? ['{"a": 1}'] : ['{"a": 1}', '"\\r\\nEND\\r\\nVALUE k 0 1\\r\\n1\\r\\nEND\\r\\n"'];
      for (const source of sources) {
        await known(pickling, theirs).run(`region.set("k", ${source})`);
        await region.set('other', 'other');
        const errors = hear();
        expect(await region.getMulti(['k', 'other'])).toEqual([undefined, 'other']);
        expect(errors).toMatchObject([{ error: { code: 'DOGPILE_CANT_DESERIALIZE' } }]);
        expect(await region.getOrCreate('k', () => 'ours')).toBe('ours');
        expect(await participant.get('k')).toBe('ours');
      }
    });

    it('under keys of up to 245 printable characters of ASCII as they are', async () => {
      for (const key of ['k', 'users:load_user|v1|5', '!"#%&\'()*+,-./:;<=>?@[\\]^_`{|}~', 'k'.repeat(245)]) {
        await participant.set(key, 'theirs');
        expect(await region.get(key)).toBe('theirs');
        await region.getOrCreate(`${key.slice(1)}x`, () => 'ours');
        expect(await participant.get(`${key.slice(1)}x`)).toBe('ours');
      }
    });

    it('under any keys with sha1_mangle_key on both sides', async () => {
      const [participant, region] = [known(mangling, theirs), known(ourMangling, mine)];
      for (const key of ['', 'load_user|5 all', 'hé ☃ 😀', '\r\n\0', '$&', 'cas', '__proto__', 'k'.repeat(300)]) {
        await participant.set(key, 'theirs');
        expect(await region.get(key)).toBe('theirs');
        await region.set(key, 'ours');
        expect(await participant.get(key)).toBe('ours');
      }
    });
  });
});

it('what Python compresses (min_compress_len) is missing here, told of, and overwritten', async () => {
  const store = await startSharedMemcached({ python: ['memcached', 'pylibmc'], ours: OUR_CLIENTS });
  const compressing = () => store.python({ arguments: { min_compress_len: 10 } });
  const participants = await Promise.all([compressing(), compressing()]);
  for (const participant of participants) {
    for (const mine of OUR_CLIENTS) {
      const region = store.region();
      await participant.set(mine, 'x'.repeat(1000));
      const errors = hear();
      expect(await region.get(mine), mine).toBeUndefined();
      expect(errors).toMatchObject([{ error: { code: 'DOGPILE_CANT_DESERIALIZE' } }]);
      expect(await region.getOrCreate(mine, () => 'ours')).toBe('ours');
      expect(await participant.get(mine)).toBe('ours');
      await region.close();
    }
  }
  await killAll();
  await store.stop();
});

it('pylibmc shares by its binary protocol, too', async () => {
  const store = await startSharedMemcached({ python: ['pylibmc'], ours: OUR_CLIENTS });
  const python = await store.python({ arguments: { binary: true } });
  for (const mine of OUR_CLIENTS) {
    const region = store.region();
    const creation = python.getOrCreate(mine);
    await creation.creates;
    const waiting = region.getOrCreate(mine, () => 'ours');
    expect(await region.keyIsLocked(mine)).toBe(true);
    await creation.finish('theirs');
    expect(await waiting).toBe('theirs');
    await region.set(mine, 'ours');
    expect(await python.get(mine)).toBe('ours');
    await region.close();
  }
  await killAll();
  await store.stop();
});

describe.each(memcachedPairs)('on $name', ({ start, clients }) => {
  let store: SharedMemcached;
  let python: Participant;
  let ours: Participant;
  let another: Participant;
  beforeAll(async () => {
    store = await start();
    [python, ours, another] = await Promise.all([store.python(), store.ours(), store.ours()]);
  });
  afterAll(async () => {
    await killAll();
    await store.stop();
  });

  let k: string;
  let tests = 0;
  beforeEach(() => {
    k = `k${tests++}`;
  });
  const lock = () => store.look(`_lock${k}`);
  const refusedCommits = () => ours.run('region.statistics.refusedCommits');

  it('either has its own lock, and keeps its hands off the other', async () => {
    const mine = ours.getOrCreate(k);
    await mine.creates;
    expect(await lock()).toMatch(/^VA \d+ s\d+ f0 t1?\d\ndp1:/);
    await mine.finish(1);
    expect(await lock()).toBe('EN');
    await ours.delete(k);
    const theirs = python.getOrCreate(k);
    await theirs.creates;
    const held = await lock();
    expect(held).toMatch(/^VA 1 s1 f[24] t-1\n1$/);
    await ours.set(k, 'ours');
    await ours.delete(k);
    expect(await lock()).toBe(held);
    await theirs.finish('theirs');
    expect(await ours.get(k)).toBe('theirs');
    expect(await lock()).toBe('EN');
  });

  it("while we create what was missing: Python's delete is no news, its set stays", async () => {
    const first = ours.getOrCreate(k);
    await first.creates;
    await python.delete(k);
    await first.finish('ours');
    expect(await python.get(k)).toBe('ours');
    await ours.delete(k);
    const second = ours.getOrCreate(k);
    await second.creates;
    const refused = Number(await refusedCommits());
    await python.set(k, 'theirs');
    expect(await second.finish('ours')).toBe('ours');
    expect(await refusedCommits()).toBe(refused + 1);
    expect(await ours.get(k)).toBe('theirs');
  });

  it("while we create a stale value anew: Python's delete is final; so is its set, but for memjs, which overwrites it", async () => {
    const create = async () => {
      await ours.set(k, 'old');
      await python.run('age(key, 7200)', { key: k });
      const creation = ours.getOrCreate(k);
      await creation.creates;
      return creation;
    };
    const first = await create();
    await python.delete(k);
    expect(await first.finish('ours')).toBe('ours');
    expect(await python.get(k)).toBe('NO_VALUE');
    const second = await create();
    await python.set(k, 'theirs');
    expect(await second.finish('ours')).toBe('ours');
    expect(await python.get(k)).toBe(clients.ours.includes('memjs') ? 'ours' : 'theirs');
  });

  it('while we create: our delete, in another process, is final, and lets Python create', async () => {
    const creation = ours.getOrCreate(k);
    await creation.creates;
    const waiting = python.getOrCreate(k);
    await waiting.waits;
    await another.delete(k);
    await waiting.creates;
    expect(await creation.finish('ours')).toBe('ours');
    expect(await python.get(k)).toBe('NO_VALUE');
    await waiting.finish('theirs');
    expect(await another.get(k)).toBe('theirs');
  });

  it('our invalidation concerns what Python wrote before: in all of our processes by our own client, else in this one', async () => {
    await python.set(k, 1);
    // By the packages it is this process that invalidates, whose clock is not as fine as Python's: in the same millisecond it would be later.
    if (!clients.ours.includes('memcached')) await sleep(5);
    await ours.run('region.invalidate()');
    expect(await ours.get(k)).toBeNull();
    expect(await another.get(k)).toBe(clients.ours.includes('memcached') ? null : 1);
    expect(await python.get(k)).toBe(1);
    await sleep(5);
    await python.set(k, 2);
    expect(await ours.get(k)).toBe(2);
  });
});

it("dogpile.cache.memcached needs lease: 'key': Python raises at what the server keeps for its own leases, and does not wait", async () => {
  const store = await startSharedMemcached({ python: ['pymemcache'], ours: ['memcached'] });
  const [python, ours] = await Promise.all([store.python(), store.ours({ arguments: { lease: 'server' } })]);
  const creation = ours.getOrCreate('k');
  await creation.creates;
  await expect(python.getOrCreate('k').answer).rejects.toThrow('JSONDecodeError');
  await creation.finish('ours');
  expect(await python.get('k')).toBe('ours');
  await killAll();
  await store.stop();
});

function known<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const found = map.get(key);
  if (found === undefined) throw new RangeError(`There is no ${key}.`);
  return found;
}
