/** Laws of the verbs: what is read is what was written, for one key and for many, for keys and bytes of every kind. */
import assert from 'node:assert/strict';
import type { Storable } from '../../api.js';
import { assertStored, type Bench } from './bench.js';
import { bytes, type Draft, storing, storingNothing } from './law.js';

/** Each of them is a key of its own. */
const KEYS: readonly string[] = [
  '',
  'plain',
  'Plain',
  ' ',
  'two words',
  ' leading',
  'trailing ',
  'tab\tkey',
  'line\nkey',
  'line\r\nget other',
  'nul\0key',
  'quote"key\'`',
  'percent%20key',
  'pipe|key',
  'brace{key}',
  'brace{}key',
  'path/../key',
  '__proto__',
  'constructor',
  '_lock',
  'éclair',
  'e\u0301clair',
  '鍵',
  'key \u{1f511}',
  'k'.repeat(300),
  `${'k'.repeat(299)}K`,
  '鍵'.repeat(100),
];

export const storageLaws: readonly Draft[] = [
  {
    name: 'get: a key that was never stored is undefined',
    needs: [],
    check: async (bench) => assertStored(await bench.backend.get(bench.key('nothing')), undefined, 'get'),
  },
  {
    name: 'set, get: what was stored',
    needs: [storing],
    check: async (bench) => {
      const stored = bench.entry({ name: 'Ada', notes: ['a', null, 0, ''] });
      assert.notEqual(
        await bench.backend.set(bench.key('a'), stored),
        false,
        'A set without a lease is never refused: it must not answer false.',
      );
      assertStored(await bench.backend.get(bench.key('a')), stored, 'get');
      assertStored(await bench.backend.get(bench.key('b')), undefined, 'get of another key');
    },
  },
  {
    name: 'set: the later value replaces the earlier, longer or shorter',
    needs: [storing],
    check: async (bench) => {
      for (const text of ['first', 'x'.repeat(5000), 'y', 'z'.repeat(50)]) {
        await bench.backend.set(bench.key('a'), bench.entry(text));
        assertStored(await bench.backend.get(bench.key('a')), bench.entry(text), 'get');
      }
    },
  },
  {
    name: 'set: a ttl does not take the value away before its time',
    needs: [storing],
    check: async (bench) => {
      const { backend } = bench;
      await backend.set(bench.key('hour'), bench.entry(1), { ttl: 3_600_000 });
      await backend.set(bench.key('year'), bench.entry(2), { ttl: 366 * 86_400_000 });
      await backend.set(bench.key('fraction'), bench.entry(3), { ttl: 60_000.5 });
      await backend.setMulti(
        new Map([
          [bench.key('a'), bench.entry(4)],
          [bench.key('b'), bench.entry(5)],
        ]),
        { ttl: new Map([[bench.key('a'), 60_000]]) },
      );
      await backend.setMulti(new Map([[bench.key('c'), bench.entry(6)]]), { ttl: 60_000 });
      const names = ['hour', 'year', 'fraction', 'a', 'b', 'c'].map((key) => bench.key(key));
      const found = await backend.getMulti(names);
      for (const [at, stored] of found.entries()) assertStored(stored, bench.entry(at + 1), `getMulti, place ${at}`);
    },
  },
  {
    name: 'delete: it is gone, and no other',
    needs: [storing],
    check: async (bench) => {
      await bench.backend.set(bench.key('a'), bench.entry(1));
      await bench.backend.set(bench.key('b'), bench.entry(2));
      await bench.backend.delete(bench.key('a'));
      assertStored(await bench.backend.get(bench.key('a')), undefined, 'get');
      assertStored(await bench.backend.get(bench.key('b')), bench.entry(2), 'get of another key');
    },
  },
  {
    name: 'delete: of nothing, and twice, is no error',
    needs: [],
    check: async (bench) => {
      await bench.backend.delete(bench.key('nothing'));
      await bench.backend.set(bench.key('a'), bench.entry(1));
      await bench.backend.delete(bench.key('a'));
      await bench.backend.delete(bench.key('a'));
    },
  },
  {
    name: 'getMulti, setMulti, deleteMulti: of no keys at all',
    needs: [],
    check: async ({ backend }) => {
      assert.deepEqual(await backend.getMulti([]), []);
      assertNoneRefused(await backend.setMulti(new Map()));
      await backend.deleteMulti([]);
    },
  },
  {
    name: 'getMulti: in the order of the keys, missing ones undefined at their places, repeated ones at each of theirs',
    needs: [storing],
    check: async (bench) => {
      const name = (key: string) => bench.key(key);
      for (const key of ['a', 'b', 'c']) await bench.backend.set(name(key), bench.entry(key));
      const asked = ['c', 'nothing', 'a', 'c', 'b', 'nothing', 'a'];
      const found = await bench.backend.getMulti(asked.map(name));
      assert.equal(found.length, asked.length, 'getMulti must answer with as many places as there are keys.');
      for (const [at, key] of asked.entries())
        assertStored(found[at], key === 'nothing' ? undefined : bench.entry(key), `getMulti, place ${at}`);
    },
  },
  {
    name: 'getMulti: of missing keys alone',
    needs: [],
    check: async (bench) => {
      const found = await bench.backend.getMulti([bench.key('x'), bench.key('y')]);
      assert.deepEqual([...found], [undefined, undefined]);
    },
  },
  {
    name: 'setMulti: each of them, and none is refused',
    needs: [storing],
    check: async (bench) => {
      await bench.backend.set(bench.key('key 7'), bench.entry('old'));
      const keys = Array.from({ length: 500 }, (_, at) => `key ${at}`);
      const entries = new Map<string, Storable>(keys.map((key) => [bench.key(key), bench.entry(key)]));
      assertNoneRefused(await bench.backend.setMulti(entries));
      const found = await bench.backend.getMulti(keys.map((key) => bench.key(key)));
      for (const [at, key] of keys.entries()) assertStored(found[at], bench.entry(key), `getMulti, place ${at}`);
      assertStored(await bench.backend.get(bench.key('key 7')), bench.entry('key 7'), 'get');
    },
  },
  {
    name: 'deleteMulti: each of them, also twice named and missing ones',
    needs: [storing],
    check: async (bench) => {
      for (const key of ['a', 'b', 'c']) await bench.backend.set(bench.key(key), bench.entry(key));
      await bench.backend.deleteMulti(['a', 'nothing', 'c', 'a'].map((key) => bench.key(key)));
      const found = await bench.backend.getMulti(['a', 'b', 'c'].map((key) => bench.key(key)));
      for (const [at, key] of ['a', 'b', 'c'].entries())
        assertStored(found[at], key === 'b' ? bench.entry('b') : undefined, `getMulti, place ${at}`);
    },
  },
  {
    name: 'keys: empty, with blanks, line breaks, any letters, long; each is a key of its own',
    needs: [storing],
    check: async (bench) => {
      const names = new Map(KEYS.map((key) => [bench.key(key), key]));
      for (const [name, key] of names) await bench.backend.set(name, bench.entry(key));
      for (const [name, key] of names)
        assertStored(await bench.backend.get(name), bench.entry(key), `get of ${JSON.stringify(key)}`);
      await bench.backend.setMulti(new Map([...names].map(([name, key]) => [name, bench.entry(`${key} again`)])));
      const found = await bench.backend.getMulti([...names.keys()]);
      for (const [at, key] of [...names.values()].entries())
        assertStored(found[at], bench.entry(`${key} again`), `getMulti of ${JSON.stringify(key)}`);
      const [gone = '', ...rest] = names.keys();
      await bench.backend.delete(gone);
      assertStored(await bench.backend.get(gone), undefined, 'get of what was deleted');
      await bench.backend.deleteMulti(rest);
      for (const stored of await bench.backend.getMulti([...names.keys()]))
        assertStored(stored, undefined, 'getMulti of what was deleted');
    },
  },
  {
    name: 'bytes: every one of the 256 comes back as it was',
    needs: [storing, bytes],
    check: (bench) =>
      storesBytes(
        bench,
        Uint8Array.from({ length: 512 }, (_, at) => at % 256),
      ),
  },
  {
    name: 'bytes: line ends, NUL and broken UTF-8 come back as they were',
    needs: [storing, bytes],
    check: async (bench) => {
      for (const text of ['\r\n', '\r\nEND\r\n', '\0', '\0\0\0', '{"ct":1,"v":2}|"a|b"'])
        await storesBytes(bench, new TextEncoder().encode(text));
      await storesBytes(bench, Uint8Array.of(0xff, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80));
    },
  },
  {
    name: 'bytes: an empty value is a value',
    needs: [storing, bytes],
    check: (bench) => storesBytes(bench, new Uint8Array(0)),
  },
  {
    name: 'bytes: 256 KiB come back as they were',
    needs: [storing, bytes],
    check: (bench) =>
      storesBytes(
        bench,
        Uint8Array.from({ length: 262_144 }, (_, at) => (at * 31 + (at >> 8)) % 256),
      ),
  },
  {
    name: 'bytes: a view of a larger buffer is stored as itself alone',
    needs: [storing, bytes],
    check: async (bench) => {
      const buffer = new Uint8Array(4096).fill(0x61);
      const view = buffer.subarray(100, 110).fill(0x62);
      await bench.backend.set(bench.key('view'), view);
      await bench.backend.setMulti(new Map([[bench.key('views'), view]]));
      for (const key of ['view', 'views'])
        assertStored(await bench.backend.get(bench.key(key)), new Uint8Array(10).fill(0x62), 'get');
    },
  },
  {
    name: 'verbs at once: many writes and reads of many keys do not mix',
    needs: [storing],
    check: async (bench) => {
      const keys = Array.from({ length: 50 }, (_, at) => `key ${at}`);
      await Promise.all(keys.map((key) => bench.backend.set(bench.key(key), bench.entry(key))));
      const found = await Promise.all(keys.map((key) => bench.backend.get(bench.key(key))));
      for (const [at, key] of keys.entries()) assertStored(found[at], bench.entry(key), `get of "${key}"`);
      await Promise.all([
        ...keys.slice(0, 25).map((key) => bench.backend.delete(bench.key(key))),
        bench.backend.setMulti(new Map(keys.slice(25).map((key) => [bench.key(key), bench.entry(`${key} again`)]))),
      ]);
      const then = await bench.backend.getMulti(keys.map((key) => bench.key(key)));
      for (const [at, key] of keys.entries())
        assertStored(then[at], at < 25 ? undefined : bench.entry(`${key} again`), `getMulti, place ${at}`);
    },
  },
  {
    name: 'storesNothing: nothing that is written can be read',
    needs: [storingNothing],
    check: async (bench) => {
      await bench.backend.set(bench.key('a'), bench.entry(1));
      await bench.backend.setMulti(new Map([[bench.key('b'), bench.entry(2)]]));
      assertStored(await bench.backend.get(bench.key('a')), undefined, 'get');
      assert.deepEqual([...(await bench.backend.getMulti([bench.key('a'), bench.key('b')]))], [undefined, undefined]);
    },
  },
  {
    name: 'storesNothing: every call runs its creator, at the same time too',
    needs: [storingNothing],
    check: async (bench) => {
      const region = bench.region();
      let created = 0;
      const creator = async () => ++created;
      assert.deepEqual(await Promise.all([1, 2, 3].map(() => region.getOrCreate('a', creator))), [1, 2, 3]);
      assert.equal(await region.getOrCreate('a', creator), 4);
      assert.deepEqual(await region.getOrCreateMulti(['b', 'a'], (keys) => keys.map((key) => `new ${key}`)), [
        'new b',
        'new a',
      ]);
    },
  },
  {
    name: 'storesNothing: its mutex is granted to everybody',
    needs: [storingNothing],
    check: async (bench) => {
      const mutex = bench.backend.mutex?.(bench.key('a'));
      if (!mutex) return;
      assert.ok(await mutex.acquire(), 'acquire()');
      assert.ok(await mutex.acquire({ wait: false }), 'acquire({ wait: false }) while it is "held"');
    },
  },
  {
    name: 'second: both see what the other writes and deletes, at once',
    needs: [storing],
    uses: 'second',
    check: async (bench) => {
      const [one, other] = [bench.backend, await bench.second()];
      await one.set(bench.key('a'), bench.entry(1));
      assertStored(await other.get(bench.key('a')), bench.entry(1), 'get in the second backend');
      await other.set(bench.key('a'), bench.entry(2));
      assertStored(await one.get(bench.key('a')), bench.entry(2), 'get in the first backend');
      await one.setMulti(new Map([[bench.key('b'), bench.entry(3)]]));
      assertStored((await other.getMulti([bench.key('b')]))[0], bench.entry(3), 'getMulti in the second backend');
      await other.delete(bench.key('a'));
      assertStored(await one.get(bench.key('a')), undefined, 'get in the first backend after delete in the second');
      await one.deleteMulti([bench.key('b')]);
      assertStored(
        await other.get(bench.key('b')),
        undefined,
        'get in the second backend after deleteMulti in the first',
      );
    },
  },
  {
    name: 'close: twice is no error',
    needs: [],
    check: async ({ backend }) => {
      await backend.close?.();
      await backend.close?.();
    },
  },
];

async function storesBytes(bench: Bench, stored: Uint8Array): Promise<void> {
  await bench.backend.set(bench.key('one'), stored);
  assertStored(await bench.backend.get(bench.key('one')), stored, 'get');
  await bench.backend.setMulti(new Map([[bench.key('many'), stored]]));
  assertStored((await bench.backend.getMulti([bench.key('many')]))[0], stored, 'getMulti');
}

function assertNoneRefused(refused: ReadonlySet<string> | void): void {
  assert.equal(
    refused?.size ?? 0,
    0,
    'setMulti without leases refuses none: it must answer with an empty set or nothing.',
  );
}
