import { describe, expect, it, vi } from 'vitest';
import { ReentrantCreationError } from '../../src/errors.js';
import { currentCreation } from '../../src/region/context.js';
import { makeRegion } from '../../src/region/region.js';
import { Gate } from '../../src/testing/gate.js';
import { settle } from '../../src/testing/settle.js';

const setUp = () => {
  const region = makeRegion().configure('memory');
  const generate = vi.fn(async (ids: number[]) => ids.map((id) => id * 10));
  const load = region.cacheMultiOnArguments({ namespace: 'g' })(generate);
  const asked = () => generate.mock.calls.map(([ids]) => ids);
  return { region, generate, load, asked };
};

describe('load', () => {
  it('gathers the loads of one tick in one call, each id once', async () => {
    const { load, asked } = setUp();
    expect(await Promise.all([load.load(1), load.load(3), load.load(1), load.load(2)])).toEqual([10, 30, 10, 20]);
    expect(asked()).toEqual([[1, 2, 3]]);
    expect(await load.load(1)).toBe(10);
    expect(await Promise.all([load.load(1), load.load(4)])).toEqual([10, 40]);
    expect(asked()).toEqual([[1, 2, 3], [4]]);
  });

  it('gathers also those that are made behind promises of the same tick', async () => {
    const { load, asked } = setUp();
    const later = async (id: number, turns: number) => {
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      return load.load(id);
    };
    expect(await Promise.all([load.load(1), later(2, 1), later(3, 10)])).toEqual([10, 20, 30]);
    expect(asked()).toEqual([[1, 2, 3]]);
  });

  it('of another tick is another call', async () => {
    const { load, asked } = setUp();
    const first = load.load(1);
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([first, load.load(2)]);
    expect(asked()).toEqual([[1], [2]]);
  });

  it('a call that fails rejects each, with the very reason; the next tick tries again', async () => {
    const { load, generate } = setUp();
    const reason = { why: 'no' };
    generate.mockRejectedValueOnce(reason);
    const outcomes = await Promise.allSettled([load.load(1), load.load(2)]);
    expect(outcomes).toEqual([1, 2].map(() => ({ status: 'rejected', reason })));
    expect(await load.load(1)).toBe(10);
  });

  it('an id that has no key rejects alone', async () => {
    const { load, asked } = setUp();
    const outcomes = await Promise.allSettled([load.load(1), load.load(Symbol('s') as never)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(asked()).toEqual([[1]]);
  });

  it('an id that can’t be had rejects alone: its failure is remembered, or another’s creation of it fails', async () => {
    const region = makeRegion().configure('memory', { errorBackoff: '1m' });
    const no = new Error('no');
    const load = region.cacheMultiOnArguments()(async function load(ids: number[]) {
      if (ids.includes(1)) throw no;
      return ids;
    });
    await load([3]);
    await load([1]).catch(() => {});
    const gate = new Gate();
    const other = region.getOrCreate(load.keysFor([2])[0] ?? '', () => gate.passed()).catch(() => {});
    const loads = Promise.allSettled([1, 2, 3, 4].map((id) => load.load(id)));
    await new Promise((resolve) => setImmediate(resolve));
    gate.fail('gone');
    await other;
    expect(await loads).toEqual([
      { status: 'rejected', reason: no },
      { status: 'rejected', reason: 'gone' },
      { status: 'fulfilled', value: 3 },
      { status: 'fulfilled', value: 4 },
    ]);
  });

  it('is not held up by the fake timers of a test runner', async () => {
    const { load } = setUp();
    const held = vi.spyOn(process, 'nextTick').mockImplementation(() => {});
    const loaded = vi.fn();
    void load.load(1).then(loaded);
    for (let turn = 0; turn < 10; turn++) await settle();
    held.mockRestore();
    expect(loaded).toHaveBeenCalledExactlyOnceWith(10);
  });

  it('of an id that a Map leaves out is undefined', async () => {
    const { region } = setUp();
    const load = region.cacheMultiOnArguments({ asMap: true })(async function load(ids: number[]) {
      return new Map(ids.filter((id) => id !== 2).map((id) => [id, id * 10]));
    });
    expect(await Promise.all([load.load(1), load.load(2)])).toEqual([10, undefined]);
  });

  it('joins creations that are under way', async () => {
    const { load, generate, asked } = setUp();
    const gate = new Gate();
    generate.mockImplementationOnce(async (ids) => {
      await gate.passed();
      return ids.map((id) => id + 0.5);
    });
    const all = load([1]);
    await gate.arrived;
    const one = load.load(1);
    await new Promise((resolve) => setImmediate(resolve));
    gate.open();
    expect([await all, await one]).toEqual([[1.5], 1.5]);
    expect(asked()).toEqual([[1]]);
  });

  it('inside a creation is not gathered with those outside: a circle is recognised, and nobody else pays for it', async () => {
    const { region } = setUp();
    const gate = new Gate();
    const numbers: { load(id: number): Promise<number> } = region.cacheMultiOnArguments()(async function load(
      ids: number[],
    ): Promise<number[]> {
      if (ids.includes(1)) {
        await gate.passed();
        return Promise.all(ids.map((id) => numbers.load(id)));
      }
      return ids;
    });
    const circle = numbers.load(1);
    await gate.arrived;
    const other = numbers.load(2);
    gate.open();
    await expect(circle).rejects.toBeInstanceOf(ReentrantCreationError);
    expect(await other).toBe(2);
  });

  it('has no creation of a single key', async () => {
    const { region } = setUp();
    const load = region.cacheMultiOnArguments()(async function load(ids: number[]) {
      return ids.map(() => currentCreation()?.key);
    });
    expect(await load.load(1)).toBeUndefined();
  });
});
