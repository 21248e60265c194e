import { describe, expect, it, vi } from 'vitest';
import type { ConfigureOptions } from '../../src/api.js';
import { BackendTimeoutError, LockTimeoutError } from '../../src/errors.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { settle } from '../../src/testing/settle.js';
import { GenerationBackend, GenerationStoreState } from './support/generation-backend.js';

/** Two regions of one process over a store that can't be reached, and who creates in them. */
async function setUp(policy: ConfigureOptions = {}) {
  const clock = new FakeClock();
  const backend = Object.assign(new GenerationBackend(new GenerationStoreState()), { remote: true });
  const settings = { expirationTime: '10s', breaker: { failures: 1, cooldown: '1h' }, ...policy } as const;
  const regions = [0, 1].map(() => makeRegion({ clock }).configure(backend, settings));
  const [one, other] = regions;
  if (!one || !other) throw new Error('There are two.');
  const goDown = async () => {
    backend.pause = () => Promise.reject(new Error('ECONNREFUSED'));
    for (const region of regions) await region.get('whatever');
  };
  const running = new Map<string, number>();
  let most = 0;
  /** Creates, and counts how many create the key at once. */
  const creatorOf = (run: (key: string) => Promise<unknown>) =>
    vi.fn(async (key: string) => {
      const now = (running.get(key) ?? 0) + 1;
      running.set(key, now);
      most = Math.max(most, now);
      try {
        return await run(key);
      } finally {
        running.set(key, (running.get(key) ?? 0) - 1);
      }
    });
  return { backend, clock, one, other, goDown, creatorOf, atOnce: () => most };
}

const kinds = ['one', 'many'] as const;
type Region = Awaited<ReturnType<typeof setUp>>['one'];

function call(kind: (typeof kinds)[number], region: Region, create: (key: string) => Promise<unknown>, key = 'k') {
  return kind === 'one'
    ? region.getOrCreate(key, () => create(key))
    : region.getOrCreateMulti([key], (keys) => Promise.all(keys.map(create))).then(([value]) => value);
}

