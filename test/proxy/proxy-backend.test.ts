import { describe, expect, it, vi } from 'vitest';
import { type CacheBackend, CachedValue, type Lease, type Storable, type StoreOptions } from '../../src/api.js';
import { memoryBackend, memorySerializedBackend } from '../../src/backends/memory.js';
import { CantDeserializeError, ValidationError } from '../../src/errors.js';
import { ProxyBackend, wrapBackend } from '../../src/proxy.js';
import { makeRegion } from '../../src/region/region.js';
import { jsonSerializer } from '../../src/serializers.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { FencedBackend, LaterBackend, SharedStore } from '../region/support/later-backend.js';
import { unhandledRejections } from '../support/unhandled.js';

const entry = (payload: unknown) => new CachedValue(payload, { ct: 1, v: 2 });

/** Turns payloads round on the way in, and back on the way out. */
class Turning extends ProxyBackend<CachedValue> {
  readonly seen: string[] = [];
  turned(verb: string, key: string, { payload, metadata }: CachedValue): CachedValue {
    this.seen.push(`${verb} ${key}`);
    return new CachedValue([...String(payload)].reverse().join(''), metadata);
  }
  override encode(key: string, stored: CachedValue) {
    return this.turned('encode', key, stored);
  }
  override decode(key: string, stored: CachedValue) {
    return this.turned('decode', key, stored);
  }
}
/** The same, answering later. */
class TurningLater extends Turning {
  // The base class allows an answer or a promise of one.
  override encode(key: string, stored: CachedValue): never {
    return Promise.resolve(super.encode(key, stored)) as never;
  }
  override decode(key: string, stored: CachedValue): never {
    return Promise.resolve(super.decode(key, stored)) as never;
  }
}
class Counting extends ProxyBackend {
  gets = 0;
  sets = 0;
  override get(key: string) {
    this.gets++;
    return super.get(key);
  }
  override set(key: string, stored: Storable, options?: StoreOptions) {
    this.sets++;
    return super.set(key, stored, options);
  }
}
const regionOn = (backend: CacheBackend, ...wrap: (ProxyBackend<never> | (new () => ProxyBackend<never>))[]) =>
  makeRegion({ clock: new FakeClock() }).configure(backend, { wrap, expirationTime: '10s' });

describe('a proxy that changes nothing', () => {
  it('forwards every verb, with its options, and answers at once where the backend does', () => {
    const backend = memoryBackend();
    const proxy = wrapBackend(ProxyBackend, backend);
    const one = entry(1);
    expect(proxy.set('a', one, { ttl: 5 })).toBeUndefined();
    expect(proxy.setMulti(new Map([['b', one]]))).toBeUndefined();
    expect(proxy.get('a')).toBe(one);
    expect(proxy.getMulti(['b', 'none', 'a'])).toEqual([one, undefined, one]);
    expect(proxy.delete('a')).toBeUndefined();
    expect(proxy.deleteMulti(['b', 'none'])).toBeUndefined();
    expect(proxy.getMulti(['a', 'b'])).toEqual([undefined, undefined]);
  });

  it('says of itself what its backend says', () => {
    const backend = {
      ...memoryBackend(),
      stores: 'bytes' as const,
      keyMangler: (key: string) => key,
      serializer: jsonSerializer,
      remote: true,
      gathersReads: true,
      storesNothing: true,
      evictions: 3,
      get: () => undefined,
      getMulti: () => [],
      set: () => {},
      setMulti: () => {},
      delete: () => {},
      deleteMulti: () => {},
    };
    const proxy = wrapBackend(ProxyBackend, wrapBackend(ProxyBackend, backend));
    const said = [
      'stores',
      'keyMangler',
      'serializer',
      'remote',
      'gathersReads',
      'storesNothing',
      'evictions',
    ] as const;
    for (const name of said) {
      expect(proxy[name]).toBe(backend[name]);
    }
    expect(proxy.mutex('k')).toBeUndefined();
    expect(proxy.acquireMulti(['k'])).toBeUndefined();
    expect(proxy.generations).toBeUndefined();
    expect(proxy.ready()).toBeUndefined();
    expect(proxy.close()).toBeUndefined();
    proxy.attach({ clock: new FakeClock(), random: Math.random, report: () => {} });
  });

  it('hands leases through untouched', async () => {
    const backend = new FencedBackend(new SharedStore());
    const proxy = wrapBackend(ProxyBackend, backend);
    const lease = await proxy.mutex('k')?.acquire({ wait: false });
    expect(await proxy.mutex('k')?.locked()).toBe(true);
    expect(await proxy.set('k', entry(1), { lease })).toBe(true);
    expect(await proxy.set('k', entry(2), { lease })).toBe(false);
    expect(await proxy.mutex('k')?.locked()).toBe(false);
  });

  it('stands in front of nothing until it is wrapped', () => {
    const proxy = new ProxyBackend();
    expect(() => proxy.get('k')).toThrow(ValidationError);
    expect(() => proxy.stores).toThrow(
      /stands in front of nothing yet: give it to configure\(\{ wrap: \[…\] \}\) or region\.wrap\(\)/,
    );
  });
});

