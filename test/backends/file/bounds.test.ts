import { execFileSync, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BackendHost, CacheBackend } from '../../../src/api.js';
import { fileBackend } from '../../../src/backends/file.js';
import { ValidationError, ValueTooLargeError } from '../../../src/errors.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { builtPath } from '../../support/built.js';
import { newFile, newFolder, opened } from './support/folder.js';

const bytes = (size: number) => Buffer.alloc(size, 7);
const host = (clock: FakeClock): BackendHost => ({ clock, random: Math.random, report: () => {} });

async function left(backend: CacheBackend<Uint8Array>, names: readonly string[]): Promise<string[]> {
  const values = await backend.getMulti(names);
  return names.filter((_, at) => values[at] !== undefined);
}

describe('the hard expiry of an entry', () => {
  it('is when it begins to be missing, to the millisecond, for good', async () => {
    const clock = new FakeClock();
    const filename = newFile();
    const backend = await opened({ filename });
    backend.attach?.(host(clock));
    await backend.set('k', bytes(1), { ttl: 1000 });
    await backend.set('for ever', bytes(1));
    await clock.advance(999);
    expect(await left(backend, ['k', 'for ever'])).toEqual(['k', 'for ever']);
    await clock.advance(1);
    expect(await left(backend, ['k', 'for ever'])).toEqual(['for ever']);
    const other = await opened({ filename });
    other.attach?.(host(clock));
    expect(await other.get('k')).toBe(undefined);
    await backend.set('k', bytes(2));
    expect(await other.get('k')).toHaveLength(2);
  });

  it('of a key that is written anew is the new one', async () => {
    const clock = new FakeClock();
    const backend = await opened({ filename: newFile() });
    backend.attach?.(host(clock));
    await backend.set('k', bytes(1), { ttl: 1000 });
    await backend.set('k', bytes(1), { ttl: 5000 });
    await clock.advance(2000);
    // A write sweeps what has left by its time.
    await backend.set('other', bytes(1));
    expect(await backend.get('k')).toBeDefined();
  });

  it('frees its room: writes whose entries leave again do not make the file grow', async () => {
    const clock = new FakeClock();
    const filename = newFile();
    const backend = await opened({ filename });
    backend.attach?.(host(clock));
    for (let n = 0; n < 100; n++) await backend.set(`first ${n}`, bytes(1000), { ttl: 100 });
    const { size } = statSync(filename);
    for (let round = 0; round < 10; round++) {
      await clock.advance(100);
      for (let n = 0; n < 100; n++) await backend.set(`${round} ${n}`, bytes(1000), { ttl: 100 });
    }
    expect(statSync(filename).size).toBeLessThan(size * 2);
  });
});

describe('maxSize', () => {
  it('those leave first that would leave next; those without a time last, the oldest write first', async () => {
    const backend = await opened({ filename: newFile(), maxSize: 4500 });
    await backend.set('for ever 1', bytes(1000));
    await backend.set('for ever 2', bytes(1000));
    await backend.set('long', bytes(1000), { ttl: 1e7 });
    await backend.set('short', bytes(1000), { ttl: 1e6 });
    const names = ['for ever 1', 'for ever 2', 'long', 'short', 'a', 'b', 'c', 'd'];
    const seen: string[][] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      await backend.set(name, bytes(1000));
      seen.push(await left(backend, names));
    }
    expect(seen).toEqual([
      ['for ever 1', 'for ever 2', 'long', 'a'],
      ['for ever 1', 'for ever 2', 'a', 'b'],
      ['for ever 2', 'a', 'b', 'c'],
      ['a', 'b', 'c', 'd'],
    ]);
    expect((backend as { evictions?: number }).evictions).toBe(4);
  });

  it('what is written is not what goes', async () => {
    const backend = await opened({ filename: newFile(), maxSize: 2500 });
    await backend.set('a', bytes(1000));
    await backend.set('b', bytes(1000));
    await backend.set('soon gone', bytes(1000), { ttl: 1000 });
    expect(await left(backend, ['a', 'b', 'soon gone'])).toEqual(['b', 'soon gone']);
  });

  it('many writes stay within it, and the file within a small multiple', async () => {
    const filename = newFile();
    const backend = await opened({ filename, maxSize: 300_000 });
    for (let n = 0; n < 3000; n++) await backend.set(`k${n}`, bytes(1000));
    const names = Array.from({ length: 3000 }, (_, n) => `k${n}`);
    expect((await left(backend, names)).length).toBeGreaterThan(250);
    expect(statSync(filename).size).toBeLessThan(1_500_000);
  });

  it('an entry larger than all of it is refused, and leaves nothing of the older value; others in the call are stored', async () => {
    const backend = await opened({ filename: newFile(), maxSize: 2000 });
    await backend.set('k', bytes(10));
    await expect((async () => backend.set('k', bytes(3000)))()).rejects.toThrow(ValueTooLargeError);
    expect(await backend.get('k')).toBe(undefined);
    const entries = new Map([
      ['k', bytes(3000)],
      ['small', bytes(10)],
    ]);
    await expect((async () => backend.setMulti(entries))()).rejects.toThrow('"k"');
    expect(await left(backend, ['k', 'small'])).toEqual(['small']);
  });

  it('counts what others have written and what was deleted', async () => {
    const filename = newFile();
    const one = await opened({ filename, maxSize: 3500 });
    const other = await opened({ filename, maxSize: 3500 });
    await one.set('a', bytes(1000));
    await other.set('b', bytes(1000));
    await one.set('c', bytes(1000));
    await one.delete('c');
    await other.set('d', bytes(1000));
    expect(await left(one, ['a', 'b', 'd'])).toEqual(['a', 'b', 'd']);
    await other.set('e', bytes(1000));
    expect(await left(one, ['a', 'b', 'd', 'e'])).toEqual(['b', 'd', 'e']);
  });
});

