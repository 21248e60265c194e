/** Backends that each break the contract in one way, as third parties' backends do: the suite has to find every one of them. */
import type {
  AcquireOptions,
  Lease,
  ReadOptions,
  RecordsRequest,
  StoreMultiOptions,
  StoreOptions,
} from '../../../src/api.js';
import { FencedBackend } from '../../../src/testing/simulation/fenced-backend.js';
import {
  FencedStore,
  type RecordsWanted,
  type StoreReply,
  type StoreRequest,
  type WriteEntry,
} from '../../../src/testing/simulation/fenced-store.js';
import type { Made } from './fenced.js';

export interface Flaw extends Made {
  readonly name: string;
  /** A law that it must break. */
  readonly breaks: string;
}

type Bytes = Uint8Array;
type Entries = ReadonlyMap<string, Bytes>;

const stores = (name: string, breaks: string, Store: new () => FencedStore): Flaw => ({
  name,
  breaks,
  store: () => new Store(),
});
const backends = (name: string, breaks: string, backend: typeof FencedBackend): Flaw => ({ name, breaks, backend });

let tokens = 0;

/** A lease with some of its members replaced. */
function changed(lease: Lease, change: Partial<Lease>): Lease {
  return new Proxy(lease, {
    get(target, name) {
      const value: unknown = name in change ? Reflect.get(change, name) : Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    has: (target, name) => (name in change ? Reflect.get(change, name) !== undefined : name in target),
  });
}

export const flaws: readonly Flaw[] = [
  // ------------------------------------------------------------------------------------------------------------- verbs
  backends(
    'get answers null for nothing',
    'get: a key that was never stored is undefined',
    class extends FencedBackend {
      override async get(key: string, options?: ReadOptions) {
        return (await super.get(key, options)) ?? (null as never);
      }
    },
  ),
  backends(
    'set answers false',
    'set, get: what was stored',
    class extends FencedBackend {
      override async set(key: string, stored: Bytes, options?: StoreOptions) {
        return (await super.set(key, stored, options)) && options?.lease !== undefined;
      }
    },
  ),
  stores(
    'a value is never replaced',
    'set: the later value replaces the earlier, longer or shorter',
    class extends FencedStore {
      protected override put(key: string, entry: WriteEntry) {
        if (this.entryOf(key) === undefined) super.put(key, entry);
      }
    },
  ),
  stores(
    'a ttl is taken for microseconds',
    'set: a ttl does not take the value away before its time',
    class extends FencedStore {
      protected override put(key: string, entry: WriteEntry) {
        super.put(key, { ...entry, ttl: entry.ttl && entry.ttl / 1e12 });
      }
    },
  ),
  stores(
    'delete removes everything',
    'delete: it is gone, and no other',
    class extends FencedStore {
      protected override delete(key: string) {
        super.delete(key);
        this.entries.clear();
      }
    },
  ),
  stores(
    'delete of nothing throws',
    'delete: of nothing, and twice, is no error',
    class extends FencedStore {
      protected override delete(key: string) {
        if (this.entryOf(key) === undefined) throw new Error(`No such key: ${key}`);
        super.delete(key);
      }
    },
  ),
  backends(
    'the verbs for many want at least one key',
    'getMulti, setMulti, deleteMulti: of no keys at all',
    class extends FencedBackend {
      override async deleteMulti(keys: readonly string[]) {
        if (keys.length === 0) throw new Error('wrong number of arguments');
        await super.deleteMulti(keys);
      }
    },
  ),
  backends(
    'getMulti leaves missing keys out',
    'getMulti: of missing keys alone',
    class extends FencedBackend {
      override async getMulti(keys: readonly string[], options?: ReadOptions) {
        return (await super.getMulti(keys, options)).filter((stored) => stored !== undefined);
      }
    },
  ),
  backends(
    'getMulti answers in an order of its own',
    'getMulti: in the order of the keys, missing ones undefined at their places, repeated ones at each of theirs',
    class extends FencedBackend {
      override async getMulti(keys: readonly string[], options?: ReadOptions) {
        return super.getMulti([...keys].sort(), options);
      }
    },
  ),
  backends(
    'setMulti writes a hundred at most',
    'setMulti: each of them, and none is refused',
    class extends FencedBackend {
      override setMulti(entries: Entries, options?: StoreMultiOptions) {
        return super.setMulti(new Map([...entries].slice(0, 100)), options);
      }
    },
  ),
  backends(
    'deleteMulti stops at a missing key',
    'deleteMulti: each of them, also twice named and missing ones',
    class extends FencedBackend {
      override async deleteMulti(keys: readonly string[]) {
        for (const key of keys) {
          if ((await this.get(key)) === undefined) return;
          await super.deleteMulti([key]);
        }
      }
    },
  ),
  backends(
    'keys are cut to 250 characters',
    'keys: empty, with blanks, line breaks, any letters, long; each is a key of its own',
    class extends FencedBackend {
      override getMulti(keys: readonly string[], options?: ReadOptions) {
        return super.getMulti(
          keys.map((key) => key.slice(0, 250)),
          options,
        );
      }
      override setMulti(entries: Entries, options?: StoreMultiOptions) {
        return super.setMulti(new Map([...entries].map(([key, stored]) => [key.slice(0, 250), stored])), options);
      }
    },
  ),
  backends(
    'bytes go through UTF-8',
    'bytes: every one of the 256 comes back as it was',
    class extends FencedBackend {
      override setMulti(entries: Entries, options?: StoreMultiOptions) {
        return super.setMulti(
          new Map([...entries].map(([key, stored]) => [key, Buffer.from(Buffer.from(stored).toString())])),
          options,
        );
      }
    },
  ),
  backends(
    'bytes end at a line end',
    'bytes: line ends, NUL and broken UTF-8 come back as they were',
    class extends FencedBackend {
      override async getMulti(keys: readonly string[], options?: ReadOptions) {
        return (await super.getMulti(keys, options)).map(
          (stored) => stored && Buffer.from(Buffer.from(stored).toString('latin1').split('\r\n')[0] ?? '', 'latin1'),
        );
      }
    },
  ),
  backends(
    'an empty value is missing',
    'bytes: an empty value is a value',
    class extends FencedBackend {
      override async getMulti(keys: readonly string[], options?: ReadOptions) {
        return (await super.getMulti(keys, options)).map((stored) => (stored?.length ? stored : undefined));
      }
    },
  ),
  backends(
    'values are cut to 64 KiB',
    'bytes: 256 KiB come back as they were',
    class extends FencedBackend {
      override setMulti(entries: Entries, options?: StoreMultiOptions) {
        return super.setMulti(new Map([...entries].map(([key, stored]) => [key, stored.subarray(0, 65_536)])), options);
      }
    },
  ),
  backends(
    'the whole buffer of a view is stored',
    'bytes: a view of a larger buffer is stored as itself alone',
    class extends FencedBackend {
      override setMulti(entries: Entries, options?: StoreMultiOptions) {
        return super.setMulti(
          new Map([...entries].map(([key, stored]) => [key, new Uint8Array(stored.buffer)])),
          options,
        );
      }
    },
  ),
  backends(
    'calls at once share a variable',
    'verbs at once: many writes and reads of many keys do not mix',
    class extends FencedBackend {
      #key = '';
      override async set(key: string, stored: Bytes, options?: StoreOptions) {
        this.#key = key;
        await Promise.resolve();
        return super.set(this.#key, stored, options);
      }
    },
  ),
  backends(
    'what was read is kept in the process',
    'second: both see what the other writes and deletes, at once',
    class extends FencedBackend {
      readonly #kept = new Map<string, Bytes>();
      override async getMulti(keys: readonly string[], options?: ReadOptions) {
        const found = await super.getMulti(keys, options);
        keys.forEach((key, at) => {
          const stored = found[at];
          if (stored && !this.#kept.has(key)) this.#kept.set(key, stored);
        });
        return keys.map((key) => this.#kept.get(key));
      }
      override setMulti(entries: Entries, options?: StoreMultiOptions) {
        for (const key of entries.keys()) this.#kept.delete(key);
        return super.setMulti(entries, options);
      }
      override deleteMulti(keys: readonly string[]) {
        for (const key of keys) this.#kept.delete(key);
        return super.deleteMulti(keys);
      }
    },
  ),
  backends(
    'closed twice, it throws',
    'close: twice is no error',
    class extends FencedBackend {
      #isClosed = false;
      close() {
        if (this.#isClosed) throw new Error('Connection is closed.');
        this.#isClosed = true;
      }
    },
  ),
  backends(
    'it says that it stores nothing, and stores',
    'storesNothing: nothing that is written can be read',
    class extends FencedBackend {
      readonly storesNothing = true;
    },
  ),
  backends(
    'it says that it stores nothing, until it is used',
    'storesNothing: every call runs its creator, at the same time too',
    class extends FencedBackend {
      #asked = 0;
      get storesNothing() {
        this.#asked++;
        return this.#asked < 3;
      }
    },
  ),
  {
    name: 'release is sent as often as it is said, and removes whoever holds',
    breaks: 'lease: release is idempotent, and takes nobody else down',
    backend: class extends FencedBackend {
      protected override async acquire(key: string, options?: AcquireOptions) {
        const lease = await super.acquire(key, options);
        const remove = async () => {
          await lease?.release();
          await this.deleteMulti([key]);
        };
        return lease && changed(lease, { release: remove, [Symbol.asyncDispose]: remove });
      }
    },
  },
  // ------------------------------------------------------------------------------------------------------------- locks
  stores(
    'a fresh lock is held',
    'mutex: a fresh one is not locked, and asking takes nothing',
    class extends FencedStore {
      override handle(request: StoreRequest, now: number): StoreReply {
        return request.verb === 'locked' && !this.locks.has(request.key)
          ? { isLocked: true }
          : super.handle(request, now);
      }
    },
  ),
  backends(
    'inspect finds nobody',
    'mutex: inspect says the same as locked, how long the lease has left, and takes nothing',
    class extends FencedBackend {
      override mutex(key: string) {
        return { ...super.mutex(key), inspect: () => ({ held: false }) };
      }
    },
  ),
  stores(
    'release does nothing',
    'mutex: acquired, it is locked, for every handle of the key; released, it is free again',
    class extends FencedStore {
      protected override release() {}
    },
  ),
  stores(
    'everybody is granted the lock',
    'mutex: of many who wait never two hold it, and all get it',
    class extends FencedStore {
      protected override mayAcquire() {
        return true;
      }
    },
  ),
  backends(
    'acquire waits though it is told not to',
    'mutex: acquire({ wait: false }) while it is held answers undefined',
    class extends FencedBackend {
      protected override acquire(key: string, options?: AcquireOptions) {
        return super.acquire(key, { ...options, wait: true });
      }
    },
  ),
  backends(
    'acquire does not wait',
    'mutex: acquire() waits until it is released',
    class extends FencedBackend {
      protected override acquire(key: string, options?: AcquireOptions) {
        return super.acquire(key, { ...options, wait: false });
      }
    },
  ),
  backends(
    'acquire gives up at once when it has a limit',
    'mutex: acquire({ wait: ms }) gives up when its time is over, not before, and leaves nothing behind',
    class extends FencedBackend {
      protected override acquire(key: string, options: AcquireOptions = {}) {
        return super.acquire(key, {
          ...options,
          wait: typeof options.wait === 'number' ? false : (options.wait ?? true),
        });
      }
    },
  ),
  backends(
    'a limit is waited for to the end',
    'mutex: acquire({ wait: ms }) wins when it is released in time',
    class extends FencedBackend {
      protected override async acquire(key: string, options: AcquireOptions = {}) {
        const lease = await super.acquire(key, { ...options, wait: false });
        if (lease || typeof options.wait !== 'number') return lease ?? super.acquire(key, options);
        await new Promise((resolve) => setTimeout(resolve, Number(options.wait)));
        return undefined;
      }
    },
  ),
  backends(
    'a signal is not listened to',
    'mutex: an abort rejects with its reason, before and while it waits, and leaves nothing behind',
    class extends FencedBackend {
      protected override acquire(key: string, options: AcquireOptions = {}) {
        return super.acquire(key, { ...options, signal: undefined });
      }
    },
  ),
  stores(
    'one lock for all keys',
    'mutex: while one key is held, others can be had at once',
    class extends FencedStore {
      protected override mayAcquire(key: string, token: string) {
        return this.locks.size === 0 && super.mayAcquire(key, token);
      }
    },
  ),
  stores(
    'acquire leaves a stub in place of the value',
    'mutex: the value itself is not touched by its lock',
    class extends FencedStore {
      protected override acquire(tokens: ReadonlyMap<string, string>, ms: number, wanted: RecordsWanted | undefined) {
        const reply = super.acquire(tokens, ms, wanted);
        for (const key of reply.won ?? []) this.entries.delete(key);
        return reply;
      }
    },
  ),
  stores(
    'release removes whoever holds',
    'lease: one that was lost is released, and takes nobody else down',
    class extends FencedStore {
      protected override release(key: string) {
        this.voidLease(key);
      }
    },
  ),
  backends(
    'tokens are counted',
    'lease: tokens are distinct and can not be guessed',
    class extends FencedBackend {
      protected override async acquire(key: string, options?: AcquireOptions) {
        const lease = await super.acquire(key, options);
        tokens++;
        return lease && changed(lease, { token: String(tokens).padStart(32, '0') });
      }
    },
  ),
  backends(
    'a lease comes without what is stored, and says that it is nothing',
    'lease: acquired before anything was stored, or with what is stored',
    class extends FencedBackend {
      protected override async acquire(key: string, options?: AcquireOptions) {
        const lease = await super.acquire(key, options);
        if (lease) Object.assign(lease, { stored: undefined });
        return lease;
      }
    },
  ),
  backends(
    'acquireMulti gives leases of what others hold',
    'acquireMulti: those that are free, and not those that are held',
    class extends FencedBackend {
      override async acquireMulti(keys: readonly string[], options?: ReadOptions) {
        const leases = new Map(await super.acquireMulti(keys, options));
        const [some] = leases.values();
        for (const key of keys) if (some && !leases.has(key)) leases.set(key, some);
        return leases;
      }
    },
  ),
  backends(
    'acquireMulti wants at least one key',
    'acquireMulti: of no keys',
    class extends FencedBackend {
      override async acquireMulti(keys: readonly string[], options?: ReadOptions) {
        if (keys.length === 0) throw new Error('wrong number of arguments');
        return super.acquireMulti(keys, options);
      }
    },
  ),
  {
    name: 'locks are kept in the process',
    breaks: 'second: a lock that one holds is held for the other',
    backend: class extends FencedBackend {
      readonly #locks = new FencedStore();
      override mutex(key: string) {
        const own = new FencedBackend(
          { send: async (request) => this.#locks.handle(request, Date.now()), subscribe: () => () => {} },
          { lockTimeout: 10_000, lockMaxHold: 300_000, lockSleep: 5, keepsGenerations: true },
        );
        return own.mutex(key);
      }
    },
  },
  stores(
    'a lease never lapses',
    'lapsing: a lease that is held for too long is lost, and another takes over',
    class extends FencedStore {
      protected override lockOf(key: string) {
        return this.locks.get(key);
      }
    },
  ),
  // ------------------------------------------------------------------------------------------------------------ fences
  stores(
    'a commit does not release',
    'commit: a set with a lease stores and releases',
    class extends FencedStore {
      protected override write(...[entries, fence]: Parameters<FencedStore['write']>) {
        const locks = new Map(this.locks);
        const reply = super.write(entries, fence);
        for (const [key, { token }] of entries) {
          const lock = locks.get(key);
          if (token !== undefined && lock?.token === token) this.locks.set(key, lock);
        }
        return reply;
      }
    },
  ),
  stores(
    'a commit with a ttl is refused',
    'commit: with a ttl as well',
    class extends FencedStore {
      protected override write(...[entries, fence]: Parameters<FencedStore['write']>) {
        const isOdd = [...entries.values()].some(({ ttl, token }) => ttl !== undefined && token !== undefined);
        return isOdd ? { refused: new Set(entries.keys()) } : super.write(entries, fence);
      }
    },
  ),
  stores(
    'a commit ignores the token',
    'commit: refused after a release',
    class extends FencedStore {
      protected override isHolder() {
        return true;
      }
    },
  ),
  stores(
    'a commit ignores the token where nobody holds the lock',
    'commit: refused after a delete, and the key stays deleted',
    class extends FencedStore {
      protected override isHolder(key: string, token: string | undefined) {
        return this.lockOf(key) === undefined || super.isHolder(key, token);
      }
    },
  ),
  stores(
    'a delete does not void the lease',
    'commit: refused after a delete of a key that had no value',
    class extends FencedStore {
      protected override delete(key: string) {
        this.entries.delete(key);
      }
    },
  ),
  stores(
    'a deleteMulti does not void leases',
    'commit: refused after a deleteMulti',
    class extends FencedStore {
      override handle(request: StoreRequest, now: number) {
        if (request.verb !== 'delete' || request.keys.length < 2) return super.handle(request, now);
        for (const key of request.keys) this.entries.delete(key);
        return {};
      }
    },
  ),
  stores(
    'a set does not void the lease',
    'commit: refused after a set, whose value stays',
    class extends FencedStore {
      protected override write(...[entries, fence]: Parameters<FencedStore['write']>) {
        const locks = new Map(this.locks);
        const reply = super.write(entries, fence);
        for (const [key, { token }] of entries) {
          const lock = locks.get(key);
          if (token === undefined && lock) this.locks.set(key, lock);
        }
        return reply;
      }
    },
  ),
  stores(
    'a setMulti does not void leases',
    'commit: refused after a setMulti, whose values stay',
    class extends FencedStore {
      protected override write(...[entries, fence]: Parameters<FencedStore['write']>) {
        const locks = new Map(this.locks);
        const reply = super.write(entries, fence);
        for (const [key, { token }] of entries) {
          const lock = locks.get(key);
          if (entries.size > 1 && token === undefined && lock) this.locks.set(key, lock);
        }
        return reply;
      }
    },
  ),
  stores(
    'a delete voids all leases',
    'commit: a delete or set of another key leaves the lease alone',
    class extends FencedStore {
      protected override delete(key: string) {
        super.delete(key);
        this.locks.clear();
      }
    },
  ),
  stores(
    'a refused commit releases whoever holds',
    'commit: refused after another has taken over, who is left alone',
    class extends FencedStore {
      protected override isHolder(key: string, token: string | undefined) {
        const isOurs = super.isHolder(key, token);
        if (!isOurs) this.locks.delete(key);
        return isOurs;
      }
    },
  ),
  backends(
    'setMulti does not name what is refused',
    'commit: of many, those whose leases do not stand are named and not written, the others are',
    class extends FencedBackend {
      override async setMulti(entries: Entries, options?: StoreMultiOptions) {
        const refused = await super.setMulti(entries, options);
        return entries.size > 1 && options?.leases ? new Set<string>() : refused;
      }
    },
  ),
  backends(
    'leases of acquireMulti do not commit',
    'commit: of leases that acquireMulti gave',
    class extends FencedBackend {
      override async acquireMulti(keys: readonly string[], options?: ReadOptions) {
        const leases = await super.acquireMulti(keys, options);
        return new Map([...leases].map(([key, lease]) => [key, changed(lease, { token: `${lease.token}!` })]));
      }
    },
  ),
  backends(
    'whenLost is told of the end, too',
    'whenLost: told after a commit or release, never',
    class extends FencedBackend {
      protected override async acquire(key: string, options?: AcquireOptions) {
        const lease = await super.acquire(key, options);
        const told: (() => void)[] = [];
        return (
          lease &&
          changed(lease, {
            whenLost: (run) => told.push(() => run('voided')),
            release: async () => {
              await lease.release();
              for (const run of told) run();
            },
          })
        );
      }
    },
  ),
  backends(
    'a second process does not fence',
    'second: a delete or set by one is final for what the other creates',
    class extends FencedBackend {
      readonly #own = new Set<string>();
      protected override async acquire(key: string, options?: AcquireOptions) {
        this.#own.add(key);
        return super.acquire(key, options);
      }
      override async deleteMulti(keys: readonly string[]) {
        if (keys.some((key) => this.#own.has(key))) return super.deleteMulti(keys);
        for (const key of keys) await super.setMulti(new Map([[key, new Uint8Array()]]), { ttl: 0, leases: undefined });
      }
      override async setMulti(entries: Entries, options: StoreMultiOptions = {}) {
        const refused = await super.setMulti(entries, options);
        if (!options.leases || refused.size === 0) return refused;
        await super.setMulti(new Map([...entries].filter(([key]) => refused.has(key))));
        return new Set<string>();
      }
    },
  ),
  // ------------------------------------------------------------------------------------------------------- generations
  stores(
    'a read seeds the record',
    'generations: a region that nobody has written to has no record, and reading makes none',
    class extends FencedStore {
      protected override found(wanted: RecordsWanted | undefined) {
        if (wanted) this.seeded(wanted.region);
        return super.found(wanted);
      }
    },
  ),
  stores(
    'the incarnation is a constant',
    'generations: seeded once, with a new incarnation; regions have records of their own',
    class extends FencedStore {
      protected override seeded(region: string) {
        const record = { ...super.seeded(region), rid: '0123456789abcdef0123456789abcdef' };
        this.records.set(region, record);
        return record;
      }
    },
  ),
  stores(
    'an invalidation of one region is one of all',
    'generations: a soft invalidation counts, and touches nothing else',
    class extends FencedStore {
      protected override seeded(_region: string) {
        for (const region of ['users', 'orders', 'conformance']) super.seeded(region);
        return super.seeded(_region);
      }
    },
  ),
  stores(
    'a hard invalidation counts as a soft one',
    'generations: a hard invalidation counts, and says when it was',
    class extends FencedStore {
      protected override invalidate(region: string, tags: readonly string[] | undefined, _hard: boolean) {
        super.invalidate(region, tags, false);
      }
    },
  ),
  backends(
    'invalidations at once overwrite each other',
    'generations: invalidations at once are all counted',
    class extends FencedBackend {
      #underWay: Promise<void> | undefined;
      override get generations() {
        const inner = super.generations;
        if (!inner) return undefined;
        return {
          ...inner,
          invalidate: (region: string, options: { readonly hard: boolean }) => {
            this.#underWay ??= Promise.resolve(inner.invalidate(region, options)).finally(() => {
              this.#underWay = undefined;
            });
            return this.#underWay;
          },
        };
      }
    },
  ),
  stores(
    'an invalidation of tags is not noted in the region’s record',
    'generations: tags have records that count by the region’s',
    class extends FencedStore {
      protected override invalidate(region: string, tags: readonly string[] | undefined, hard: boolean) {
        const before = this.seeded(region);
        super.invalidate(region, tags, hard);
        if (tags) this.records.set(region, before);
      }
    },
  ),
  backends(
    'records don’t come along with reads',
    'generations: records come along with get and getMulti, as they stand',
    class extends FencedBackend {
      override getMulti(keys: readonly string[], _options?: ReadOptions) {
        return super.getMulti(keys);
      }
    },
  ),
  backends(
    'records don’t come along with acquire',
    'generations: acquire seeds the record and brings it along',
    class extends FencedBackend {
      protected override acquire(key: string, options: AcquireOptions = {}) {
        return super.acquire(key, { ...options, records: undefined });
      }
    },
  ),
  stores(
    'a lease that is cut off stands in the way',
    'generations: a commit is refused after a hard invalidation, and another may take over',
    class extends FencedStore {
      protected override isCut() {
        return false;
      }
    },
  ),
  stores(
    'a commit does not compare generations',
    'generations: a commit is refused after a hard invalidation, also when nobody has taken over',
    class extends FencedStore {
      protected override isFenced() {
        return false;
      }
    },
  ),
  stores(
    'a soft invalidation refuses commits',
    'generations: a commit is stored after a soft invalidation, and after a hard one of another region',
    class extends FencedStore {
      protected override isFenced(...[key, fence, record]: Parameters<FencedStore['isFenced']>) {
        return (
          super.isFenced(key, fence, record) || (fence !== undefined && record !== undefined && fence.seq < record.soft)
        );
      }
    },
  ),
  stores(
    'a commit does not compare tags',
    'generations: a commit is refused when one of its tags was invalidated hard meanwhile, not when softly or another',
    class extends FencedStore {
      protected override isFenced(...[key, fence, record]: Parameters<FencedStore['isFenced']>) {
        return super.isFenced(key, fence && { ...fence, tags: new Map() }, record);
      }
    },
  ),
  stores(
    'a set does not compare generations',
    'generations: a set is refused when the region was invalidated since, and told what it is now',
    class extends FencedStore {
      protected override write(...[entries, fence]: Parameters<FencedStore['write']>) {
        const isSaid = [...entries.values()].every(({ token }) => token === undefined);
        return super.write(entries, isSaid ? undefined : fence);
      }
    },
  ),
  stores(
    'a set does not compare tags',
    'generations: a set is refused when one of its tags was invalidated since, and told what the region’s record is now',
    class extends FencedStore {
      protected override isBehind(...[fence, record]: Parameters<FencedStore['isBehind']>) {
        return super.isBehind({ ...fence, tags: new Map() }, record);
      }
    },
  ),
  stores(
    'a soft invalidation of tags is a hard one',
    'region: a soft invalidation of tags leaves what bears them to be served while one creates',
    class extends FencedStore {
      protected override invalidate(region: string, tags: readonly string[] | undefined, hard: boolean) {
        super.invalidate(region, tags, hard || tags !== undefined);
      }
    },
  ),
  stores(
    'a record that is lost takes its place again as it was',
    'forget: no entry comes back when records are lost, also when they have been made anew',
    class extends FencedStore {
      override tagOf(region: string, tag: string) {
        const rid = this.records.get(region)?.rid;
        return super.tagOf(region, tag) ?? (rid === undefined ? undefined : { rid, hard: 0, soft: 0 });
      }
    },
  ),
  stores(
    'a refused set is not told why',
    'generations: a set and a setMulti of who knows no record yet are refused, and told',
    class extends FencedStore {
      protected override write(...[entries, fence]: Parameters<FencedStore['write']>) {
        return { ...super.write(entries, fence), moved: undefined };
      }
    },
  ),
  backends(
    'records are kept in the process',
    'second: an invalidation by one is seen by the other, and final for what it creates',
    class extends FencedBackend {
      readonly #own = new FencedBackend(
        { send: async (request) => this.#records.handle(request, Date.now()), subscribe: () => () => {} },
        { lockTimeout: 10_000, lockMaxHold: 300_000, lockSleep: 5, keepsGenerations: true },
      );
      readonly #records = new FencedStore();
      override get generations() {
        return this.#own.generations;
      }
      protected override acquire(key: string, options: AcquireOptions = {}) {
        const { records } = options;
        return super.acquire(key, { ...options, records: undefined }).then(async (lease) => {
          if (records) await this.#bring(records);
          return lease;
        });
      }
      async #bring(records: RecordsRequest) {
        await this.#own.generations?.read(records, { seed: true });
      }
    },
  ),
];
