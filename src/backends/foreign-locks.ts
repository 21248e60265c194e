/**
 * Remembers locks that never lapse, for how long they have been seen unchanged: whoever held one may have died (Python's have no TTL
 * by default). Decides when nobody should wait for it any more; nothing is done to the lock.
 */
export class ForeignLocks {
  readonly #maxHold: number;
  /** By lock: its value, and when that was first seen. Written by `isStuck`; the oldest is forgotten where there are many. */
  readonly #seen = new Map<string, { readonly by: string; readonly since: number }>();

  /** Milliseconds. */
  constructor(maxHold: number) {
    this.#maxHold = maxHold;
  }

  isStuck(lock: string, { by, hasTtl }: { readonly by: string; readonly hasTtl: boolean }, now: number): boolean {
    const seen = this.#seen.get(lock);
    if (!hasTtl && seen?.by === by) return now - seen.since >= this.#maxHold;
    this.#seen.delete(lock);
    if (hasTtl) return false;
    if (this.#seen.size >= MOST) this.#seen.delete(this.#seen.keys().next().value ?? lock);
    this.#seen.set(lock, { by, since: now });
    return false;
  }

  /** It is ours now. */
  forget(lock: string): void {
    if (this.#seen.size > 0) this.#seen.delete(lock);
  }
}

const MOST = 1000;