describe.each(kinds)('while the store is out of reach (%s)', (kind) => {
  it('two regions over one backend create a key one after the other', async () => {
    const { clock, one, other, goDown, creatorOf, atOnce } = await setUp();
    await goDown();
    const create = creatorOf(() => new Promise((resolve) => clock.setTimeout(() => resolve('made'), 100)));
    const calls = [call(kind, one, create), call(kind, other, create), call(kind, other, create)];
    await clock.advance('1s');
    expect(await Promise.all(calls)).toEqual(['made', 'made', 'made']);
    expect([atOnce(), create.mock.calls.length]).toEqual([1, 2]);
  });

  it('who calls after a soft invalidation waits for what is being created, and creates anew', async () => {
    const { clock, one, goDown, creatorOf, atOnce } = await setUp({ regionInvalidator: 'local' });
    await goDown();
    const gate = new Gate();
    const create = creatorOf(() => gate.passed().then(() => 'made'));
    const before = call(kind, one, create);
    await gate.arrived;
    await one.invalidate({ hard: false });
    const after = call(kind, one, create);
    await clock.advance('1s');
    expect(create).toHaveBeenCalledTimes(1);
    gate.open();
    expect(await Promise.all([before, after])).toEqual(['made', 'made']);
    expect([atOnce(), create.mock.calls.length]).toEqual([1, 2]);
  });

  it('who calls after a delete waits for nobody', async () => {
    const { one, other, goDown, creatorOf } = await setUp();
    await goDown();
    const gate = new Gate();
    const before = call(kind, one, () => gate.passed().then(() => 'before'));
    await gate.arrived;
    await expect(other.delete('k')).rejects.toThrow();
    const create = creatorOf(async () => 'after');
    expect(await call(kind, other, create)).toBe('after');
    expect(await call(kind, one, create)).toBe('after');
    gate.open();
    expect(await before).toBe('before');
  });

  it('who has waited looks again: what has been stored meanwhile is found', async () => {
    const { backend, clock, one, other, goDown, creatorOf } = await setUp({ breaker: { failures: 1, cooldown: 10 } });
    await goDown();
    const gate = new Gate();
    const first = call(kind, one, () => gate.passed().then(() => 'made'));
    await gate.arrived;
    const create = creatorOf(async () => 'made again');
    const second = call(kind, other, create);
    await clock.advance(100);
    backend.pause = () => undefined;
    const elsewhere = new GenerationBackend(backend.state);
    await makeRegion({ clock }).configure(elsewhere, { expirationTime: '10s' }).set('k', 'stored elsewhere');
    gate.open();
    expect(await Promise.all([first, second])).toEqual(['made', 'stored elsewhere']);
    expect(create).not.toHaveBeenCalled();
  });

  it('who has waited and whose key is set while he looks again creates beside nobody', async () => {
    const { backend, clock, one, other, goDown, creatorOf, atOnce } = await setUp({ breaker: false });
    await goDown();
    const gates = [new Gate(), new Gate(), new Gate()] as const;
    let calls = 0;
    const create = creatorOf(() => (gates[calls++] ?? gates[2]).passed().then(() => 'made'));
    const first = call(kind, one, create);
    await gates[0].arrived;
    const second = call(kind, other, create);
    await clock.advance(1);
    const look = new Gate();
    backend.pause = () => look.passed().then(() => Promise.reject(new Error('ECONNREFUSED')));
    gates[0].open();
    await look.arrived;
    backend.pause = () => Promise.reject(new Error('ECONNREFUSED'));
    await expect(one.set('k', 'said')).rejects.toThrow();
    const third = call(kind, one, create);
    await gates[1].arrived;
    look.open();
    await clock.advance(1);
    gates[1].open();
    gates[2].open();
    await clock.advance(1);
    expect(await Promise.all([first, second, third])).toEqual(['made', 'made', 'made']);
    expect(atOnce()).toBe(1);
  });

  it('a stale value is served at once while another region creates', async () => {
    const { backend, clock, one, other, creatorOf } = await setUp();
    await one.set('k', 'old');
    await clock.advance('11s');
    backend.pause = (verb) => (verb.startsWith('acquire') ? Promise.reject(new Error('READONLY')) : undefined);
    const gate = new Gate();
    const first = call(kind, one, () => gate.passed().then(() => 'new'));
    await gate.arrived;
    const create = creatorOf(async () => 'newer');
    expect(await call(kind, other, create)).toBe('old');
    expect(create).not.toHaveBeenCalled();
    gate.open();
    expect(await first).toBe('new');
  });

  it('creators that ask for each other from two regions do not wait for ever', async () => {
    const { clock, one, other, goDown } = await setUp();
    await goDown();
    const gates = [new Gate(), new Gate()] as const;
    const innermost = async () => 'made beside';
    const first = call(kind, one, () => gates[0].passed().then(() => call(kind, one, innermost, 'b')), 'a');
    const second = call(kind, other, () => gates[1].passed().then(() => call(kind, other, innermost, 'a')), 'b');
    await Promise.all(gates.map(({ arrived }) => arrived));
    for (const gate of gates) gate.open();
    await clock.advance('1s');
    expect(await Promise.all([first, second])).toEqual(['made beside', 'made beside']);
  });

  it('nothing is left of it', async () => {
    const { clock, one, other, goDown, creatorOf } = await setUp();
    await goDown();
    const create = creatorOf(async () => Promise.reject(new Error('failed')));
    const calls = await Promise.allSettled([call(kind, one, create), call(kind, other, create)]);
    expect(calls.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await Promise.all([one.idle(), other.idle()]);
    const after = creatorOf(async () => 'made');
    expect(await call(kind, other, after)).toBe('made');
    expect(clock.pending).toBe(0);
  });
});

describe('the wait for another region of the process while the store is out of reach', () => {
  it('ends at lockWait, and with the signal of the caller', async () => {
    const { clock, one, other, goDown } = await setUp();
    await goDown();
    const gate = new Gate();
    const first = one.getOrCreate('k', () => gate.passed().then(() => 'made'));
    await gate.arrived;
    const controller = new AbortController();
    const limited = expect(other.getOrCreate('k', () => 'never', { lockWait: 100 })).rejects.toThrow(LockTimeoutError);
    await clock.advance(200);
    await limited;
    const leaving = expect(other.getOrCreate('k', () => 'never', { signal: controller.signal })).rejects.toThrow('bye');
    await clock.advance(100);
    controller.abort(new Error('bye'));
    await leaving;
    gate.open();
    expect(await first).toBe('made');
    await Promise.all([one.idle(), other.idle()]);
    expect(clock.pending).toBe(0);
  });

  it('is a wait, however two calls for many stand to each other: nobody looks again and again meanwhile', async () => {
    for (let apart = 0; apart < 40; apart++) {
      const { backend, one, other } = await setUp({ breaker: false });
      let asked = 0;
      // Who goes round in microtasks would keep the test from ever ending: he hears nothing any more.
      backend.pause = () =>
        ++asked > 500 ? new Promise(() => {}) : Promise.reject(new BackendTimeoutError('Too late.'));
      const gate = new Gate();
      const theirs = other.getOrCreate('k', () => gate.passed().then(() => 'theirs'));
      await gate.arrived;
      const first = one.getOrCreateMulti(['k'], () => ['ours']);
      for (let tick = 0; tick < apart; tick++) await undefined;
      const second = one.getOrCreateMulti(['k'], () => ['ours']);
      await settle();
      expect(asked).toBeLessThan(500);
      gate.open();
      expect([await theirs, await first, await second]).toEqual(['theirs', ['ours'], ['ours']]);
    }
  });

  it('lasts as long as a creation may hold its lock at most', async () => {
    const { clock, one, other, goDown } = await setUp();
    await goDown();
    const gate = new Gate();
    const first = one.getOrCreate('k', () => gate.passed().then(() => 'late'));
    await gate.arrived;
    const second = other.getOrCreate('k', () => 'made');
    await clock.advance('5m');
    expect(await second).toBe('made');
    gate.open();
    expect(await first).toBe('late');
  });
});
