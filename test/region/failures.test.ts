import { describe, expect, it, vi } from 'vitest';
import type { AsyncCreationRunner } from '../../src/api.js';
import { CreationTimeoutError } from '../../src/errors.js';
import { Gate } from '../../src/testing/gate.js';
import { GenerationBackend, GenerationStoreState } from './support/generation-backend.js';
import { kinds, setUp } from './support/kinds.js';
import { FencedBackend, SharedStore } from './support/later-backend.js';

const fail = (reason: unknown) => () => Promise.reject(reason);

for (const [kind, backend] of Object.entries(kinds)) {
  describe(`a creator that fails, on ${kind}`, () => {
    it('staleIfError: the stale value stands in for the failure, also for who would rather wait', async () => {
      const { region, clock } = setUp(backend(), { staleIfError: true });
      await region.set('k', 'old');
      await clock.advance('11s');
      expect(await region.getOrCreate('k', fail('no'))).toBe('old');
      expect(await region.getOrCreate('k', fail('no'), { serveStale: false })).toBe('old');
      expect(await region.getOrCreateMulti(['k'], fail('no'))).toEqual(['old']);
      expect(region.statistics.failures).toBe(3);
      await expect(region.getOrCreate('other', fail('no'))).rejects.toBe('no');
    });

    it('staleIfError as a limit: what expired longer ago does not stand in', async () => {
      const { region, clock } = setUp(backend(), { staleIfError: '5s' });
      await region.set('k', 'old');
      await clock.advance('15s');
      expect(await region.getOrCreate('k', fail('no'))).toBe('old');
      await clock.advance(1);
      await expect(region.getOrCreate('k', fail('no'))).rejects.toBe('no');
    });

    it('errorBackoff: the failure is remembered, and the creator runs once per back-off', async () => {
      const { region, clock } = setUp(backend(), { errorBackoff: '5s' });
      const reason = new Error('database is down');
      const create = vi.fn(fail(reason));
      const call = () => Promise.allSettled(Array.from({ length: 1000 }, () => region.getOrCreate('k', create)));
      for (let round = 1; round <= 3; round++) {
        for (const outcome of [...(await call()), ...(await call())])
          expect(outcome).toEqual({ status: 'rejected', reason });
        await expect(region.getOrCreateMulti(['k'], () => [1])).rejects.toBe(reason);
        expect(create).toHaveBeenCalledTimes(round);
        await clock.advance('5s');
      }
      expect(await region.getOrCreate('k', () => 'well again')).toBe('well again');
    });

    it('errorBackoff: a stale value is served instead, without another try', async () => {
      const { region, clock } = setUp(backend(), { errorBackoff: '5s' });
      await region.set('k', 'old');
      await clock.advance('11s');
      const create = vi.fn(fail('no'));
      await expect(region.getOrCreate('k', create)).rejects.toBe('no');
      expect(await region.getOrCreate('k', create)).toBe('old');
      expect(await region.getOrCreateMulti(['k'], fail('never'))).toEqual(['old']);
      expect(create).toHaveBeenCalledTimes(1);
    });

    for (const verb of ['set', 'delete', 'invalidate', 'invalidateTags'] as const) {
      it(`errorBackoff: ${verb} ends it`, async () => {
        const { region, clock } = setUp(backend(), { errorBackoff: '1h' });
        await expect(region.getOrCreate('k', fail('no'))).rejects.toBe('no');
        if (verb === 'set') await region.set('k', 'said');
        if (verb === 'delete') await region.delete('k');
        if (verb === 'invalidate') await region.invalidate();
        if (verb === 'invalidateTags') await region.invalidateTags(['any']);
        if (verb === 'set') await clock.advance('11s');
        expect(await region.getOrCreate('k', () => 'new')).toBe('new');
      });
    }

    it('a failure is remembered as long as the failed creation says, and by who asks for it', async () => {
      const { region, clock } = setUp(backend());
      await expect(region.getOrCreate('k', fail('no'), { errorBackoff: '5s' })).rejects.toBe('no');
      await expect(region.getOrCreate('k', () => 1, { errorBackoff: '1h' })).rejects.toBe('no');
      expect(await region.getOrCreate('k', () => 'eager')).toBe('eager');
      await region.delete('k');
      await expect(region.getOrCreate('k', fail('no'), { errorBackoff: '5s' })).rejects.toBe('no');
      expect(clock.pending).toBe(1);
      await clock.advance('5s');
      expect(clock.pending).toBe(0);
      expect(await region.getOrCreate('k', () => 1, { errorBackoff: '1h' })).toBe(1);
    });
  });

  describe(`a creator that takes long, on ${kind}`, () => {
    it('softTimeout: the caller takes the stale value, the creation goes on and is stored', async () => {
      const { region, clock } = setUp(backend(), { softTimeout: '1s' });
      await region.set('k', 'old');
      await clock.advance('11s');
      const gate = new Gate();
      const call = region.getOrCreate('k', () => gate.passed().then(() => 'new'));
      await gate.arrived;
      await clock.advance('1s');
      expect(await call).toBe('old');
      gate.open();
      await region.idle();
      expect(await region.get('k')).toBe('new');
      expect(clock.pending).toBe(0);
    });

    it('softTimeout: what might be served when the call began is given, although it has grown too old meanwhile', async () => {
      const { region, clock } = setUp(backend(), { softTimeout: '5s', serveStale: '3s' });
      await region.set('k', 'old');
      await clock.advance('12s');
      const gate = new Gate();
      const one = region.getOrCreate('k', () => gate.passed().then(() => 'new'));
      await gate.arrived;
      await clock.advance('5s');
      expect(await one).toBe('old');
      gate.open();
      await region.idle();
      await clock.advance('12s');
      const door = new Gate();
      const many = region.getOrCreateMulti(['k'], () => door.passed().then(() => ['newer']));
      await door.arrived;
      await clock.advance('5s');
      expect(await many).toEqual(['new']);
      door.open();
      await region.idle();
    });

    it('softTimeout: also who waits for a new value waits no longer; who has no stale value waits', async () => {
      const { region, clock, settle } = setUp(backend(), { softTimeout: '1s', serveStale: false });
      await region.set('k', 'old');
      await clock.advance('11s');
      const gate = new Gate();
      const create = () => gate.passed().then(() => 'new');
      const calls = Promise.all([region.getOrCreate('k', create), region.getOrCreate('k', create)]);
      const many = region.getOrCreateMulti(['k'], () => gate.passed().then(() => ['new']));
      let cold: unknown;
      const waiting = region.getOrCreate('cold', create).then((value) => {
        cold = value;
      });
      await gate.arrived;
      await clock.advance('1s');
      expect(await calls).toEqual(['old', 'old']);
      expect(await many).toEqual(['old']);
      await clock.advance('1h');
      expect(cold).toBeUndefined();
      gate.open();
      await settle();
      await waiting;
      expect(cold).toBe('new');
    });

    it('hardTimeout: the callers are told, the signal aborts, and a late result is stored', async () => {
      const { region, clock } = setUp(backend(), { hardTimeout: '1s' });
      const gate = new Gate();
      let signal: AbortSignal | undefined;
      const create = vi.fn(async (context: { signal: AbortSignal }) => {
        signal = context.signal;
        await gate.passed();
        return 'late';
      });
      const calls = [1, 2, 3].map(() => region.getOrCreate('k', create));
      const told = Promise.allSettled(calls);
      await gate.arrived;
      await clock.advance('1s');
      for (const outcome of await told)
        expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(CreationTimeoutError) });
      expect(signal?.reason).toBeInstanceOf(CreationTimeoutError);
      gate.open();
      await region.idle();
      expect(await region.get('k')).toBe('late');
      expect(create).toHaveBeenCalledTimes(1);
    });

    it('hardTimeout: creations never overlap; who comes meanwhile waits for the one that is late', async () => {
      const { region, clock, settle } = setUp(backend(), { hardTimeout: '1s' });
      const gate = new Gate();
      const first = region.getOrCreate('k', () => gate.passed().then(() => 'late'));
      const told = Promise.allSettled([first]);
      await gate.arrived;
      await clock.advance('1s');
      await told;
      const create = vi.fn(() => 'second');
      const second = region.getOrCreate('k', create);
      await settle();
      expect(create).not.toHaveBeenCalled();
      gate.open();
      expect(await second).toBe('late');
    });

    it('hardTimeout with staleIfError: the stale value', async () => {
      const { region, clock } = setUp(backend(), { hardTimeout: '1s', staleIfError: true });
      await region.set('k', 'old');
      await clock.advance('11s');
      const gate = new Gate();
      const call = region.getOrCreate('k', () => gate.passed());
      const many = region.getOrCreateMulti<unknown>(['other', 'k'], async () => (await gate.passed(), [1, 2]));
      const told = Promise.allSettled([many]);
      await gate.arrived;
      await clock.advance('1s');
      expect(await call).toBe('old');
      expect(await told).toMatchObject([{ status: 'rejected', reason: expect.any(CreationTimeoutError) }]);
      gate.open();
      await region.idle();
      expect(clock.pending).toBe(0);
    });
  });
}

