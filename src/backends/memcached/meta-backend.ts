/**
 * memcached as a backend, over its meta protocol: what each verb is in commands (protocol, memcached). Decides nothing about
 * freshness; leases are `meta-leases.ts`'s, invalidations `meta-records.ts`'s.
 */
import type {
  BackendHost,
  CacheBackend,
  CacheMutex,
  GenerationFence,
  GenerationStore,
  Lease,
  ReadOptions,
  StoreMultiOptions,
  StoreOptions,
} from '../../api.js';
import { systemClock } from '../../clock.js';
import { RegionClosedError } from '../../errors.js';
import { KeptLease } from '../../lock/lease.js';
import { allDone, bothDone } from '../../promises.js';
import type { MemcachedSettings } from '../memcached-arguments.js';
import { eachOnce } from './batches.js';
import { secondsOf } from './expiry.js';
import { checkKey, memcachedKeyMangler } from './keys.js';
import { isStub } from './marks.js';
import { MetaClient } from './meta/client.js';
import type { Reply } from './meta/reply-parser.js';
import { commit, put, remove, type Write, type Written } from './meta-commit.js';
import { MetaFence } from './meta-fence.js';
import { MetaLeases } from './meta-leases.js';
import type { MetaPeers } from './meta-peers.js';
import { readMany } from './meta-reads.js';
import { MetaRecords } from './meta-records.js';

/** More than any server takes by default (`-I`), and a bound of what a broken one can make us hold. */
const LARGEST_READ = 128 * 1024 * 1024;

/** Until a region attaches. */
const NO_HOST: BackendHost = { clock: systemClock, random: Math.random, report: () => {} };

export function openMetaBackend(settings: MemcachedSettings): CacheBackend<Uint8Array> {
  const { target, tls, timeout } = settings;
  // No client of this name can be handed in.
  const addresses = target.at === 'servers' ? target.servers : [];
  const client = new MetaClient({ addresses, timeout, largest: LARGEST_READ, tls });
  return new MetaBackend(settings, client, () => performance.now());
}

/** `timeout` is that of one verb, however many commands it is. */
export type MetaBackendSettings = Omit<MemcachedSettings, 'target' | 'tls' | 'name'>;

export class MetaBackend implements CacheBackend<Uint8Array> {
  readonly stores = 'bytes';
  readonly remote = true;
  readonly keyMangler = memcachedKeyMangler;
  readonly generations: GenerationStore;
  readonly #settings: MetaBackendSettings;
  readonly #isLockedByKey: boolean;
  readonly #client: MetaPeers;
  readonly #now: () => number;
  readonly #records: MetaRecords;
  readonly #leases: MetaLeases;
  #host = NO_HOST;

  /** `now`: what the client counts deadlines on, in milliseconds. */
  constructor(settings: MetaBackendSettings, client: MetaPeers, now: () => number) {
    this.#settings = settings;
    this.#isLockedByKey = settings.distributedLock && settings.lease === 'key';
    const host = () => this.#host;
    const deadline = () => this.#deadline();
    this.#client = client;
    this.#now = now;
    this.#records = new MetaRecords(client, host, now);
    this.#leases = new MetaLeases({ client, records: this.#records, settings, host, deadline });
    this.generations = {
      read: (request, options) => this.#records[options?.seed ? 'readSeeded' : 'read'](request, deadline()),
      invalidate: (region, { hard }) => this.#records.invalidate(region, [], { hard, deadline: deadline() }),
      invalidateTags: (region, tags, { hard }) =>
        this.#records.invalidate(region, tags, { hard, deadline: deadline() }),
    };
  }

  /** One that is out of reach is no trouble of the others' keys. */
  get gathersReads(): boolean {
    return this.#client.servers.length === 1;
  }

  attach(host: BackendHost): void {
    this.#host = host;
  }

