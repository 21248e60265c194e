import { describe, expect, it, vi } from 'vitest';
import { CachedValue } from '../../../src/api.js';
import { nullBackend } from '../../../src/backends/null.js';
import { makeRegion } from '../../../src/region/region.js';
import { Gate } from '../../../src/testing/gate.js';

describe('the null backend', () => {
  it('[py 205–210] stores nothing, and nothing is an error', async () => {
    const region = makeRegion().configure('null');
    expect(await region.get('k')).toBeUndefined();
    await region.set('k', 1);
    expect(await region.get('k')).toBeUndefined();
    await region.delete('k');
    expect(await region.getMulti(['k', 'l'])).toEqual([undefined, undefined]);
    await region.setMulti({ k: 1, l: 2 });
    expect(await region.getMulti(['k', 'l'])).toEqual([undefined, undefined]);
    await region.deleteMulti(['k', 'l']);
    await region.invalidate();
    expect(await nullBackend().get('k')).toBeUndefined();
    expect(await nullBackend().set('k', new CachedValue(1, { ct: 1, v: 2 }))).toBeUndefined();
  });

  it('[py 212, 213] its mutex is always granted, also while it is held', async () => {
    const mutex = nullBackend().mutex?.('k');
    const leases = [
      await mutex?.acquire(),
      await mutex?.acquire({ wait: false }),
      await mutex?.acquire({ wait: false }),
    ];
    expect(new Set(leases.map((lease) => lease?.token)).size).toBe(3);
    expect(await mutex?.locked()).toBe(false);
    await leases[0]?.release();
    await leases[0]?.release();
    await leases[1]?.[Symbol.asyncDispose]();
  });

  it('elects nobody: every call runs its creator, side by side', async () => {
    const region = makeRegion().configure('dogpile.cache.null');
    const gate = new Gate();
    const creator = vi.fn(() => gate.passed());
    const calls = [
      region.getOrCreate('k', creator),
      region.getOrCreate('k', creator),
      region.getOrCreateMulti(['k'], () => creator().then(() => [1])),
    ];
    await gate.arrived;
    await vi.waitFor(() => expect(creator).toHaveBeenCalledTimes(3));
    gate.open();
    expect(await Promise.all(calls)).toEqual([undefined, undefined, [1]]);
    await expect(region.getOrCreate('k', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await region.keyIsLocked('k')).toBe(false);
  });

  it('takes and ignores any arguments: one name switches a cache off', () => {
    const region = makeRegion().configure('null', { arguments: { url: 'redis://nowhere', whatever: 5 } });
    expect(region.isConfigured).toBe(true);
  });

  it('a creator that asks for its own key is left to its own devices, not in a deadlock', async () => {
    const region = makeRegion().configure('null');
    let depth = 0;
    const creator = (): Promise<number> | number => (++depth < 5 ? region.getOrCreate('k', creator) : depth);
    expect(await region.getOrCreate('k', creator)).toBe(5);
  });
});