describe('with any limit, and any writes', () => {
  interface Item {
    readonly key: string;
    readonly size: number;
    readonly leaves: number;
  }
  type Operation =
    | { readonly verb: 'set'; readonly key: string; readonly size: number; readonly ttl: number | null }
    | { readonly verb: 'delete'; readonly key: string }
    | { readonly verb: 'wait'; readonly ms: number };
  const key = fc.constantFrom(...'abcdefghij');
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        verb: fc.constant('set' as const),
        key,
        size: fc.nat(300),
        ttl: fc.option(fc.integer({ min: 1, max: 500 })),
      }),
    },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant('delete' as const), key }) },
    { weight: 2, arbitrary: fc.record({ verb: fc.constant('wait' as const), ms: fc.nat(200) }) },
  );

  it('an entry leaves by its time, by a delete, or in its turn for want of room, and is counted then; nothing else is lost', async () => {
    const one = async (maxSize: number, operations: readonly Operation[]) => {
      const clock = new FakeClock();
      const backend = fileBackend({ filename: newFile(), maxSize });
      await backend.ready?.();
      backend.attach?.(host(clock));
      // In the order of their writes. A name is a namespace, a mark and the key; before the bytes stand 17 others.
      let items: Item[] = [];
      let evictions = 0;
      for (const each of operations) {
        if (each.verb === 'wait') await clock.advance(each.ms);
        else items = items.filter((item) => item.key !== each.key);
        if (each.verb === 'delete') await backend.delete(each.key);
        if (each.verb === 'set') {
          const ttl = each.ttl ?? undefined;
          await backend.set(each.key, bytes(each.size), ttl === undefined ? {} : { ttl });
          const own = {
            key: each.key,
            size: 20 + each.size,
            leaves: ttl === undefined ? Number.POSITIVE_INFINITY : clock.now() + ttl,
          };
          items = items.filter(({ leaves }) => leaves > clock.now());
          const others = [...items].sort((a, b) => a.leaves - b.leaves || items.indexOf(a) - items.indexOf(b));
          while ([own, ...items].reduce((sum, { size }) => sum + size, 0) > maxSize) {
            const next = others.shift();
            items = items.filter((item) => item !== next);
            evictions++;
          }
          items.push(own);
        }
        const there = items.filter(({ leaves }) => leaves > clock.now()).map((item) => item.key);
        expect(await left(backend, [...'abcdefghij'])).toEqual(there.sort());
        expect((backend as { evictions?: number }).evictions).toBe(evictions);
      }
      await backend.close?.();
    };
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 320, max: 1500 }), fc.array(operation, { maxLength: 40 }), one),
      { numRuns: 60 },
    );
  });
});