  /** Some server answers; those that don't are told of. */
  async ready(): Promise<void> {
    const { servers } = this.#client;
    const opened = await Promise.allSettled(servers.map((server) => server.connection(this.#deadline())));
    const failed = opened.filter((one) => one.status === 'rejected');
    for (const { reason } of failed) {
      if (failed.length === servers.length) throw reason;
      this.#host.report('ready', reason);
    }
  }

  async close(): Promise<void> {
    this.#client.close(new RegionClosedError('This backend is closed.'));
  }

  /** Of a verb that begins now. */
  #deadline(): number {
    return this.#now() + this.#settings.timeout;
  }

  // ------------------------------------------------------------------------------------------------------------ reads

  async get(key: string, options?: ReadOptions): Promise<Uint8Array | undefined> {
    const deadline = this.#deadline();
    const server = this.#client.serverOf(checkKey(key));
    const connection = server.ready ?? (await server.connection(deadline));
    const records = options?.records;
    const reading = connection.send('mg', key, 'v', { deadline });
    if (!records) return storedIn(await reading);
    const [reply] = await Promise.all([reading, this.#records.read(records, deadline)]);
    return storedIn(reply);
  }

  async getMulti(keys: readonly string[], options?: ReadOptions): Promise<(Uint8Array | undefined)[]> {
    const deadline = this.#deadline();
    for (const key of keys) checkKey(key);
    const report = (error: unknown) => this.#host.report('getMulti', error);
    const reading = readMany(this.#client, keys, { flags: 'v', deadline, report });
    const records = options?.records;
    const [replies] = await Promise.all([reading, records && this.#records.read(records, deadline)]);
    return replies.map(storedIn);
  }

  // ----------------------------------------------------------------------------------------------------------- writes

  async set(key: string, stored: Uint8Array, { ttl, lease, generation }: StoreOptions = {}): Promise<boolean> {
    const leases = lease && new Map([[key, lease]]);
    const refused = await this.#write([this.#writeOf(key, stored, ttl)], leases, generation);
    return refused.size === 0;
  }

  async setMulti(
    entries: ReadonlyMap<string, Uint8Array>,
    options: StoreMultiOptions = {},
  ): Promise<ReadonlySet<string>> {
    const { ttl, leases, generation } = options;
    const ttlOf = (key: string) => (typeof ttl === 'object' ? ttl.get(key) : ttl);
    const writes = [...entries].map(([key, stored]) => this.#writeOf(key, stored, ttlOf(key)));
    return this.#write(writes, leases, generation);
  }

  #writeOf(key: string, stored: Uint8Array, ttl: number | undefined): Write {
    const bytes = Buffer.isBuffer(stored) ? stored : Buffer.from(stored.buffer, stored.byteOffset, stored.length);
    return { key: checkKey(key), bytes, seconds: secondsOf(this.#settings.expirationTime ?? ttl) };
  }

  /** Answers with the keys refused. */
  async #write(
    writes: readonly Write[],
    leases: ReadonlyMap<string, Lease> | undefined,
    generation: GenerationFence | undefined,
  ): Promise<ReadonlySet<string>> {
    const deadline = this.#deadline();
    const keys = writes.map(({ key }) => key);
    const fence =
      generation && new MetaFence(this.#records, { keys, generation, isLeased: leases !== undefined, deadline });
    const isRefused: ReadonlySet<string> = (await fence?.before()) ?? new Set();
    const standing = writes.filter(({ key }) => !isRefused.has(key));
    const [done, cut] = await bothDone(
      allDone(standing.map((write) => this.#writeOne(write, leases?.get(write.key), deadline))),
      standing.length > 0 ? fence?.after() : undefined,
    );
    const refused = new Set(isRefused);
    const takenBack: Promise<void>[] = [];
    for (const [at, { key }] of standing.entries()) {
      const written = done[at];
      if (written && !cut?.has(key)) continue;
      refused.add(key);
      if (written) takenBack.push(written.takeBack());
    }
    await allDone(takenBack);
    if (leases && isRefused.size > 0) {
      const left = [...leases].filter(([key]) => isRefused.has(key));
      await allDone(left.map(async ([, lease]) => lease.release()));
    }
    return refused;
  }

  /** `undefined`: its lease does not stand. */
  async #writeOne(write: Write, lease: Lease | undefined, deadline: number): Promise<Written | undefined> {
    const options = { deadline, anew: () => this.#deadline(), isLockedByKey: this.#isLockedByKey };
    if (!lease) {
      const server = this.#client.serverOf(write.key);
      return put(server.ready ?? (await server.connection(deadline)), write, options);
    }
    const won = this.#leases.wonWith(lease);
    if (!won || !(lease instanceof KeptLease)) return undefined;
    try {
      return await commit(lease, won, write, options);
    } finally {
      // Whatever came of it, nothing is left to renew or release.
      lease.settle();
    }
  }

  delete(key: string): Promise<void> {
    return this.deleteMulti([key]);
  }

  async deleteMulti(keys: readonly string[]): Promise<void> {
    const deadline = this.#deadline();
    for (const key of keys) checkKey(key);
    const options = { deadline, anew: () => this.#deadline(), isLockedByKey: this.#isLockedByKey };
    const removals = keys.map(async (key) => {
      const server = this.#client.serverOf(key);
      await remove(server.ready ?? (await server.connection(deadline)), key, options);
    });
    await allDone(removals);
  }

  // ----------------------------------------------------------------------------------------------------------- leases

  mutex(key: string): CacheMutex | undefined {
    return this.#settings.distributedLock ? this.#leases.mutex(key) : undefined;
  }

  acquireMulti(keys: readonly string[], options?: ReadOptions): Promise<ReadonlyMap<string, Lease>> | undefined {
    return this.#settings.distributedLock ? this.#acquireMulti(keys, options) : undefined;
  }

  /** A server that fails is told of, and its keys are not won, unless all fail. */
  async #acquireMulti(keys: readonly string[], options?: ReadOptions): Promise<ReadonlyMap<string, Lease>> {
    for (const key of keys) checkKey(key);
    const tried = await this.#leases.tryAcquireMulti(keys, options?.records);
    const leases = new Map<string, Lease>();
    const troubles: unknown[] = [];
    for (const [at, key] of keys.entries()) {
      const one = tried[at];
      if (one?.status === 'rejected') troubles.push(one.reason);
      else if (one?.value) leases.set(key, one.value);
    }
    if (troubles.length > 0 && troubles.length === keys.length) throw troubles[0];
    for (const trouble of eachOnce(troubles)) this.#host.report('acquireMulti', trouble);
    return leases;
  }
}

function storedIn(reply: Reply | undefined): Uint8Array | undefined {
  return reply && !isStub(reply) ? reply.value : undefined;
}
