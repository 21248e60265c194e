/**
 * Leases kept in Redis: `_lock<key>` with a TTL, won and read in one step, renewed, released and waited for. Other programs' locks
 * under these names are respected and never touched. Committing is the store's.
 */

import { randomBytes } from 'node:crypto';
import type { AcquireOptions, BackendHost, CacheMutex, Lease, LockState, RecordsRequest } from '../../api.js';
import { LockTimeoutError } from '../../errors.js';
import { KeptLease, newToken, waitUntil } from '../../lock/lease.js';
import { ForeignLocks } from '../foreign-locks.js';
import { parseRecords, recordNames, regionRecordName } from '../records.js';
import { type Commands, listOf } from './commands.js';
import { gathered } from './gathered.js';
import type { Layout } from './layout.js';
import { ACQUIRE, RELEASE, RENEW } from './scripts.js';
import type { WakeUps } from './wake-ups.js';

export interface LocksOptions {
  readonly commands: Commands;
  readonly wakeUps: WakeUps;
  readonly host: () => BackendHost;
  readonly layout: Layout;
  /** Milliseconds. */
  readonly lockTimeout: number;
  readonly lockMaxHold: number;
  readonly lockSleep: number;
}

/** What one try found out about one key. */
type Tried =
  | { readonly is: 'won'; readonly held: Held; readonly stored: Uint8Array | undefined }
  | { readonly is: 'held'; readonly by: string; readonly hasTtl: boolean };

/** A lease as the server knows it. */
type Named = Pick<Held, 'lock' | 'token'>;

/** A lease as its renewal and release know it; while it is asked for, one that may be won. */
interface Held {
  readonly lock: string;
  readonly token: string;
  /** The region whose generation it bears. */
  readonly region: string | undefined;
}

/** What PTTL says of a key that isn't there. */
const NO_KEY = -2;

export class RedisLocks {
  readonly #options: LocksOptions;
  readonly #foreign: ForeignLocks;
  /** What the server may hold for us. Written by who asks for a lease, and by its end. */
  readonly #open = new Map<string, Held>();
  /** Requests for leases that are not answered. */
  readonly #asking = new Set<Promise<unknown>>();
  /** Leases of one creation come due together. */
  readonly #renew: (held: Held) => Promise<boolean>;
  readonly #release: (held: Held) => Promise<undefined>;

