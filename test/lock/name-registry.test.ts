import { describe, expect, it } from 'vitest';
import { LocalMutex, NameRegistry } from '../../src/lock/index.js';

describe('NameRegistry', () => {
  it('[py 166] one name is one object while somebody refers to it, other names are others', () => {
    const registry = new NameRegistry((name) => ({ name }));
    const a = registry.get('a');
    expect(registry.get('a')).toBe(a);
    expect(registry.get('b')).not.toBe(a);
    expect(registry.get('b').name).toBe('b');
  });

  it('[py 166] tasks that ask for the lock of one name never meet inside', async () => {
    const registry = new NameRegistry(() => new LocalMutex());
    let inside = 0;
    await Promise.all(
      Array.from({ length: 50 }, async (_, turn) => {
        const lease = await registry.get(`name ${turn % 3 === 0 ? 0 : 1}`.slice(0, 4)).acquire();
        inside++;
        expect(inside).toBe(1);
        await Promise.resolve();
        inside--;
        await lease?.release();
      }),
    );
  });
});
