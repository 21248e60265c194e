/** Break a rule of the protocol on memcached, in the server or in its client, and some seed finds out. */
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../src/backends/memcached/meta/reply-parser.js';
import { parseRegion, textOfRegion } from '../../src/backends/records.js';
import { type MetaPortOptions, SimulatedLine, SimulatedPeers } from '../../src/testing/simulation/memcached/client.js';
import { type Item, SimulatedMemcached } from '../../src/testing/simulation/memcached/server.js';
import { type MemcachedSimulationOptions, simulateMemcached } from '../../src/testing/simulation/simulate.js';
import { A_SEARCH, CAME_BACK, firstFound, MOST_SEEDS } from './support/first-found.js';

interface Mutant {
  readonly server?: () => SimulatedMemcached;
  readonly peers?: (options: MetaPortOptions) => SimulatedPeers;
  readonly simulation?: Omit<MemcachedSimulationOptions, 'seed'>;
  /** Where it takes many seeds, or long ones: the one to begin with. */
  readonly first?: number;
  readonly finds: RegExp;
}

const NOT_CARRIED_OUT = /returned without having been carried out|before the call began/;

const isRecord = (key: string) => key.startsWith('_region') || key.startsWith('_tag');
const isLock = (key: string) => key.startsWith('_lock');
const TWO_HOLD_IT =
  /was granted .* while .* stands|which no longer stands|was renewed although|has (committed|renewed) the lease/;

/** A client that says something else than the backend asked it to. */
class Saying extends SimulatedLine {
  says: (verb: string, key: string, flags: string) => string = (_verb, _key, flags) => flags;
  override send(...[verb, key, flags, limits]: Parameters<SimulatedLine['send']>): Promise<Reply> {
    return super.send(verb, key, this.says(verb, key, flags), limits);
  }
  override store(...[key, value, flags, limits]: Parameters<SimulatedLine['store']>): Promise<Reply> {
    return super.store(key, value, this.says('ms', key, flags), limits);
  }
}
const saying = (says: Saying['says']) => (options: MetaPortOptions) =>
  new (class extends SimulatedPeers {
    protected override line(...args: ConstructorParameters<typeof SimulatedLine>): SimulatedLine {
      return Object.assign(new Saying(...args), { says });
    }
  })(options);
/** A client that says of hard invalidations another time. */
const sayingOfCuts = (say: (at: number) => number | undefined) => (options: MetaPortOptions) =>
  new (class extends SimulatedPeers {
    protected override line(...args: ConstructorParameters<typeof SimulatedLine>): SimulatedLine {
      return new (class extends SimulatedLine {
        override store(...[key, value, ...rest]: Parameters<SimulatedLine['store']>): Promise<Reply> {
          const region = key.startsWith('_region') ? parseRegion(value) : undefined;
          const isCut = region?.at !== undefined && region.hard === region.seq;
          const said = isCut ? Buffer.from(textOfRegion({ ...region, at: say(region.at) })) : value;
          return super.store(key, said, ...rest);
        }
      })(...args);
    }
  })(options);
/** Within milliseconds, by one clock. */
const BESIDE_PYTHON = { lease: 'key', stranger: true, generations: true, skew: 0, haste: 600 } as const;
/** Many calls between which nothing else goes wrong, and a value that is there may go. */
const QUIET_KEYS = {
  lease: 'key',
  calls: 40,
  generations: false,
  tags: false,
  stranger: false,
  misfortunes: { pause: 0, storm: 0, outage: 0, kill: 0, evict: 20 },
} as const;
/** A client some of whose deletes of values do nothing: those before it has looked at the lock, right behind each look, or behind its removal. */
const sparing = (place: 'before' | 'behind a look' | 'behind the removal') => (options: MetaPortOptions) => {
  let before: readonly string[] = [];
  return saying((verb, key, flags) => {
    const [last, latest] = before;
    before = [latest ?? '', `${verb} ${key} ${flags}`];
    if (verb !== 'md' || isLock(key) || flags !== '') return flags;
    const isBehindLook = latest === `mg _lock${key} v c` && last === `md ${key} `;
    const now = isBehindLook
      ? 'behind a look'
      : latest?.startsWith(`md _lock${key} `)
        ? 'behind the removal'
        : 'before';
    // No item has that CAS number.
    return now === place ? 'C0' : flags;
  })(options);
};
const without = (letter: string, flags: string) =>
  flags
    .split(' ')
    .filter((flag) => !flag.startsWith(letter))
    .join(' ');

