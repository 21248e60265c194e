import diagnostics from 'node:diagnostics_channel';
import { describe, expect, it, vi } from 'vitest';
import type { ConfigureOptions, Lease } from '../../src/api.js';
import { systemClock } from '../../src/clock.js';
import {
  BackendTimeoutError,
  BackendUnavailableError,
  DriverNotInstalledError,
  RegionClosedError,
  ValidationError,
  ValueTooLargeError,
} from '../../src/errors.js';
import { Guard } from '../../src/region/guard.js';
import { makeRegion } from '../../src/region/region.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Gate } from '../../src/testing/gate.js';
import { GenerationBackend, GenerationStoreState } from './support/generation-backend.js';
import { setUp } from './support/kinds.js';

const never = () => new Promise<void>(() => {});

/** A store behind a network. */
class Remote extends GenerationBackend {
  readonly remote = true;
}

const remote = (policy: ConfigureOptions = {}) => {
  const backend = new Remote(new GenerationStoreState());
  return { backend, ...setUp(backend, policy) };
};

describe('a store that does not answer', () => {
  it('a thousand calls for ten keys take the deadline once; each key is created once, and nothing is written', async () => {
    const { backend, region, clock } = remote();
    backend.pause = never;
    const create = vi.fn((key: string) => `${key} made`);
    const call = (n: number) => region.getOrCreate(`k${n % 10}`, ({ key }) => create(key));
    const start = clock.now();
    let settledAt = 0;
    const calls = Promise.all(Array.from({ length: 1000 }, (_, n) => call(n))).then((values) => {
      settledAt = clock.now();
      return values;
    });
    await clock.advance('1s');
    expect((await calls)[999]).toBe('k9 made');
    expect(settledAt - start).toBe(1000);
    expect(create).toHaveBeenCalledTimes(10);
    expect(await call(3)).toBe('k3 made');
    const wave = () => Promise.all(Array.from({ length: 1000 }, (_, n) => call(n)));
    await wave();
    expect(create).toHaveBeenCalledTimes(21);
    expect(clock.now() - start).toBe(1000);
    expect(region.statistics).toMatchObject({ backendTimeouts: 10, droppedWrites: 21 });
    expect(backend.state.entries.size).toBe(0);

    backend.pause = () => undefined;
    await clock.advance('2s');
    // The first call is the probe; the others don't wait for it.
    expect(await call(0)).toBe('k0 made');
    await wave();
    create.mockClear();
    await wave();
    expect(create).not.toHaveBeenCalled();
    await clock.advance('11s');
    // Expired: each is created once, for all its callers.
    await wave();
    await region.idle();
    expect(create).toHaveBeenCalledTimes(10);
    expect(backend.state.entries.size).toBe(10);
    expect(clock.pending).toBe(0);
  });

  it('one call waits for at most two deadlines besides its creator', async () => {
    const { backend, region, clock } = remote({ breaker: false });
    for (const silent of [
      ['get'],
      ['acquire'],
      ['set'],
      ['acquire', 'release'],
      ['get', 'acquire', 'set', 'release'],
    ]) {
      backend.pause = (verb) => (silent.includes(verb) ? never() : undefined);
      const start = clock.now();
      const call = region.getOrCreate(`k ${silent}`, () => clock.now());
      await clock.advance('2s');
      expect((await call) - start).toBeLessThanOrEqual(1000);
    }
  });

  it('... also for many keys whose tags have records that can’t be read: those without tags are hits', async () => {
    const { backend, region, clock } = remote({ breaker: false });
    await region.setMulti({ a: 'a', b: 'b', c: 'c' });
    await region.set('tagged', 'old', { tags: ['t'] });
    backend.pause = (verb) => (verb === 'read' ? never() : undefined);
    backend.calls.length = 0;
    const start = clock.now();
    const read = region.getMulti(['a', 'b', 'tagged']);
    await clock.advance('1s');
    expect(await read).toEqual(['a', 'b', undefined]);
    expect(backend.calls).toEqual(['getMulti a b tagged', 'read default']);
    expect(region.statistics.backendTimeouts).toBe(1);
    const create = vi.fn((keys: string[]) => keys.map(() => clock.now() - start));
    const call = region.getOrCreateMulti<unknown>(['a', 'b', 'c', 'tagged'], create);
    await clock.advance('5s');
    expect(await call).toEqual(['a', 'b', 'c', 3000]);
    expect(create).toHaveBeenCalledTimes(1);
  });

  it('a lease that is won after the deadline is given back', async () => {
    const { backend, region, clock } = remote();
    const door = new Gate();
    backend.pause = (verb) => (verb === 'acquire' ? door.passed() : undefined);
    const call = region.getOrCreate('k', () => 1);
    await clock.advance('1s');
    expect(await call).toBe(1);
    expect(await region.get('k')).toBeUndefined();
    door.open();
    await clock.advance(0);
    expect(await region.keyIsLocked('k')).toBe(false);
  });

  it('... and if it can’t be, nobody is the worse for it', async () => {
    const { backend, region, clock } = remote();
    const door = new Gate();
    const release = vi.fn((): void => {
      throw new Error('gone');
    });
    const lease: Lease = { token: 'late', release, [Symbol.asyncDispose]: async () => {} };
    backend.mutex = () => ({ locked: () => false, acquire: () => door.passed().then(() => lease) });
    const call = region.getOrCreate('k', () => 1);
    await clock.advance('1s');
    expect(await call).toBe(1);
    door.open();
    await clock.advance(0);
    expect(release).toHaveBeenCalledTimes(1);
  });

  it('a late answer is dropped: what was created without the store is never written, also when it is back', async () => {
    const { backend, region, clock } = remote();
    const gate = new Gate();
    backend.pause = never;
    const call = region.getOrCreate('k', () => gate.passed().then(() => 'unfenced'));
    await clock.advance('1s');
    await gate.arrived;
    backend.pause = () => undefined;
    gate.open();
    expect(await call).toBe('unfenced');
    expect(await region.get('k', { ignoreExpiration: true })).toBeUndefined();
  });

  it('what the user says rejects', async () => {
    const { backend, region, clock } = remote();
    backend.pause = never;
    const said = [
      region.set('k', 1),
      region.setMulti({ k: 1 }),
      region.delete('k'),
      region.deleteMulti(['k']),
      region.invalidate(),
      region.invalidateTags(['t']),
    ];
    const told = Promise.allSettled(said);
    await clock.advance('1s');
    for (const outcome of await told) expect(outcome).toMatchObject({ reason: expect.any(BackendTimeoutError) });
    await expect(region.delete('k')).rejects.toThrow(BackendUnavailableError);
    expect(region.statistics.backendTimeouts).toBe(6);
  });

  it("onBackendError: 'throw' rejects before anything is created; a failed write is an event", async () => {
    const { backend, region, clock } = remote({ onBackendError: 'throw', breaker: false });
    const create = vi.fn(() => 1);
    for (const silent of ['get', 'acquire', 'getMulti']) {
      backend.pause = (verb) => (verb === silent ? never() : undefined);
      const calls = Promise.allSettled([
        silent === 'getMulti' ? region.getMulti(['k']) : region.getOrCreate('k', create),
        silent === 'get' ? region.get('k') : region.getOrCreateMulti(['other'], () => [create()]),
      ]);
      await clock.advance('1s');
      for (const outcome of await calls) expect(outcome).toMatchObject({ reason: expect.any(BackendTimeoutError) });
    }
    expect(create).not.toHaveBeenCalled();
    backend.pause = (verb) => (verb === 'set' ? never() : undefined);
    const call = region.getOrCreate('k', create);
    await clock.advance('1s');
    expect(await call).toBe(1);
    expect(region.statistics.droppedWrites).toBe(1);
  });

  it('a package that is not installed is no outage: every call says so, and nothing is created', async () => {
    const { backend, region } = remote({ breaker: { failures: 1 } });
    const create = vi.fn(() => 1);
    const told = { reason: expect.any(DriverNotInstalledError) };
    for (const missing of ['get', 'acquire', 'getMulti']) {
      backend.pause = (verb) =>
        verb === missing || verb === 'acquireMulti'
          ? Promise.reject(new DriverNotInstalledError('install it'))
          : undefined;
      const calls = [
        () => (missing === 'getMulti' ? region.getMulti(['k']) : region.getOrCreate('k', create)),
        () => (missing === 'get' ? region.get('k') : region.getOrCreateMulti(['other', 'one'], () => [create(), 2])),
      ];
      for (const call of calls) expect((await Promise.allSettled([call()]))[0]).toMatchObject(told);
    }
    expect(create).not.toHaveBeenCalled();
    backend.pause = () => undefined;
    // No call has to wait for a breaker once it is there.
    expect(await region.getOrCreate('k', create)).toBe(1);
    expect(await region.get('k')).toBe(1);
  });

  it('close does not hang with it', async () => {
    const { backend, region, clock } = remote();
    const gate = new Gate();
    const call = region.getOrCreate('k', () => gate.passed());
    await gate.arrived;
    backend.pause = never;
    const closing = region.close();
    gate.open();
    await clock.advance('5s');
    await call;
    await closing;
  });

  it('an answer that is there once the event loop has its turn again is not late, nor is it a failure', async () => {
    const breaker = { failures: 1, cooldown: 1000 };
    const guard = new Guard({ timeout: 10, breaker, clock: systemClock, changed: () => {} });
    const answer = (run: (resolve: (answer: string) => void, reject: (reason: Error) => void) => void) =>
      guard.call({ verb: 'get', run: () => new Promise<string>((...ends) => setImmediate(() => run(...ends))) });
    const answered = answer((resolve) => resolve('here'));
    const refused = answer((_, reject) => reject(new ValueTooLargeError('It is refused.')));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
    expect(await answered).toBe('here');
    await expect(refused).rejects.toThrow('It is refused.');
    expect(guard.state).toBe('closed');
  });
});

