/** The kinds of stores that every story of a region is told over. */
import type { CacheBackend, ConfigureOptions, RegionOptions } from '../../../src/api.js';
import { memoryBackend } from '../../../src/backends/memory.js';
import { makeRegion } from '../../../src/region/region.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import { GenerationBackend, GenerationStoreState } from './generation-backend.js';
import { FencedBackend, LaterBackend, SharedStore } from './later-backend.js';

export const kinds: Readonly<Record<string, () => CacheBackend>> = {
  memory: () => memoryBackend(),
  'a store that answers later': () => new LaterBackend(),
  'a store with leases': () => new FencedBackend(new SharedStore()),
  'a store that keeps generations': () => new GenerationBackend(new GenerationStoreState()),
};

/** A region on a clock of the test's, with an expiration time of ten seconds. */
export function setUp(backend: CacheBackend, policy: ConfigureOptions = {}, options: RegionOptions = {}) {
  const clock = new FakeClock();
  const region = makeRegion({ clock, ...options }).configure(backend, { expirationTime: '10s', ...policy });
  return { clock, region, settle: () => clock.advance(0) };
}
