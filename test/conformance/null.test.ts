import { describe, expect, it } from 'vitest';
import { nullBackend } from '../../src/backends/null.js';
import { backendLaws, mutexLaws } from '../../src/testing/index.js';
import { prove } from './support/prove.js';

prove('[py 205-213] null', { create: () => nullBackend() });

describe('what is skipped for null', () => {
  it('is what presupposes storing, and says so', async () => {
    const laws = [...backendLaws({ create: () => nullBackend() }), ...mutexLaws({ create: () => nullBackend() })];
    for (const law of laws) await law.run();
    const kept = laws.filter(({ skip }) => skip === undefined).map(({ name }) => name);
    expect(kept).toContain('getMulti, setMulti, deleteMulti: of no keys at all');
    expect(kept).toContain('storesNothing: every call runs its creator, at the same time too');
    const reasons = new Set(laws.map(({ skip }) => skip));
    expect(reasons).toEqual(
      new Set([
        undefined,
        'This backend stores nothing (storesNothing).',
        'The options have no second().',
        'The options have no lapsing().',
        'The options have no forget().',
      ]),
    );
  });
});
