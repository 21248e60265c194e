/**
 * A Redis server as a backend: what each verb is in commands and scripts (protocol, Redis). Decides nothing about freshness; how a
 * command is sent is `commands.ts`'s, what a script does `scripts.ts`'s.
 */
import type {
  AcquireOptions,
  BackendHost,
  CacheBackend,
  CacheMutex,
  GenerationFence,
  GenerationStore,
  KeyMangler,
  Lease,
  ReadOptions,
  RecordsRequest,
  StoreMultiOptions,
  StoreOptions,
} from '../../api.js';
import { systemClock } from '../../clock.js';
import { BackendUnavailableError, ValueTooLargeError } from '../../errors.js';
import { KeptLease } from '../../lock/lease.js';
import { allDone } from '../../promises.js';
import { parseRecords, parseRegion, recordNames, regionRecordName, tagRecordName } from '../records.js';
import type { RedisSettings } from '../redis-arguments.js';
import type { RedisClient, Word } from './client.js';
import { Commands, listOf, TAKE_THE_CLUSTER } from './commands.js';
import { type Layout, serverLayout } from './layout.js';
import { newIncarnation, RedisLocks } from './locks.js';
import { manglerBeside } from './names.js';
import { ACQUIRE, COMMIT, DELETE, INVALIDATE, INVALIDATE_TAGS, SET, VOID } from './scripts.js';
import { WakeUps } from './wake-ups.js';

/** What the protocol takes (`proto-max-bulk-len`): the server would end the connection. */
const MOST_BYTES = 512 * 1024 * 1024;

/** Until a region attaches. */
const NO_HOST: BackendHost = { clock: systemClock, random: Math.random, report: () => {} };

/** One entry to be written. */
interface Write {
  readonly key: string;
  readonly bytes: Buffer;
  /** Milliseconds, or `''`: for ever. */
  readonly ttl: string;
  readonly tags: readonly string[];
}

export class RedisBackend implements CacheBackend<Uint8Array> {
  readonly stores = 'bytes';
  readonly remote = true;
  readonly gathersReads = true;
  readonly keyMangler: KeyMangler;
  readonly generations: GenerationStore;
  readonly #settings: RedisSettings;
  readonly #layout: Layout;
  readonly #commands: Commands;
  readonly #locks: RedisLocks;
  readonly #wakeUps: WakeUps;
  #host = NO_HOST;

