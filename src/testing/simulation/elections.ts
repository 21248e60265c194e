/**
 * Promise 1: one creation at a time for a key, and one for each expiry. Decides which creations may begin: under a lease that is not
 * another's, while nothing fresh is there; or without one, where the store can't be asked, once per process and key.
 */
import type { Creation, Operation, WatchedRegion } from './calls.js';
import { cutOf, isFreshByRecords } from './entries.js';
import type { Ledger } from './ledger.js';
import type { Granted, RecordsKnown, Won } from './model.js';
import type { SimulatedProcess } from './process.js';
import type { Scheduler } from './scheduler.js';

/** What there was when a lease was granted. */
interface Sight {
  /** Unless something had been said against it. */
  readonly bytes: Uint8Array | undefined;
  readonly at: number;
}

export interface ElectionsOptions {
  readonly scheduler: Scheduler;
  readonly ledger: Ledger;
  /** Whether a process has waited for another program's lock for as long as it has to. */
  isStuck(process: SimulatedProcess, key: string, since: number): boolean;
  /** By how much what a process knows may be older than its lease, in milliseconds. */
  readonly slack: number;
  /** For how long it goes by records as they were, in milliseconds. */
  readonly heldFor: number;
  /** What is stored and has not expired, by the account of the checks. */
  entryOf(key: string): Uint8Array | undefined;
  /** Since when. */
  storedAt(key: string): number;
  /** As the store has them. */
  recordsOf(region: string): RecordsKnown;
  violated(what: string): void;
}

export class Elections {
  readonly #options: ElectionsOptions;
  readonly #running = new Set<Creation>();
  /** By token. */
  readonly #sights = new Map<string, Sight>();
  /** When a record was last evicted, or made anew: what is valid under the next one is not what was. */
  #recordChangedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ElectionsOptions) {
    this.#options = options;
  }

  granted({ key, token, region, records = region }: Granted): void {
    const { entryOf, recordsOf, scheduler, slack, storedAt } = this.#options;
    const bytes = entryOf(key);
    const isCut = bytes !== undefined && records !== undefined && cutOf(bytes, recordsOf(records)) !== undefined;
    // What it was won for may have been read a little earlier.
    const isNew = storedAt(key) > scheduler.now - slack;
    this.#sights.set(token, { bytes: isCut || isNew ? undefined : bytes, at: scheduler.now });
  }

  recordChanged(): void {
    this.#recordChangedAt = this.#options.scheduler.now;
  }

  /** `isCutOff`: whether its region may have found since then that the store can't be asked. */
  began(creation: Creation, operation: Operation | undefined, isCutOff: (since: number) => boolean): void {
    const { isStuck, violated } = this.#options;
    const { key, process } = creation;
    const isAsked = operation?.tickets.has(key) === true;
    const ticket = operation?.tickets.get(key);
    operation?.tickets.delete(key);
    if (!isAsked && !isCutOff(creation.askedAt) && !isStuck(process, key, creation.askedAt))
      violated(`${process.name} creates ${key} without having asked for its lease`);
    if (ticket && !creation.hasLostLease) this.#checkLease(creation, ticket, isCutOff);
    else if (!creation.hasLostLease) this.#checkAlone(creation);
    this.#running.add(creation);
  }

  ended(creation: Creation): void {
    this.#running.delete(creation);
  }

  #checkLease(creation: Creation, { token }: Won, isCutOff: (since: number) => boolean): void {
    const { ledger, scheduler, violated } = this.#options;
    const { key, process } = creation;
    for (const other of this.#running) {
      if (other.key !== key || other.token === undefined || other.token === token) continue;
      if (other.process.isAlive && ledger.stands(other.token, scheduler.now) && ledger.stands(token, scheduler.now))
        violated(`${process.name} creates ${key} while ${other.process.name} does, whose lease stands`);
    }
    const sight = this.#sights.get(token);
    // The records of its tags may have been out of reach: then nothing is known to be valid.
    // Its tags may have had to be read, too: it may be gone by then.
    const isThere = this.#options.entryOf(key) === sight?.bytes;
    if (sight?.bytes && isThere && !isCutOff(sight.at) && this.#isSurelyFresh(sight.bytes, sight, creation.region)) {
      violated(
        `${process.name} creates ${key} although a fresh value was there when it won its lease: ${Buffer.from(sight.bytes).toString()}`,
      );
    }
  }

  #isSurelyFresh(bytes: Uint8Array, { at }: Sight, region: WatchedRegion): boolean {
    const { recordsOf, scheduler, slack, heldFor } = this.#options;
    if (region.shared !== undefined && this.#recordChangedAt >= at - slack - heldFor) return false;
    return isFreshByRecords(bytes, {
      now: region.process.clock.now(),
      expirationTime: region.expirationTime,
      records: region.shared === undefined ? undefined : recordsOf(region.shared),
      calledAt: (scope) =>
        region.process.clock.now() - scheduler.now + (region.saidAt.get(scope) ?? Number.NEGATIVE_INFINITY),
    });
  }

  /** Promise 5: behind a store that is out of reach, one per process and key. */
  #checkAlone({ key, process }: Creation): void {
    for (const other of this.#running) {
      if (other.process !== process || other.key !== key || other.token !== undefined || other.hasLostLease) continue;
      // A deletion, a `set` or a hard invalidation of its region ends what is being created: nobody waits for that.
      const { siblings, revokedAt } = other.region;
      const isVoided =
        revokedAt >= other.askedAt ||
        siblings.some(({ saidAt }) => (saidAt.get(`key ${key}`) ?? Number.NEGATIVE_INFINITY) >= other.askedAt);
      if (!isVoided) this.#options.violated(`${process.name} creates ${key} without a lease while it does so already`);
    }
  }
}
