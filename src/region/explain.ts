/** What a region knows of one key: for people. Asks, and changes nothing: no creation, no lease, no counter. */
import type { CachedValue, Explanation, Storable } from '../api.js';
import { CantDeserializeError } from '../errors.js';
import type { Core } from './core.js';
import { expirationOf, isMissing, judge, VALUE_VERSION } from './freshness.js';
import { isCreated } from './look.js';
import { freshnessOf } from './settings.js';

/** Rejects when the store can't be asked. */
export async function explain(core: Core, key: string): Promise<Explanation> {
  const name = core.store.mangle(key);
  const request = core.shared?.request();
  const stored = await core.store.get(name, request);
  const { held, expiresIn } = await core.store.locks.state(name);
  const { isMine, ...here } = core.flights.describe(name);
  const mangledKey = name;
  const lock = { held, mine: isMine, ...(expiresIn === undefined ? {} : { expiresIn }) };
  const about = { key, mangledKey };
  const size = stored instanceof Uint8Array ? { size: stored.byteLength } : {};
  const now = { ...size, lock, here: { reading: core.looks.isReading(name), ...here } };

  const entry = decoded(core, stored);
  if (typeof entry === 'string') return { ...about, state: 'missing', reason: entry, ...now };
  const { metadata } = entry;
  const asked = freshnessOf(core.settings);
  const verdict = judge(entry, asked, await core.looks.cutOf(entry, request), core.clock.now());
  const other = otherness(entry);
  const expires = expirationOf(entry, asked) - entry.age;
  const state = other !== undefined || isMissing(verdict) ? 'missing' : verdict === 'fresh' ? 'fresh' : 'stale';
  return {
    ...about,
    state,
    reason: other ?? verdict,
    age: entry.age,
    ...(Number.isFinite(expires) ? { expiresIn: expires } : {}),
    ...(metadata.dt === undefined ? {} : { creationTime: metadata.dt * 1000 }),
    ...(metadata.t ? { tags: metadata.t } : {}),
    ...(core.shared ? { generations: core.shared.describe(entry, request) } : {}),
    ...now,
    metadata,
  };
}

/** Why a creation takes no notice of an entry, though it can be read. */
function otherness(entry: CachedValue): string | undefined {
  if (isCreated(entry)) return undefined;
  const { v } = entry.metadata;
  return v === VALUE_VERSION ? 'without a creation time' : `of version ${v}, not ${VALUE_VERSION}`;
}

function decoded(core: Core, stored: Storable | undefined): CachedValue | 'absent' | 'garbage' {
  if (stored === undefined) return 'absent';
  try {
    return core.store.decode(stored);
  } catch (error) {
    if (error instanceof CantDeserializeError) return 'garbage';
    throw error;
  }
}