  constructor(settings: RedisSettings, open: () => Promise<RedisClient>, layout = serverLayout(settings.lockPrefix)) {
    this.keyMangler = manglerBeside(settings.lockPrefix);
    this.#settings = settings;
    this.#layout = layout;
    const clock = () => this.#host.clock;
    this.#commands = new Commands({ open, timeout: settings.timeout, clock });
    this.#wakeUps = new WakeUps({
      open: async (events) => (await this.#commands.client()).openEar(events),
      clock,
      report: (error) => this.#host.report('subscribe', error),
    });
    const { lockTimeout, lockMaxHold, lockSleep } = settings;
    this.#locks = new RedisLocks({
      commands: this.#commands,
      wakeUps: this.#wakeUps,
      host: () => this.#host,
      layout,
      lockTimeout,
      lockMaxHold,
      lockSleep,
    });
    this.generations = {
      read: (request, options) => this.#readRecords(request, options?.seed === true),
      invalidate: (region, { hard }) => this.#invalidate(region, [], hard),
      invalidateTags: (region, tags, { hard }) => this.#invalidate(region, tags, hard),
    };
  }

  attach(host: BackendHost): void {
    this.#host = host;
  }

  /** It answers, it is of this backend's kind, and its user may run scripts: without them there are no leases. */
  async ready(): Promise<void> {
    await this.#commands.send(['PING'], '');
    if (!this.#layout.isSpread) {
      const mode = await this.#mode();
      // It answers PING, and most keys are elsewhere.
      if (mode === 'cluster') throw new BackendUnavailableError(`This is a node of a cluster: ${TAKE_THE_CLUSTER}`);
      if (mode === 'sentinel')
        throw new BackendUnavailableError(
          'This is a sentinel, which keeps no values: take the redis_sentinel backend.',
        );
    }
    await this.#commands.send(['EVAL', 'return 1', '0'], '');
  }

  /** Any user may say HELLO; who does not know it (before Redis 6) is taken for a server. */
  async #mode(): Promise<string | undefined> {
    try {
      return modeIn(await this.#commands.send(['HELLO'], ''));
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.#wakeUps.close();
    await this.#commands.close(() => this.#locks.giveAllBack());
  }

  // ------------------------------------------------------------------------------------------------------------ reads

  get(key: string, options?: ReadOptions): Promise<Uint8Array | undefined> {
    return this.#read([key], options?.records, firstOf);
  }

  /** What is kept where nobody answers (a node of a cluster) counts as missing, as long as anybody answers. */
  async getMulti(keys: readonly string[], options?: ReadOptions): Promise<(Uint8Array | undefined)[]> {
    const found = new Map<string, Uint8Array | undefined>();
    const reads = this.#layout.groups(keys, itself).map(async (group) => {
      const stored = await inParts(
        () => this.#read(group, options?.records, (replies) => replies.slice(0, group.length).map(bytesOf)),
        () => allDone(group.map((key) => this.get(key))),
      );
      for (const [at, key] of group.entries()) found.set(key, stored[at]);
    });
    const failed = (await Promise.allSettled(reads)).filter((one) => one.status === 'rejected');
    for (const { reason } of failed) {
      if (failed.length === reads.length) throw reason;
      this.#host.report('getMulti', reason);
    }
    return keys.map((key) => found.get(key));
  }

  /** MGET also of one: a key of another type is nothing there, an error to GET. */
  #read<T>(
    keys: readonly string[],
    records: RecordsRequest | undefined,
    answer: (replies: readonly unknown[]) => T,
  ): Promise<T> {
    const words = ['MGET', ...keys, ...(records ? recordNames(records) : [])] as const;
    return this.#commands.ask(words, keys[0] ?? '', (reply) => {
      const replies = listOf(reply, words.length - 1);
      if (records) records.found = parseRecords(records, replies.slice(keys.length));
      return answer(replies);
    });
  }

  // ----------------------------------------------------------------------------------------------------------- writes

  async set(key: string, stored: Uint8Array, { ttl, lease, generation }: StoreOptions = {}): Promise<boolean> {
    const write = this.#write(key, stored, ttl, generation);
    if (lease) return (await this.#commit([write], [lease], generation))[0] === true;
    return this.#set([write], generation);
  }

  async setMulti(
    entries: ReadonlyMap<string, Uint8Array>,
    options: StoreMultiOptions = {},
  ): Promise<ReadonlySet<string>> {
    const { ttl, leases, generation } = options;
    const writes = [...entries].map(([key, stored]) =>
      this.#write(key, stored, typeof ttl === 'number' ? ttl : ttl?.get(key), generation),
    );
    const refused = new Set<string>();
    const leased = writes.filter(({ key }) => leases?.has(key));
    const said = writes.filter(({ key }) => !leases?.has(key));
    const commits = this.#layout.groups(leased, keyOf).map(async (chunk) => {
      const held = chunk.flatMap(({ key }) => leases?.get(key) ?? []);
      const answers = await this.#commit(chunk, held, generation);
      for (const [at, { key }] of chunk.entries()) if (!answers[at]) refused.add(key);
    });
    const sets = this.#layout.groups(said, keyOf).map(async (chunk) => {
      if (!(await this.#set(chunk, generation))) for (const { key } of chunk) refused.add(key);
    });
    await allDone([...commits, ...sets]);
    return refused;
  }

  #write(key: string, stored: Uint8Array, ttl: number | undefined, generation: GenerationFence | undefined): Write {
    if (stored.length > MOST_BYTES) {
      throw new ValueTooLargeError(`The entry "${key}" has ${stored.length} bytes; Redis takes ${MOST_BYTES}.`);
    }
    const bytes = Buffer.isBuffer(stored) ? stored : Buffer.from(stored.buffer, stored.byteOffset, stored.length);
    return { key, bytes, ttl: pxOf(this.#settings.expirationTime ?? ttl), tags: generation?.tags?.get(key) ?? [] };
  }

  /** Those whose lease stands and whose generation is not cut off. */
  async #commit(
    writes: readonly Write[],
    leases: readonly Lease[],
    generation: GenerationFence | undefined,
  ): Promise<boolean[]> {
    const tags = tagsOf(writes);
    const keys = [...this.#valuesAndLocks(writes.map(({ key }) => key)), ...fenceNames(generation, tags)];
    const args: Word[] = [
      String(writes.length),
      generation ? '1' : '',
      generation?.rid ?? '',
      String(generation?.seq ?? 0),
    ];
    const placeOf = new Map(tags.map((tag, at) => [tag, String(at + 1)]));
    for (const [at, { bytes, ttl, tags: own }] of writes.entries()) {
      args.push(leases[at]?.token ?? '', bytes, ttl, String(own.length));
      for (const tag of own) args.push(placeOf.get(tag) ?? '');
    }
    const held = writes.map(({ key }, at) => ({ lock: this.#layout.lockOf(key), token: leases[at]?.token ?? '' }));
    try {
      const reply = listOf(await this.#commands.run(COMMIT, keys, args), writes.length);
      this.#locks.forget(held);
      return writes.map((_, at) => Number(reply[at]) === 1);
    } catch (error) {
      this.#locks.releaseBehind(held);
      throw error;
    } finally {
      // Whatever came of it, nothing is left to renew or release.
      for (const lease of leases) if (lease instanceof KeptLease) lease.settle();
    }
  }

  /** `false`: the generation is behind, nothing was written. */
  async #set(writes: readonly Write[], generation: GenerationFence | undefined): Promise<boolean> {
    const plainly = async () => {
      await allDone(
        writes.map(({ key, bytes, ttl }) =>
          this.#commands.send(['SET', key, bytes, ...(ttl === '' ? [] : ['PX', ttl])], key),
        ),
      );
      return true;
    };
    if (!generation && !this.#settings.distributedLock) return plainly();
    return inPartsAndWhole(
      () => this.#setAndVoid(writes, generation),
      async () => {
        await this.#void(writes.map(keyOf));
        return plainly();
      },
    );
  }

  async #setAndVoid(writes: readonly Write[], generation: GenerationFence | undefined): Promise<boolean> {
    const keys = [...this.#valuesAndLocks(writes.map(({ key }) => key)), ...fenceNames(generation, tagsOf(writes))];
    const args: Word[] = [
      String(writes.length),
      generation ? newIncarnation() : '',
      generation?.rid ?? '',
      String(generation?.seq ?? 0),
    ];
    for (const { bytes, ttl } of writes) args.push(bytes, ttl);
    const reply = await this.#commands.run(SET, keys, args);
    if (Number(reply) === 1) return true;
    if (generation) generation.moved = parseRegion(reply);
    return false;
  }

  delete(key: string): Promise<void> {
    return this.deleteMulti([key]);
  }

  async deleteMulti(keys: readonly string[]): Promise<void> {
    await allDone(this.#layout.groups(keys, itself).map((group) => this.#deleteGroup(group)));
  }

  #deleteGroup(keys: readonly string[]): Promise<unknown> {
    const { distributedLock } = this.#settings;
    return inPartsAndWhole(
      () =>
        distributedLock
          ? this.#commands.run(DELETE, this.#valuesAndLocks(keys), [String(keys.length)])
          : this.#commands.send(['DEL', ...keys], keys[0] ?? ''),
      async () => {
        if (distributedLock) await this.#void(keys);
        return allDone(keys.map((key) => this.#commands.send(['DEL', key], key)));
      },
    );
  }

  /** Before what is said of the keys: once nobody has a lease, nobody's commit comes between. */
  #void(keys: readonly string[]): Promise<unknown> {
    return allDone(keys.map((key) => this.#commands.run(VOID, [this.#layout.lockOf(key)], [])));
  }

  #valuesAndLocks(keys: readonly string[]): string[] {
    return [...keys, ...keys.map((key) => this.#layout.lockOf(key))];
  }

  // ----------------------------------------------------------------------------------------------------------- leases

  mutex(key: string): CacheMutex | undefined {
    return this.#settings.distributedLock ? this.#locks.mutex(key) : undefined;
  }

  acquireMulti(keys: readonly string[], options?: ReadOptions): Promise<ReadonlyMap<string, Lease>> | undefined {
    if (!this.#settings.distributedLock) return undefined;
    return this.#acquireMulti(keys, options?.records);
  }

  /** Of a node of a cluster that fails no lease is won; it is told of, unless all fail. */
  async #acquireMulti(
    keys: readonly string[],
    records: AcquireOptions['records'],
  ): Promise<ReadonlyMap<string, Lease>> {
    const tried = await Promise.allSettled(
      this.#layout.groups(keys, itself).map((group) => this.#locks.acquireMulti(group, records)),
    );
    const failed = tried.filter((one) => one.status === 'rejected');
    for (const { reason } of failed) {
      if (failed.length === tried.length) throw reason;
      this.#host.report('acquireMulti', reason);
    }
    return new Map(tried.flatMap((one) => (one.status === 'fulfilled' ? [...one.value] : [])));
  }

  // ------------------------------------------------------------------------------------------------------ generations

  async #readRecords(request: RecordsRequest, seed: boolean): Promise<void> {
    const names = recordNames(request);
    if (!seed) {
      request.found = parseRecords(request, listOf(await this.#commands.send(['MGET', ...names], names[0] ?? '')));
      return;
    }
    const [read] = listOf(await this.#commands.run(ACQUIRE, names, ['0', '0', '0', newIncarnation()]));
    request.found = parseRecords(request, listOf(read));
  }

  async #invalidate(region: string, tags: readonly string[], hard: boolean): Promise<void> {
    const keys = [regionRecordName(region), ...tags.map((tag) => tagRecordName(region, tag))];
    await this.#commands.run(tags.length > 0 ? INVALIDATE_TAGS : INVALIDATE, keys, [newIncarnation(), hard ? '1' : '']);
  }
}

function fenceNames(generation: GenerationFence | undefined, tags: readonly string[]): string[] {
  if (!generation) return [];
  return [regionRecordName(generation.region), ...tags.map((tag) => tagRecordName(generation.region, tag))];
}

/** Each once. */
function tagsOf(writes: readonly Write[]): string[] {
  return [...new Set(writes.flatMap(({ tags }) => tags))];
}

/** Whole milliseconds, at least one; nothing for ever. */
function pxOf(ttl: number | undefined): string {
  if (ttl === undefined || ttl === Number.POSITIVE_INFINITY) return '';
  return String(Math.min(Number.MAX_SAFE_INTEGER, Math.max(1, Math.ceil(ttl))));
}

/** What HELLO answers, as names and values in turn, or by name. */
function modeIn(hello: unknown): string {
  const mode: unknown = Array.isArray(hello)
    ? hello[hello.findIndex((word) => String(word) === 'mode') + 1]
    : typeof hello === 'object' && hello !== null && Reflect.get(hello, 'mode');
  return String(mode);
}

const itself = (key: string): string => key;
const keyOf = ({ key }: Write): string => key;

/**
 * A slot of a cluster that is on its way to another node takes commands of one key only: then each part is sent by itself. Nobody
 * can acquire or commit there meanwhile, which takes two keys.
 */
async function inParts<T>(whole: () => Promise<T>, parts: () => Promise<T>): Promise<T> {
  try {
    return await whole();
  } catch (error) {
    if (error instanceof BackendUnavailableError && MOVING.test(error.message)) return parts();
    throw error;
  }
}

/**
 * The same, of what voids leases as well. It is sent once more as a whole: a move that ends between the parts lets somebody acquire
 * there, and what he creates would take the place of what was said. While that is refused too, nobody has.
 */
function inPartsAndWhole<T>(whole: () => Promise<T>, parts: () => Promise<T>): Promise<T> {
  return inParts(whole, async () => {
    const done = await parts();
    return inParts(whole, async () => done);
  });
}

/** ioredis tries again for a while, and says of what it was told only the last. */
const MOVING = /TRYAGAIN|Too many Cluster redirections/;

function firstOf([reply]: readonly unknown[]): Uint8Array | undefined {
  return bytesOf(reply);
}

function bytesOf(reply: unknown): Uint8Array | undefined {
  return Buffer.isBuffer(reply) ? reply : undefined;
}
