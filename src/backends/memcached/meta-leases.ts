/**
 * Leases in memcached (protocol, memcached): the server's stub where nothing is stored, `_lock<key>` where something is, and with
 * `lease: 'key'` always. Decides who has won, and waits. What a commit does with a lease is `meta-backend.ts`'s.
 */
import type { AcquireOptions, BackendHost, CacheMutex, LockState, RecordsRequest, RegionRecord } from '../../api.js';
import { BackendUnavailableError, LockTimeoutError } from '../../errors.js';
import { KeptLease, newToken, waitUntil } from '../../lock/lease.js';
import { ForeignLocks } from '../foreign-locks.js';
import type { MemcachedSettings } from '../memcached-arguments.js';
import { secondsOf } from './expiry.js';
import { checkKey, lockNameOf } from './keys.js';
import { isCut, isMark, isStub, markOf } from './marks.js';
import type { Reply } from './meta/reply-parser.js';
import { Held } from './meta-held.js';
import type { MetaLine, MetaPeers } from './meta-peers.js';
import type { MetaRecords } from './meta-records.js';

export interface MetaLeasesOptions {
  readonly client: MetaPeers;
  readonly records: MetaRecords;
  readonly settings: Pick<MemcachedSettings, 'lease' | 'lockTimeout' | 'lockMaxHold' | 'lockSleep'>;
  readonly host: () => BackendHost;
  readonly deadline: () => number;
}

/** What a lease was won with. */
export type Won =
  /** The stub: it is where the value will be. */
  | { readonly by: 'stub'; readonly held: Held }
  /** A lock; `entry` is the CAS number of what was stored then, if anything was. */
  | {
      readonly by: 'lock';
      readonly held: Held;
      readonly entry: string | undefined;
      readonly stored: Buffer | undefined;
    };

/** What one try found out. */
type Tried =
  | Won
  /** Somebody else's item, and what was stored beside it. */
  | { readonly by: 'nobody'; readonly name: string; readonly lock: Reply; readonly entry: Reply | undefined };

interface Attempt {
  readonly key: string;
  readonly token: string;
  readonly connection: MetaLine;
  readonly deadline: number;
}

export class MetaLeases {
  readonly #options: MetaLeasesOptions;
  readonly #foreign: ForeignLocks;
  readonly #won = new WeakMap<object, Won>();

  constructor(options: MetaLeasesOptions) {
    this.#options = options;
    this.#foreign = new ForeignLocks(options.settings.lockMaxHold);
  }

