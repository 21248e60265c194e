/**
 * Leases of one backend object (protocol, "LMDB file"): the range first, then the record in one transaction; committed or released, the
 * record goes first and the range after it. Decides who may create; what a write does besides is the file's verbs'.
 */
import type {
  AcquireOptions,
  Awaitable,
  BackendHost,
  Lease,
  LockState,
  LossReason,
  RecordsRequest,
} from '../../api.js';
import { RegionClosedError } from '../../errors.js';
import { KeptLease, newToken, waitUntil } from '../../lock/lease.js';
import type { Entries } from './entries.js';
import type { Environment } from './environment.js';
import type { Generations } from './generations.js';
import { NAMESPACE, nameOf } from './keys.js';
import { decodeLease, encodeLease, isCutOff, isVoid, type LeaseRecord, newRecord, timeLeft } from './lease-records.js';
import type { Range, Ranges } from './ranges.js';

export interface LeaseSettings {
  /** Milliseconds. */
  readonly timeout: number;
  readonly maxHold: number;
  readonly sleep: number;
}

export interface LeaseParts {
  readonly environment: Environment;
  readonly entries: Entries;
  readonly generations: Generations;
  /** `undefined`: leases have deadlines only. */
  readonly ranges: Ranges | undefined;
  readonly settings: LeaseSettings;
  readonly host: () => BackendHost;
}

/** What is held here. */
interface Held {
  readonly key: string;
  readonly lease: KeptLease;
  range: Range | undefined;
  /** Of the user's lock, which elected in place of the range: given back last. */
  readonly outer: Lease | undefined;
}

/** One that was found free, or void, or whose holder seems to have died: to be judged again inside the transaction. */
interface Candidate {
  readonly key: string;
  readonly name: Buffer;
  readonly range: Range | undefined;
}

interface Taken {
  readonly candidate: Candidate;
  readonly token: string;
  readonly stored: Uint8Array | undefined;
}

/** A range that was busy for a moment (another looked whether it was free) is asked for again soon. */
const SECOND_TRY = 10;
/** Waiters sleep at most so many times `lockSleep`: a look is a read of the map and one system call. */
const LONGEST_SLEEP = 5;