it('a runner that lets go of a lease while the store is out of reach: the attempt ends all the same', async () => {
  const backend = new FencedBackend(new SharedStore());
  const asyncCreationRunner: AsyncCreationRunner = (_region, _key, _create, mutex) => {
    mutex.release().catch(() => {});
  };
  const { region, clock } = setUp(backend, {}, { asyncCreationRunner });
  await region.set('k', 'old');
  await clock.advance('11s');
  backend.pause = (verb) => (verb === 'release' ? Promise.reject(new Error('gone')) : undefined);
  expect(await region.getOrCreate('k', () => 'new')).toBe('old');
  await region.close();
  expect(region.statistics.backendErrors).toBe(1);
});

for (const [kind, make] of Object.entries({
  'a store with leases': () => new FencedBackend(new SharedStore()),
  'a store that keeps generations': () => new GenerationBackend(new GenerationStoreState()),
})) {
  it(`on ${kind}: who comes after a failure is not told of it, although its lease is still being given back`, async () => {
    const backend = make();
    const { region, settle } = setUp(backend);
    for (const first of [() => region.getOrCreate('k', fail('no')), () => region.getOrCreateMulti(['k'], fail('no'))]) {
      const gate = new Gate();
      backend.pause = (verb) => (verb === 'release' ? gate.passed() : undefined);
      const failing = first().then(undefined, (reason: unknown) => reason);
      await gate.arrived;
      const late = [region.getOrCreate('k', () => 'new'), region.getOrCreateMulti(['k'], () => ['new'])];
      await settle();
      backend.pause = () => {};
      gate.open();
      expect(await failing).toBe('no');
      expect(await Promise.all(late)).toEqual(['new', ['new']]);
      await region.delete('k');
    }
  });
}