  constructor(options: LocksOptions) {
    this.#options = options;
    this.#foreign = new ForeignLocks(options.lockMaxHold);
    const groups = (held: readonly Held[]) => options.layout.groups(held, ({ lock }) => lock);
    this.#renew = gathered({
      until: 'turn',
      groups: (held) => byRegion(held).flatMap(groups),
      call: (held) => this.#renewAll(held),
    });
    this.#release = gathered({ until: 'tick', groups, call: (held) => this.#releaseAll(held) });
  }

  #lockOf(key: string): string {
    return this.#options.layout.lockOf(key);
  }

  mutex(key: string): CacheMutex {
    return {
      acquire: (options) => this.#acquire(key, options),
      locked: async () =>
        Number(await this.#options.commands.send(['EXISTS', this.#lockOf(key)], this.#lockOf(key))) === 1,
      inspect: () => this.#inspect(this.#lockOf(key)),
    };
  }

  /** A lock of another program may be without a limit. */
  async #inspect(lock: string): Promise<LockState> {
    const left = Number(await this.#options.commands.send(['PTTL', lock], lock));
    return { held: left !== NO_KEY, ...(left >= 0 && { expiresIn: left }) };
  }

  async acquireMulti(
    keys: readonly string[],
    records: RecordsRequest | undefined,
  ): Promise<ReadonlyMap<string, Lease>> {
    const token = newToken();
    const tried = await this.#try(keys, token, records);
    const leases = new Map<string, Lease>();
    for (const [at, key] of keys.entries()) {
      const one = tried[at];
      if (one?.is === 'won') leases.set(key, this.#lease(key, one));
    }
    return leases;
  }

  async #acquire(key: string, { wait = true, signal, records }: AcquireOptions = {}): Promise<Lease | undefined> {
    const { wakeUps, lockSleep, host } = this.#options;
    const { clock, random } = host();
    const lock = this.#lockOf(key);
    // One for all tries: a request that was answered too late has won all the same, and wins again.
    const token = newToken();
    const watch = wakeUps.watch(lock);
    try {
      const attempt = async () => {
        const [tried] = await this.#try([key], token, records);
        if (tried?.is === 'won') {
          this.#foreign.forget(lock);
          return this.#lease(key, tried);
        }
        if (wait === false || !tried) return undefined;
        watch.open();
        if (this.#foreign.isStuck(lock, tried, clock.now())) throw stuck(lock, this.#options.lockMaxHold);
        return undefined;
      };
      return await waitUntil(attempt, {
        wait,
        signal,
        poll: lockSleep,
        cap: Math.max(1000, lockSleep),
        clock,
        random,
        wake: watch.wake,
        giveBack: (lease) => void lease.release().catch((error: unknown) => host().report('release', error, key)),
      });
    } finally {
      watch.end();
    }
  }

  async #try(keys: readonly string[], token: string, records: RecordsRequest | undefined): Promise<readonly Tried[]> {
    const { commands, lockTimeout } = this.#options;
    const locks = keys.map((key) => this.#lockOf(key));
    const asked = locks.map((lock): Held => ({ lock, token, region: records?.region }));
    for (const held of asked) this.#open.set(idOf(held), held);
    const names = records ? recordNames(records) : [];
    const args = [String(keys.length), token, String(Math.ceil(lockTimeout)), records ? newIncarnation() : ''];
    const asking = commands.run(ACQUIRE, [...keys, ...locks, ...names], args);
    this.#asking.add(asking);
    try {
      const reply = await asking;
      const [read, ...answers] = listOf(reply, 1 + 3 * keys.length);
      if (records) records.found = parseRecords(records, listOf(read));
      const tried = asked.map((held, at) => triedFrom(held, answers[3 * at], answers[3 * at + 1], answers[3 * at + 2]));
      for (const [at, held] of asked.entries()) if (tried[at]?.is !== 'won') this.#open.delete(idOf(held));
      return tried;
    } catch (error) {
      // It may yet be won, by nobody.
      this.releaseBehind(asked);
      throw error;
    } finally {
      this.#asking.delete(asking);
    }
  }

  #lease(key: string, { held, stored }: Tried & { is: 'won' }): KeptLease {
    const { lockTimeout, lockMaxHold, host } = this.#options;
    const lease = new KeptLease({
      token: held.token,
      stored,
      timeout: lockTimeout,
      maxHold: lockMaxHold,
      clock: host().clock,
      renew: () => this.#renew(held),
      release: () => this.#release(held).finally(() => this.forget([held])),
      report: (verb, error) => host().report(verb, error, key),
    });
    lease.whenLost(() => this.forget([held]));
    return lease;
  }

  /** Of one region. */
  async #renewAll(held: readonly Held[]): Promise<boolean[]> {
    const { commands, lockTimeout } = this.#options;
    const region = held[0]?.region;
    const keys = held.map(({ lock }) => lock);
    if (region !== undefined) keys.push(regionRecordName(region));
    const args = [String(held.length), String(Math.ceil(lockTimeout)), ...held.map(({ token }) => token)];
    const reply = listOf(await commands.run(RENEW, keys, args), held.length);
    return held.map((_, at) => Number(reply[at]) === 1);
  }

  async #releaseAll(held: readonly Held[]): Promise<undefined[]> {
    const locks = held.map(({ lock }) => lock);
    await this.#options.commands.run(
      RELEASE,
      locks,
      held.map(({ token }) => token),
    );
    return held.map(() => undefined);
  }

  /** After an acquire or a commit that failed: whatever the server makes of that, it ends by this. */
  releaseBehind(held: readonly Named[]): void {
    this.forget(held);
    this.#options.commands.runBehind(RELEASE, ...namesOf(held));
  }

  /** The server no longer holds them for us, or nobody can say. */
  forget(held: readonly Named[]): void {
    for (const one of held) this.#open.delete(idOf(one));
  }

  /** Everything that is held here, or asked for: nobody could give it back once the connection is ended. */
  async giveAllBack(): Promise<void> {
    const { layout, commands } = this.#options;
    const open = [...this.#open.values()];
    // A pool, and sentinels of node-redis, may send what comes later first.
    await Promise.allSettled(this.#asking);
    const groups = layout.groups(open, ({ lock }) => lock);
    await Promise.allSettled(groups.map((group) => commands.runLast(RELEASE, ...namesOf(group))));
  }
}

/** The keys and arguments of `RELEASE`. */
function namesOf(held: readonly Named[]): [locks: string[], tokens: string[]] {
  return [held.map(({ lock }) => lock), held.map(({ token }) => token)];
}

function idOf({ lock, token }: Named): string {
  return token + lock;
}

/** 128 random bits, for a record that may have to be seeded: drawn anew each time. */
export function newIncarnation(): string {
  return randomBytes(16).toString('hex');
}

function byRegion(held: readonly Held[]): Held[][] {
  return [...new Set(held.map(({ region }) => region))].map((region) => held.filter((one) => one.region === region));
}

function triedFrom(held: Held, won: unknown, second: unknown, third: unknown): Tried {
  if (Number(won) === 1) return { is: 'won', held, stored: Buffer.isBuffer(second) ? second : undefined };
  return { is: 'held', by: String(third), hasTtl: Number(second) >= 0 };
}

function stuck(lock: string, maxHold: number): LockTimeoutError {
  return new LockTimeoutError(
    `The lock "${lock}" belongs to another program, has no TTL, and has not changed for ${maxHold} ms: whoever held it is gone. Delete it, or give that program's locks a timeout.`,
  );
}
