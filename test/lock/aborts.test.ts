import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { onAbort, together } from '../../src/lock/aborts.js';
import { LocalMutex } from '../../src/lock/local-mutex.js';
import { makeRegion } from '../../src/region/region.js';
import { Gate } from '../../src/testing/gate.js';
import { settle } from '../../src/testing/settle.js';

const listeners = ({ signal }: AbortController) => getEventListeners(signal, 'abort').length;

describe('what is to happen when a signal aborts', () => {
  it('happens to all who have not left, once, in their order', () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const [leaveFirst] = [1, 2, 3].map((each) => onAbort(controller.signal, () => seen.push(each)));
    leaveFirst?.();
    leaveFirst?.();
    controller.abort();
    expect(seen).toEqual([2, 3]);
  });

  it('has one listener, and none when all have left', () => {
    const controller = new AbortController();
    const run = () => {};
    const leave = [run, run, run].map((each) => onAbort(controller.signal, each));
    expect(listeners(controller)).toBe(1);
    for (const each of leave.slice(1)) each();
    expect(listeners(controller)).toBe(1);
    leave[0]?.();
    expect(listeners(controller)).toBe(0);
  });

  it('listens anew after all have left; who leaves twice takes nothing from others', () => {
    const controller = new AbortController();
    const leave = onAbort(controller.signal, () => {});
    leave();
    const run = vi.fn();
    onAbort(controller.signal, run);
    leave();
    controller.abort();
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('spares who leaves because another is told, and who comes meanwhile', () => {
    const controller = new AbortController();
    const spared = vi.fn();
    onAbort(controller.signal, () => {
      leave();
      onAbort(controller.signal, spared);
    });
    const leave = onAbort(controller.signal, spared);
    controller.abort();
    expect(spared).not.toHaveBeenCalled();
  });

  it('ends the other waits of a caller once one has failed, or with his signal, and leaves no listener', async () => {
    const controller = new AbortController();
    const seen: unknown[] = [];
    const waiting = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => seen.push(signal.reason));
      return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    await expect(together(controller.signal, () => Promise.resolve(1))).resolves.toBe(1);
    const failing = (signal: AbortSignal) => Promise.all([waiting(signal), Promise.reject('no')]);
    await expect(together(controller.signal, failing)).rejects.toBe('no');
    expect(listeners(controller)).toBe(0);
    const aborted = together(controller.signal, waiting);
    controller.abort('enough');
    await expect(aborted).rejects.toBe('enough');
    expect(seen).toEqual(['no', 'enough']);
    expect(listeners(controller)).toBe(0);
    const begin = vi.fn(waiting);
    await expect(together(controller.signal, begin)).rejects.toBe('enough');
    expect(begin).not.toHaveBeenCalled();
  });

  it('is nothing without a signal', () => {
    expect(onAbort(undefined, () => {})()).toBeUndefined();
  });
});

describe('a signal that 1,000 calls share', () => {
  const warned = vi.fn();
  process.on('warning', warned);
  afterEach(() => {
    warned.mockClear();
  });
  const many = <T>(call: (at: number) => Promise<T>) => Array.from({ length: 1000 }, (_, at) => call(at));

  it('brings no warning, and nothing is left on it when they are answered', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const gate = new Gate();
    const region = makeRegion().configure('memory');
    const create = async () => {
      await gate.passed();
      return 1;
    };
    const calls = many((at) => region.getOrCreate(`k${at % 10}`, create, { signal }));
    const waits = many(() => region.idle({ signal }));
    await settle();
    expect(listeners(controller)).toBe(1);
    gate.open();
    expect(new Set(await Promise.all(calls))).toEqual(new Set([1]));
    await Promise.all(waits);
    await settle();
    expect([listeners(controller), warned.mock.calls]).toEqual([0, []]);
  });

  it('rejects them all when it aborts, with nothing left', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const gate = new Gate();
    const region = makeRegion().configure('memory');
    const mutex = new LocalMutex();
    const lease = await mutex.acquire();
    const calls = many((at) => region.getOrCreate(`k${at}`, () => gate.passed(), { signal }));
    const locks = many(() => Promise.resolve(mutex.acquire({ signal })));
    const ended = Promise.allSettled([...calls, ...locks]);
    await settle();
    controller.abort('enough');
    const reasons = (await ended).map((each) => each.status === 'rejected' && each.reason);
    expect(new Set(reasons)).toEqual(new Set(['enough']));
    gate.open();
    await region.idle();
    await lease?.release();
    await settle();
    expect([listeners(controller), warned.mock.calls]).toEqual([0, []]);
  });
});
