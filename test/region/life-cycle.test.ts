import { spawnSync } from 'node:child_process';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { BackendHost } from '../../src/api.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { nullBackend } from '../../src/backends/null.js';
import { ReentrantCreationError, RegionClosedError, ValidationError } from '../../src/errors.js';
import { ProxyBackend } from '../../src/proxy.js';
import { type CacheRegion, makeRegion } from '../../src/region/region.js';
import { registerBackend } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { builtPath } from '../support/built.js';
import { FencedBackend, LaterBackend, SharedStore } from './support/later-backend.js';

const closable = () => Object.assign(new LaterBackend(), { close: vi.fn(async () => {}) });
const settle = () => new FakeClock().advance(0);
const callsOf = (region: CacheRegion): readonly (() => Promise<unknown>)[] => [
  () => region.get('k'),
  () => region.getCachedValue('k'),
  () => region.getMulti(['k']),
  () => region.set('k', 1),
  () => region.setMulti({ k: 1 }),
  () => region.delete('k'),
  () => region.deleteMulti(['k']),
  () => region.getOrCreate('k', () => 1),
  () => region.getOrCreate('k', () => 1, { background: true }),
  () => region.getOrCreateMulti(['k'], () => [1]),
  () => region.invalidate(),
  () => region.invalidateTags(['t']),
  () => region.keyIsLocked('k'),
  () => region.explain('k'),
  () => region.ready(),
];

describe('ready()', () => {
  it('loads the engine once, and gives the region', async () => {
    const ready = vi.fn(async () => {});
    const load = vi.fn(async () => ({ default: () => Object.assign(memoryBackend(), { ready }) }));
    registerBackend('test-ready', load);
    const region = makeRegion().configure('test-ready');
    expect(load).not.toHaveBeenCalled();
    const both = await Promise.all([region.ready(), region.ready(), region.get('k')]);
    expect(both[0]).toBe(region);
    expect(load).toHaveBeenCalledTimes(1);
    expect(ready).toHaveBeenCalled();
  });

  it('rejects with why not; the next use tries again', async () => {
    const ready = vi.fn(async () => {});
    ready.mockRejectedValueOnce(new Error('locked by another'));
    const region = makeRegion().configure(Object.assign(new LaterBackend(), { ready }));
    await expect(region.ready()).rejects.toThrow('locked by another');
    await region.set('k', 1);
    expect(await region.get('k')).toBe(1);
  });

  it('of a remote backend is not waited for by the first call', async () => {
    const ready = vi.fn(() => new Promise<void>(() => {}));
    const region = makeRegion().configure(Object.assign(new LaterBackend(), { ready, remote: true }));
    expect(await region.getOrCreate('k', () => 1)).toBe(1);
    expect(ready).not.toHaveBeenCalled();
  });
});

