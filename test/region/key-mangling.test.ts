import { describe, expect, it, vi } from 'vitest';
import type { CacheBackend } from '../../src/api.js';
import { memoryBackend, memorySerializedBackend } from '../../src/backends/memory.js';
import { ValidationError } from '../../src/errors.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { FencedBackend, LaterBackend, SharedStore } from './support/later-backend.js';

const prefixed = (key: string) => `app:${key}`;

describe('mangled keys', () => {
  it('every verb of the backend gets the mangled key; creators and events get the caller’s', async () => {
    const backend = new LaterBackend();
    const region = makeRegion({ keyMangler: prefixed }).configure(backend);
    const keys: unknown[] = [];
    await region.getOrCreate('a', ({ key }) => keys.push(key));
    await region.getOrCreateMulti(['b', 'c'], (asked, context) => {
      keys.push(asked, context.keys);
      return asked;
    });
    await region.set('d', 1);
    await region.setMulti({ e: 1 });
    await region.getMulti(['a', 'e']);
    await region.delete('a');
    await region.deleteMulti(['b']);
    expect(keys).toEqual(['a', ['b', 'c'], ['b', 'c']]);
    const asked = backend.calls.flatMap((call) => call.split(' ').slice(1));
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter((key) => !key.startsWith('app:'))).toEqual([]);
    expect(await region.getMulti(['c', 'd', 'e'])).toEqual(['c', 1, 1]);
  });

  it('locks have the mangled name: regions whose mangled keys meet elect together', async () => {
    for (const backend of [memoryBackend(), new FencedBackend(new SharedStore())]) {
      const mangled = makeRegion({ keyMangler: prefixed }).configure(backend);
      const plain = makeRegion().configure(backend);
      const gate = new Gate();
      const first = mangled.getOrCreate('k', () => gate.passed().then(() => 'one'));
      await gate.arrived;
      expect(await mangled.keyIsLocked('k')).toBe(true);
      expect(await plain.keyIsLocked('app:k')).toBe(true);
      expect(await plain.keyIsLocked('k')).toBe(false);
      const second = plain.getOrCreate('app:k', () => 'another');
      await new FakeClock().advance(0);
      gate.open();
      expect(await Promise.all([first, second])).toEqual(['one', 'one']);
    }
  });

  it('two keys that one mangler makes one are one', async () => {
    const region = makeRegion({ keyMangler: (key) => key.toLowerCase() }).configure('memory');
    const creator = vi.fn(() => 'value');
    expect(await Promise.all([region.getOrCreate('K', creator), region.getOrCreate('k', creator)])).toEqual([
      'value',
      'value',
    ]);
    expect(creator).toHaveBeenCalledTimes(1);
  });

  it('two keys of one batch that a mangler makes one are created, and both are answered', async () => {
    const region = makeRegion({ keyMangler: (key) => key.toLowerCase() }).configure('memory');
    const values = await region.getOrCreateMulti(['K', 'k', 'other'], (keys) => keys.map((key) => `value of ${key}`));
    expect(values.every((value) => typeof value === 'string')).toBe(true);
    expect(values[2]).toBe('value of other');
    expect(await region.get('K')).toBe(await region.get('k'));
  });

  it('a mangler that throws is the caller’s rejection, before anything is asked or written', async () => {
    const backend = new LaterBackend();
    const boom = new Error('boom');
    const keyMangler = (): string => {
      throw boom;
    };
    const region = makeRegion({ keyMangler }).configure(backend);
    for (const call of [
      () => region.get('k'),
      () => region.getMulti(['k']),
      () => region.set('k', 1),
      () => region.setMulti({ k: 1 }),
      () => region.delete('k'),
      () => region.deleteMulti(['k']),
      () => region.getOrCreate('k', () => 1),
      () => region.getOrCreate('k', () => 1, {}),
      () => region.getOrCreateMulti(['k'], () => [1]),
      () => region.keyIsLocked('k'),
    ])
      await expect(call()).rejects.toBe(boom);
    expect(backend.calls).toEqual([]);
  });

  it('a mangler that gives no text is refused, naming the key', async () => {
    const region = makeRegion({ keyMangler: (() => undefined) as never }).configure('memory');
    await expect(region.get('the key')).rejects.toThrow(
      'The key mangler must answer with a string; for "the key" it gave undefined.',
    );
  });
});