export class Leases {
  readonly #parts: LeaseParts;
  /** By token. Removed by whoever ends the lease. */
  readonly #held = new Map<string, Held>();
  #isClosed = false;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
  }

  /** Takes nothing, not even for a moment: a range may be asked for only by who would create. */
  stateOf(key: string): LockState {
    const { environment, generations } = this.#parts;
    environment.look();
    const record = this.#read(nameOf(NAMESPACE.lease, key));
    if (!record || isVoid(record, (region) => generations.region(region))) return { held: false };
    return { held: true, expiresIn: timeLeft(record) };
  }

  acquire(key: string, { wait = true, signal, records }: AcquireOptions = {}): Awaitable<Lease | undefined> {
    if (wait === false) {
      // What the caller says is no trouble of the file's, which gets its name.
      if (signal?.aborted) return Promise.reject(signal.reason);
      return this.tryAcquire([key], records).get(key);
    }
    const { environment, settings, host } = this.#parts;
    const { clock, random } = host();
    return waitUntil(() => environment.naming(() => this.tryAcquire([key], records).get(key)), {
      wait,
      signal,
      clock,
      random,
      poll: settings.sleep,
      cap: settings.sleep * LONGEST_SLEEP,
      wake: (run) => environment.onRelease(key, run),
    });
  }

  /** Those that are won at once. */
  tryAcquire(keys: readonly string[], records: RecordsRequest | undefined): ReadonlyMap<string, Lease> {
    const { environment, generations } = this.#parts;
    if (this.#isClosed) throw new RegionClosedError('The backend of this lease is closed.');
    environment.look();
    const candidates: Candidate[] = [];
    const won = new Map<string, Lease>();
    try {
      for (const key of new Set(keys)) {
        const candidate = this.#candidate(key);
        if (candidate) candidates.push(candidate);
      }
      if (candidates.length === 0) {
        if (records) generations.fill(records);
        if (!records || records.found?.region) return won;
      }
      for (const taken of environment.transaction(() => this.#takeAll(candidates, records))) {
        won.set(taken.candidate.key, this.#hold(taken.candidate, taken, undefined));
        candidates.splice(candidates.indexOf(taken.candidate), 1);
      }
      return won;
    } finally {
      for (const { range } of candidates) range?.release();
    }
  }

  /** Another lock has elected: its lease becomes the holder's, whatever record there is. It is handed over. */
  adopt(key: string, outer: Lease, records: RecordsRequest | undefined): Lease {
    const candidate = { key, name: nameOf(NAMESPACE.lease, key), range: undefined };
    const [won] = this.#parts.environment.transaction(() => {
      this.void(key);
      return this.#takeAll([candidate], records);
    });
    if (!won) throw new Error('A lease that was adopted was not there.');
    const lease = this.#hold(candidate, won, outer);
    outer.whenLost?.((why) => lease.lose(why));
    return lease;
  }

  // ---------------------------------------------------------------------------------------------- inside a transaction

  /** Whether it still stands; its record is gone afterwards. */
  take(key: string, lease: Lease): boolean {
    const name = nameOf(NAMESPACE.lease, key);
    const record = this.#read(name);
    if (record?.token !== lease.token) return false;
    this.#parts.environment.db.remove(name);
    return !isCutOff(record, (region) => this.#parts.generations.region(region));
  }

  /** Whoever creates under this key has lost his lease. */
  void(key: string): void {
    const name = nameOf(NAMESPACE.lease, key);
    if (this.#parts.environment.db.getBinary(name)) this.#parts.environment.db.remove(name);
  }

  // ------------------------------------------------------------------------------------------------ after a transaction

  /** A commit has answered: nothing is left of the lease in the file. */
  settled(lease: Lease): void {
    const held = this.#held.get(lease.token);
    if (!held) return;
    held.lease.settle();
    this.#letGo(held);
  }

  /** These keys' leases were voided: ours are told now, those of others find out when they renew. */
  voided(keys: Iterable<string>): void {
    const gone = new Set(keys);
    for (const held of [...this.#held.values()]) if (gone.has(held.key)) this.#lose(held, 'voided');
    for (const key of gone) this.#parts.environment.wake(key);
  }

  /** Gives everything back; whoever still waits is told by his next try. */
  close(): void {
    this.#isClosed = true;
    const all = [...this.#held.values()];
    try {
      if (all.length > 0)
        this.#parts.environment.transaction(() => all.forEach(({ key, lease }) => void this.take(key, lease)));
    } finally {
      for (const { lease } of all) this.settled(lease);
    }
  }

  // ------------------------------------------------------------------------------------------------------------- steps

  /** Looks without the writers' lock, so that waiting costs the others nothing. */
  #candidate(key: string): Candidate | undefined {
    const { generations, ranges } = this.#parts;
    const name = nameOf(NAMESPACE.lease, key);
    const record = this.#read(name);
    const isFree = !record || isVoid(record, (region) => generations.region(region));
    if (!isFree && (!record.ranged || this.#held.has(record.token))) return undefined;
    const range = ranges?.take(key);
    return isFree || range ? { key, name, range } : undefined;
  }

  #takeAll(candidates: readonly Candidate[], records: RecordsRequest | undefined): Taken[] {
    const { generations, entries, settings, environment } = this.#parts;
    if (records) generations.seedAll(records);
    const region = records?.found?.region;
    const generation = records && region ? { region: records.region, rid: region.rid, seq: region.seq } : undefined;
    const won: Taken[] = [];
    for (const candidate of candidates) {
      if (!this.#mayTake(candidate)) continue;
      const token = newToken();
      const record = newRecord({ token, ranged: candidate.range !== undefined, generation }, settings.timeout);
      environment.db.put(candidate.name, encodeLease(record));
      won.push({ candidate, token, stored: entries.get(nameOf(NAMESPACE.entry, candidate.key)) });
    }
    return won;
  }

  #mayTake({ name, range }: Candidate): boolean {
    const { generations } = this.#parts;
    const record = this.#read(name);
    if (!record || isVoid(record, (region) => generations.region(region))) return true;
    // Its holder had the range, and has it no more: it died. Our own leases share the open file, and say nothing by that.
    return record.ranged && range !== undefined && !this.#held.has(record.token);
  }

  #hold({ key, range }: Candidate, { token, stored }: Taken, outer: Lease | undefined): KeptLease {
    const { settings, host } = this.#parts;
    const { clock } = host();
    const lease = new KeptLease({
      token,
      stored,
      timeout: settings.timeout,
      maxHold: settings.maxHold,
      clock,
      renew: () => this.#renew(held),
      release: () => this.#release(held),
      report: (verb, error) => host().report(verb, error, key),
    });
    const held: Held = { key, lease, range, outer };
    this.#held.set(token, held);
    // Lapsed: the record may stay until its deadline, but without its range another takes it over at once.
    lease.whenLost(() => this.#letGo(held));
    if (!range && this.#parts.ranges) clock.setTimeout(() => this.#secondTry(held), SECOND_TRY);
    return lease;
  }

  #secondTry(held: Held): void {
    if (!held.lease.stands) return;
    try {
      if (!this.#renew(held)) this.#lose(held, 'voided');
    } catch (error) {
      this.#parts.host().report('renew', error, held.key);
    }
  }

  #renew(held: Held): boolean {
    const { environment, generations, settings, ranges } = this.#parts;
    const { key, lease } = held;
    if (!this.#held.has(lease.token)) return false;
    held.range ??= ranges?.take(key);
    const name = nameOf(NAMESPACE.lease, key);
    return environment.transaction(() => {
      const record = this.#read(name);
      if (record?.token !== lease.token || isCutOff(record, (region) => generations.region(region))) return false;
      environment.db.put(
        name,
        encodeLease(newRecord({ ...record, ranged: held.range !== undefined }, settings.timeout)),
      );
      return true;
    });
  }

  #release(held: Held): void {
    // Closed: what was held here has been given back, and the file may be closed too.
    if (this.#isClosed) return;
    try {
      this.#parts.environment.transaction(() => void this.take(held.key, held.lease));
    } finally {
      this.#letGo(held);
    }
  }

  #lose(held: Held, why: LossReason): void {
    held.lease.lose(why);
    this.#letGo(held);
  }

  /** After the record, never before: a free range says that its holder died. */
  #letGo(held: Held): void {
    if (this.#held.get(held.lease.token) !== held) return;
    this.#held.delete(held.lease.token);
    held.range?.release();
    held.range = undefined;
    if (held.outer) void this.#giveBack(held.key, held.outer);
    this.#parts.environment.wake(held.key);
  }

  async #giveBack(key: string, outer: Lease): Promise<void> {
    try {
      await outer.release();
    } catch (error) {
      this.#parts.host().report('release', error, key);
    }
  }

  #read(name: Buffer): LeaseRecord | undefined {
    return decodeLease(this.#parts.environment.db.getBinary(name));
  }
}
