import { describe, expect, it, vi } from 'vitest';
import { type CacheBackend, CachedValue, type Lease, type Storable } from '../../src/api.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { setUp } from './support/kinds.js';

/** A store of several processes that answers at once: another commits between our look and our lease. */
function raced(commit: (store: CacheBackend) => void): CacheBackend {
  const store = memoryBackend();
  const acquire = (key: string): Lease => {
    commit(store);
    const stored = store.get(key) as Storable | undefined;
    return { token: 'ours', stored, release: () => {}, [Symbol.asyncDispose]: async () => {} };
  };
  return {
    stores: 'values',
    get: (key) => store.get(key),
    getMulti: (keys) => store.getMulti(keys),
    set: (key, stored) => store.set(key, stored),
    setMulti: (entries) => store.setMulti(entries),
    delete: (key) => store.delete(key),
    deleteMulti: (keys) => store.deleteMulti(keys),
    mutex: (key) => ({ locked: () => false, acquire: () => acquire(key) }),
  };
}

describe('what comes with a lease that is won at once', () => {
  it('is looked at: a value that another process committed after our look is found, not created again', async () => {
    let commits = 0;
    const { region, clock } = setUp(
      raced((store) => {
        commits++;
        store.set('k', new CachedValue('theirs', { ct: clock.now() / 1000, v: 2 }));
      }),
    );
    const create = vi.fn(() => 'ours');
    expect(await region.getOrCreate('k', create)).toBe('theirs');
    await clock.advance('11s');
    expect(await region.getOrCreate('k', create)).toBe('theirs');
    expect(create).not.toHaveBeenCalled();
    expect(commits).toBe(2);
  });
});
