/** The store of the simulations, asked directly: what the suite looks like to a backend that has everything. */

import type { ConformanceOptions } from '../../../src/testing/index.js';
import { FencedBackend } from '../../../src/testing/simulation/fenced-backend.js';
import { FencedStore, type StoreReply, type StoreRequest } from '../../../src/testing/simulation/fenced-store.js';
import type { Link } from '../../../src/testing/simulation/network.js';

export function linkTo(store: FencedStore): Link<StoreRequest, StoreReply> {
  const subscribers = new Map<string, Set<() => void>>();
  const { publish } = store;
  store.publish = (key) => {
    publish(key);
    for (const run of [...(subscribers.get(key) ?? [])]) run();
  };
  return {
    send: async (request) => store.handle(request, Date.now()),
    subscribe: (key, run) => {
      const set = subscribers.get(key) ?? new Set();
      subscribers.set(key, set.add(run));
      return () => set.delete(run);
    },
  };
}

const slow = { lockTimeout: 10_000, lockMaxHold: 300_000, lockSleep: 5, keepsGenerations: true };

export interface Made {
  readonly store?: () => FencedStore;
  readonly backend?: typeof FencedBackend;
}

/** Options of the suite for such a store; `second`, `lapsing` and `forget` are over the store of the last `create`. */
export function fencedOptions({
  store: makeStore = () => new FencedStore(),
  backend: Backend = FencedBackend,
}: Made = {}): ConformanceOptions {
  let store = makeStore();
  let link = linkTo(store);
  return {
    create: () => {
      store = makeStore();
      link = linkTo(store);
      return new Backend(link, slow);
    },
    forget: (what) => (what === 'tags' ? store.tags : store.records).clear(),
    second: () => new Backend(link, slow),
    // Over before it is first renewed, after 50 ms: on a machine that stood still for longer, the renewal would find it gone.
    lapsing: () => new Backend(link, { ...slow, lockTimeout: 150, lockMaxHold: 40 }),
  };
}