describe('the breaker', () => {
  const broken = () => Promise.reject(new Error('ECONNRESET'));

  it('opens after failures in a row, lets one probe through after the cooldown, and closes when it succeeds', async () => {
    const { backend, region, clock } = remote({ breaker: { failures: 3, cooldown: '10s' } });
    const states: unknown[] = [];
    const listen = (message: unknown) => states.push((message as { state: string }).state);
    diagnostics.subscribe('dogpile.cache:breaker', listen);
    backend.pause = broken;
    await region.get('a');
    backend.pause = () => undefined;
    await region.get('a');
    backend.pause = broken;
    for (let n = 0; n < 3; n++) await region.get('a');
    backend.calls.length = 0;
    for (let n = 0; n < 100; n++) await region.get('a');
    expect(backend.calls).toEqual([]);
    await clock.advance('10s');
    await Promise.all([1, 2, 3].map((n) => region.get(`probe ${n}`)));
    expect(backend.calls).toHaveLength(1);
    await clock.advance('10s');
    backend.pause = () => undefined;
    await region.get('a');
    await Promise.all([1, 2, 3].map((n) => region.get(`k${n}`)));
    expect(backend.calls).toHaveLength(5);
    diagnostics.unsubscribe('dogpile.cache:breaker', listen);
    expect(states).toEqual(['open', 'half-open', 'open', 'half-open', 'closed']);
  });

  it('while it is open, what is refused says why the store was left alone', async () => {
    const { backend, region, clock } = remote({ breaker: { failures: 2, cooldown: '10s' } });
    const refusal = () => region.set('k', 1).catch((error: unknown) => error);
    const reason = new Error('READONLY');
    backend.pause = () => Promise.reject(new Error('LOADING'));
    await region.get('a');
    backend.pause = () => Promise.reject(reason);
    await region.get('a');
    expect(await refusal()).toMatchObject({
      code: 'DOGPILE_BACKEND_UNAVAILABLE',
      message:
        'The store has failed 2 times in a row and is not asked for a while (breaker); the last failure: READONLY',
      cause: reason,
    });
    await clock.advance('10s');
    backend.pause = never;
    const probe = region.get('a');
    await clock.advance('1s');
    await probe;
    expect(await refusal()).toMatchObject({ cause: expect.any(BackendTimeoutError) });
  });

  it('what was asked before it opened and fails later does not keep it open for longer', async () => {
    const { backend, region, clock } = remote({ breaker: { failures: 1, cooldown: '10s' }, backendTimeout: '9s' });
    backend.pause = never;
    const late = region.get('a');
    await clock.advance(1);
    backend.pause = broken;
    await region.get('b');
    await clock.advance('9s');
    await late;
    await clock.advance('1s');
    backend.pause = () => undefined;
    backend.calls.length = 0;
    await region.get('c');
    expect(backend.calls).toHaveLength(1);
  });

  it('is opened by calls for many alone, where the backend has no way to acquire many: not to be asked is no answer', async () => {
    const { backend, region, clock } = remote({ breaker: { failures: 3, cooldown: '10s' } });
    backend.pause = broken;
    for (let n = 0; n < 5; n++) expect(await region.getOrCreateMulti(['k'], () => [n])).toEqual([n]);
    expect(backend.calls).toHaveLength(3);
    const guard = new Guard({ timeout: 1000, breaker: { failures: 1, cooldown: 0 }, clock, changed: () => {} });
    await expect(guard.call({ verb: 'get', run: broken })).rejects.toThrow('ECONNRESET');
    expect(await guard.call({ verb: 'acquireMulti', run: () => undefined, isUnasked: () => true })).toBeUndefined();
    expect(guard.state).toBe('open');
  });

  it('a clock that is set back does not keep it open', async () => {
    let time = Date.UTC(2026, 0);
    const clock = { now: () => time, setTimeout: () => {}, clearTimeout: () => {} };
    const guard = new Guard({ timeout: 1000, breaker: { failures: 1, cooldown: 1000 }, clock, changed: () => {} });
    await expect(guard.call({ verb: 'get', run: broken })).rejects.toThrow('ECONNRESET');
    expect(guard.state).toBe('open');
    time -= 3_600_000;
    expect(await guard.call({ verb: 'get', run: () => 'there' })).toBe('there');
    expect(guard.state).toBe('closed');
  });

  it('a key that is refused before the store is asked neither keeps it closed nor closes it', async () => {
    const clock = new FakeClock();
    const guard = new Guard({ timeout: 1000, breaker: { failures: 2, cooldown: 1000 }, clock, changed: () => {} });
    const call = (run: () => Promise<unknown>) => guard.call({ verb: 'get', run }).catch(() => {});
    const refused = () => Promise.reject(new ValidationError('not this key'));
    await call(broken);
    await call(refused);
    await call(broken);
    expect(guard.state).toBe('open');
    await clock.advance(1000);
    await call(refused);
    expect(guard.state).toBe('open');
    await call(() => Promise.resolve('there'));
    expect(guard.state).toBe('closed');
  });

  it('while it is open creations go on, one per key', async () => {
    const { backend, region } = remote({ breaker: { failures: 1 } });
    backend.pause = broken;
    await region.get('a');
    const create = vi.fn(async () => 'made');
    const values = await Promise.all(Array.from({ length: 100 }, () => region.getOrCreate('k', create)));
    expect(new Set(values)).toEqual(new Set(['made']));
    expect(create).toHaveBeenCalledTimes(1);
    expect(await region.getOrCreateMulti(['a', 'b'], (keys) => keys)).toEqual(['a', 'b']);
  });

  it('a creation without a lease is shared by all who wait for it, also who came after it began', async () => {
    const { backend, region, settle } = remote({ breaker: { failures: 1 } });
    backend.pause = broken;
    await region.get('a');
    const gate = new Gate();
    const create = vi.fn(() => gate.passed().then(() => 'made'));
    const first = region.getOrCreate('k', create);
    await gate.arrived;
    const second = region.getOrCreate('k', create);
    await settle();
    gate.open();
    expect(await Promise.all([first, second])).toEqual(['made', 'made']);
    expect(create).toHaveBeenCalledTimes(1);
  });

  it('a delete that the store can not be told of still ends the creation of this process', async () => {
    const { backend, region } = remote({ breaker: { failures: 1 } });
    backend.pause = broken;
    await region.get('a');
    const gate = new Gate();
    const before = region.getOrCreate('k', () => gate.passed().then(() => 'before'));
    await gate.arrived;
    await expect(region.delete('k')).rejects.toThrow(BackendUnavailableError);
    const after = region.getOrCreate('k', () => 'after');
    gate.open();
    expect(await before).toBe('before');
    expect(await after).toBe('after');
  });

  it('a delete before the creator is called: who comes then joins, and nobody creates twice at once', async () => {
    for (const kind of ['one', 'many'] as const) {
      const { backend, region, clock } = remote({ breaker: false });
      backend.pause = (verb) => (verb === 'acquire' || verb === 'acquireMulti' ? never() : undefined);
      let running = 0;
      let most = 0;
      const create = vi.fn(async () => {
        running++;
        most = Math.max(most, running);
        await new Promise<void>((resolve) => clock.setTimeout(resolve, 800));
        running--;
        return 'made';
      });
      const call = () =>
        kind === 'one'
          ? region.getOrCreate('k', create)
          : region.getOrCreateMulti(['k'], async () => [await create()]).then(([value]) => value);
      const before = call();
      await clock.advance(500);
      await region.delete('k');
      const after = call();
      await clock.advance('5s');
      expect(await Promise.all([before, after])).toEqual(['made', 'made']);
      expect([kind, most, create.mock.calls.length]).toEqual([kind, 1, 1]);
    }
  });

  it('a creator that is called after a delete is not given the value that was deleted', async () => {
    for (const kind of ['one', 'many'] as const) {
      const { backend, region, clock } = remote();
      await region.set('k', 'old');
      await clock.advance('11s');
      const gate = new Gate();
      backend.pause = (verb) =>
        verb === 'acquire' ? gate.passed().then(() => Promise.reject(new Error('ECONNRESET'))) : undefined;
      const given: unknown[] = [];
      const call =
        kind === 'one'
          ? region.getOrCreate('k', ({ stale }) => given.push(stale))
          : region.getOrCreateMulti(['k'], (_, { stale }) => [given.push(...stale.keys())]);
      await gate.arrived;
      await region.delete('k');
      gate.open();
      await call;
      expect(given).toEqual(kind === 'one' ? [undefined] : []);
    }
  });

  it('what is refused because the store is closed is no outage: every call is told that it is closed', async () => {
    const clock = new FakeClock();
    const guard = new Guard({ timeout: 1000, breaker: { failures: 1, cooldown: 1000 }, clock, changed: () => {} });
    const run = () => Promise.reject(new RegionClosedError('This backend is closed.'));
    for (let call = 0; call < 3; call++)
      await expect(guard.call({ verb: 'get', run })).rejects.toThrow(RegionClosedError);
    expect(guard.state).toBe('closed');
  });

  it('what a store refuses for a reason of its caller is an answer', async () => {
    const clock = new FakeClock();
    const guard = new Guard({ timeout: 1000, breaker: { failures: 1, cooldown: 1000 }, clock, changed: () => {} });
    const run = () => Promise.reject(new ValidationError('not this key'));
    await expect(guard.call({ verb: 'get', run })).rejects.toThrow(ValidationError);
    expect(guard.state).toBe('closed');
    const controller = new AbortController();
    const waits = () =>
      new Promise((_, reject) => controller.signal.addEventListener('abort', () => reject(controller.signal.reason)));
    const call = guard.call({ verb: 'acquire', run: waits, signal: controller.signal });
    controller.abort('gone');
    await expect(call).rejects.toBe('gone');
    expect(guard.state).toBe('closed');
    const throws = () => {
      throw new Error('at once');
    };
    await expect(guard.call({ verb: 'get', run: throws })).rejects.toThrow('at once');
    expect(guard.state).toBe('open');
    expect(clock.pending).toBe(0);
  });

  it('leaves the word to a backend whose own deadline is as long: it knows which of its servers is late', async () => {
    const clock = new FakeClock();
    const guard = new Guard({ timeout: 1000, breaker: undefined, clock, changed: () => {} });
    const partly = () => new Promise((resolve) => clock.setTimeout(() => resolve('all but one'), 1000));
    const call = guard.call({ verb: 'getMulti', run: partly });
    await clock.advance(1000);
    expect(await call).toBe('all but one');
  });

  it('is not opened by one server of several, which its backend leaves alone itself', async () => {
    const clock = new FakeClock();
    const guard = new Guard({ timeout: 1000, breaker: { failures: 2, cooldown: 1000 }, clock, changed: () => {} });
    const failing = (error: BackendTimeoutError | BackendUnavailableError, isOfOneServer: boolean) => () => {
      if (isOfOneServer) error.isOfOneServer = true;
      return Promise.reject(error);
    };
    for (const error of [new BackendTimeoutError('late'), new BackendUnavailableError('gone')]) {
      for (let times = 0; times < 5; times++)
        await expect(guard.call({ verb: 'get', run: failing(error, true) })).rejects.toBe(error);
    }
    expect(guard.state).toBe('closed');
    const all = new BackendUnavailableError('gone');
    for (let times = 0; times < 2; times++)
      await expect(guard.call({ verb: 'get', run: failing(all, false) })).rejects.toBe(all);
    expect(guard.state).toBe('open');
  });
});