describe('keys', () => {
  const odd = [
    '',
    '\0',
    'e\0',
    'l\0k',
    'x'.repeat(1900),
    'x'.repeat(1901),
    'x'.repeat(5000),
    `${'x'.repeat(4999)}y`,
    'ä😀',
    's',
    'f',
    '|',
  ];

  it('of any length and any characters are distinct from each other and from the records of the file', async () => {
    const filename = newFile();
    const backend = await opened({ filename });
    await backend.setMulti(new Map(odd.map((key, at) => [key, Buffer.from(`${at}`)])));
    for (const key of odd) {
      const lease = await backend.mutex?.(key)?.acquire({ wait: false });
      expect(lease).toBeDefined();
    }
    expect((await backend.getMulti(odd)).map(String)).toEqual(odd.map((_, at) => `${at}`));
    await backend.close?.();
    const again = await opened({ filename });
    expect((await again.getMulti(odd)).map(String)).toEqual(odd.map((_, at) => `${at}`));
    await again.deleteMulti(odd);
    expect(await left(again, odd)).toEqual([]);
  });

  it('that are the hash of a longer one are not that one', async () => {
    const backend = await opened({ filename: newFile() });
    const { createHash } = await import('node:crypto');
    const long = 'x'.repeat(3000);
    const hash = createHash('sha256').update(long).digest();
    await backend.set(long, bytes(1));
    for (const key of [hash.toString('latin1'), hash.toString('hex'), `\u0001${hash.toString('latin1')}`]) {
      expect(await backend.get(key)).toBe(undefined);
    }
  });

  it('with a lone surrogate are refused: as UTF-8 they would be others', async () => {
    const backend = await opened({ filename: newFile() });
    await expect((async () => backend.set('a\ud800', bytes(1)))()).rejects.toThrow(ValidationError);
  });
});

describe('values', () => {
  it('of any size come back whole, and are not views of what is written later', async () => {
    const backend = await opened({ filename: newFile() });
    const sizes = [0, 1, 4000, 40_000, 20_000_000];
    const values = new Map<number, Uint8Array | undefined>();
    for (const size of sizes) {
      await backend.set('k', Buffer.alloc(size, size % 251));
      values.set(size, await backend.get('k'));
    }
    for (const size of sizes) {
      const value = values.get(size);
      expect(value?.byteLength).toBe(size);
      expect(Buffer.from(value ?? []).equals(Buffer.alloc(size, size % 251))).toBe(true);
    }
  });
});

/** A file system of a few megabytes, of this program's own: needs Linux, and a system that lets it. */
const canMount =
  process.platform === 'linux' && spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

/** What a program says that has `backend` on a disk of so many megabytes. */
async function onDisk(size: number, program: string): Promise<string> {
  const folder = newFolder();
  const all = `
    const { fileBackend } = await import(${JSON.stringify(`file://${await builtPath()}/backends/file.js`)});
    const backend = fileBackend({ filename: ${JSON.stringify(`${folder}/cache.db`)} });
    ${program}`;
  const script = 'mount -t tmpfs -o "size=$4m" tmpfs "$1" && exec "$2" --input-type=module -e "$3"';
  const args = ['-rm', 'sh', '-c', script, 'sh', folder, process.execPath, all, String(size)];
  return execFileSync('unshare', args, { encoding: 'utf8' });
}

describe('a full disk', () => {
  it.skipIf(!canMount)(
    'older entries make room for new ones, none that is read is damaged, and none fails to be written',
    async () => {
      const program = `
      const whole = (n) => Buffer.alloc(2000 + (n % 40) * 200, n);
      for (let n = 0; n < 8000; n++) await backend.set('k' + n, whole(n));
      let found = 0;
      for (let n = 0; n < 8000; n++) {
        const value = await backend.get('k' + n);
        if (!value) continue;
        found++;
        if (!whole(n).equals(value)) throw new Error('damaged');
      }
      await backend.close();
      console.log(found > 500 && found < 8000 ? 'fine' : found);`;
      expect(await onDisk(16, program)).toBe('fine\n');
    },
  );

  it.skipIf(!canMount)('is not met by many entries whose names are most of them', async () => {
    const program = `
      for (let n = 0; n < 60; n++) {
        const entries = Array.from({ length: 300 }, (_, at) => [n + ' ' + at + 'x'.repeat(800), Buffer.alloc(10)]);
        await backend.setMulti(new Map(entries));
      }
      await backend.close();
      console.log('fine');`;
    expect(await onDisk(24, program)).toBe('fine\n');
  });
});
