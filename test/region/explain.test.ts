import { describe, expect, it } from 'vitest';
import { Gate } from '../../src/testing/gate.js';
import { kinds, setUp } from './support/kinds.js';

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
