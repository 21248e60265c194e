/** What becomes of keys: those that the protocol carries stay, all others never get onto the wire. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { isCarriedByNodeMemcached, nodeMemcachedKeyMangler } from '../../../src/backends/memcached/node-memcached.js';
import { memcachedKeyMangler } from '../../../src/backends/memcached.js';
import { sha1MangleKey } from '../../../src/keys/manglers.js';
import { makeRegion } from '../../../src/region/region.js';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { PACKAGES } from './support/packages.js';
import { raw, stored } from './support/raw.js';
import { tap } from './support/tap.js';
import { UNHURRIED, UNHURRIED_POLICY } from './support/unhurried.js';

let server: RunningMemcached;
beforeAll(async () => {
  server = await startMemcached();
});
afterAll(() => server.stop());

const HOSTILE = [
  'a\rb',
  'a\nb',
  'a\r\nflush_all\r\nb',
  'a 0 0 1\r\nx\r\nset stolen 0 0 1\r\ny',
  'a\0b',
  'a b',
  ' ',
  '',
  'k'.repeat(246),
  'k'.repeat(300),
  '🔑',
  'é',
  '\x7f',
  '__proto__',
];
/** What one package or other takes for something else. */
const ODD = [
  'constructor',
  'toString',
  'hasOwnProperty',
  'cas',
  'a$$b',
  'a$b',
  "k$'",
  'k$`',
  'k$&',
  '$1',
  'get',
  'END',
  'e',
  '-1',
  '0',
];

describe('memcachedKeyMangler', () => {
  it('hashes what begins like a name of the cache’s own: a value would be taken for another key’s lock', () => {
    for (const key of ['_lock', '_lockk', '_region{users}', '_tag{users}t']) {
      expect(memcachedKeyMangler(key)).toMatch(/^[0-9a-f]{64}$/);
      expect(nodeMemcachedKeyMangler(key)).toBe(memcachedKeyMangler(key));
    }
    expect(memcachedKeyMangler('locks')).toBe('locks');
  });

  it('leaves what the protocol carries, together with the name of its lock', () => {
    for (const key of ['a', '!', '~', 'mod:fn|1', 'k'.repeat(245), '%s', '$'])
      expect(memcachedKeyMangler(key)).toBe(key);
  });

  it('makes 64 hexadecimal digits of all others, each its own', () => {
    const mangled = HOSTILE.map(memcachedKeyMangler);
    for (const key of mangled) expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(new Set(mangled).size).toBe(HOSTILE.length);
  });

  it('refuses a key that UTF-8 would merge with others', () => {
    expect(() => memcachedKeyMangler('\ud800')).toThrow(expect.objectContaining({ code: 'DOGPILE_VALIDATION' }));
  });
});

describe.each(PACKAGES)('$name', ({ name, open }) => {
  it('carries any key of a region, and each of its requests is one on the wire', async () => {
    const between = await tap(server.port);
    onTestFinished(() => between.close());
    const region = makeRegion().configure(open(between.url, UNHURRIED), UNHURRIED_POLICY);
    onTestFinished(() => region.close());
    await raw(server.port, 'flush_all');
    await raw(server.port, 'set kept 0 0 1', 'x');
    const keys = [...HOSTILE, ...ODD];
    for (const key of keys) expect(await region.getOrCreate(key, () => `of ${key}`)).toBe(`of ${key}`);
    for (const key of keys) expect(await region.get(key)).toBe(`of ${key}`);
    expect(await region.getMulti(keys)).toEqual(keys.map((key) => `of ${key}`));
    await region.setMulti(new Map(keys.map((key) => [key, `again ${key}`])));
    expect(await region.getMulti([...keys].reverse())).toEqual([...keys].reverse().map((key) => `again ${key}`));
    for (const key of keys.slice(0, 10)) await region.delete(key);
    await region.deleteMulti(keys.slice(10));
    expect((await region.getMulti(keys)).every((value) => value === undefined)).toBe(true);
    expect(await stored(server.port, 'kept')).toBeDefined();
    expect(await stored(server.port, 'stolen')).toBe(undefined);
    expect(between.requests.length).toBeGreaterThan(keys.length * 10);
    expect(between.requests.filter((request) => request.startsWith('?'))).toEqual([]);
    const known = new Set(keys.flatMap((key) => [region.actualBackend.keyMangler?.(key) ?? key]));
    const sent = new Set(between.requests.flatMap((request) => request.split(' ').slice(1)));
    for (const key of sent) expect([key, known.has(key.replace(/^_lock/, '')) || key === 'ping']).toEqual([key, true]);
  });

  it('refuses keys that nobody has mangled, before anything is sent', async () => {
    const backend = open('127.0.0.1:1');
    onTestFinished(async () => backend.close?.());
    const bytes = Buffer.from('v');
    for (const key of [...HOSTILE, ...(name === 'node_memcached' ? ['a$b', 'cas'] : [])]) {
      const calls = [
        () => backend.get(key),
        () => backend.getMulti(['fine', key]),
        () => backend.set(key, bytes),
        () => backend.setMulti(new Map([[key, bytes]])),
        () => backend.delete(key),
        () => backend.deleteMulti(['fine', key]),
        () => backend.mutex?.(key)?.acquire(),
        () => backend.mutex?.(key)?.locked(),
        () => backend.acquireMulti?.(['fine', key]),
      ];
      for (const call of calls)
        await expect((async () => call())()).rejects.toMatchObject({ code: 'DOGPILE_VALIDATION' });
    }
  });

  it('a region that mangles none is told so by every verb: without a word of it nothing would ever be cached', async () => {
    const region = makeRegion({ keyMangler: false }).configure(open(server.url, UNHURRIED), UNHURRIED_POLICY);
    onTestFinished(() => region.close());
    await region.set('fine', 1);
    const calls = [
      region.get('x y'),
      region.getMulti(['fine', 'x y']),
      region.set('x y', 1),
      region.delete('x y'),
      region.getOrCreate('x y', () => 1),
      region.getOrCreateMulti(['fine', 'x y'], (keys) => keys),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'DOGPILE_VALIDATION' });
    // Others of the same tick go on.
    const [bad, fine] = await Promise.allSettled([region.get('x y'), region.get('fine')]);
    expect(bad).toMatchObject({ reason: { code: 'DOGPILE_VALIDATION' } });
    expect(fine).toMatchObject({ value: 1 });
  });

  it("keeps a region's own mangler, for sharing with Python", async () => {
    const region = makeRegion({ keyMangler: sha1MangleKey }).configure(open(server.url, UNHURRIED), UNHURRIED_POLICY);
    onTestFinished(() => region.close());
    await region.set('some_key', 1);
    expect((await stored(server.port, '53def077a4264bd3183d4eb21b1f56f883e1b572'))?.value).toMatch(/\|1$/);
  });
});

it('npm memcached is given no key that it would rewrite', () => {
  for (const key of ['a$b', '$', 'cas', '__proto__', 'a b']) expect(isCarriedByNodeMemcached(key)).toBe(false);
  for (const key of ['a', 'case', 'gets']) expect(isCarriedByNodeMemcached(key)).toBe(true);
});

it.each(PACKAGES)('$name: a value is never taken for another key’s lock', async ({ open }) => {
  const region = makeRegion().configure(open(server.url, UNHURRIED), UNHURRIED_POLICY);
  onTestFinished(() => region.close());
  await region.set('_lockvictim', 'a value');
  expect(await region.getOrCreate('victim', () => 'made', { lockWait: 500 })).toBe('made');
  expect(await region.get('_lockvictim')).toBe('a value');
});