describe('close()', () => {
  it('from the call on every other call rejects; twice is once', async () => {
    const backend = closable();
    const region = makeRegion().configure(backend);
    await region.set('k', 1);
    const closing = region.close();
    for (const call of callsOf(region)) await expect(call()).rejects.toThrow(RegionClosedError);
    expect(region.close()).toBe(closing);
    await closing;
    await region.close();
    expect(backend.close).toHaveBeenCalledTimes(1);
    for (const call of callsOf(region))
      await expect(call()).rejects.toThrow('This region is closed; for further calls make another one.');
    expect(() => region.configure('memory', { replaceExistingBackend: true })).toThrow(RegionClosedError);
    await region.idle();
  });

  it('of a region that was never configured closes it all the same', async () => {
    const region = makeRegion({ name: 'users' });
    await region.close();
    expect(() => region.configure('memory')).toThrow('This region ("users") is closed;');
    await expect(region.get('k')).rejects.toThrow(RegionClosedError);
  });

  it('before the engine was loaded loads nothing; while it is being loaded closes it', async () => {
    const load = vi.fn(async () => ({ default: () => memoryBackend() }));
    registerBackend('test-never-loaded', load);
    await makeRegion().configure('test-never-loaded').close();
    expect(load).not.toHaveBeenCalled();

    const gate = new Gate();
    const backend = closable();
    registerBackend('test-slowly-loaded', () => gate.passed().then(() => ({ default: () => backend })));
    const region = makeRegion().configure('test-slowly-loaded');
    const call = region.getOrCreate('k', () => 1);
    const closing = region.close();
    gate.open();
    await expect(call).rejects.toThrow(RegionClosedError);
    await closing;
    expect(backend.close).toHaveBeenCalledTimes(1);
  });

  it('inside a creator of the region, or of one that such a creator asks, does not wait for itself: it rejects, and closes nothing', async () => {
    const region = makeRegion().configure(new LaterBackend());
    const other = makeRegion().configure('null');
    const failed = async (work: () => Promise<unknown>) =>
      work().then(
        () => 'done',
        (error: unknown) => (error instanceof ReentrantCreationError ? error.message : error),
      );
    const close = 'close() inside a creator of this region waits for that creator. Call it outside, or with a timeout.';
    const idle = 'idle() inside a creator of this region waits for that creator. Call it outside.';
    expect(await region.getOrCreate('close', () => failed(() => region.close()))).toBe(close);
    expect(await region.getOrCreate('idle', () => failed(() => region.idle()))).toBe(idle);
    expect(await region.getOrCreateMulti(['many'], async () => [await failed(() => region.close())])).toEqual([close]);
    expect(await region.getOrCreate('dispose', () => failed(() => region[Symbol.asyncDispose]()))).toBe(close);
    const through = () => other.getOrCreate('k', () => failed(() => region.close()));
    expect(await region.getOrCreate('through', through)).toBe(close);
    expect(await other.getOrCreate('alone', () => failed(() => other.close()))).toBe(close);
    // Another region's it may wait for; its own, too, once the creator is done, and for so long as it says.
    expect(await region.getOrCreate('other', () => failed(() => other.close()))).toBe('done');
    let later: Promise<unknown> | undefined;
    const gate = new Gate();
    await region.getOrCreate('later', () => {
      later = gate.passed().then(() => region.idle());
      return 1;
    });
    gate.open();
    await later;
    const end = region.getOrCreate('end', () => failed(() => region.close({ timeout: 1 })));
    await expect(end).rejects.toThrow(RegionClosedError);
  });

  it('waits for creations under way and their writes', async () => {
    const backend = closable();
    const region = makeRegion().configure(backend);
    const gate = new Gate();
    const value = region.getOrCreate('k', () => gate.passed().then(() => 1));
    await gate.arrived;
    const closing = region.close();
    await settle();
    expect(backend.close).not.toHaveBeenCalled();
    gate.open();
    await closing;
    expect(await value).toBe(1);
    expect(backend.entries.size).toBe(1);
    expect(backend.close).toHaveBeenCalledTimes(1);
  });

  it('... also where nobody is elected: on the null backend', async () => {
    const close = vi.fn(async () => {});
    const region = makeRegion().configure(Object.assign(nullBackend(), { close }));
    const gate = new Gate();
    const value = region.getOrCreate('k', () => gate.passed().then(() => 1));
    await gate.arrived;
    const closing = region.close();
    await settle();
    expect(close).not.toHaveBeenCalled();
    gate.open();
    await closing;
    expect(await value).toBe(1);
  });

  it('... for so long at most: then they are aborted, their leases given back, and nothing of them is stored', async () => {
    const clock = new FakeClock();
    const store = new SharedStore();
    const close = vi.fn(async () => {});
    const region = makeRegion({ clock }).configure(Object.assign(new FencedBackend(store), { close }));
    const gate = new Gate();
    let signal: AbortSignal | undefined;
    const value = region.getOrCreate('k', async (context) => {
      signal = context.signal;
      await gate.passed();
      return 1;
    });
    await gate.arrived;
    const told = Promise.allSettled([value]);
    const closing = region.close({ timeout: '5s' });
    await clock.advance('4s');
    expect(close).not.toHaveBeenCalled();
    await clock.advance('1s');
    await closing;
    expect(signal?.aborted).toBe(true);
    expect(signal?.reason).toBeInstanceOf(RegionClosedError);
    expect(store.locks.size).toBe(0);
    expect(close).toHaveBeenCalledTimes(1);
    // He is told, though the creator has not settled, and may never.
    expect(await told).toEqual([{ status: 'rejected', reason: expect.any(RegionClosedError) }]);
    gate.open();
    await settle();
    expect(store.entries.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('... also those of before a wrap(), and those of a backend that was replaced', async () => {
    for (const change of [
      (region: CacheRegion) => region.wrap(class extends ProxyBackend {}),
      (region: CacheRegion) => region.configure('memory', { replaceExistingBackend: true }),
    ]) {
      const clock = new FakeClock();
      const backend = closable();
      const region = makeRegion({ clock }).configure(backend);
      const gate = new Gate();
      const told = Promise.allSettled([region.getOrCreate('k', () => gate.passed())]);
      await gate.arrived;
      change(region);
      const closing = region.close({ timeout: '5s' });
      await clock.advance('5s');
      await closing;
      expect(await told).toEqual([{ status: 'rejected', reason: expect.any(RegionClosedError) }]);
      expect(backend.close).toHaveBeenCalledTimes(1);
      expect(clock.pending).toBe(0);
    }
  });

  it('... also when it was called without a limit before', async () => {
    const clock = new FakeClock();
    const region = makeRegion({ clock }).configure('memory');
    const gate = new Gate();
    const told = Promise.allSettled([region.getOrCreate('k', () => gate.passed())]);
    await gate.arrived;
    const closing = region.close();
    await clock.advance('1h');
    void region.close({ timeout: '5s' });
    await clock.advance('5s');
    await closing;
    expect(await told).toEqual([{ status: 'rejected', reason: expect.any(RegionClosedError) }]);
    expect(clock.pending).toBe(0);
  });

  it('... and nobody creates in a region that is closed: who waited is told so', async () => {
    const clock = new FakeClock();
    const backend = closable();
    const region = makeRegion({ clock }).configure(backend);
    const gate = new Gate();
    const first = region.getOrCreate('k', () => gate.passed());
    await gate.arrived;
    const creator = vi.fn(() => 'another');
    const told = Promise.allSettled([first, region.getOrCreate('k', creator)]);
    await clock.advance(0);
    const closing = region.close({ timeout: '5s' });
    await clock.advance('5s');
    await closing;
    gate.open();
    const [, waited] = await told;
    expect(creator).not.toHaveBeenCalled();
    expect(waited).toMatchObject({ status: 'rejected', reason: expect.any(RegionClosedError) });
  });

  it('a call that was reading when it was called creates nothing after it', async () => {
    const backend = closable();
    const region = makeRegion().configure(backend);
    const gate = new Gate();
    backend.pause = (verb) => (verb === 'get' ? gate.passed() : undefined);
    const creator = vi.fn(() => 1);
    const call = region.getOrCreate('k', creator);
    await gate.arrived;
    const closing = region.close();
    await settle();
    const early = backend.close.mock.calls.length > 0;
    gate.open();
    await Promise.allSettled([call, closing]);
    // Either it is waited for, or it is refused: the backend is not written to after it was closed.
    expect(early && backend.calls.some((each) => each.startsWith('set'))).toBe(false);
  });

  it('a wrong option is refused, and the region goes on', async () => {
    const region = makeRegion().configure('memory');
    await expect((async () => region.close({ timeout: 'soon' }))()).rejects.toThrow(ValidationError);
    await region.set('k', 1);
    expect(() => region.configure('memory', { replaceExistingBackend: true })).not.toThrow();
    await region.close();
    await expect(region.get('k')).rejects.toThrow(RegionClosedError);
  });

  it('unknown options are refused', async () => {
    const region = makeRegion().configure('memory');
    await expect((async () => region.idle({ sgnal: 5 } as never))()).rejects.toThrow(ValidationError);
    await expect((async () => region.close({ timeOut: 5 } as never))()).rejects.toThrow(ValidationError);
  });

  it('wrap() does not open it again', async () => {
    const region = makeRegion().configure('memory');
    await region.close();
    expect(() => region.wrap(ProxyBackend)).toThrow(RegionClosedError);
    await expect(region.get('k')).rejects.toThrow(RegionClosedError);
  });

  it('a backend that can’t be closed: the rejection says so, and the region is closed', async () => {
    const backend = closable();
    backend.close.mockRejectedValue(new Error('stuck'));
    const region = makeRegion().configure(backend);
    await expect(region.close()).rejects.toThrow('stuck');
    await expect(region.get('k')).rejects.toThrow(RegionClosedError);
  });

  it('leaves no timer of a failure that was remembered, also of before a wrap()', async () => {
    const clock = new FakeClock();
    const region = makeRegion({ clock }).configure('memory', { errorBackoff: '1h' });
    const fail = (key: string) => region.getOrCreate(key, () => Promise.reject(new Error('no'))).catch(() => {});
    await fail('a');
    region.wrap(ProxyBackend);
    await fail('b');
    await region.close();
    expect(clock.pending).toBe(0);
  });

  it('await using closes it', async () => {
    const backend = closable();
    {
      await using region = makeRegion().configure(backend);
      await region.set('k', 1);
    }
    expect(backend.close).toHaveBeenCalledTimes(1);
  });

  it('two regions over one backend object: the last one closes it', async () => {
    const backend = closable();
    const [one, other] = [makeRegion().configure(backend), makeRegion().configure(backend, { wrap: [ProxyBackend] })];
    await one.close();
    expect(backend.close).not.toHaveBeenCalled();
    await other.set('k', 1);
    expect(await other.get('k')).toBe(1);
    await other.close();
    expect(backend.close).toHaveBeenCalledTimes(1);
  });
});

describe('idle()', () => {
  it('waits for what goes on behind, and creates nothing itself', async () => {
    const clock = new FakeClock();
    const region = makeRegion({ clock }).configure(new LaterBackend(), { expirationTime: '1s', background: true });
    await region.idle();
    await region.set('k', 'old');
    await clock.advance('2s');
    const gate = new Gate();
    expect(await region.getOrCreate('k', () => gate.passed().then(() => 'new'))).toBe('old');
    let isIdle = false;
    const idle = region.idle().then(() => {
      isIdle = true;
    });
    await clock.advance(0);
    expect(isIdle).toBe(false);
    gate.open();
    await idle;
    expect(await region.get('k')).toBe('new');
  });

  it('refuses what are no options, and what is no signal', async () => {
    const region = makeRegion().configure('memory');
    await expect(region.idle(null as never)).rejects.toThrow(ValidationError);
    await expect(region.idle({ signal: 'now' as never })).rejects.toThrow(/^signal must be an object/);
  });

  it('a signal ends the wait, not the work', async () => {
    const region = makeRegion().configure('memory');
    const gate = new Gate();
    const call = region.getOrCreate('k', () => gate.passed().then(() => 1));
    await gate.arrived;
    const controller = new AbortController();
    const idle = region.idle({ signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(idle).rejects.toBe(reason);
    await expect(region.idle({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    gate.open();
    expect(await call).toBe(1);
    await region.idle({ signal: new AbortController().signal });
  });
});

describe('a replaced backend', () => {
  it('is closed when what goes on in it is done; calls under way end on it, new ones use the new one', async () => {
    const [one, other] = [closable(), closable()];
    const region = makeRegion().configure(one);
    const gate = new Gate();
    const old = region.getOrCreate('k', () => gate.passed().then(() => 'old'));
    await gate.arrived;
    region.configure(other, { replaceExistingBackend: true });
    expect(await region.getOrCreate('k', () => 'new')).toBe('new');
    expect(one.close).not.toHaveBeenCalled();
    gate.open();
    expect(await old).toBe('old');
    await region.idle();
    expect(one.close).toHaveBeenCalledTimes(1);
    expect([one.entries.size, other.entries.size]).toEqual([1, 1]);
    expect(await region.get('k')).toBe('new');
    await region.close();
    expect(other.close).toHaveBeenCalledTimes(1);
    expect(one.close).toHaveBeenCalledTimes(1);
  });

  it('is waited for by close()', async () => {
    const one = closable();
    const region = makeRegion().configure(one);
    const gate = new Gate();
    const old = region.getOrCreate('k', () => gate.passed());
    await gate.arrived;
    region.configure('memory', { replaceExistingBackend: true });
    let isClosed = false;
    const closing = region.close().then(() => {
      isClosed = true;
    });
    await settle();
    expect(isClosed).toBe(false);
    gate.open();
    await Promise.all([old, closing]);
    expect(one.close).toHaveBeenCalledTimes(1);
  });

  it('that is the same object again is not closed', async () => {
    const backend = closable();
    const region = makeRegion().configure(backend);
    region.configure(backend, { replaceExistingBackend: true, expirationTime: 5 });
    await region.idle();
    expect(backend.close).not.toHaveBeenCalled();
    await region.close();
    expect(backend.close).toHaveBeenCalledTimes(1);
  });

  it('that can’t be closed is an event, and nobody’s rejection', async () => {
    const one = closable();
    one.close.mockRejectedValue(new Error('stuck'));
    const region = makeRegion().configure(one);
    region.configure('memory', { replaceExistingBackend: true });
    await region.idle();
    expect(region.statistics.backendErrors).toBe(1);
    await region.close();
  });

  it('while its engine is being loaded: calls under way get their values all the same', async () => {
    const gate = new Gate();
    const backend = closable();
    registerBackend('test-replaced-early', () => gate.passed().then(() => ({ default: () => backend })));
    const region = makeRegion().configure('test-replaced-early');
    const early = region.getOrCreate('k', () => (backend.close.mock.calls.length === 0 ? 'early' : 'too late'));
    region.configure('memory', { replaceExistingBackend: true });
    gate.open();
    expect(await early).toBe('early');
    await region.idle();
    expect(backend.close).toHaveBeenCalledTimes(1);
    expect(await region.getOrCreate('k', () => 'late')).toBe('late');
    await region.close();
  });
});

describe('a call that waits for the engine is waited for before the backend is closed, however near that is to its end:', () => {
  const changes: Record<string, (region: CacheRegion) => unknown> = {
    'where another takes its place': (region) => region.configure('memory', { replaceExistingBackend: true }),
    'where a proxy comes': (region) => region.wrap(ProxyBackend),
  };
  for (const [how, change] of Object.entries(changes)) {
    it(how, async () => {
      for (const [before, after] of Array.from({ length: 40 }, (_, at) => [at % 10, Math.floor(at / 10)] as const)) {
        const told: string[] = [];
        class Opening extends LaterBackend {
          ready() {}
          close() {
            told.push('closed');
          }
        }
        const region = makeRegion().configure(new Opening());
        const ready = region.ready();
        for (let turn = 0; turn < before; turn++) await undefined;
        const gate = new Gate();
        const call = region.getOrCreate('k', () => gate.passed()).then(() => told.push('created'));
        for (let turn = 0; turn < after; turn++) await undefined;
        change(region);
        await gate.arrived;
        const closed = region.close();
        await settle();
        gate.open();
        await Promise.all([ready, call, closed]);
        expect([before, after, ...told]).toEqual([before, after, 'created', 'closed']);
      }
    });
  }
});

describe('wrap()', () => {
  it('attaches the proxy, as configure() does', () => {
    const clock = new FakeClock();
    const attached: unknown[] = [];
    class Timing extends ProxyBackend {
      override attach(host: BackendHost): void {
        attached.push(host.clock);
        super.attach(host);
      }
    }
    makeRegion({ clock }).configure('memory', { wrap: [Timing] });
    makeRegion({ clock }).configure('memory').wrap(Timing);
    expect(attached).toEqual([clock, clock]);
  });

  it('puts a proxy in front, whatever goes on', async () => {
    const backend = new LaterBackend();
    const region = makeRegion().configure(backend);
    const gate = new Gate();
    const call = region.getOrCreate('k', () => gate.passed().then(() => 1));
    await gate.arrived;
    const seen: string[] = [];
    class Watching extends ProxyBackend {
      override delete(key: string) {
        seen.push(key);
        return super.delete(key);
      }
    }
    expect(region.wrap(Watching)).toBe(region);
    expect(region.backend).toBeInstanceOf(Watching);
    expect(region.actualBackend).toBe(backend);
    gate.open();
    expect(await call).toBe(1);
    await region.delete('k');
    expect(seen).toEqual(['k']);
    await region.close();
  });

  it('shares the creations under way: nobody creates the key twice at once', async () => {
    const region = makeRegion().configure(new LaterBackend());
    const gate = new Gate();
    let running = 0;
    let most = 0;
    const creator = async () => {
      most = Math.max(most, ++running);
      await gate.passed();
      running--;
      return 1;
    };
    const first = region.getOrCreate('k', creator);
    await gate.arrived;
    const second = region.wrap(ProxyBackend).getOrCreate('k', creator);
    await settle();
    gate.open();
    expect(await Promise.all([first, second])).toEqual([1, 1]);
    expect(most).toBe(1);
  });

  it('a hard invalidation also takes the lease of a creation of before: nobody waits for what would not be stored', async () => {
    const region = makeRegion({ clock: new FakeClock() }).configure(new LaterBackend());
    const gate = new Gate();
    const old = region.getOrCreate('k', () => gate.passed().then(() => 'old'));
    await gate.arrived;
    await region.wrap(ProxyBackend).invalidate();
    expect(await region.getOrCreate('k', () => 'new')).toBe('new');
    gate.open();
    expect(await old).toBe('old');
    expect(await region.get('k')).toBe('new');
  });

  it('forgets no failure, and no outage', async () => {
    const clock = new FakeClock();
    const backend = new LaterBackend();
    const options = { errorBackoff: '5s', backendTimeout: '1s', breaker: { failures: 1, cooldown: '5s' } } as const;
    const region = makeRegion({ clock }).configure(backend, options);
    const failing = () => Promise.reject('no');
    await expect(region.getOrCreate('k', failing)).rejects.toBe('no');
    await expect(region.wrap(ProxyBackend).getOrCreate('k', () => 1)).rejects.toBe('no');
    backend.pause = () => Promise.reject(new Error('down'));
    expect(await region.get('l')).toBeUndefined();
    const asked = backend.calls.length;
    expect(await region.wrap(ProxyBackend).get('l')).toBeUndefined();
    expect(backend.calls.length).toBe(asked);
    await clock.advance('5s');
    backend.pause = () => Promise.resolve();
    expect(await region.getOrCreate('k', () => 1)).toBe(1);
  });

  it('refuses what is no proxy, and leaves the region as it was', async () => {
    const region = makeRegion().configure('memory');
    const { backend } = region;
    expect(() => region.wrap(Map as never)).toThrow(ValidationError);
    expect(region.backend).toBe(backend);
    await region.set('k', 1);
  });
});

describe('rejections', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  afterEach(() => void process.off('unhandledRejection', note));

  it('none is left to nobody: aborted calls, failed creations, failed stores', async () => {
    process.on('unhandledRejection', note);
    const backend = new LaterBackend();
    const clock = new FakeClock();
    const region = makeRegion({ clock }).configure(backend, { expirationTime: '1s', background: true });
    await region.set('k', 1);
    await clock.advance('2s');
    expect(await region.getOrCreate('k', () => Promise.reject(new Error('behind')))).toBe(1);
    const controller = new AbortController();
    const aborted = region.getOrCreate('new', () => Promise.reject(new Error('later')), { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    backend.pause = () => Promise.reject(new Error('gone'));
    expect(await region.getOrCreate('other', () => 2)).toBe(2);
    await region.idle();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(unhandled).toEqual([]);
  });
});

it('a process that does nothing but close lives until `timeout` has passed and its leases are given back', async () => {
  const code = `
    const { makeRegion } = await import(${JSON.stringify(`file://${await builtPath()}/index.js`)});
    const region = makeRegion().configure('memory');
    const never = region.getOrCreate('k', () => new Promise(() => {}));
    never.catch((error) => console.log(error.code));
    await region.close({ timeout: 50 });
    console.log('closed');`;
  const words = ['--input-type=module', '-e', code];
  const { stdout, stderr, status } = spawnSync(process.execPath, words, { encoding: 'utf8', timeout: 20_000 });
  expect({ stdout, stderr, status }).toEqual({ stdout: 'DOGPILE_REGION_CLOSED\nclosed\n', stderr: '', status: 0 });
});
