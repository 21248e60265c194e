import { describe, expect, it } from 'vitest';
import type { ConfigureOptions, CreationContext } from '../../src/api.js';
import { CreationTimeoutError, RegionClosedError } from '../../src/errors.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';

const setUp = (policy: ConfigureOptions = {}) => {
  const clock = new FakeClock();
  return { clock, region: makeRegion({ clock }).configure('null', policy) };
};
type Region = ReturnType<typeof setUp>['region'];
type Creator = (context: Pick<CreationContext, 'signal'>) => unknown;

/** A call for one key, and one for two. */
const calls: Record<string, (region: Region, creator: Creator, signal?: AbortSignal) => Promise<unknown>> = {
  getOrCreate: (region, creator, signal) => region.getOrCreate('k', creator, { signal }),
  getOrCreateMulti: async (region, creator, signal) => {
    const create = async (keys: string[], context: Pick<CreationContext, 'signal'>) => {
      const value = await creator(context);
      return keys.map(() => value);
    };
    return (await region.getOrCreateMulti(['k', 'l'], create, { signal }))[0];
  },
};

describe.each(Object.entries(calls))('a backend that stores nothing: %s', (_, call) => {
  it('every call runs its creator, also at the same time, and leaves nothing', async () => {
    const { region } = setUp();
    let runs = 0;
    expect(await Promise.all([1, 2, 3].map(() => call(region, () => ++runs)))).toEqual([1, 2, 3]);
    await expect(call(region, () => Promise.reject(null))).rejects.toBe(null);
    await region.close();
  });

  it('who is aborted by his own creator, before he waits for it, does not wait', async () => {
    const { region } = setUp();
    const [controller, gate] = [new AbortController(), new Gate()];
    const creator = () => {
      controller.abort('gone');
      return gate.passed();
    };
    await expect(call(region, creator, controller.signal)).rejects.toBe('gone');
    gate.open();
    await region.close();
  });

  it('who gives up is told at once, and his creator’s signal aborts; others are not concerned', async () => {
    const { region } = setUp();
    const controller = new AbortController();
    const gate = new Gate();
    const aborted: unknown[] = [];
    const creator: Creator = async ({ signal }) => {
      signal.addEventListener('abort', () => aborted.push(signal.reason));
      await gate.passed();
      return 'made';
    };
    const [given, other] = [call(region, creator, controller.signal), call(region, creator)];
    controller.abort('gone');
    await expect(given).rejects.toBe('gone');
    expect(aborted).toEqual(['gone']);
    gate.open();
    expect(await other).toBe('made');
    expect(aborted).toEqual(['gone']);
  });

  it('hardTimeout holds', async () => {
    const { region, clock } = setUp({ hardTimeout: '2s' });
    const gate = new Gate();
    const late = call(region, () => gate.passed());
    const told = expect(late).rejects.toThrow(CreationTimeoutError);
    await clock.advance('2s');
    await told;
    gate.open();
    await region.close();
  });

  it('close() waits for the creator; with a timeout, its caller is told', async () => {
    const { region, clock } = setUp();
    const gate = new Gate();
    const lost = call(region, () => gate.passed());
    const told = expect(lost).rejects.toThrow(RegionClosedError);
    const closed = region.close({ timeout: '5s' });
    await clock.advance('5s');
    await Promise.all([told, closed]);
    gate.open();
  });
});