describe('keys', () => {
  const hostile = [
    '',
    ' ',
    '\u0000',
    '__proto__',
    'constructor',
    'a\nb',
    'hé ☃',
    '😀',
    'x'.repeat(100_000),
    '\u2028',
    'a|b',
  ];
  it.each([
    ['memory', memoryBackend],
    ['memory_serialized', memorySerializedBackend],
    ['a store that answers later', () => new LaterBackend()],
  ] as [string, () => CacheBackend][])('any text is a key on %s', async (_, make) => {
    const region = makeRegion().configure(make());
    for (const [at, key] of hostile.entries()) {
      expect(await region.getOrCreate(key, () => at)).toBe(at);
      expect(await region.get(key)).toBe(at);
    }
    expect(await region.getMulti(hostile)).toEqual(hostile.map((_key, at) => at));
    expect(await region.getOrCreateMulti(hostile, () => [])).toEqual(hostile.map((_key, at) => at));
    await region.deleteMulti(hostile);
    expect(await region.getMulti(hostile)).toEqual(hostile.map(() => undefined));
  });

  it('a lone surrogate is refused where bytes are stored: as UTF-8 it would be another key', async () => {
    const bytes = makeRegion().configure('memory_serialized');
    for (const key of ['\ud800', 'a\udc00b']) {
      await expect(bytes.set(key, 1)).rejects.toThrow(/has a lone surrogate/);
      await expect(bytes.getMulti(['ok', key])).rejects.toThrow(ValidationError);
      await expect(bytes.getOrCreate(key, () => 1)).rejects.toThrow(ValidationError);
    }
    const values = makeRegion().configure('memory');
    await values.setMulti({ '\ud800': 1, '\udc00': 2 });
    expect(await values.getMulti(['\ud800', '\udc00'])).toEqual([1, 2]);
  });

  it.each([[5], [null], [undefined], [true], [['k']], [{}], [Symbol('k')], [5n]])('%s is no key', async (key) => {
    const region = makeRegion().configure('memory');
    const wrong = key as never;
    for (const call of [
      () => region.get(wrong),
      () => region.getMulti([wrong]),
      () => region.set(wrong, 1),
      () => region.setMulti(new Map([[wrong, 1]])),
      () => region.delete(wrong),
      () => region.deleteMulti(['ok', wrong]),
      () => region.getOrCreate(wrong, () => 1),
      () => region.getOrCreateMulti([wrong], () => [1]),
      () => region.keyIsLocked(wrong),
    ]) {
      const calling = call();
      await expect(calling).rejects.toThrow(ValidationError);
      await expect(calling).rejects.toThrow(/^A key must be a string, not /);
    }
    expect(region.statistics.creations).toBe(0);
  });

  it('[py E22] ... nor among many (differs)', async () => {
    const region = makeRegion().configure('memory');
    for (const wrong of [1, null, undefined, {}])
      await expect(region.getOrCreateMulti(['b', wrong as never], () => [1, 2])).rejects.toThrow(ValidationError);
  });

  it.each([['k'], [new Set(['k'])], [{ k: 1 }], [null], [5], [undefined]])(
    '[py E22] many keys are an array, not %s (differs)',
    async (keys) => {
      const region = makeRegion().configure('memory');
      const wrong = keys as never;
      for (const call of [
        () => region.getMulti(wrong),
        () => region.deleteMulti(wrong),
        () => region.getOrCreateMulti(wrong, () => [1]),
      ])
        await expect(call()).rejects.toThrow(new ValidationError('The keys must be an array of strings.'));
    },
  );
});
