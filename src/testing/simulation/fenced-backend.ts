/**
 * The client of a fenced store: a backend as a region has it, whose verbs are requests on a link. What the protocol asks of a client
 * is here: one token for each acquire, a release behind what ran into its deadline, renewal, wake-ups with polling behind them.
 */
import type {
  AcquireOptions,
  BackendHost,
  CacheBackend,
  CacheMutex,
  GenerationFence,
  GenerationStore,
  Lease,
  ReadOptions,
  RecordsRequest,
  StoreMultiOptions,
  StoreOptions,
} from '../../api.js';
import { systemClock } from '../../clock.js';
import { KeptLease, newToken, waitUntil } from '../../lock/lease.js';
import type { StoreReply, StoreRequest, WriteEntry } from './fenced-store.js';
import type { Link } from './network.js';

export interface FencedBackendOptions {
  /** Milliseconds. */
  readonly lockTimeout: number;
  readonly lockMaxHold: number;
  readonly lockSleep: number;
  /** Whether it declares that its store keeps generations. */
  readonly keepsGenerations: boolean;
}

export class FencedBackend implements CacheBackend<Uint8Array> {
  readonly stores = 'bytes';
  readonly gathersReads = true;
  readonly #link: Link<StoreRequest, StoreReply>;
  readonly #options: FencedBackendOptions;
  #host: BackendHost = { clock: systemClock, random: Math.random, report: () => {} };

  constructor(link: Link<StoreRequest, StoreReply>, options: FencedBackendOptions) {
    this.#link = link;
    this.#options = options;
  }

  attach(host: BackendHost): void {
    this.#host = host;
  }

  // ------------------------------------------------------------------------------------------------------------- verbs

  async get(key: string, { records }: ReadOptions = {}): Promise<Uint8Array | undefined> {
    return (await this.getMulti([key], { records }))[0];
  }

  async getMulti(keys: readonly string[], { records }: ReadOptions = {}): Promise<(Uint8Array | undefined)[]> {
    const { stored, ...reply } = await this.#ask({ verb: 'get', keys, records: wanted(records) });
    bring(records, reply);
    return keys.map((key) => stored?.get(key));
  }

  async set(key: string, stored: Uint8Array, { ttl, lease, generation }: StoreOptions = {}): Promise<boolean> {
    const leases = lease && new Map([[key, lease]]);
    return (await this.setMulti(new Map([[key, stored]]), { ttl, leases, generation })).size === 0;
  }

  async setMulti(
    entries: ReadonlyMap<string, Uint8Array>,
    { ttl, leases, generation }: StoreMultiOptions = {},
  ): Promise<ReadonlySet<string>> {
    if (entries.size === 0) return new Set();
    const written = new Map<string, WriteEntry>();
    for (const [key, bytes] of entries) {
      written.set(key, { bytes, ttl: typeof ttl === 'object' ? ttl.get(key) : ttl, token: leases?.get(key)?.token });
    }
    const { refused = new Set<string>(), moved } = await this.#ask({
      verb: 'write',
      entries: written,
      fence: fenceOf(generation),
    });
    if (generation && moved) generation.moved = moved;
    // Stored or refused, the store has taken the lease along.
    for (const key of entries.keys()) settle(leases?.get(key));
    return refused;
  }

  async delete(key: string): Promise<void> {
    await this.deleteMulti([key]);
  }

  async deleteMulti(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#ask({ verb: 'delete', keys });
  }

  // ------------------------------------------------------------------------------------------------------------ leases

  mutex(key: string): CacheMutex {
    return {
      locked: async () => (await this.#ask({ verb: 'locked', key })).isLocked === true,
      acquire: (options) => this.acquire(key, options),
    };
  }

  protected acquire(key: string, { wait = true, signal, records }: AcquireOptions = {}): Promise<Lease | undefined> {
    const { clock, random } = this.#host;
    const tokens = new Map([[key, newToken()]]);
    return waitUntil(async () => (await this.#tryAcquire(tokens, records)).get(key), {
      wait,
      signal,
      poll: this.#options.lockSleep,
      clock,
      random,
      wake: (run) => this.#link.subscribe(key, run),
    });
  }

  async acquireMulti(keys: readonly string[], { records }: ReadOptions = {}): Promise<ReadonlyMap<string, Lease>> {
    return this.#tryAcquire(new Map(keys.map((key) => [key, newToken()])), records);
  }

  async #tryAcquire(
    tokens: ReadonlyMap<string, string>,
    records: RecordsRequest | undefined,
  ): Promise<Map<string, Lease>> {
    if (tokens.size === 0) return new Map();
    const { lockTimeout: ms } = this.#options;
    let reply: StoreReply;
    try {
      reply = await this.#ask({ verb: 'acquire', tokens, ms, records: wanted(records) });
    } catch (error) {
      // It may have been won all the same.
      for (const [key, token] of tokens) this.#giveBack(key, token);
      throw error;
    }
    bring(records, reply);
    const leases = new Map<string, Lease>();
    for (const key of reply.won ?? []) leases.set(key, this.#keep(key, tokens.get(key) ?? '', reply.stored?.get(key)));
    return leases;
  }

  #keep(key: string, token: string, stored: Uint8Array | undefined): Lease {
    const { lockTimeout: timeout, lockMaxHold: maxHold } = this.#options;
    const { clock, report } = this.#host;
    return new KeptLease({
      token,
      stored,
      timeout,
      maxHold,
      clock,
      renew: async () => (await this.#ask({ verb: 'renew', key, token, ms: timeout })).won?.has(key) === true,
      release: async () => void (await this.#ask({ verb: 'release', key, token })),
      report: (verb, error) => report(verb, error, key),
    });
  }

  #giveBack(key: string, token: string): void {
    this.#ask({ verb: 'release', key, token }).catch((error: unknown) => this.#host.report('release', error, key));
  }

  // ------------------------------------------------------------------------------------------------------- generations

  get generations(): GenerationStore | undefined {
    if (!this.#options.keepsGenerations) return undefined;
    return {
      invalidate: async (region, { hard }) =>
        void (await this.#ask({ verb: 'invalidate', region, hard, tags: undefined })),
      invalidateTags: async (region, tags, { hard }) =>
        void (await this.#ask({ verb: 'invalidate', region, hard, tags })),
      read: async (request, { seed = false } = {}) => {
        const { region, tags } = request;
        bring(request, await this.#ask({ verb: 'records', records: { region, tags }, seed }));
      },
    };
  }

  #ask(request: StoreRequest): Promise<StoreReply> {
    return this.#link.send(request);
  }
}

function settle(lease: Lease | undefined): void {
  if (lease instanceof KeptLease) lease.settle();
}

function wanted(request: RecordsRequest | undefined) {
  return request && { region: request.region, tags: request.tags };
}

function bring(request: RecordsRequest | undefined, { records }: StoreReply): void {
  if (request) request.found = records;
}

function fenceOf(fence: GenerationFence | undefined) {
  return (
    fence && {
      region: fence.region,
      rid: fence.rid,
      seq: fence.seq,
      tags: fence.tags ?? new Map<string, readonly string[]>(),
    }
  );
}
