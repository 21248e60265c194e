/**
 * Break a rule of the protocol, and some seed finds out: one test for each rule. What the simulation can't see stands at the end, with
 * why.
 */
import { describe, expect, it } from 'vitest';
import type { RegionRecord, TagRecord } from '../../src/api.js';
import { FencedBackend } from '../../src/testing/simulation/fenced-backend.js';
import type { FencedModelOptions } from '../../src/testing/simulation/fenced-model.js';
import {
  type Fence,
  FencedStore,
  type Lock,
  type StoreReply,
  type StoreRequest,
} from '../../src/testing/simulation/fenced-store.js';
import { type SimulationOptions, simulate } from '../../src/testing/simulation/simulate.js';
import { A_SEARCH, CAME_BACK, firstFound, LOST_TAGS, MOST_SEEDS } from './support/first-found.js';

interface Mutant {
  readonly store?: () => FencedStore;
  readonly connect?: FencedModelOptions['connect'];
  /** Where it takes a rare coincidence: more of what it is made of. */
  readonly simulation?: Omit<SimulationOptions, 'seed'>;
  readonly finds: RegExp;
}

function found({ store, connect, simulation }: Omit<Mutant, 'finds'>, seeds = MOST_SEEDS): Promise<string | undefined> {
  return firstFound((seed) => simulate({ seed, ...simulation, store: { store: store?.(), connect } }), seeds);
}