describe('wrapping', () => {
  it('[py 86] takes a class or an instance', () => {
    const backend = memoryBackend();
    const instance = new Counting();
    expect(wrapBackend(instance, backend)).toBe(instance);
    expect(wrapBackend(Counting, backend)).toBeInstanceOf(Counting);
  });

  it('one instance stands in front of one backend, once', () => {
    const [one, other] = [memoryBackend(), memoryBackend()];
    const instance = new Counting();
    wrapBackend(instance, one);
    expect(() => wrapBackend(instance, other)).toThrow(
      /already stands in front of a backend\. Make one instance for each region/,
    );
    expect(instance.proxied).toBe(one);
    expect(() => wrapBackend(instance, instance)).toThrow(ValidationError);
  });

  it.each([[class {}], [{}], [null], [undefined], ['ProxyBackend'], [5], [Map]])(
    '[py E31] %s is no proxy: a ValidationError (differs)',
    (proxy) => {
      expect(() => wrapBackend(proxy as never, memoryBackend())).toThrow(ValidationError);
    },
  );

  it('what a constructor throws comes out', () => {
    class Broken extends ProxyBackend {
      constructor() {
        super();
        throw new Error('no key');
      }
    }
    expect(() => wrapBackend(Broken, memoryBackend())).toThrow('no key');
  });
});

