/**
 * Break a rule of clusters, and some seed finds out: what locks are called, what a commit is held against, what is sent in parts. The same
 * with each excuse that the simulation makes for clusters: taken away, some seed needs it.
 */
import { describe, expect, it } from 'vitest';
import type { GenerationStore, ReadOptions, Records, StoreOptions } from '../../src/api.js';
import type { RedisClient, Word } from '../../src/backends/redis/client.js';
import { RedisClusterBackend } from '../../src/backends/redis/cluster-backend.js';
import { clusterLayout } from '../../src/backends/redis/layout.js';
import { DELETE, SET } from '../../src/backends/redis/scripts.js';
import { clusterLockName } from '../../src/backends/redis/slots.js';
import type { ClusterExcuse } from '../../src/testing/simulation/redis/cluster-model.js';
import { type ClusterSimulationOptions, simulateCluster } from '../../src/testing/simulation/simulate.js';
import { A_SEARCH, CAME_BACK, firstFound, MOST_SEEDS } from './support/first-found.js';

interface Options extends Omit<ClusterSimulationOptions, 'seed'> {
  /** Where it takes many seeds: the one to begin with. */
  readonly first?: number;
}
type Connect = NonNullable<Options['connect']>;

function found({ first, ...options }: Options, finds?: RegExp): Promise<string | undefined> {
  return firstFound((seed) => simulateCluster({ seed, ...options }), MOST_SEEDS, {
    first,
    ...(finds && { of: finds }),
  });
}

const CALM = { evict: 0, pause: 0, storm: 0, outage: 0, kill: 0 };

// ------------------------------------------------------------------------------------------------ what locks are called

/** As the protocol was drafted: a key with a hash tag of its own has its lock in front of it, so that those of `a` and `{a}` are one. */
function drafted(key: string): string {
  if (/^[^{]*\{[^}]+\}/.test(key)) return `_lock${key}`;
  return key.includes('}') ? clusterLockName('_lock', key).replace('}:', '}') : `_lock{${key}}`;
}

const names: Record<string, { readonly lockOf: (key: string) => string; readonly finds: RegExp }> = {
  'one lock for two keys: who finds nothing waits for the creation of another key': {
    lockOf: drafted,
    finds: /was denied .*, of which nobody has the lease/,
  },
  'one lock for two keys: a delete of one lets two create the other': {
    lockOf: drafted,
    finds: /was granted .* while .* stands/,
  },
  'one lock for two keys: what is created under it is not stored': {
    lockOf: drafted,
    finds: /a commit was refused under .*, which stands/,
  },
  'Python’s name for every key: where it has braces no command takes both': {
    lockOf: (key) => `_lock{${key}}`,
    finds: /CROSSSLOT|without having asked for its lease/,
  },
};

describe('a name of locks in a cluster that is none is found out:', () => {
  for (const [name, { lockOf, finds }] of Object.entries(names)) {
    it(name, A_SEARCH, async () => {
      expect(
        await found({ keys: ['{a}', 'a', 'a{b}c'], layout: { ...clusterLayout('_lock'), lockOf } }, finds),
      ).toMatch(finds);
    });
  }
});

// -------------------------------------------------------------------------------------------------------- other rules

const notHeld: Connect = (settings, open) =>
  new (class extends RedisClusterBackend {
    override async set(key: string, stored: Uint8Array, options: StoreOptions = {}): Promise<boolean> {
      const { generation, ...unfenced } = options;
      if (!generation || !options.lease) return super.set(key, stored, options);
      const tags = generation.tags?.get(key) ?? [];
      const reading = this.generations.read({ region: generation.region, tags, found: undefined }, { seed: true });
      const [isStored] = await Promise.all([super.set(key, stored, unfenced), reading]);
      return isStored;
    }
  })(settings, open);

const heldForEver: Connect = (settings, open) =>
  new (class extends RedisClusterBackend {
    #first: Records | undefined;
    override async get(key: string, options?: ReadOptions): Promise<Uint8Array | undefined> {
      const stored = await super.get(key, options);
      const { records } = options ?? {};
      if (records?.found?.region) this.#first ??= records.found;
      if (records && this.#first) records.found = this.#first;
      return stored;
    }
  })(settings, open);

/** By another that holds records of its own. */
const toldElsewhere: Connect = (settings, open) => {
  const { invalidate, invalidateTags } = new RedisClusterBackend(settings, open).generations;
  const backend = new RedisClusterBackend(settings, open);
  const generations: GenerationStore = { ...backend.generations, invalidate, invalidateTags };
  return Object.assign(backend, { generations });
};

/** A client that says that the slot still moves once a key was set or deleted by itself. */
const inPartsAlone: Connect = (settings, open) => {
  const scripts = [DELETE, SET].flatMap(({ sha, text }) => [sha, text]);
  const client = async (): Promise<RedisClient> => {
    const sound = await open();
    const parted = new Set<string>();
    const send = async (words: readonly [string, ...Word[]], key: string): Promise<unknown> => {
      if (words[0] === 'DEL' || words[0] === 'SET') parted.add(key);
      else if (scripts.includes(String(words[1])) && parted.delete(key)) throw new Error('TRYAGAIN');
      return sound.send(words, key);
    };
    return {
      place: sound.place,
      opening: sound.opening,
      send,
      causeOf: (error) => sound.causeOf(error),
      openEar: (events) => sound.openEar(events),
      close: () => sound.close(),
    };
  };
  return new RedisClusterBackend(settings, client);
};

const mutants: Record<string, Options & { readonly connect: Connect; readonly finds: RegExp }> = {
  'a commit that is held against no record': {
    connect: notHeld,
    generations: true,
    processes: 2,
    calls: 100,
    misfortunes: CALM,
    finds: CAME_BACK,
  },
  'records that are held for ever': { connect: heldForEver, generations: true, tags: false, finds: CAME_BACK },
  'an invalidation of its own that a process sees as late as another’s': {
    connect: toldElsewhere,
    generations: true,
    finds: CAME_BACK,
  },
  'a delete or set in parts whose slot has moved between them': {
    connect: inPartsAlone,
    calls: 30,
    misfortunes: { evict: 40 },
    first: 40,
    finds: /no longer stands \(its key was (said|removed)\)|before the call began/,
  },
};

describe('a rule of clusters that is broken is found out:', () => {
  for (const [name, { finds, ...options }] of Object.entries(mutants)) {
    it(name, A_SEARCH, async () => {
      expect(await found(options, finds)).toMatch(finds);
    });
  }
});

// ------------------------------------------------------------------------------------------------------------ excuses

const excuses: Record<ClusterExcuse, Options & { readonly finds: RegExp }> = {
  'seen within a second': { generations: true, finds: CAME_BACK },
  'judged by what is held': {
    generations: true,
    calls: 30,
    misfortunes: { evict: 40 },
    finds: /although a fresh value was there when it won its lease/,
  },
  'refused by a node': { finds: /without having asked for its lease|was rejected with/ },
  'asked of several nodes': { finds: /a second time to see whether it is back|although its breaker is open/ },
  'asked one by one': {
    generations: true,
    calls: 40,
    misfortunes: { storm: 40, kill: 0 },
    first: 60,
    finds: /without having asked for its lease|although a fresh value was there|before the call began/,
  },
};

describe('an excuse that is made for clusters is needed:', () => {
  for (const [without, { finds, ...options }] of Object.entries(excuses)) {
    it(without, A_SEARCH, async () => {
      expect(await found({ ...options, without: without as ClusterExcuse })).toMatch(finds);
    });
  }
});
