/**
 * What property tests of the lock write down: leases given out and given back, creators at work, calls and what they know. A
 * fault is kept, not thrown: a throw inside a call would look like a failing step of its own.
 */
import type { Lease } from '../../../src/api.js';
import { settle } from '../../../src/testing/settle.js';

/** A call, as far as the laws look at it. */
export interface Witnessed {
  readonly key: string;
  /** It has seen a value, stale or fresh, in a look before any wait. */
  holdsValue: boolean;
  isCreating: boolean;
  isSettled: boolean;
}

export class Witness {
  readonly faults: string[] = [];
  readonly calls: Witnessed[] = [];
  readonly #live = new Map<string, Set<Lease>>();
  readonly #releases = new Map<Lease, number>();
  readonly #creating = new Map<string, number>();
  /** Creators stand here until the test lets them go on. */
  readonly #gates: (() => void)[] = [];

  /** A lease was given out: the one that it replaces must not stand any more. Its releases are counted. */
  granted(key: string, lease: Lease): Lease {
    const live = this.#live.get(key) ?? new Set();
    this.#live.set(key, live);
    if (live.size > 0) this.faults.push(`two live leases of "${key}"`);
    live.add(lease);
    this.#releases.set(lease, 0);
    return lease;
  }

  /** A lease ended in another way than by its release: voided, or committed. */
  ended(key: string, lease: Lease): void {
    this.#live.get(key)?.delete(lease);
  }

  released(key: string, lease: Lease): void {
    this.ended(key, lease);
    this.#releases.set(lease, (this.#releases.get(lease) ?? 0) + 1);
  }

  /** A creator at work; stands at a gate in the middle of it. */
  async creates<T>(
    key: string,
    call: Witnessed | undefined,
    work: (stop: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const count = (this.#creating.get(key) ?? 0) + 1;
    this.#creating.set(key, count);
    if (count > 1) this.faults.push(`two creators of "${key}" at once`);
    if (call) call.isCreating = true;
    const stop = () =>
      new Promise<void>((open) => {
        this.#gates.push(open);
      });
    try {
      return await work(stop);
    } finally {
      if (call) call.isCreating = false;
      this.#creating.set(key, (this.#creating.get(key) ?? 0) - 1);
    }
  }

  async call<T>(witnessed: Witnessed, run: () => Promise<T>): Promise<PromiseSettledResult<T>> {
    this.calls.push(witnessed);
    const [outcome] = await Promise.allSettled([run()]);
    witnessed.isSettled = true;
    return outcome;
  }

  creatorsOf(key: string): number {
    return this.#creating.get(key) ?? 0;
  }

  /**
   * Runs everything that can run while creators stand at their gates, looks at who still waits, lets one creator go on, and so on to
   * the end. `pick` chooses which.
   */
  async runToTheEnd(idle: () => Promise<void>, pick: (many: number) => number, look: () => void): Promise<void> {
    for (;;) {
      await idle();
      await settle();
      look();
      const [open] = this.#gates.splice(pick(this.#gates.length), 1);
      if (!open) break;
      open();
    }
    for (const call of this.calls) if (!call.isSettled) this.faults.push(`a call for "${call.key}" never settles`);
    for (const [key, live] of this.#live) if (live.size > 0) this.faults.push(`a lease of "${key}" is never released`);
  }

  /** Throws what was found to be wrong, if anything was. */
  verdict(): void {
    for (const times of this.#releases.values()) if (times > 1) this.faults.push(`a lease was released ${times} times`);
    if (this.faults.length > 0) throw new Error([...new Set(this.faults)].join('; '));
  }
}