describe.each([
  ['at once', Turning],
  ['later', TurningLater],
])('a proxy that changes what is stored, answering %s', (_, Kind) => {
  it('encodes and decodes on the paths for one key and for many', async () => {
    const backend = memoryBackend();
    const proxy = wrapBackend(Kind as never, backend);
    await proxy.set('a', entry('one'));
    await proxy.setMulti(new Map([['b', entry('two')]]));
    expect(await backend.getMulti(['a', 'b'])).toMatchObject([{ payload: 'eno' }, { payload: 'owt' }]);
    expect(await proxy.get('a')).toMatchObject({ payload: 'one' });
    expect(await proxy.getMulti(['b', 'none', 'a'])).toMatchObject([{ payload: 'two' }, undefined, { payload: 'one' }]);
  });

  it('... and on the path of leases: what comes with one is decoded, what is committed is encoded', async () => {
    const store = new SharedStore();
    const backend = new FencedBackend(store);
    const proxy = wrapBackend(Kind as never, backend);
    store.entries.set('k', entry('dlo'));
    const lease = (await proxy.mutex('k')?.acquire()) as Lease;
    expect(lease.stored).toMatchObject({ payload: 'old' });
    expect(lease.token).toHaveLength(32);
    expect(await proxy.set('k', entry('new'), { lease })).toBe(true);
    expect(store.entries.get('k')).toMatchObject({ payload: 'wen' });
    const many = (await proxy.mutex('k')?.acquire()) as Lease;
    expect(await proxy.setMulti(new Map([['k', entry('more')]]), { leases: new Map([['k', many]]) })).toEqual(
      new Set(),
    );
    expect(store.entries.get('k')).toMatchObject({ payload: 'erom' });
    expect(await proxy.mutex('k')?.locked()).toBe(false);
  });

  it('a lease of its is released once, and tells when it is lost', async () => {
    const backend = new FencedBackend(new SharedStore());
    const proxy = wrapBackend(Kind as never, backend);
    const lease = (await proxy.mutex('k')?.acquire()) as Lease;
    expect('stored' in lease).toBe(true);
    expect(lease.stored).toBeUndefined();
    await lease.release();
    await lease.release();
    expect(await proxy.mutex('k')?.locked()).toBe(false);
    await using another = (await proxy.mutex('k')?.acquire()) as Lease;
    expect(another.token).not.toBe(lease.token);
  });

  it('... of many leases as well', async () => {
    const store = new SharedStore();
    const backend = new FencedBackend(store);
    const acquireMulti = async (keys: readonly string[]) => {
      const leases = new Map<string, Lease>();
      for (const key of keys) {
        const lease = await backend.mutex(key).acquire({ wait: false });
        if (lease) leases.set(key, lease);
      }
      return leases;
    };
    const proxy = wrapBackend(Kind as never, Object.assign(backend, { acquireMulti }));
    store.entries.set('a', entry('eno'));
    await using held = (await backend.mutex('held').acquire()) as Lease;
    const leases = (await proxy.acquireMulti(['a', 'held', 'b'])) ?? new Map<string, Lease>();
    expect([...leases.keys()]).toEqual(['a', 'b']);
    expect([leases.get('a')?.stored, leases.get('b')?.stored]).toMatchObject([{ payload: 'one' }, undefined]);
    expect(held.token).not.toBe(leases.get('a')?.token);
    const entries = new Map([...leases.keys()].map((key) => [key, entry(`new ${key}`)]));
    expect(await proxy.setMulti(entries, { leases })).toEqual(new Set());
    expect(await proxy.getMulti(['a', 'b'])).toMatchObject([{ payload: 'new a' }, { payload: 'new b' }]);
    expect(store.entries.get('a')).toMatchObject({ payload: 'a wen' });
    expect(store.locks.size).toBe(1);
  });

  it('two of them nest, with leases of their own', async () => {
    const store = new SharedStore();
    const region = regionOn(new FencedBackend(store), Kind as never, new Kind() as never);
    const clock = region.getOrCreate('k', () => 'abc');
    expect(await clock).toBe('abc');
    expect(store.entries.get('k')).toMatchObject({ payload: 'abc' });
    expect(await region.get('k')).toBe('abc');
    expect(await region.getOrCreateMulti(['k', 'l'], () => ['xyz'])).toEqual(['abc', 'xyz']);
    expect(await region.getMulti(['l', 'k'])).toEqual(['xyz', 'abc']);
    expect(store.locks.size).toBe(0);
  });

  it('a region creates, reads and refreshes through it', async () => {
    const store = new SharedStore();
    const clock = new FakeClock();
    const region = makeRegion({ clock }).configure(new FencedBackend(store), {
      wrap: [Kind as never],
      expirationTime: '10s',
    });
    expect(await region.getOrCreate('k', () => 'old')).toBe('old');
    expect(store.entries.get('k')).toMatchObject({ payload: 'dlo' });
    await clock.advance('11s');
    const stale: unknown[] = [];
    const creator = (context: { stale: CachedValue | undefined }) => {
      stale.push(context.stale?.payload);
      return 'new';
    };
    expect(await region.getOrCreate('k', creator)).toBe('new');
    expect(stale).toEqual(['old']);
    expect(store.entries.get('k')).toMatchObject({ payload: 'wen' });
  });
});

