/**
 * What a law is given: its backend, more of them over the same store, regions, entries to store; all of it put away in the end,
 * however the law went. Decides nothing about what is lawful.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import {
  type CacheBackend,
  CachedValue,
  type CacheMutex,
  type ConfigureOptions,
  type Lease,
  type Storable,
} from '../../api.js';
import { systemClock } from '../../clock.js';
import { durationOption } from '../../duration.js';
import { type CacheRegion, makeRegion } from '../../region/region.js';
import type { ConformanceOptions } from './law.js';

export class Bench {
  readonly #options: ConformanceOptions;
  readonly #patience: number;
  readonly #backends: CacheBackend[] = [];
  readonly #regions: CacheRegion[] = [];
  #backend: CacheBackend | undefined;

  constructor(options: ConformanceOptions) {
    this.#options = options;
    this.#patience = durationOption(options.patience ?? '10s', 'patience');
  }

  /** Opens a backend, runs the law, and puts everything away. */
  async use(law: () => Promise<void>, name: string): Promise<void> {
    try {
      await this.#inTime(async () => {
        this.#backend = await this.#open(await this.#options.create());
        await law();
      }, name);
    } catch (error) {
      // The law's own failure is the one to be told: what is left of a broken backend may well fail to be put away.
      await this.#inTime(() => this.#putAway(0), 'dispose').catch(() => {});
      throw error;
    }
    await this.#inTime(() => this.#putAway(1000), 'dispose');
  }

  get backend(): CacheBackend {
    assert.ok(this.#backend, 'The law has not begun.');
    return this.#backend;
  }

  /** Another backend over the same store. */
  async second(): Promise<CacheBackend> {
    assert.ok(this.#options.second);
    return this.#open(await this.#options.second());
  }

  /** Another one, whose leases lapse soon. */
  async lapsing(): Promise<CacheBackend> {
    assert.ok(this.#options.lapsing);
    return this.#open(await this.#options.lapsing());
  }

  /** The store loses records, as by eviction. */
  async forget(what: 'regions' | 'tags'): Promise<void> {
    assert.ok(this.#options.forget);
    await this.#options.forget(what);
  }

  /** The key as this backend wants it. */
  key(key: string): string {
    return this.backend.keyMangler?.(key) ?? key;
  }

  mutex(key: string, backend: CacheBackend = this.backend): CacheMutex {
    const mutex = backend.mutex?.(this.key(key));
    assert.ok(mutex, `mutex(${JSON.stringify(key)}) must give a mutex, as it does for other keys.`);
    return mutex;
  }

  /** A lease that must be there for the taking. */
  async lease(key: string, backend?: CacheBackend): Promise<Lease> {
    const lease = await this.mutex(key, backend).acquire();
    assert.ok(lease, 'acquire() without a limit must answer with a lease.');
    return lease;
  }

  /** Something to store: an entry, in the form that this backend stores. */
  entry(payload: unknown): Storable {
    if (this.backend.stores === 'bytes')
      return new TextEncoder().encode(`{"ct":1767225600,"v":2}|${JSON.stringify(payload)}`);
    return new CachedValue(payload, { ct: 1_767_225_600, v: 2 });
  }

  region(policy: ConfigureOptions = {}, backend: CacheBackend = this.backend): CacheRegion {
    // As long as the law itself has: on a slow machine a read that comes late would otherwise count as missing.
    const region = makeRegion({ name: 'conformance' }).configure(backend, {
      backendTimeout: this.#patience,
      ...policy,
    });
    this.#regions.push(region);
    return region;
  }

  async #open(backend: CacheBackend): Promise<CacheBackend> {
    this.#backends.push(backend);
    backend.attach?.({ clock: systemClock, random: Math.random, report: () => {} });
    await backend.ready?.();
    return backend;
  }

  /** `patience`: how long creations may still take, in milliseconds. */
  async #putAway(patience: number): Promise<void> {
    for (const region of this.#regions) await region.close({ timeout: patience });
    for (const backend of this.#backends) {
      if (this.#options.dispose) await this.#options.dispose(backend);
      else await backend.close?.();
    }
  }

  /** A law that hangs is broken, and says so. */
  async #inTime(work: () => Promise<void>, what: string): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new assert.AssertionError({ message: `"${what}" did not end within ${this.#patience} ms.` })),
        this.#patience,
      );
    });
    try {
      await Promise.race([begun(work()), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A promise that the law awaits later: should the law fail before that, its rejection is not unhandled. */
export function begun<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Time that has to pass, in milliseconds: for what must have expired, never for what may have happened meanwhile. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** That what was read is what was stored: the same bytes, or the same value with the same metadata. */
export function assertStored(actual: Storable | undefined, expected: Storable | undefined, what: string): void {
  if (expected === undefined)
    return assert.equal(actual, undefined, `${what}: there is nothing, so it must answer undefined.`);
  if (expected instanceof Uint8Array) {
    assert.ok(
      actual instanceof Uint8Array,
      `${what}: a backend that stores bytes must answer with a Uint8Array, not ${kindOf(actual)}.`,
    );
    return assert.ok(sameBytes(actual, expected), `${what}: it must answer with the very bytes that were stored.`);
  }
  assert.ok(
    actual instanceof CachedValue,
    `${what}: a backend that stores values must answer with the CachedValue, not ${kindOf(actual)}.`,
  );
  const isSame =
    isDeepStrictEqual(actual.payload, expected.payload) && isDeepStrictEqual(actual.metadata, expected.metadata);
  assert.ok(isSame, `${what}: it must answer with the value and metadata that were stored.`);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);
}

function kindOf(actual: unknown): string {
  if (typeof actual !== 'object' || actual === null) return String(actual);
  return actual.constructor?.name ?? 'an object';
}
