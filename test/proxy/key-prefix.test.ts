import { describe, expect, it } from 'vitest';
import { CachedValue, type GenerationFence, type Lease, type RecordsRequest } from '../../src/api.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { ValidationError } from '../../src/errors.js';
import { KeyPrefixProxy } from '../../src/proxies/key-prefix.js';
import { wrapBackend } from '../../src/proxy.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { FencedBackend, LaterBackend, SharedStore } from '../region/support/later-backend.js';

const entry = (payload: unknown) => new CachedValue(payload, { ct: 1, v: 2 });

describe('a key prefix', () => {
  it('stands before the key in every verb, and is not seen above', async () => {
    const backend = new LaterBackend();
    const region = makeRegion().configure(backend, { wrap: [new KeyPrefixProxy('shop:')] });
    await region.set('a', 1);
    await region.setMulti({ b: 2, c: 3 });
    expect([...backend.entries.keys()]).toEqual(['shop:a', 'shop:b', 'shop:c']);
    expect(await region.get('a')).toBe(1);
    expect(await region.getMulti(['c', 'none', 'b'])).toEqual([3, undefined, 2]);
    expect(await region.getOrCreate('d', () => 4)).toBe(4);
    expect(await region.getOrCreateMulti(['e', 'a'], () => [5])).toEqual([5, 1]);
    await region.delete('a');
    await region.deleteMulti(['b', 'c']);
    expect([...backend.entries.keys()]).toEqual(['shop:d', 'shop:e']);
    expect(
      backend.calls.every((call) =>
        call
          .split(' ')
          .slice(1)
          .every((key) => key.startsWith('shop:')),
      ),
    ).toBe(true);
  });

  it('stands before the names of locks, and leases pass both ways', async () => {
    const store = new SharedStore();
    const proxy = wrapBackend(new KeyPrefixProxy('p:'), new FencedBackend(store));
    const lease = (await proxy.mutex('k')?.acquire({ wait: false })) as Lease;
    expect(store.locks.locked('p:k')).toBe(true);
    expect(store.locks.locked('k')).toBe(false);
    expect(await proxy.mutex('k')?.locked()).toBe(true);
    expect(await proxy.mutex('k')?.acquire({ wait: false })).toBeUndefined();
    expect(await proxy.set('k', entry(1), { lease })).toBe(true);
    expect([...store.entries.keys()]).toEqual(['p:k']);
    expect(store.locks.size).toBe(0);
  });

  it('tells of refused keys without it', async () => {
    const store = new SharedStore();
    const backend = new FencedBackend(store);
    const proxy = wrapBackend(new KeyPrefixProxy('p:'), backend);
    const leases = new Map<string, Lease>();
    for (const key of ['a', 'b']) leases.set(key, (await proxy.mutex(key)?.acquire()) as Lease);
    await proxy.delete('b');
    const entries = new Map(['a', 'b'].map((key) => [key, entry(key)]));
    expect(await proxy.setMulti(entries, { leases, ttl: new Map([['a', 5]]) })).toEqual(new Set(['b']));
    expect([...store.entries.keys()]).toEqual(['p:a']);
  });

  it('stands before the region’s name in requests, fences and invalidations, whose answers reach who asked', async () => {
    const seen: unknown[] = [];
    const region = { rid: 'r', seq: 1, hard: 0, soft: 0, tagged: 0, at: undefined };
    const backend = Object.assign(new LaterBackend(), {
      generations: {
        invalidate: (name: string, options: object) => void seen.push(['invalidate', name, options]),
        invalidateTags: (name: string, tags: readonly string[], options: object) =>
          void seen.push(['invalidateTags', name, tags, options]),
        read: (request: RecordsRequest, options?: object) => {
          seen.push(['read', request.region, options]);
          request.found = { region, tags: new Map() };
        },
      },
    });
    backend.get = (async (key: string, options: { records: RecordsRequest }) => {
      options.records.found = { region, tags: new Map() };
      seen.push(['get', key, options.records.region]);
    }) as never;
    backend.set = (async (key: string, _stored: unknown, { generation }: { generation: GenerationFence }) => {
      seen.push(['set', key, generation.region, generation.seq]);
      generation.moved = region;
      return false;
    }) as never;
    const proxy = wrapBackend(new KeyPrefixProxy('p:'), backend);
    const records: RecordsRequest = { region: 'users', tags: [], found: undefined };
    await proxy.get('k', { records });
    expect(records.found).toMatchObject({ region });
    const generation: GenerationFence = { region: 'users', rid: 'r', seq: 7, moved: undefined };
    expect(await proxy.set('k', entry(1), { generation })).toBe(false);
    expect(generation.moved).toBe(region);
    await proxy.generations?.invalidate('users', { hard: true });
    await proxy.generations?.invalidateTags('users', ['t'], { hard: false });
    const request: RecordsRequest = { region: 'users', tags: [], found: undefined };
    await proxy.generations?.read(request, { seed: true });
    expect(request.found).toMatchObject({ region });
    expect(seen).toEqual([
      ['get', 'p:k', 'p:users'],
      ['set', 'p:k', 'p:users', 7],
      ['invalidate', 'p:users', { hard: true }],
      ['invalidateTags', 'p:users', ['t'], { hard: false }],
      ['read', 'p:users', { seed: true }],
    ]);
  });

  it('two nest: the outer one is nearer to the key', async () => {
    const backend = new LaterBackend();
    const region = makeRegion().configure(backend, {
      wrap: [new KeyPrefixProxy('outer:'), new KeyPrefixProxy('inner:')],
    });
    await region.set('k', 1);
    expect([...backend.entries.keys()]).toEqual(['inner:outer:k']);
    expect(await region.get('k')).toBe(1);
  });

  it('two regions over one store with two prefixes don’t see each other', async () => {
    const backend = memoryBackend();
    const [shop, blog] = ['shop:', 'blog:'].map((prefix) =>
      makeRegion().configure(backend, { wrap: [new KeyPrefixProxy(prefix)] }),
    );
    await shop?.set('k', 'shop');
    expect(await blog?.get('k')).toBeUndefined();
    await blog?.set('k', 'blog');
    await shop?.delete('k');
    expect(await blog?.get('k')).toBe('blog');
  });

  it('... nor wait for each other’s creations where the store has no locks of its own', async () => {
    const backend = memoryBackend();
    const clock = new FakeClock();
    const [shop, blog] = ['shop:', 'blog:'].map((prefix) =>
      makeRegion({ clock }).configure(backend, { wrap: [new KeyPrefixProxy(prefix)] }),
    );
    const gate = new Gate();
    const slow = shop?.getOrCreate('k', () => gate.passed().then(() => 'shop'));
    await gate.arrived;
    const answered: unknown[] = [];
    const quick = blog?.getOrCreate('k', () => 'blog').then((value) => answered.push(value));
    await clock.advance(0);
    const before = [...answered];
    gate.open();
    await Promise.all([slow, quick]);
    expect(before).toEqual(['blog']);
    const inside = shop?.getOrCreate('other', () => blog?.getOrCreate('other', () => 'inner'));
    expect(await inside).toBe('inner');
  });

  it.each([[undefined], [5], [null], [['a']]])('refuses %j', (prefix) => {
    expect(() => new KeyPrefixProxy(prefix as never)).toThrow(ValidationError);
  });
});
