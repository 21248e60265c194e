/** What a simulated Redis loses, or has written over, by itself. */
import { isRecordName } from '../../../backends/records.js';
import type { Chance } from '../chance.js';
import type { Meaning } from '../model.js';
import { recordLost } from './meanings.js';
import type { SimulatedRedis } from './server.js';
import { spoiled } from './spoiled.js';

export interface LossesOptions {
  /** What locks begin with. */
  readonly lockPrefix: string;
  /** Whose lock it is. */
  keysOf(lock: string): readonly string[];
  /** How often it is a record that is written over, 0 to 1. */
  readonly spoils: number;
}

/** The scripts, an entry, a lock or a record; or another program writes over a record. */
export function lose(server: SimulatedRedis, chance: Chance, options: LossesOptions): readonly Meaning[] {
  const { lockPrefix, spoils } = options;
  const { keys } = server.scripts;
  if (chance.hits(0.1)) {
    server.known.clear();
    return [];
  }
  if (chance.hits(spoils)) return spoil(server, chance);
  const kind = chance.weighted({ entry: 5, [lockPrefix]: 2, _region: 1, _tag: 3 });
  const isOfKind = (name: string) => (kind === 'entry' ? !name.startsWith('_') : name.startsWith(kind));
  const names = keys.names.filter(isOfKind);
  if (names.length === 0) return [];
  const name = chance.pick(names);
  keys.delete(name);
  return lossOf(name, options);
}

/** What it means that it is gone. */
export function lossOf(name: string, { lockPrefix, keysOf }: LossesOptions): readonly Meaning[] {
  if (isRecordName(name)) return [recordLost(name)];
  if (!name.startsWith(lockPrefix)) return [{ kind: 'evicted entry', key: name }];
  return keysOf(name).map((key) => ({ kind: 'evicted lease', key }));
}

function spoil({ scripts: { keys } }: SimulatedRedis, chance: Chance): readonly Meaning[] {
  const records = keys.names.filter((name) => isRecordName(name) && keys.read(name));
  if (records.length === 0) return [];
  const name = chance.pick(records);
  const text = spoiled(String(keys.read(name)), chance);
  if (text === undefined) keys.writeStrange(name);
  else keys.write(name, text);
  return [recordLost(name)];
}
