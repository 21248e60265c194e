/**
 * What a creation runs under while the store's locks are out of reach: the process's own lock, so that there is one at a time of a
 * key in this process, and nothing of it is written. Decides who gets it; who may create at all is decided above.
 */
import type { Lease, LossReason } from '../api.js';
import type { LocalLease } from '../lock/local-lease.js';
import type { Call } from './call.js';
import { type Awaited, type Creation, closesCircle, enclosingCreation } from './context.js';
import type { Core } from './core.js';
import type { Flight } from './flight.js';

export class LoneLease implements Lease {
  /** No store knows it. */
  readonly token = '';
  /** Others have created meanwhile: there may be something to find. */
  readonly hasWaited: boolean;
  readonly #local: LocalLease | undefined;

  constructor(local?: LocalLease, { hasWaited = false } = {}) {
    this.#local = local;
    this.hasWaited = hasWaited;
  }

  /** `false`: its key was deleted or set meanwhile, and another may have begun. */
  get stands(): boolean {
    return this.#local?.stands ?? true;
  }

  /** The creation that runs under it, for those who wait for it. */
  begin(creation: Creation): void {
    if (this.#local) creations.set(this.#local, creation);
  }

  whenLost(run: (why: LossReason) => void): void {
    this.#local?.whenLost(run);
  }

  release(): void {
    this.#local?.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}

const creations = new WeakMap<LocalLease, Creation>();

/** Under nobody's lock: waiting for it would close a circle. */
const BESIDE = new LoneLease();

/** What is created under a lock of the process, whoever holds it when that is asked. */
export function creationUnder(holder: () => LocalLease | undefined): Awaited {
  return {
    get creation() {
      const lease = holder();
      return lease && creations.get(lease);
    },
  };
}

/** `undefined`: another holds it, and `wait` is `false`. Rejects when nobody waits for the flight any more. */
export async function acquireAlone(
  core: Core,
  { call, flight, wait }: { readonly call: Call; readonly flight: Flight; readonly wait: boolean },
): Promise<LoneLease | undefined> {
  const { store } = core;
  const lease = store.locks.tryAcquireAlone(call.name);
  if (lease || !wait) return lease;
  const holder = store.locks.holderAlone(call.name);
  if (closesCircle(enclosingCreation(), holder)) return BESIDE;
  core.waits(call.key, 'elsewhere');
  flight.waitsElsewhere(holder);
  return store.locks.acquireAlone(call.name, flight.abandoned);
}