const mutants: Record<string, Mutant> = {
  'a commit that compares no CAS number': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override isUnchanged(key: string, item: Item, cas: string): boolean {
          return isRecord(key) || isLock(key) ? super.isUnchanged(key, item, cas) : true;
        }
      })(),
    simulation: { lease: 'server' },
    finds: TWO_HOLD_IT,
  },
  'a lock that is renewed and released by whoever asks': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override isUnchanged(key: string, item: Item, cas: string): boolean {
          return isLock(key) || super.isUnchanged(key, item, cas);
        }
      })(),
    finds: TWO_HOLD_IT,
  },
  'a record that is written over another change of it': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override isUnchanged(key: string, item: Item, cas: string): boolean {
          return isRecord(key) || super.isUnchanged(key, item, cas);
        }
      })(),
    finds: NOT_CARRIED_OUT,
  },
  'a delete that leaves the stub, and with it the lease': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override remove(key: string, cas: string | undefined): Reply {
          const item = this.read(key);
          const isLease = item && (item.isVivified || String(item.value).startsWith('dp1:'));
          const reply = super.remove(key, cas);
          if (cas === undefined && item && isLease && !isLock(key)) this.items.set(key, item);
          return reply;
        }
      })(),
    simulation: { lease: 'server' },
    finds: TWO_HOLD_IT,
  },
  'a delete that does not void the lock by key': {
    peers: saying((verb, key, flags) => (verb === 'mg' && isLock(key) && flags === 'v c' ? 'c' : flags)),
    simulation: { lease: 'key' },
    finds: CAME_BACK,
  },
  'a delete that removes nothing before it looks at the lock': {
    peers: sparing('before'),
    simulation: QUIET_KEYS,
    finds: CAME_BACK,
  },
  'a delete that removes nothing behind its look at the lock': {
    peers: sparing('behind a look'),
    simulation: QUIET_KEYS,
    first: 10,
    finds: CAME_BACK,
  },
  'a delete that removes nothing behind the lock that it voids': {
    peers: sparing('behind the removal'),
    simulation: QUIET_KEYS,
    finds: CAME_BACK,
  },
  'what is taken back is there yet': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override remove(key: string, cas: string | undefined): Reply {
          const item = this.read(key);
          const reply = super.remove(key, cas);
          if (item && cas !== undefined && reply.code === 'HD' && String(item.value).startsWith('{'))
            this.items.set(key, item);
          return reply;
        }
      })(),
    simulation: { lease: 'key', generations: false },
    finds: CAME_BACK,
  },
  'a stub that is handed to everybody': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override get(key: string, flags: readonly string[]): Reply {
          const reply = super.get(key, flags);
          if (reply.isTaken) Object.assign(reply, { isWon: true, isTaken: false });
          return reply;
        }
      })(),
    simulation: { lease: 'server' },
    finds: TWO_HOLD_IT,
  },
  'stale bytes that are elected without their lock': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override mayAdd(key: string): boolean {
          return isLock(key);
        }
      })(),
    finds: /was granted .* while .* stands/,
  },
  'a commit that says no CAS number': {
    peers: saying((verb, key, flags) => (verb === 'ms' && !key.startsWith('_') ? without('C', flags) : flags)),
    simulation: { lease: 'server' },
    finds: /was granted .* while .* stands|before the call began/,
  },
  'a connection that says it is the one that was lost': {
    peers: (options) =>
      new (class extends SimulatedPeers {
        protected override line(...args: ConstructorParameters<typeof SimulatedLine>): SimulatedLine {
          const peers = this;
          return new (class extends SimulatedLine {
            override get isOpen(): boolean {
              return true;
            }
            override async store(...words: Parameters<SimulatedLine['store']>): Promise<Reply> {
              const { ready } = peers;
              return super.isOpen || !ready || ready === this ? super.store(...words) : ready.store(...words);
            }
          })(...args);
        }
      })(options),
    simulation: { misfortunes: { pause: 0, storm: 0, outage: 0, kill: 0 }, generations: false, lease: 'server' },
    finds: /was granted .* while .* stands|before the call began|which no longer stands/,
  },
  'a renewal that the server does not keep': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override store(key: string, value: Buffer, flags: readonly string[]): Reply {
          const item = this.read(key);
          const isRenewal = item && String(value).startsWith('dp1:') && String(item.value) === String(value);
          const reply = super.store(key, value, flags);
          const written = this.read(key);
          if (isRenewal && written && reply.code === 'HD') this.items.set(key, { ...written, until: item.until });
          return reply;
        }
      })(),
    finds: /was granted .* while .* stands|let its lease lapse|has kept the lease/,
  },
  'an invalidation that is not kept': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override write(...[key, value, ...rest]: Parameters<SimulatedMemcached['write']>): Item {
          const before = this.read(key);
          const isKept = key.startsWith('_region') && before;
          return super.write(key, isKept ? before.value : value, ...rest);
        }
      })(),
    simulation: { generations: true },
    finds: NOT_CARRIED_OUT,
  },
  'a hard invalidation that does not say when it was': {
    peers: sayingOfCuts(() => undefined),
    simulation: BESIDE_PYTHON,
    finds: CAME_BACK,
  },
  'a hard invalidation that says the millisecond it is in: what Python wrote within it, before, has a finer stamp': {
    peers: sayingOfCuts((at) => at - 1),
    simulation: BESIDE_PYTHON,
    finds: CAME_BACK,
  },
  'a tag record that is not raised': {
    server: () =>
      new (class extends SimulatedMemcached {
        protected override write(...[key, value, ...rest]: Parameters<SimulatedMemcached['write']>): Item {
          const before = this.read(key);
          const isKept = key.startsWith('_tag') && before;
          return super.write(key, isKept ? before.value : value, ...rest);
        }
      })(),
    simulation: { generations: true, tags: true },
    finds: CAME_BACK,
  },
};

describe('a rule of the protocol on memcached that is broken is found out:', () => {
  for (const [name, { finds, first, server, peers, simulation }] of Object.entries(mutants)) {
    it(name, A_SEARCH, async () => {
      const run = (seed: number) =>
        simulateMemcached({ seed, ...simulation, memcached: { server: server?.(), peers } });
      expect(await firstFound(run, MOST_SEEDS, { first })).toMatch(finds);
    });
  }
});
