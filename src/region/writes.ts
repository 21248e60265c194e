/**
 * Values that the user gives: `set`, `setMulti` and those of cached functions. Decides how they are stamped, how long the store keeps
 * them, and that the user is told when it can't be told. What a creation makes is stored by `creating.ts`.
 */
import type { Awaitable, Storable } from '../api.js';
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

/** By mangled key, as in all of these. */
export function writeOne(core: Core, name: string, given: Given, governing: Governing): Promise<void> {
  return written(core, new Map([[name, given]]), governing, (encode, options) => {
    const stored = encode(given);
    core.overrule([name]);
    return core.store.set(name, stored, options);
  });
}

/** One command, and one stamp for all of them, as in Python. */
export async function writeMany(core: Core, given: ReadonlyMap<string, Given>, governing: Governing): Promise<void> {
  if (given.size === 0) return;
  await written(core, given, governing, (encode, options) => {
    const entries = new Map([...given].map(([name, each]) => [name, encode(each)]));
    core.overrule(entries.keys());
    return core.store.setMulti(entries, options);
  });
}

/** Something the user says to the store: he is told when it can't be told, and it is counted. */
export async function told<T>(core: Core, say: () => Awaitable<T>): Promise<T> {
  try {
    return await say();
  } catch (error) {
    core.count(error);
    throw error;
  }
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
