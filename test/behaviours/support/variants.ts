/**
 * What the behaviours of a region hold on: every store, a store behind a pass-through proxy, and a region whose invalidations are
 * kept by a strategy of the user's.
 */
import { afterEach } from 'vitest';
import type { Awaitable, Clock, ConfigureOptions, InvalidationStrategy, RegionOptions } from '../../../src/api.js';
import { stamp } from '../../../src/clock.js';
import { ProxyBackend } from '../../../src/proxy.js';
import { type CacheRegion, makeRegion } from '../../../src/region/region.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';
import {
  type BackendSetUp,
  backendSetUps,
  configureWith,
  type MadeBackend,
  memorySerializedSetUp,
  memorySetUp,
} from '../../support/backends.js';
import { serverSetUps } from '../../support/server-backends.js';

export class PassThrough extends ProxyBackend {}

/** Keeps the two instants anywhere but in the region, and answers later. */
export class NotedInvalidation implements InvalidationStrategy {
  readonly #clock: Clock;
  #cutoffs: { hard?: number; soft?: number } = {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  async invalidate(hard: boolean): Promise<void> {
    this.#cutoffs = { ...this.#cutoffs, [hard ? 'hard' : 'soft']: stamp(this.#clock) };
  }
  cutoffs(): Awaitable<{ hard?: number; soft?: number }> {
    return Promise.resolve(this.#cutoffs);
  }
}

export interface Variant {
  readonly name: string;
  readonly on: BackendSetUp;
  options?(clock: FakeClock): ConfigureOptions;
}

export const variants: readonly Variant[] = [
  ...[...backendSetUps, ...serverSetUps].map((on) => ({ name: on.name, on })),
  { name: '[py 72] memory behind a proxy', on: memorySetUp, options: () => ({ wrap: [PassThrough] }) },
  {
    name: '[py 72] memory_serialized behind two proxies',
    on: memorySerializedSetUp,
    options: () => ({ wrap: [PassThrough, new PassThrough()] }),
  },
  {
    name: '[py 73] memory with a strategy of the user’s',
    on: memorySetUp,
    options: (clock) => ({ regionInvalidator: new NotedInvalidation(clock) }),
  },
];

export interface Stage {
  readonly clock: FakeClock;
  readonly region: CacheRegion;
  /** Reads what the store holds under this very key, whatever it is worth. */
  stored(key: string): Awaitable<unknown>;
}

/** Sets up regions on one variant, and closes and disposes of them after each test. */
export function stageOn(variant: Variant) {
  const open: { region: CacheRegion; made: MadeBackend }[] = [];
  afterEach(async () => {
    for (const { region, made } of open.splice(0)) {
      await region.close();
      await made.dispose();
    }
  });
  return async (policy: ConfigureOptions = {}, options: RegionOptions = {}): Promise<Stage> => {
    const clock = new FakeClock();
    const region = makeRegion({ clock, ...options });
    const made = await variant.on.make();
    configureWith(region, made, { ...variant.options?.(clock), ...policy });
    open.push({ region, made });
    await region.ready();
    return { clock, region, stored: (key) => region.actualBackend.get(key) };
  };
}