describe('what decode makes of garbage', () => {
  class Refusing extends ProxyBackend<CachedValue> {
    reason: unknown = new CantDeserializeError('not mine');
    override decode(key: string, stored: CachedValue): CachedValue | undefined {
      if (key === 'good') return stored;
      if (this.reason === undefined) return undefined;
      throw this.reason;
    }
  }
  class RefusingLater extends Refusing {
    override decode(key: string, stored: CachedValue): never {
      return Promise.resolve().then(() => super.decode(key, stored)) as never;
    }
  }

  for (const Kind of [Refusing, RefusingLater]) {
    it(`a CantDeserializeError, or undefined, is missing (${Kind.name})`, async () => {
      for (const reason of [new CantDeserializeError('not mine'), undefined]) {
        const store = new SharedStore();
        const proxy = new Kind();
        proxy.reason = reason;
        wrapBackend(proxy as never, new FencedBackend(store));
        store.entries.set('k', entry(1)).set('good', entry(2));
        expect(await proxy.get('k')).toBeUndefined();
        expect(await proxy.getMulti(['k', 'good'])).toMatchObject([undefined, { payload: 2 }]);
        const lease = (await proxy.mutex('k')?.acquire()) as Lease;
        expect('stored' in lease && lease.stored === undefined).toBe(true);
        await lease.release();
      }
    });

    it(`any other error comes out of reads; of an acquire too, which then holds nothing (${Kind.name})`, async () => {
      const store = new SharedStore();
      const proxy = new Kind();
      const boom = new Error('the key service is down');
      proxy.reason = boom;
      const backend = new FencedBackend(store);
      wrapBackend(proxy as never, backend);
      store.entries.set('k', entry(1));
      await expect((async () => proxy.get('k'))()).rejects.toBe(boom);
      await expect((async () => proxy.getMulti(['good', 'k']))()).rejects.toBe(boom);
      await expect((async () => proxy.mutex('k')?.acquire())()).rejects.toBe(boom);
      expect(store.locks.locked('k')).toBe(false);
      Object.assign(backend, {
        acquireMulti: async (keys: readonly string[]) => {
          const leases = new Map<string, Lease>();
          for (const key of keys) leases.set(key, (await backend.mutex(key).acquire()) as Lease);
          return leases;
        },
      });
      await expect((async () => proxy.acquireMulti(['good', 'k']))()).rejects.toBe(boom);
      expect(store.locks.size).toBe(0);
    });
  }

  it('a region creates anew, and writes nothing while it can’t see what is there', async () => {
    const store = new SharedStore();
    const proxy = new Refusing();
    const region = regionOn(new FencedBackend(store), proxy as never);
    expect(await region.getOrCreate('k', () => 'first')).toBe('first');
    expect(await region.getOrCreate('k', () => 'second')).toBe('second');
    proxy.reason = new Error('the key service is down');
    expect(await region.getOrCreate('k', () => 'third')).toBe('third');
    expect(store.entries.get('k')).toMatchObject({ payload: 'second' });
    expect(store.locks.size).toBe(0);
  });

  it('encode that fails: set() rejects, a creation returns its value uncached', async () => {
    class Broken extends ProxyBackend {
      override encode(): never {
        throw new Error('no key');
      }
    }
    const store = new SharedStore();
    const region = regionOn(new FencedBackend(store), Broken as never);
    await expect(region.set('k', 1)).rejects.toThrow('no key');
    await expect(region.setMulti({ k: 1 })).rejects.toThrow('no key');
    expect(await region.getOrCreate('k', () => 2)).toBe(2);
    expect(await region.getOrCreateMulti(['k', 'l'], () => [3, 4])).toEqual([3, 4]);
    expect(store.entries.size).toBe(0);
    expect(store.locks.size).toBe(0);
    expect(region.statistics.droppedWrites).toBe(3);
  });
});

