import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CacheBackend, CachedValue } from '../../src/api.js';
import { fileBackend } from '../../src/backends/file.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { redisBackend } from '../../src/backends/redis.js';
import { makeRegion } from '../../src/region/region.js';
import { Gate } from '../../src/testing/gate.js';
import { startRedis } from '../services/redis.js';
import { PATIENCE } from '../support/server-backends.js';
import { kinds, setUp } from './support/kinds.js';

it('explains what a creation takes no notice of as missing, though it can be read', async () => {
  const backend = memoryBackend();
  const region = makeRegion().configure(backend);
  for (const [metadata, reason] of [
    [{ ct: 0, v: 2 }, 'without a creation time'],
    [{ ct: 1, v: 1 }, 'of version 1, not 2'],
  ] as const) {
    await backend.set('k', new CachedValue('odd', metadata));
    expect(await region.explain('k')).toMatchObject({ state: 'missing', reason });
    expect(await region.getOrCreate('k', () => 'new')).toBe('new');
  }
});

for (const [kind, backend] of Object.entries(kinds)) {
  describe(`explain, on ${kind}`, () => {
    it('missing, fresh, stale, and why; without a count or a change', async () => {
      const { region, clock } = setUp(backend(), {}, { keyMangler: (key) => `app:${key}` });
      expect(await region.explain('k')).toMatchObject({
        key: 'k',
        mangledKey: 'app:k',
        state: 'missing',
        reason: 'absent',
      });
      const gate = new Gate();
      const creating = region.getOrCreate('k', ({ tag }) => (tag('t'), gate.passed().then(() => 1)));
      await gate.arrived;
      expect(await region.explain('k')).toMatchObject({
        state: 'missing',
        lock: { held: true, mine: true },
        here: { creating: true, waiting: 1 },
      });
      await clock.advance('2s');
      gate.open();
      await creating;
      await region.idle();
      await clock.advance('4s');
      const before = { ...region.statistics };
      const fresh = await region.explain('k');
      expect(fresh).toMatchObject({
        state: 'fresh',
        reason: 'fresh',
        age: expect.closeTo(4000, 0),
        expiresIn: expect.closeTo(6000, 0),
        creationTime: expect.closeTo(2000, 0),
        tags: ['t'],
        lock: { held: false, mine: false },
        here: { reading: false, creating: false, waiting: 0 },
        metadata: { v: 2 },
      });
      await clock.advance('7s');
      expect(await region.explain('k')).toMatchObject({
        state: 'stale',
        reason: 'expired',
        expiresIn: expect.closeTo(-1000, 0),
      });
      await region.invalidate();
      expect(await region.explain('k')).toMatchObject({ state: 'missing', reason: 'hard-invalidated' });
      expect({ ...region.statistics }).toEqual(before);
    });

    it('bytes have a size, garbage is garbage', async () => {
      const { region } = setUp(backend());
      await region.actualBackend.set('k', new TextEncoder().encode('no entry'));
      expect(await region.explain('k')).toMatchObject({ state: 'missing', reason: 'garbage', size: 8 });
    });
  });
}

/** Two processes' backends over one store. */
const stores: Readonly<Record<string, () => Promise<() => CacheBackend>>> = {
  file: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dogpile-explain-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return () => fileBackend({ filename: join(folder, 'cache') });
  },
  Redis: async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    return () => redisBackend({ url: server.url, timeout: PATIENCE });
  },
};

for (const [kind, open] of Object.entries(stores)) {
  it(`explain, on ${kind}: who holds the lease and for how long, sizes, tags and generations, in two processes`, async () => {
    const backend = await open();
    const make = () => {
      const region = makeRegion({ name: 'told', keyMangler: (key) => `app:${key}` });
      onTestFinished(() => region.close());
      // On this host there is no deadline.
      const patience = kind === 'Redis' ? { backendTimeout: PATIENCE } : {};
      return region.configure(backend(), { expirationTime: '1h', ...patience });
    };
    const [here, there] = [make(), make()];
    expect(await here.explain('k')).toMatchObject({ state: 'missing', lock: { held: false, mine: false } });

    const gate = new Gate();
    const creating = here.getOrCreate('k', ({ tag }) => (tag('red'), gate.passed().then(() => 'value')));
    await gate.arrived;
    const waiting = there.getOrCreate('k', () => 'never');
    const limits = { held: true, expiresIn: expect.any(Number) };
    const { lock } = await there.explain('k');
    expect(lock.expiresIn).toBeGreaterThan(0);
    expect(lock.expiresIn).toBeLessThanOrEqual(10_000);
    expect(await here.explain('k')).toMatchObject({
      mangledKey: 'app:k',
      lock: { ...limits, mine: true },
      here: { creating: true, waiting: 1 },
    });
    expect(await there.explain('k')).toMatchObject({
      lock: { ...limits, mine: false },
      here: { creating: false, waiting: 1 },
    });
    gate.open();
    expect(await Promise.all([creating, waiting])).toEqual(['value', 'value']);

    const { generations, ...told } = await there.explain('k');
    expect(told).toMatchObject({
      state: 'fresh',
      size: expect.any(Number),
      creationTime: expect.any(Number),
      tags: ['red'],
      lock: { held: false, mine: false },
    });
    expect(Object.keys(generations ?? {})).toEqual(['entry', 'region told', 'tag red']);
    await here.invalidateTags(['red'], { hard: false });
    expect(await there.explain('k')).toMatchObject({ state: 'stale', reason: 'soft-invalidated' });
    await here.invalidateTags(['red']);
    expect(await there.explain('k')).toMatchObject({
      state: 'missing',
      reason: 'hard-invalidated',
      generations: { 'tag red': 'hard 2, soft 1' },
    });
  });
}