  mutex(key: string): CacheMutex {
    return {
      acquire: (options) => this.#acquire(key, options),
      locked: async () => (await this.#inspect(key)).held,
      inspect: () => this.#inspect(key),
    };
  }

  /** One try for each, in their order. */
  tryAcquireMulti(
    keys: readonly string[],
    records: RecordsRequest | undefined,
  ): Promise<PromiseSettledResult<KeptLease | undefined>[]> {
    const deadline = this.#options.deadline();
    const reading = this.#read(records, deadline);
    return Promise.allSettled(keys.map((key) => this.#try({ key, deadline, waits: false }, reading)));
  }

  /** `undefined`: it is none of these leases. */
  wonWith(lease: object): Won | undefined {
    return this.#won.get(lease);
  }

  async #acquire(key: string, { wait = true, signal, records }: AcquireOptions = {}): Promise<KeptLease | undefined> {
    const { host } = this.#options;
    const { lockSleep } = this.#options.settings;
    const { clock, random } = host();
    const attempt = () => {
      const deadline = this.#options.deadline();
      return this.#try({ key, deadline, waits: wait !== false }, this.#read(records, deadline));
    };
    checkKey(key);
    return waitUntil(attempt, {
      wait,
      signal,
      poll: lockSleep,
      cap: Math.max(1000, lockSleep),
      clock,
      random,
      giveBack: (lease) => this.#giveBack(lease, key),
    });
  }

  async #read(records: RecordsRequest | undefined, deadline: number): Promise<RegionRecord | undefined> {
    if (!records) return undefined;
    await this.#options.records.readSeeded(records, deadline);
    return records.found?.region;
  }

  async #try(
    { key, deadline, waits }: { readonly key: string; readonly deadline: number; readonly waits: boolean },
    reading: Promise<RegionRecord | undefined>,
  ): Promise<KeptLease | undefined> {
    // Its failure is told below.
    reading.catch(() => {});
    const server = this.#options.client.serverOf(key);
    const connection = server.ready ?? (await server.connection(deadline));
    const attempt: Attempt = { key, token: newToken(), connection, deadline };
    // At once, also where the records are on another server.
    const [taken, read] = await Promise.allSettled([this.#take(attempt), reading]);
    if (taken.status === 'rejected') throw taken.reason;
    if (read.status === 'rejected') {
      if (taken.value.by !== 'nobody') this.#letGo(taken.value.held, key);
      throw read.reason;
    }
    const region = read.value;
    const won = taken.value.by === 'nobody' ? await this.#takeOver(attempt, taken.value, region) : taken.value;
    if (won) return this.#lease(attempt, won, region);
    if (waits && taken.value.by === 'nobody') this.#checkForeign(taken.value.name, taken.value.lock);
    return undefined;
  }

  /** Where nothing is stored the server says who has won; where something is, the lock does. */
  async #take(attempt: Attempt): Promise<Tried> {
    const { key, connection, deadline } = attempt;
    if (this.#options.settings.lease === 'key') return this.#takeLock(attempt);
    const { lockTimeout } = this.#options.settings;
    const late = (reply: Reply) => this.#dropStub(attempt, reply);
    const entry = await connection.send('mg', key, `v c N${secondsOf(lockTimeout)}`, { deadline, late });
    if (entry.isWon && entry.cas !== undefined) return this.#stub(attempt, entry.cas);
    // Who asks for a stub and finds nothing is told so, unless there is no room for one.
    if (!entry.value) throw new BackendUnavailableError('memcached has no memory left for a lease.');
    if (isStub(entry)) return { by: 'nobody', name: key, lock: entry, entry: undefined };
    return this.#takeLock(attempt);
  }

  async #takeLock(attempt: Attempt): Promise<Tried> {
    const { key, token, connection, deadline } = attempt;
    const { lease, lockTimeout } = this.#options.settings;
    const seconds = secondsOf(lockTimeout);
    const name = lockNameOf(key);
    const mark = markOf(token);
    const held = (cas: string) => this.#held(attempt, { name, cas, mark });
    const dropLock = ({ code, cas }: Reply) => {
      if (code === 'HD' && cas !== undefined) this.#letGo(held(cas), key);
    };
    const dropStub = (reply: Reply) => this.#dropStub(attempt, reply);
    const adding = connection.store(name, mark, `ME T${seconds} c`, { deadline, late: dropLock });
    const looking = connection.send('mg', name, 'v c t', { deadline });
    // What was stored a moment ago may be gone by now.
    const flags = lease === 'key' ? 'v c' : `v c N${seconds}`;
    const reading = connection.send('mg', key, flags, { deadline, late: dropStub });
    let replies: readonly [Reply, Reply, Reply];
    try {
      replies = await Promise.all([adding, looking, reading]);
    } catch (error) {
      // Whatever the others have won is nobody's.
      adding.then(dropLock, () => {});
      reading.then(dropStub, () => {});
      throw error;
    }
    const [added, lock, entry] = replies;
    const own = added.code === 'HD' && added.cas !== undefined ? held(added.cas) : undefined;
    if (lease === 'server' && (!entry.value || isStub(entry))) {
      if (own) this.#letGo(own, key);
      if (entry.isWon && entry.cas !== undefined) return this.#stub(attempt, entry.cas);
      return { by: 'nobody', name: key, lock: entry, entry: undefined };
    }
    if (own) return { by: 'lock', held: own, entry: entry.cas, stored: entry.value };
    return { by: 'nobody', name, lock, entry };
  }

  /** A lease that a hard invalidation has cut off keeps nobody from creating. */
  async #takeOver(
    attempt: Attempt,
    { name, lock, entry }: Tried & { by: 'nobody' },
    region: RegionRecord | undefined,
  ): Promise<Won | undefined> {
    if (!lock.value || lock.cas === undefined || !isCut(lock.value, region)) return undefined;
    const { token, connection, deadline } = attempt;
    const mark = markOf(token, region);
    const flags = `C${lock.cas} T${secondsOf(this.#options.settings.lockTimeout)} c`;
    const heldBy = ({ code, cas }: Reply) =>
      code === 'HD' && cas !== undefined ? this.#held(attempt, { name, cas, mark }) : undefined;
    const late = (reply: Reply) => {
      const held = heldBy(reply);
      if (held) this.#letGo(held, attempt.key);
    };
    const held = heldBy(await connection.store(name, mark, flags, { deadline, late }));
    if (!held) return undefined;
    return name === attempt.key ? { by: 'stub', held } : { by: 'lock', held, entry: entry?.cas, stored: entry?.value };
  }