describe('a proxy that overrides verbs', () => {
  it('[py 83–85] sees sets and gets, each where it belongs; what it doesn’t override reaches the backend', async () => {
    const proxy = new Counting();
    const region = regionOn(memoryBackend(), proxy as never);
    for (let i = 0; i < 10; i++) await region.set(`key ${i}`, i);
    expect([proxy.gets, proxy.sets]).toEqual([0, 10]);
    for (let i = 0; i < 10; i++) await region.get(`key ${i}`);
    expect([proxy.gets, proxy.sets]).toEqual([10, 10]);
    await region.delete('key 3');
    expect(await region.get('key 3')).toBeUndefined();
  });

  it('[py E32] sees the multi verbs and creations too, with a serializer as well (differs)', async () => {
    for (const serializer of [undefined, jsonSerializer]) {
      const proxy = new Counting();
      const region = makeRegion({ serializer }).configure(memoryBackend(), { wrap: [proxy] });
      await region.setMulti({ a: 1, b: 2 });
      expect(proxy.sets).toBe(2);
      await region.getMulti(['a', 'b', 'c']);
      expect(proxy.gets).toBe(3);
      await region.getOrCreate('d', () => 4);
      await region.getOrCreateMulti(['e', 'f'], () => [5, 6]);
      expect(proxy.sets).toBe(5);
    }
  });

  it('sees each read of many callers: they are gathered only where it sees the gathered ones', async () => {
    class CountingMany extends Counting {
      many = 0;
      override getMulti(keys: readonly string[]) {
        this.many++;
        return super.getMulti(keys);
      }
    }
    const seenBy = async <Proxy extends ProxyBackend>(proxy: Proxy) => {
      const backend = Object.assign(new LaterBackend(), { remote: true, gathersReads: true });
      const region = makeRegion().configure(backend, { wrap: [proxy] });
      await region.setMulti({ a: 1, b: 2, c: 3 });
      expect(await Promise.all(['a', 'b', 'c'].map((key) => region.get(key)))).toEqual([1, 2, 3]);
      return [backend.calls.filter((call) => call.startsWith('get')), proxy] as const;
    };
    expect((await seenBy(new ProxyBackend()))[0]).toEqual(['getMulti a b c']);
    const [alone, counting] = await seenBy(new Counting());
    expect([alone, counting.gets]).toEqual([['get a', 'get b', 'get c'], 3]);
    const [, both] = await seenBy(new CountingMany());
    expect(both.many).toBe(1);
  });

  it('sees delete and deleteMulti', async () => {
    const deleted: string[] = [];
    class Watching extends ProxyBackend {
      override delete(key: string) {
        deleted.push(key);
        return super.delete(key);
      }
    }
    const region = regionOn(memoryBackend(), Watching as never);
    await region.setMulti({ a: 1, b: 2, c: 3 });
    await region.delete('a');
    await region.deleteMulti(['b', 'none']);
    expect(deleted).toEqual(['a', 'b', 'none']);
    expect(await region.getMulti(['a', 'b', 'c'])).toEqual([undefined, undefined, 3]);
  });

  it('[py 82] without a serializer gets and receives CachedValue, with one bytes', async () => {
    const seen: Storable[] = [];
    class Watching extends ProxyBackend {
      override get(key: string) {
        const stored = super.get(key);
        seen.push(stored as Storable);
        return stored;
      }
      override set(key: string, stored: Storable, options?: StoreOptions) {
        seen.push(stored);
        return super.set(key, stored, options);
      }
    }
    const region = regionOn(memoryBackend(), Watching as never);
    await region.set('k', { a: 1 });
    expect(await region.get('k')).toEqual({ a: 1 });
    expect(seen).toEqual([expect.any(CachedValue), expect.any(CachedValue)]);
    expect(seen[0]).toMatchObject({ payload: { a: 1 } });
    seen.length = 0;
    const serialized = makeRegion({ serializer: jsonSerializer }).configure(memoryBackend(), { wrap: [Watching] });
    await serialized.set('k', 1);
    expect(seen).toEqual([expect.any(Uint8Array)]);
  });

  it('[py 87] two instances of two regions don’t influence each other', async () => {
    class PerKey extends ProxyBackend {
      readonly counts = new Map<string, number>();
      override set(key: string, stored: Storable, options?: StoreOptions) {
        this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
        return super.set(key, stored, options);
      }
    }
    const [one, other] = [new PerKey(), new PerKey()];
    const [first, second] = [regionOn(memoryBackend(), one as never), regionOn(memoryBackend(), other as never)];
    await first.set('a', 1);
    await first.set('a', 2);
    await second.set('b', 1);
    expect([...one.counts]).toEqual([['a', 2]]);
    expect([...other.counts]).toEqual([['b', 1]]);
    expect(await second.get('a')).toBeUndefined();
  });

  it('[py 88] made with arguments; it may refuse a key, others pass', async () => {
    class Refusing extends ProxyBackend {
      readonly #never: string;
      constructor(never: string) {
        super();
        this.#never = never;
      }
      override set(key: string, stored: Storable, options?: StoreOptions) {
        return key === this.#never ? undefined : super.set(key, stored, options);
      }
    }
    const region = regionOn(memoryBackend(), new Refusing('secret') as never);
    await region.set('secret', 1);
    await region.set('open', 2);
    await region.setMulti({ secret: 3, other: 4 });
    expect(await region.getMulti(['secret', 'open', 'other'])).toEqual([undefined, 2, 4]);
  });

  it('get without decode: the region reads again through it instead of using what came with the lease', async () => {
    class Hiding extends ProxyBackend {
      hidden = true;
      override get(key: string) {
        return this.hidden ? undefined : super.get(key);
      }
    }
    const store = new SharedStore();
    const backend = new FencedBackend(store);
    const proxy = new Hiding();
    const region = regionOn(backend, proxy as never);
    await regionOn(new FencedBackend(store)).set('k', 'there');
    const lease = await proxy.mutex('k')?.acquire();
    expect(lease && 'stored' in lease).toBe(false);
    await lease?.release();
    expect(await region.getOrCreate('k', () => 'created')).toBe('created');
    expect(store.entries.get('k')).toMatchObject({ payload: 'created' });
  });

  it('[py E31] the first of wrap is the outermost', async () => {
    const order: string[] = [];
    const named = (name: string) =>
      new (class extends ProxyBackend {
        override set(key: string, stored: Storable, options?: StoreOptions) {
          order.push(name);
          return super.set(key, stored, options);
        }
      })();
    const [a, b] = [named('A'), named('B')];
    const region = regionOn(memoryBackend(), a as never, b as never);
    await region.set('k', 1);
    expect(order).toEqual(['A', 'B']);
    expect(region.backend).toBe(a);
    expect(a.proxied).toBe(b);
    await region.wrap(named('C')).set('k', 2);
    expect(order.slice(2)).toEqual(['C', 'A', 'B']);
  });

  it('[py 89, 90] backend is the outermost proxy, actualBackend the store; without proxies both are the store', () => {
    const store = memoryBackend();
    const plain = regionOn(store);
    expect([plain.backend, plain.actualBackend]).toEqual([store, store]);
    const other = memoryBackend();
    const proxied = regionOn(other, Counting as never);
    expect(proxied.backend).toBeInstanceOf(Counting);
    expect(proxied.actualBackend).toBe(other);
  });

  it('stores = "bytes" has the region serialize before it, also above a store of values', async () => {
    const seen: unknown[] = [];
    class Bytes extends ProxyBackend<Uint8Array> {
      override readonly stores = 'bytes';
      override encode(_key: string, stored: Uint8Array) {
        seen.push(stored);
        return stored;
      }
    }
    const region = regionOn(memoryBackend(), Bytes as never);
    await region.set('k', { a: 1 });
    expect(seen).toEqual([expect.any(Uint8Array)]);
    expect(await region.get('k')).toEqual({ a: 1 });
  });

  it('refused keys of a multi write are told by the single one it overrides', async () => {
    const store = new SharedStore();
    const backend = new FencedBackend(store);
    const proxy = wrapBackend(Counting, backend);
    const leases = new Map<string, Lease>();
    for (const key of ['a', 'b']) leases.set(key, (await proxy.mutex(key)?.acquire()) as Lease);
    await backend.delete('b');
    const entries = new Map([
      ['a', entry(1)],
      ['b', entry(2)],
    ]);
    expect(await proxy.setMulti(entries, { leases })).toEqual(new Set(['b']));
    expect([...store.entries.keys()]).toEqual(['a']);
  });

  it('ttl of each key reaches the single verb it overrides', async () => {
    const backend = { ...memoryBackend(), set: vi.fn(), setMulti: vi.fn() };
    class Watching extends ProxyBackend {
      override set(key: string, stored: Storable, options?: StoreOptions) {
        return super.set(key, stored, options);
      }
    }
    const proxy = wrapBackend(Watching, backend as never);
    await proxy.setMulti(
      new Map([
        ['a', entry(1)],
        ['b', entry(2)],
      ]),
      { ttl: new Map([['a', 5]]) },
    );
    expect(backend.set.mock.calls.map(([key, , options]) => [key, options.ttl])).toEqual([
      ['a', 5],
      ['b', undefined],
    ]);
    expect(backend.setMulti).not.toHaveBeenCalled();
  });

  it('answers of a later store stay promises, and are decoded when they come', async () => {
    const backend = new LaterBackend();
    const proxy = wrapBackend(Turning as never, backend);
    const write = proxy.set('k', entry('abc'));
    expect(write).toBeInstanceOf(Promise);
    await write;
    const read = proxy.get('k');
    expect(read).toBeInstanceOf(Promise);
    expect(await read).toMatchObject({ payload: 'abc' });
  });

  it('a serialized store behind it keeps copies', async () => {
    const region = regionOn(memorySerializedBackend(), Counting as never);
    const value = { list: [1] };
    await region.set('k', value);
    value.list.push(2);
    expect(await region.get('k')).toEqual({ list: [1] });
  });
});

it('a verb that throws for one of many keys leaves no rejection of another unhandled', async () => {
  const down = async () => {
    throw new Error('down');
  };
  const choosy = (key: string) => {
    if (key === 'bad') throw new Error('refused');
    return down();
  };
  class Choosy extends ProxyBackend<CachedValue> {
    override get = choosy;
    override set = choosy;
    override delete = choosy;
  }
  class ChoosyEncoding extends ProxyBackend<CachedValue> {
    override encode = choosy;
    override decode = choosy;
  }
  const memory = memoryBackend();
  const entries = new Map(['good', 'bad'].map((key) => [key, entry(1)]));
  await memory.setMulti(entries);
  const unhandled = await unhandledRejections(async () => {
    for (const backend of [wrapBackend(Choosy, memory), wrapBackend(ChoosyEncoding, memory)]) {
      expect(() => backend.getMulti(['good', 'bad'])).toThrow('refused');
      expect(() => backend.setMulti(entries)).toThrow('refused');
    }
    expect(() => wrapBackend(Choosy, memory).deleteMulti(['good', 'bad'])).toThrow('refused');
  });
  expect(unhandled).toEqual([]);
});