const mutants: Record<string, Mutant> = {
  'a commit that does not compare the token': {
    store: () =>
      new (class extends FencedStore {
        protected override isHolder(): boolean {
          return true;
        }
      })(),
    finds: /a commit was stored under .* which no longer stands/,
  },
  'a commit that does not compare the generation of the region': {
    store: () =>
      new (class extends FencedStore {
        protected override isFenced(key: string, fence: Fence | undefined, record: RegionRecord | undefined): boolean {
          return super.isFenced(key, fence && record && { ...fence, rid: record.rid, seq: record.seq }, record);
        }
      })(),
    finds: /was stored that no longer counted/,
  },
  'a commit that does not compare the generation of its tags': {
    store: () =>
      new (class extends FencedStore {
        protected override isFenced(key: string, fence: Fence | undefined, record: RegionRecord | undefined): boolean {
          return super.isFenced(key, fence && { ...fence, tags: new Map() }, record);
        }
      })(),
    finds: /was stored that no longer counted/,
  },
  'a commit whose tag record was lost does not compare the last invalidation of any tag': {
    simulation: LOST_TAGS,
    store: () =>
      new (class extends FencedStore {
        protected override isFenced(key: string, fence: Fence | undefined, record: RegionRecord | undefined): boolean {
          return super.isFenced(key, fence, record && { ...record, tagged: 0 });
        }
      })(),
    finds: CAME_BACK,
  },
  'a delete that does not void the lease': {
    store: () =>
      new (class extends FencedStore {
        protected override delete(key: string): void {
          this.entries.delete(key);
        }
      })(),
    finds: /which no longer stands \(its key was removed\)|renewed although/,
  },
  'a set that does not void the lease': {
    store: () =>
      new (class extends FencedStore {
        #isSaid = false;
        protected override write(...request: Parameters<FencedStore['write']>): StoreReply {
          this.#isSaid = [...request[0].values()].every(({ token }) => token === undefined);
          const reply = super.write(...request);
          this.#isSaid = false;
          return reply;
        }
        protected override voidLease(key: string): void {
          if (!this.#isSaid) super.voidLease(key);
        }
      })(),
    finds: /which no longer stands \(its key was said\)|renewed although/,
  },
  'a set that does not compare the generation it bears': {
    store: () =>
      new (class extends FencedStore {
        protected override isBehind(): boolean {
          return false;
        }
        protected override isFenced(): boolean {
          return false;
        }
      })(),
    finds: /was stored that no longer counted/,
  },
  'a lease that two hold': {
    store: () =>
      new (class extends FencedStore {
        protected override mayAcquire(): boolean {
          return true;
        }
      })(),
    finds: /was granted .* while .* stands/,
  },
  'a lock that is never let go': {
    store: () =>
      new (class extends FencedStore {
        protected override release(): void {}
      })(),
    finds: /no longer stands \(released\)/,
  },
  'a release that does not compare the token': {
    store: () =>
      new (class extends FencedStore {
        protected override release(key: string): void {
          this.voidLease(key);
        }
      })(),
    finds: /was granted .* while .* stands/,
  },
  'a renewal that does not compare the token': {
    store: () =>
      new (class extends FencedStore {
        protected override renew(key: string, token: string, ms: number): boolean {
          return super.renew(key, this.lockOf(key)?.token ?? token, ms);
        }
      })(),
    finds: /was renewed although it no longer stands/,
  },
  'a renewal that revives what has lapsed': {
    store: () =>
      new (class extends FencedStore {
        protected override renew(key: string, token: string, ms: number): boolean {
          if (!this.lockOf(key)) this.locks.set(key, lockOf(token, this.now + ms));
          return super.renew(key, token, ms);
        }
      })(),
    finds: /was renewed although it no longer stands/,
  },
  'a renewal of a lease that a hard invalidation has cut off': {
    store: () =>
      new (class extends FencedStore {
        #isRenewing = false;
        protected override isCut(lock: Lock): boolean {
          return !this.#isRenewing && super.isCut(lock);
        }
        protected override renew(key: string, token: string, ms: number): boolean {
          this.#isRenewing = true;
          const isRenewed = super.renew(key, token, ms);
          this.#isRenewing = false;
          return isRenewed;
        }
      })(),
    finds: /was renewed although it no longer stands \(its region was invalidated\)/,
  },
  'an acquire that says that nothing is stored': {
    store: () =>
      new (class extends FencedStore {
        protected override acquire(...request: Parameters<FencedStore['acquire']>): StoreReply {
          return { ...super.acquire(...request), stored: new Map() };
        }
      })(),
    finds: /although a fresh value was there when it won its lease/,
  },
  'a hard invalidation that is not kept': {
    store: () =>
      new (class extends FencedStore {
        protected override invalidate(region: string): void {
          this.seeded(region);
        }
      })(),
    finds: CAME_BACK,
  },
  'a soft invalidation that is not kept': {
    store: () =>
      new (class extends FencedStore {
        protected override invalidate(region: string, tags: readonly string[] | undefined, hard: boolean): void {
          if (hard) super.invalidate(region, tags, hard);
        }
      })(),
    finds: CAME_BACK,
  },
  'an invalidation of tags that does not advance the region': {
    store: () =>
      new (class extends FencedStore {
        protected override invalidate(region: string, tags: readonly string[] | undefined, hard: boolean): void {
          const before = this.seeded(region);
          super.invalidate(region, tags, hard);
          if (tags) this.records.set(region, before);
        }
      })(),
    finds: /refused this write again and again/,
  },
  'an invalidation of tags that the region does not remember': {
    simulation: LOST_TAGS,
    store: () =>
      new (class extends FencedStore {
        protected override invalidate(region: string, tags: readonly string[] | undefined, hard: boolean): void {
          const { tagged } = this.seeded(region);
          super.invalidate(region, tags, hard);
          this.records.set(region, { ...this.seeded(region), tagged });
        }
      })(),
    finds: CAME_BACK,
  },
  'an evicted record that comes back as it was at first': {
    store: () =>
      new (class extends FencedStore {
        protected override seeded(region: string): RegionRecord {
          const record = { ...super.seeded(region), rid: 'a constant of the process' };
          this.records.set(region, record);
          return record;
        }
      })(),
    finds: /was given \d+ of \w, but .* before the call began|was renewed although/,
  },
  'a tag record that is seeded as if nothing had happened': {
    store: () =>
      new (class extends FencedStore {
        protected override isFenced(key: string, fence: Fence | undefined, record: RegionRecord | undefined): boolean {
          const isFenced = super.isFenced(key, fence, record);
          for (const [name, tag] of this.tags)
            if (tag.hard === record?.tagged) this.tags.set(name, { ...tag, hard: 0, soft: 0 });
          return isFenced;
        }
      })(),
    finds: CAME_BACK,
  },
  'a tag record of another incarnation counts': {
    store: () =>
      new (class extends FencedStore {
        override tagOf(region: string, tag: string): TagRecord | undefined {
          const record = this.tags.get(`${region}\n${tag}`);
          return record && { ...record, rid: this.records.get(region)?.rid ?? record.rid };
        }
      })(),
    finds: /refused this write again and again/,
  },
  'a client that does not renew': {
    connect: (link, options) =>
      new FencedBackend(
        {
          ...link,
          send: (request) => (request.verb === 'renew' ? new Promise<StoreReply>(() => {}) : link.send(request)),
        },
        options,
      ),
    finds: /let its lease lapse/,
  },
  'a client that writes without its lease': {
    connect: (link, options) =>
      new FencedBackend({ ...link, send: (request) => link.send(withoutTokens(request)) }, options),
    finds: /has said \w, whatever was there/,
  },
};

function lockOf(token: string, deadline: number): Lock {
  return { token, deadline, region: undefined, rid: undefined, seq: 0 };
}

function withoutTokens(request: StoreRequest): StoreRequest {
  if (request.verb !== 'write') return request;
  return {
    ...request,
    entries: new Map([...request.entries].map(([key, entry]) => [key, { ...entry, token: undefined }])),
  };
}

describe('a rule that is broken is found out:', () => {
  for (const [name, { finds, ...broken }] of Object.entries(mutants)) {
    it(name, A_SEARCH, async () => {
      expect(await found(broken)).toMatch(finds);
    });
  }
});

/** Broken, they cost time or a command and keep every promise: the simulation has nothing to find. */
const slower: Record<string, Omit<Mutant, 'finds'>> = {
  'nobody is woken: waiters poll': {
    store: () => {
      const store = new FencedStore();
      Object.defineProperty(store, 'publish', { get: () => () => {}, set: () => {} });
      return store;
    },
  },
  'an acquire that is sent again has not won again: its lease lapses': {
    store: () =>
      new (class extends FencedStore {
        protected override mayAcquire(key: string): boolean {
          return super.mayAcquire(key, '');
        }
      })(),
  },
  'a lease that is cut off is not taken over: it lapses': {
    store: () =>
      new (class extends FencedStore {
        protected override mayAcquire(key: string, token: string): boolean {
          const lock = this.lockOf(key);
          return !lock || lock.token === token;
        }
      })(),
  },
  // Likewise, of a client: no release behind a request that ran into its deadline (the lease lapses), a renewal after a commit (it is
  // refused), a token drawn anew for each try (a lease that was won unheard lapses).
};

describe('a rule that is there for speed:', () => {
  for (const [name, broken] of Object.entries(slower)) {
    it(name, A_SEARCH, async () => {
      expect(await found(broken, 40)).toBeUndefined();
    });
  }
});