  /** Won by a call that is over: nobody will create under it. */
  #dropStub(attempt: Attempt, { isWon, cas }: Reply): void {
    if (!isWon || cas === undefined) return;
    const mark = markOf(attempt.token);
    this.#letGo(this.#held(attempt, { name: attempt.key, cas, mark }), attempt.key);
  }

  #stub(attempt: Attempt, cas: string): Won {
    return { by: 'stub', held: this.#held(attempt, { name: attempt.key, cas, mark: markOf(attempt.token) }) };
  }

  #held({ connection }: Attempt, item: { readonly name: string; readonly cas: string; readonly mark: Buffer }): Held {
    const { settings, deadline } = this.#options;
    return new Held({ ...item, connection, timeout: settings.lockTimeout, deadline });
  }

  #lease({ key, token }: Attempt, won: Won, region: RegionRecord | undefined): KeptLease {
    const { settings, host } = this.#options;
    const { held } = won;
    this.#foreign.forget(held.name);
    const lease = new KeptLease({
      token,
      stored: won.by === 'lock' ? won.stored : undefined,
      timeout: settings.lockTimeout,
      maxHold: settings.lockMaxHold,
      clock: host().clock,
      renew: () => this.#renew(held, key),
      release: () => held.release(),
      report: (verb, error) => host().report(verb, error, key),
    });
    this.#won.set(lease, won);
    // Says under which generation it was won. Nobody waits for it, every later step does.
    if (region) void this.#say(lease, held, key, markOf(token, region));
    return lease;
  }

  async #say(lease: KeptLease, held: Held, key: string, mark: Buffer): Promise<void> {
    // Deleted in between. Nobody is to join what is created under it, from now on.
    if (!(await this.#renew(held, key, mark))) lease.lose('voided');
  }

  /** Without an answer it is lost: nobody knows its CAS number any more. */
  async #renew(held: Held, key: string, mark?: Buffer): Promise<boolean> {
    try {
      return await held.renew(mark);
    } catch (error) {
      this.#options.host().report('renew', error, key);
      return false;
    }
  }

  #giveBack(lease: KeptLease, key: string): void {
    lease.release().catch((error: unknown) => this.#options.host().report('release', error, key));
  }

  #letGo(held: Held, key: string): void {
    held.release().catch((error: unknown) => this.#options.host().report('release', error, key));
  }

  async #inspect(key: string): Promise<LockState> {
    const deadline = this.#options.deadline();
    const connection = await this.#options.client.serverOf(checkKey(key)).connection(deadline);
    const [entry, lock] = await Promise.all([
      connection.send('mg', key, 'v t', { deadline }),
      connection.send('mg', lockNameOf(key), 't v', { deadline }),
    ]);
    const isKey = this.#options.settings.lease === 'key';
    // A lock of what is not stored any more holds nobody up, where the server has leases of its own.
    const isStubbed = !isKey && isStub(entry);
    const item = isStubbed ? entry : isKey || entry.value ? lock : undefined;
    if (!item?.value) return { held: false };
    return item.ttl === undefined || item.ttl < 0 ? { held: true } : { held: true, expiresIn: item.ttl * 1000 };
  }

  /** Throws for a lock of another program that nobody will release. */
  #checkForeign(name: string, lock: Reply): void {
    const { value, cas, ttl } = lock;
    if (!value || isStub(lock) || isMark(value)) return;
    const { lockMaxHold } = this.#options.settings;
    const seen = { by: cas ?? '', hasTtl: ttl !== -1 };
    if (!this.#foreign.isStuck(name, seen, this.#options.host().clock.now())) return;
    throw new LockTimeoutError(
      `The lock "${name}" belongs to another program, has no TTL, and has not changed for ${lockMaxHold} ms: whoever held it is gone. Delete it, or give that program's locks a timeout.`,
    );
  }
}
