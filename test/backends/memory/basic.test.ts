import { describe, expect, it } from 'vitest';
import type { Awaitable, StoreOptions } from '../../../src/api.js';
import { BasicBackend } from '../../../src/backends/basic.js';
import { makeRegion } from '../../../src/region/region.js';
import { unhandledRejections } from '../../support/unhandled.js';

class Minimal extends BasicBackend {
  readonly stores = 'bytes';
  readonly entries = new Map<string, Uint8Array>();
  readonly seen: unknown[] = [];
  get(key: string): Awaitable<Uint8Array | undefined> {
    if (key === 'broken') throw new Error('gone');
    return this.entries.get(key);
  }
  set(key: string, stored: Uint8Array, options?: StoreOptions): Awaitable<boolean | void> {
    this.seen.push([key, options?.ttl]);
    if (key === 'refused') return false;
    this.entries.set(key, stored);
  }
  delete(key: string): void {
    this.entries.delete(key);
  }
}

describe('a backend of three verbs', () => {
  it('serves a region', async () => {
    const region = makeRegion().configure(new Minimal());
    await region.setMulti({ a: 1, b: 2 });
    expect(await region.getMulti(['b', 'none', 'a'])).toEqual([2, undefined, 1]);
    expect(await region.getOrCreate('c', () => 3)).toBe(3);
    expect(await region.getOrCreateMulti(['c', 'd'], () => [4])).toEqual([3, 4]);
    await region.deleteMulti(['a', 'none']);
    expect(await region.getMulti(['a', 'b', 'c', 'd'])).toEqual([undefined, 2, 3, 4]);
  });

  it('gives each key its own ttl, and names those that were refused', async () => {
    const backend = new Minimal();
    const entries = new Map(['a', 'refused', 'b'].map((key) => [key, new Uint8Array(1)]));
    expect(await backend.setMulti(entries, { ttl: new Map([['a', 5]]) })).toEqual(new Set(['refused']));
    expect(await backend.setMulti(entries, { ttl: 7 })).toEqual(new Set(['refused']));
    expect(await backend.setMulti(new Map())).toEqual(new Set());
    expect(backend.seen).toEqual([
      ['a', 5],
      ['refused', undefined],
      ['b', undefined],
      ['a', 7],
      ['refused', 7],
      ['b', 7],
    ]);
  });

  it('fails as a whole where one key fails, also when the verb throws at once', async () => {
    const backend = new Minimal();
    await expect(backend.getMulti(['a', 'broken'])).rejects.toThrow('gone');
    const region = makeRegion().configure(backend);
    expect(await region.getMulti(['a', 'broken'])).toEqual([undefined, undefined]);
  });

  it('leaves no rejection unhandled where a verb throws at once for one key and fails later for another', async () => {
    const fail = (key: string): Promise<undefined> => {
      if (key === 'broken') throw new Error('gone');
      return Promise.reject(new Error('later'));
    };
    class Failing extends Minimal {
      override get = fail;
      override delete = fail as never;
    }
    const unhandled = await unhandledRejections(async () => {
      await expect(new Failing().getMulti(['a', 'broken'])).rejects.toThrow('gone');
      await expect(new Failing().deleteMulti(['a', 'broken'])).rejects.toThrow('gone');
    });
    expect(unhandled).toEqual([]);
  });
});
