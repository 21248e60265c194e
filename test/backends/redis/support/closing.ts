/** What `close()` leaves on a server. */
import type { CacheBackend } from '../../../../src/api.js';
import { PARTING_TIMEOUT } from '../../../../src/backends/redis/client.js';
import type { Observer } from '../../../services/redis.js';

/**
 * The locks that are left when a backend is closed that holds one and asks for others. A server that takes longer than it is waited
 * for, as on a busy machine, shows nothing: then once more.
 */
export async function locksLeftByClose(
  open: () => Promise<CacheBackend<Uint8Array>>,
  observer: Observer,
): Promise<unknown> {
  for (;;) {
    await observer.raw('FLUSHALL');
    const backend = await open();
    await backend.mutex?.('held')?.acquire();
    const asked = Promise.allSettled([
      ...['one', 'two', 'three'].map((key) => backend.mutex?.(key)?.acquire()),
      backend.acquireMulti?.(['four', 'five']),
    ]);
    // The first is sent; a sentinel of node-redis sends the others behind what comes now.
    await new Promise((resolve) => process.nextTick(resolve));
    const began = performance.now();
    await backend.close?.();
    const took = performance.now() - began;
    await asked;
    if (took < PARTING_TIMEOUT / 2) return observer.raw('KEYS', '*_lock*');
  }
}