describe('where the store is on this host', () => {
  it('there is no deadline and no breaker, unless they are asked for', async () => {
    const backend = new GenerationBackend(new GenerationStoreState());
    const { region, clock } = setUp(backend);
    const door = new Gate();
    backend.pause = () => door.passed();
    let answered = false;
    const call = region.get('k').then(() => {
      answered = true;
    });
    await clock.advance('1h');
    expect(answered).toBe(false);
    door.open();
    await call;
    const asked = makeRegion({ clock }).configure(backend, { backendTimeout: '5s' });
    backend.pause = never;
    const limited = asked.get('k');
    await clock.advance('5s');
    expect(await limited).toBeUndefined();
  });

  it('wrong options are refused with the nearest known one', () => {
    const configure = (options: object) => () => makeRegion().configure('memory', options);
    expect(configure({ backendTimeout: 'soon' })).toThrow('backendTimeout must be');
    expect(configure({ breaker: true })).toThrow(
      'breaker must be false or an object with failures and cooldown, not true.',
    );
    expect(configure({ breaker: { failure: 3 } })).toThrow('Did you mean "failures"?');
    expect(configure({ breaker: { failures: 0 } })).toThrow('breaker.failures must be');
    expect(configure({ onBackendError: 'ignore' })).toThrow("onBackendError must be 'create' or 'throw'");
  });
});
