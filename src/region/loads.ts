/**
 * Loads of single ids, gathered: those that are made in one tick go into one call (as Facebook's dataloader does it). Decides which
 * loads belong together and when they are sent; what is cached of them is the call's business.
 */
import { enclosingCreation } from './context.js';
import type { Failed } from './creating.js';
import type { Found } from './creating-multi.js';

/** Taken now, so that a test runner's fake timers don't hold it up. */
const { nextTick } = process;

/** What a call brings, by key: each load is somebody else's, and is told what concerns it. */
export interface Loaded {
  readonly found: ReadonlyMap<string, Found | undefined>;
  readonly failures: ReadonlyMap<string, Failed>;
}

type Send = (self: unknown, ids: ReadonlyMap<string, unknown>) => Promise<Loaded>;

/** Loads that are sent together: the ids by their keys, each once. */
interface Batch {
  readonly self: unknown;
  /** The creation that they are made in: one that waits for itself must be recognised, and others not be taken for it. */
  readonly creation: unknown;
  readonly ids: Map<string, unknown>;
  readonly results: Promise<Loaded>;
}

export class Loads {
  readonly #send: Send;
  /** Not sent yet: one for each `this` and creation. Written by `load` and, when the tick is over, by `#batch`. */
  readonly #open = new Set<Batch>();

  constructor(send: Send) {
    this.#send = send;
  }

  async load(self: unknown, key: string, id: unknown): Promise<Found | undefined> {
    const creation = enclosingCreation();
    let batch: Batch | undefined;
    for (const open of this.#open) if (open.self === self && open.creation === creation) batch = open;
    batch ??= this.#batch(self, creation);
    if (!batch.ids.has(key)) batch.ids.set(key, id);
    const { found, failures } = await batch.results;
    const failure = failures.get(key);
    if (failure) throw failure.reason;
    return found.get(key);
  }

  #batch(self: unknown, creation: unknown): Batch {
    const ids = new Map<string, unknown>();
    const results = tickIsOver().then(() => {
      this.#open.delete(batch);
      return this.#send(self, ids);
    });
    const batch: Batch = { self, creation, ids, results };
    this.#open.add(batch);
    return batch;
  }
}

/** After all microtasks that are due and those that follow from them: also loads behind an `await` of the same tick are gathered. */
function tickIsOver(): Promise<void> {
  return Promise.resolve().then(
    () =>
      new Promise((resolve) => {
        nextTick(resolve);
      }),
  );
}
