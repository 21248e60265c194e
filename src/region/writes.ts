/**
 * What the user says to the store: values, deletions, invalidations. Decides in which order the store and what goes on here are told of
 * it, how values are stamped and how long they are kept; and that the user is told when the store can't be. What a creation makes is
 * stored by `creating.ts`.
 */
import type { Awaitable, Storable } from '../api.js';
import { channels } from '../channels.js';
import { stamp } from '../clock.js';
import type { Core } from './core.js';
import { shareOf, ttlOf } from './creating.js';
import { freshnessOf, type Settings } from './settings.js';
import type { WriteOptions } from './store.js';

export interface Given {
  readonly value: unknown;
  readonly tags: readonly string[];
}

/** Whose policy governs the entries, and what they say of themselves. */
export interface Governing {
  readonly settings: Settings;
  readonly ownExpiration?: number | undefined;
}

export function writeOne(core: Core, key: string, given: Given, governing: Governing): Promise<void> {
  const name = core.store.mangle(key);
  return written(core, new Map([[name, given]]), governing, (encode, options) => {
    const stored = encode(given);
    core.overrule([name]);
    return core.store.set(name, stored, options);
  });
}

/** By key. One command, and one stamp for all of them, as in Python. */
export async function writeMany(core: Core, given: ReadonlyMap<string, Given>, governing: Governing): Promise<void> {
  const byName = new Map([...given].map(([key, each]) => [core.store.mangle(key), each]));
  if (byName.size === 0) return;
  await written(core, byName, governing, (encode, options) => {
    const entries = new Map([...byName].map(([name, each]) => [name, encode(each)]));
    core.overrule(entries.keys());
    return core.store.setMulti(entries, options);
  });
}

/** `send` encodes everything before it overrules anything: a value that can't be written changes nothing. */
function written(
  core: Core,
  given: ReadonlyMap<string, Given>,
  { settings, ownExpiration }: Governing,
  send: (encode: (given: Given) => Storable, options: WriteOptions) => Awaitable<boolean>,
): Promise<void> {
  const ttl = ttlOf(freshnessOf(settings), ownExpiration);
  const tagsOf = new Map([...given].map(([name, { tags }]) => [name, tags]));
  const write = (generation: WriteOptions['generation']) => {
    const endedAt = stamp(core.clock);
    const encode = ({ value, tags }: Given) => {
      const share = shareOf(settings, core.random);
      return core.store.encode({ value, endedAt, ownExpiration, share, tags, generation });
    };
    return send(encode, { ttl, generation });
  };
  return told(core, () => core.stamped(write, tagsOf));
}

export async function deleteOne(core: Core, key: string): Promise<void> {
  const name = core.store.mangle(key);
  core.overrule([name]);
  await told(core, () => core.store.delete(name));
  if (channels.delete.hasSubscribers) channels.delete.publish({ region: core.region, key });
}

export async function deleteMany(core: Core, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  const names = keys.map((key) => core.store.mangle(key));
  core.overrule(names);
  await told(core, () => core.store.deleteMulti(names));
  if (channels.delete.hasSubscribers) for (const key of keys) channels.delete.publish({ region: core.region, key });
}

export async function invalidateAll(core: Core, hard: boolean): Promise<void> {
  await told(core, () => core.invalidation.invalidate(hard));
  await core.invalidated({ revokes: hard });
  if (channels.invalidate.hasSubscribers) channels.invalidate.publish({ region: core.region, hard });
}

export async function invalidateTags(core: Core, tags: readonly string[], hard: boolean): Promise<void> {
  if (tags.length === 0) return;
  await told(core, () => (core.shared ? core.shared.invalidateTags(tags, hard) : core.tags.invalidate(tags, hard)));
  await core.invalidated({ revokes: false });
  if (channels.invalidate.hasSubscribers) channels.invalidate.publish({ region: core.region, hard, tags });
}

/** Something the user says to the store: he is told when it can't be told, and it is counted. */
async function told<T>(core: Core, say: () => Awaitable<T>): Promise<T> {
  try {
    return await say();
  } catch (error) {
    core.count(error);
    throw error;
  }
}
