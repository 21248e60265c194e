import { describe, expect, it, vi } from 'vitest';
import { type BackendHost, CachedValue } from '../../../src/api.js';
import { LazyBackend } from '../../../src/backends/lazy.js';
import { memoryBackend } from '../../../src/backends/memory.js';
import { RegionClosedError } from '../../../src/errors.js';
import { ProxyBackend, wrapBackend } from '../../../src/proxy.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { Gate } from '../../../src/testing/gate.js';
import { FencedBackend, SharedStore } from '../../region/support/later-backend.js';

const entry = new CachedValue(1, { ct: 1, v: 2 });
const host: BackendHost = { clock: new FakeClock(), random: () => 0, report: () => {} };

describe('a backend that is loaded on first use', () => {
  it('is not loaded by being made, attached or looked at; once by many first uses', async () => {
    const load = vi.fn(async () => memoryBackend());
    const lazy = new LazyBackend(load);
    lazy.attach(host);
    expect([lazy.stores, lazy.keyMangler, lazy.serializer, lazy.storesNothing, lazy.generations]).toEqual([
      'bytes',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect([lazy.remote, lazy.gathersReads]).toEqual([undefined, undefined]);
    expect([lazy.evictions, lazy.mutex('k'), lazy.acquireMulti(['k']), lazy.loaded]).toEqual([
      0,
      undefined,
      undefined,
      false,
    ]);
    expect(load).not.toHaveBeenCalled();
    await Promise.all([lazy.get('k'), lazy.set('k', entry), lazy.getMulti(['k']), lazy.ready(), lazy.delete('x')]);
    expect(load).toHaveBeenCalledTimes(1);
    expect(lazy.loaded).toBe(true);
    expect(lazy.stores).toBe('values');
  });

  it('answers at once as soon as the engine does', async () => {
    const lazy = new LazyBackend(async () => memoryBackend());
    await lazy.load();
    expect(lazy.set('k', entry)).toBeUndefined();
    expect(lazy.setMulti(new Map([['l', entry]]))).toBeUndefined();
    expect(lazy.get('k')).toBe(entry);
    expect(lazy.getMulti(['l'])).toEqual([entry]);
    expect(lazy.deleteMulti(['k', 'l'])).toBeUndefined();
    expect(lazy.delete('k')).toBeUndefined();
  });

  it('every verb reaches the engine, whichever is the first', async () => {
    const uses = [
      (lazy: LazyBackend) => lazy.get('k'),
      (lazy: LazyBackend) => lazy.getMulti(['k']),
      (lazy: LazyBackend) => lazy.set('k', entry, { ttl: 5 }),
      (lazy: LazyBackend) => lazy.setMulti(new Map([['k', entry]]), { ttl: 5 }),
      (lazy: LazyBackend) => lazy.delete('k'),
      (lazy: LazyBackend) => lazy.deleteMulti(['k']),
    ];
    const verbs = ['get', 'getMulti', 'set', 'setMulti', 'delete', 'deleteMulti'] as const;
    for (const [at, use] of uses.entries()) {
      const called = Object.fromEntries(verbs.map((verb) => [verb, vi.fn(() => verb)]));
      const lazy = new LazyBackend(async () => ({ stores: 'values', ...called }) as never);
      expect(await use(lazy)).toBe(verbs[at]);
      expect(called[verbs[at] ?? '']).toHaveBeenCalledTimes(1);
    }
  });

  it('gives the engine the host, before its first use, whether it came before or after the loading', async () => {
    const order: string[] = [];
    const engine = () =>
      Object.assign(new FencedBackend(new SharedStore()), {
        attach: (given: BackendHost) => {
          expect(given).toBe(host);
          order.push('attach');
        },
        ready: () => void order.push('ready'),
      });
    const early = new LazyBackend(async () => engine());
    early.attach(host);
    await early.ready();
    const late = new LazyBackend(async () => engine());
    await late.load();
    late.attach(host);
    expect(order).toEqual(['attach', 'ready', 'attach']);
  });

  it('a load that failed is tried again by the next use; the failure reaches everybody who waited', async () => {
    const load = vi.fn<() => Promise<ReturnType<typeof memoryBackend>>>();
    load.mockRejectedValueOnce(new Error('not installed')).mockImplementationOnce(() => {
      throw new Error('at once');
    });
    load.mockImplementation(async () => memoryBackend());
    const lazy = new LazyBackend(load);
    const first = await Promise.allSettled([lazy.get('k'), lazy.ready(), lazy.load()]);
    expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(load).toHaveBeenCalledTimes(1);
    await expect(lazy.load()).rejects.toThrow('at once');
    expect(await lazy.get('k')).toBeUndefined();
    expect(load).toHaveBeenCalledTimes(3);
  });

  it('closed before it was loaded: nothing is loaded any more', async () => {
    const load = vi.fn(async () => memoryBackend());
    const lazy = new LazyBackend(load);
    await lazy.close();
    await lazy.close();
    await expect((async () => lazy.get('k'))()).rejects.toThrow(RegionClosedError);
    await expect(lazy.ready()).rejects.toThrow(RegionClosedError);
    expect(load).not.toHaveBeenCalled();
  });

  it('closed while it is being loaded: the engine is closed as soon as it is there', async () => {
    const gate = new Gate();
    const close = vi.fn();
    const lazy = new LazyBackend(async () => {
      await gate.passed();
      return Object.assign(new FencedBackend(new SharedStore()), { close });
    });
    const loading = lazy.load();
    const closing = lazy.close();
    expect(close).not.toHaveBeenCalled();
    gate.open();
    await Promise.all([loading, closing]);
    expect(close).toHaveBeenCalledTimes(1);
    await expect(lazy.load()).rejects.toThrow(RegionClosedError);
  });

  it('closed while a load fails: that is the load’s failure, not the close’s', async () => {
    const gate = new Gate();
    const lazy = new LazyBackend(() => gate.passed() as never);
    const loading = lazy.load();
    const closing = lazy.close();
    gate.fail(new Error('not installed'));
    await expect(loading).rejects.toThrow('not installed');
    await closing;
  });

  it('a proxy in front of it says what the engine says, once it is there', async () => {
    const lazy = new LazyBackend(async () => memoryBackend());
    const proxy = wrapBackend(ProxyBackend, lazy);
    expect(proxy.stores).toBe('bytes');
    await lazy.load();
    expect(proxy.stores).toBe('values');
  });
});
