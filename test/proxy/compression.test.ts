import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryBackend, memorySerializedBackend } from '../../src/backends/memory.js';
import { CantDeserializeError, ValidationError } from '../../src/errors.js';
import { CompressionProxy } from '../../src/proxies/compression.js';
import { wrapBackend } from '../../src/proxy.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { FencedBackend, SharedStore } from '../region/support/later-backend.js';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text));
const MARK = 0x01;

describe('compression', () => {
  it('leaves alone what is smaller than the threshold, and compresses what is not', async () => {
    const proxy = new CompressionProxy({ threshold: 100 });
    const small = bytes('{'.padEnd(99, 'a'));
    const large = bytes('{'.padEnd(100, 'a'));
    expect(await proxy.encode('k', small)).toBe(small);
    const compressed = await proxy.encode('k', large);
    expect(compressed.length).toBeLessThan(20);
    expect(compressed[0]).toBe(MARK);
    expect(await proxy.decode('k', small)).toBe(small);
    expect(Buffer.from(await proxy.decode('k', compressed)).toString()).toBe(Buffer.from(large).toString());
  });

  it('stores what does not get smaller as it is', async () => {
    const proxy = new CompressionProxy({ threshold: 1 });
    const noise = Uint8Array.from({ length: 500 }, (_, at) => ((at * 7919) % 251) ^ ((at * at) % 256));
    noise[0] = 0x7b;
    expect(await proxy.encode('k', noise)).toBe(noise);
    expect(await proxy.encode('k', bytes('{'))).toHaveLength(1);
  });

  it('gives back what it was given, whatever the options', async () => {
    // What another proxy has made of an entry may begin with any byte, that of compressed ones too.
    const entries = fc
      .tuple(fc.constantFrom(0x7b, MARK, 0), fc.uint8Array({ maxLength: 3000 }))
      .map(([first, tail]) => Uint8Array.from([first, ...tail]));
    await fc.assert(
      fc.asyncProperty(
        entries,
        fc.integer({ min: 1, max: 2000 }),
        fc.integer({ min: 1, max: 9 }),
        async (entry, threshold, level) => {
          const proxy = new CompressionProxy({ threshold, level });
          expect([...(await proxy.decode('k', await proxy.encode('k', entry)))]).toEqual([...entry]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('a bomb is missing, not a crash', async () => {
    const bomb = Buffer.concat([Buffer.of(MARK), deflateRawSync(Buffer.alloc(5_000_000))]);
    expect(bomb.length).toBeLessThan(6000);
    await expect(new CompressionProxy({ maxOutputLength: 1_000_000 }).decode('k', bomb)).rejects.toThrow(
      CantDeserializeError,
    );
    expect(await new CompressionProxy().decode('k', bomb)).toHaveLength(5_000_000);
    expect(await new CompressionProxy({ maxOutputLength: Number.POSITIVE_INFINITY }).decode('k', bomb)).toHaveLength(
      5_000_000,
    );
  });

  it('what it could not inflate again it does not compress', async () => {
    const proxy = new CompressionProxy({ threshold: 10, maxOutputLength: 1000 });
    const large = bytes('{'.padEnd(1001, 'a'));
    expect(await proxy.encode('k', large)).toBe(large);
    expect((await proxy.encode('k', large.subarray(0, 1000))).length).toBeLessThan(100);
  });

  it.each([
    ['the mark alone', [MARK]],
    ['garbage behind it', [MARK, 1, 2, 3, 4, 5]],
    ['a truncated value', [MARK, ...deflateRawSync(Buffer.from('x'.repeat(500))).subarray(0, -3)]],
  ])('%s is a CantDeserializeError', async (_, content) => {
    const decoding = (async () => new CompressionProxy().decode('k', Uint8Array.from(content)))();
    await expect(decoding).rejects.toThrow(CantDeserializeError);
    await expect(decoding).rejects.toThrow(/^A compressed value can't be inflated: /);
  });

  it('nothing at all is left to who reads it', async () => {
    expect(await new CompressionProxy().decode('k', new Uint8Array())).toHaveLength(0);
  });

  it.each([
    [null],
    [{ treshold: 5 }],
    [{ threshold: 0 }],
    [{ threshold: '1kb' }],
    [{ maxOutputLength: -1 }],
    [{ level: 0.5 }],
    [{ level: 0 }],
    [{ level: 10 }],
  ])('refuses %j', (options) => {
    expect(() => new CompressionProxy(options as never)).toThrow(ValidationError);
  });
});

describe('a region with compression', () => {
  const value = { text: 'a'.repeat(5000) };

  it.each([
    ['memory', memoryBackend],
    ['memory_serialized', memorySerializedBackend],
  ])('on %s stores less and reads the same', async (_, make) => {
    const region = makeRegion().configure(make() as never, { wrap: [CompressionProxy] });
    await region.set('k', value);
    await region.setMulti({ l: value, small: 1 });
    expect(await region.getMulti(['k', 'l', 'small'])).toEqual([value, value, 1]);
    const stored = (await region.actualBackend.getMulti(['k', 'l', 'small'])) as Uint8Array[];
    expect(stored.map(([first]) => first)).toEqual([MARK, MARK, 0x7b]);
    expect(stored[0]?.length).toBeLessThan(200);
  });

  it('creates, commits and refreshes under leases', async () => {
    const store = new SharedStore();
    const backend = Object.assign(new FencedBackend(store), { stores: 'bytes' as const });
    const clock = new FakeClock();
    const region = makeRegion({ clock }).configure(backend, { wrap: [new CompressionProxy()], expirationTime: '1s' });
    expect(await region.getOrCreate('k', () => value)).toEqual(value);
    expect((store.entries.get('k') as Uint8Array)[0]).toBe(MARK);
    await clock.advance('2s');
    const seen: unknown[] = [];
    await region.getOrCreate('k', ({ stale }) => {
      seen.push(stale?.payload);
      return value;
    });
    expect(seen).toEqual([value]);
  });

  it('reads what was stored uncompressed before, and creates anew what is garbage', async () => {
    const backend = memorySerializedBackend();
    await makeRegion().configure(backend).set('old', value);
    const region = makeRegion().configure(backend, { wrap: [CompressionProxy] });
    expect(await region.get('old')).toEqual(value);
    await backend.set('k', Uint8Array.of(MARK, 1, 2, 3));
    expect(await region.get('k')).toBeUndefined();
    expect(await region.getOrCreate('k', () => 'new')).toBe('new');
    expect(await region.get('k')).toBe('new');
    expect(wrapBackend(CompressionProxy, backend).stores).toBe('bytes');
  });
});
