/**
 * Who may create: the backend's own locks, under its deadline, or those of the process, which any backend without locks is lent and
 * which stand in while the store is out of reach. Decides which of the two; who waits for whom is `flight.ts`'s, when `attempt.ts`'s.
 */
import type { Awaitable, CacheBackend, Clock, Lease, LockState, RecordsRequest } from '../api.js';
import { LocalLocks } from '../lock/local-locks.js';
import { LocalLease } from '../lock/local-mutex.js';
import { lockState } from '../lock/lock-state.js';
import type { Awaited } from './context.js';
import { ask, type Guard } from './guard.js';
import { creationUnder, LoneLease } from './lone-lease.js';

/** How long the process's own lock may be held before another may create (the backends' locks have `lockMaxHold`). */
const LOCAL_MAX_HOLD = 300_000;

/** How long one attempt waits for a lock of a guarded store, in milliseconds, before the next one. */
const SLICE = 5000;

/** Regions over one backend object share its locks: one creation. */
const localLocks = new WeakMap<CacheBackend, LocalLocks>();

export interface LocksOptions {
  /** The outermost proxy, or the backend itself. */
  readonly backend: CacheBackend;
  /** The innermost: whose locks and identity count. */
  readonly actual: CacheBackend;
  readonly clock: Clock;
  /** Deadline and breaker, where the store is behind a network. */
  readonly guard: Guard | undefined;
}

/** Names are mangled keys. */
export class Locks {
  /** Identity of the lock space, for calls that meet their own creation. */
  readonly space: object;
  readonly #backend: CacheBackend;
  readonly #guard: Guard | undefined;
  readonly #local: LocalLocks;
  /** The backend has locks of its own, and voids leases itself when a key is deleted or set. */
  readonly #isFenced: boolean;

  constructor({ backend, actual, clock, guard }: LocksOptions) {
    this.space = actual;
    this.#backend = backend;
    this.#guard = guard;
    this.#local = localLocks.get(actual) ?? new LocalLocks({ clock, maxHold: LOCAL_MAX_HOLD });
    localLocks.set(actual, this.#local);
    this.#isFenced = backend.mutex?.('') !== undefined;
  }

  /** Names in use in the locks of the process: none at rest. */
  get inUse(): number {
    return this.#local.size;
  }

  /** What a key is called in the locks of the process: proxies may have changed it on the way to the store. */
  nameOf(name: string): string {
    return this.#backend.lockName?.(name) ?? name;
  }

  /** One try. `undefined`: another holds it. */
  tryAcquire(name: string, records?: RecordsRequest): Awaitable<Lease | undefined> {
    const mutex = this.#backend.mutex?.(name);
    if (!mutex) return this.#local.tryAcquire(this.nameOf(name));
    const run = () => mutex.acquire({ wait: false, records });
    return this.#guard ? this.#guard.call({ verb: 'acquire', run, late: abandon }) : run();
  }

  /** Until it is won; rejects with `signal.reason`. */
  async acquire(name: string, signal: AbortSignal, records?: RecordsRequest): Promise<Lease | undefined> {
    const mutex = this.#backend.mutex?.(name);
    if (!mutex) return this.#local.acquire(this.nameOf(name), { wait: true, signal });
    if (!this.#guard) return mutex.acquire({ wait: true, signal, records });
    // In slices, so that a store that falls silent meanwhile is noticed whatever its client does.
    for (;;) {
      const run = () => mutex.acquire({ wait: SLICE, signal, records });
      const lease = await this.#guard.call({ verb: 'acquire', run, late: abandon, extra: SLICE, signal });
      if (lease) return lease;
    }
  }

  /** The process's own lock, one try: for when the store's is out of reach. */
  tryAcquireAlone(name: string): LoneLease | undefined {
    const local = this.#local.tryAcquire(this.nameOf(name));
    return local && new LoneLease(local);
  }

  /** The same, until it is won; rejects with `signal.reason`. */
  async acquireAlone(name: string, signal: AbortSignal): Promise<LoneLease | undefined> {
    const local = await this.#local.acquire(this.nameOf(name), { signal });
    return local && new LoneLease(local, { hasWaited: true });
  }

  /** Who holds it. */
  holderAlone(name: string): Awaited {
    return creationUnder(() => this.#local.holder(this.nameOf(name)));
  }

  /**
   * Those that are won at once. One by one where the backend has no way for many: a lock that fails is the process's own, and why is
   * told to `failed`.
   */
  async tryAcquireMulti(
    names: readonly string[],
    failed: (error: unknown) => void,
    records?: RecordsRequest,
  ): Promise<ReadonlyMap<string, Lease>> {
    const leases = await this.#acquireMulti(names, records);
    if (leases) return leases;
    const won = new Map<string, Lease>();
    const tryOne = async (name: string) => {
      try {
        const lease = await this.tryAcquire(name, records);
        if (lease) won.set(name, lease);
      } catch (error) {
        failed(error);
        const lease = this.tryAcquireAlone(name);
        if (lease) won.set(name, lease);
      }
    };
    await Promise.all(names.map(tryOne));
    return won;
  }

  /** `undefined`: the backend has no way for many, and its store was not asked. */
  #acquireMulti(
    names: readonly string[],
    records: RecordsRequest | undefined,
  ): Awaitable<ReadonlyMap<string, Lease> | undefined> {
    const run = () => this.#backend.acquireMulti?.(names, { records });
    const late = (leases: ReadonlyMap<string, Lease> | undefined) => leases?.forEach(abandon);
    const isUnasked = (leases: ReadonlyMap<string, Lease> | undefined) => leases === undefined;
    return this.#guard ? this.#guard.call({ verb: 'acquireMulti', run, late, isUnasked }) : run();
  }

  isLocked(name: string): Awaitable<boolean> {
    const mutex = this.#backend.mutex?.(name);
    return mutex ? ask(this.#guard, 'locked', () => mutex.locked()) : this.#local.locked(this.nameOf(name));
  }

  state(name: string): Awaitable<LockState> {
    const mutex = this.#backend.mutex?.(name);
    if (!mutex) return { held: this.#local.locked(this.nameOf(name)) };
    return ask(this.#guard, 'locked', () => lockState(mutex));
  }

  /** Gives a lease back, also while the breaker is open. */
  release(lease: Lease): Awaitable<void> {
    if (lease instanceof LoneLease || lease instanceof LocalLease || !this.#guard) return lease.release();
    return this.#guard.call({ verb: 'release', run: () => lease.release(), always: true });
  }

  /** Does what the user says of these keys: whoever creates under them has lost his lease. */
  overrule<T>(names: readonly string[], operation: () => Awaitable<T>): Awaitable<T> {
    // The store voids its own leases; those of the process are held only while it is out of reach.
    if (this.#isFenced && this.#local.size === 0) return operation();
    return this.#local.overrule(
      names.map((name) => this.nameOf(name)),
      operation,
    );
  }
}

/** A lease that was won after the deadline: nobody creates under it. If it can't be given back it lapses. */
function abandon(lease: Lease | undefined): void {
  (async () => lease?.release())().catch(() => {});
}
