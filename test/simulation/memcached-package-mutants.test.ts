/** Take a rule out of the locks of the client packages, or of the backend over them, and some seed finds out. */
import { describe, expect, it } from 'vitest';
import { A_SEARCH, CAME_BACK, MANY_SEEDS } from './support/first-found.js';
import { firstFoundIn, type Mutation, type Search } from './support/mutated.js';

interface Mutant extends Omit<Mutation, 'file'>, Partial<Search> {
  readonly finds: RegExp;
}

const STORED_WITHOUT = /a commit was stored under .* which no longer stands/;
const WHATEVER_WAS_THERE = /has (said|removed) \w, whatever was there/;
const ANOTHERS = /has ended the lease of another|has (released|renewed) the lease/;
const LEFT = /has not taken back/;
const KEPT = /has kept the lease|under which nothing is created/;
const NEVER_SETTLES = /never settles/;
const NOTHING_BUT_KILLS = { kill: 10, pause: 0, evict: 0, storm: 0, outage: 0 };

const backend: Record<string, Mutant> = {
  'a commit that does not look at its lock before it writes': {
    from: 'if (!held) return false;',
    to: '',
    finds: STORED_WITHOUT,
  },
  'a commit that does not look at its lock again behind the write': {
    from: 'if (await locks.release(key, token, held)) return true;',
    to: 'await locks.release(key, token, held); return true;',
    finds: /was told as stored, under a lease that had ended/,
  },
  'a value that is taken back whoever has stored it': {
    from: 'if (now && Buffer.compare(now.bytes, stored) === 0)',
    to: 'if (now)',
    finds: /took back/,
  },
  'a write that was refused, and is told as stored': {
    from: 'return (await this.#conclude(locks, key, stored, lease.token, held)) && isWritten;',
    to: 'return this.#conclude(locks, key, stored, lease.token, held);',
    finds: /was told as stored, and was not/,
  },
  'a missing value that is stored over what came meanwhile': {
    from: ': this.#client.add(key, stored, seconds),',
    to: ': this.#client.set(key, stored, seconds).then(() => true),',
    finds: WHATEVER_WAS_THERE,
  },
  'a stale value that is replaced whatever came meanwhile': {
    from: 'found ? this.#client.swap(key, stored, seconds, found)',
    to: 'found ? this.#client.set(key, stored, seconds).then(() => true)',
    finds: WHATEVER_WAS_THERE,
  },
  'a set that leaves the lock': {
    from: 'await this.#locks?.void(key);\n    await this.#fitting',
    to: 'await this.#fitting',
    first: 60,
    finds: CAME_BACK,
  },
  'a set that voids the lock behind the value': {
    from: 'await this.#locks?.void(key);\n    await this.#fitting(key, () => this.#client.set(key, stored, seconds));',
    to: 'await this.#fitting(key, () => this.#client.set(key, stored, seconds));\n    await this.#locks?.void(key);',
    finds: CAME_BACK,
  },
  'a delete that leaves the lock': {
    from: 'await this.#locks?.void(key);\n    await this.#client.delete(key);',
    to: 'await this.#client.delete(key);',
    finds: CAME_BACK,
  },
  'a delete that voids the lock behind the value': {
    from: 'await this.#locks?.void(key);\n    await this.#client.delete(key);',
    to: 'await this.#client.delete(key);\n    await this.#locks?.void(key);',
    finds: CAME_BACK,
  },
  'a commit that fails, and leaves what it may have stored': {
    from: 'const concluded = this.#conclude(locks, key, stored, lease.token).catch(() => {});',
    to: 'const concluded = undefined;',
    misfortunes: { storm: 30 },
    first: 210,
    finds: new RegExp(`${LEFT.source}|${KEPT.source}`),
  },
  'a commit behind which the lease is renewed': {
    from: 'won.lease.settle();',
    to: '',
    finds: /was committed, and is still renewed/,
  },
};

const locks: Record<string, Mutant> = {
  'a lock that is written over another': {
    from: 'await client.add(name, Buffer.from(OURS + token), secondsOf(lockTimeout))',
    to: 'await client.set(name, Buffer.from(OURS + token), secondsOf(lockTimeout)).then(() => true)',
    finds: /was granted .* while .* stands/,
  },
  'a lock that never lapses': {
    from: 'Buffer.from(OURS + token), secondsOf(lockTimeout))',
    to: 'Buffer.from(OURS + token), 0)',
    stranger: false,
    misfortunes: NOTHING_BUT_KILLS,
    finds: NEVER_SETTLES,
  },
  'a lock whose seconds are rounded down': {
    from: 'Buffer.from(OURS + token), secondsOf(lockTimeout))',
    to: 'Buffer.from(OURS + token), lockTimeout / 1000)',
    finds: /let its lease lapse|which no longer stands/,
  },
  'any lock that is taken for the own one': {
    from: 'return found && textOf(found) === OURS + token ? found : undefined;',
    to: 'return found;',
    finds: new RegExp(`${STORED_WITHOUT.source}|${ANOTHERS.source}`),
  },
  'a release of whatever lock there is': {
    from: '(held) => held === OURS + token, seen',
    to: '() => true, seen',
    finds: ANOTHERS,
  },
  'a delete or set that voids a lock of Python': {
    from: '(held) => held.startsWith(OURS)',
    to: '() => true',
    stranger: true,
    finds: /has released the lease .* of stranger/,
  },
  'a renewal of whatever lock there is': {
    from: 'const held = await this.held(key, token);',
    to: 'const held = await this.#options.clientOf(key).find(lockNameOf(key));',
    finds: ANOTHERS,
  },
  'a renewal that the server is not asked for': {
    from: 'return this.#options.clientOf(key).extend(lockNameOf(key), secondsOf(this.#options.lockTimeout), held);',
    to: 'return true;',
    first: 60,
    finds: /let its lease lapse/,
  },
  'a release that gives up where the lock was renewed meanwhile': {
    from: 'if (seen?.cas !== undefined && (await client.remove(name, seen))) return true;',
    to: 'if (seen?.cas !== undefined) return client.remove(name, seen);',
    name: 'memcache_client',
    finds: /took back/,
  },
  'a lease that does not say what is stored': {
    from: 'return this.#lease(key, token, await client.find(key));',
    to: 'return this.#lease(key, token, undefined);',
    finds: /although a fresh value was there when it won its lease/,
  },
  'a lock of a dead Python that is waited for without an end': {
    from: 'if (waits && this.#foreign',
    to: 'if (false && this.#foreign',
    stranger: true,
    misfortunes: NOTHING_BUT_KILLS,
    first: 100,
    finds: NEVER_SETTLES,
  },
  "locks of Python's that are taken for one, whatever was seen in between": {
    from: 'if (!found || textOf(found).startsWith(OURS)) this.#foreign.forget(lockNameOf(key));',
    to: '',
    name: 'memjs',
    stranger: true,
    first: 80,
    finds: /without having asked for its lease/,
  },
  'a lease that is won in an aborted wait, and kept': {
    from: "giveBack: (lease) => void lease.release().catch((error: unknown) => host().report('release', error, key)),",
    to: 'giveBack: () => {},',
    calls: 25,
    first: 190,
    finds: KEPT,
  },
  'a lock that may have been won by a call that failed, and is left there': {
    from: 'this.releaseBehind(key, token);\n      throw error;',
    to: 'throw error;',
    misfortunes: { storm: 30 },
    finds: KEPT,
  },
};

const memjs: Record<string, Mutant> = {
  'a package without CAS that stores what should replace': {
    from: "return this.#write('replace', key, bytes, seconds);",
    to: "return this.#write('set', key, bytes, seconds);",
    name: 'memjs',
    finds: WHATEVER_WAS_THERE,
  },
};

const nodeMemcached: Record<string, Mutant> = {
  'an add that was refused, and is told as done': {
    from: "if (error instanceof Error && 'notStored' in error) return false;",
    to: "if (error instanceof Error && 'notStored' in error) return true;",
    name: 'node_memcached',
    finds: /was told as stored, and was not/,
  },
  'a value that is swapped whatever came meanwhile': {
    from: 'return this.#cas(key, asText(bytes), bytes, seconds, found);',
    to: 'return this.set(key, bytes, seconds).then(() => true);',
    name: 'node_memcached',
    finds: WHATEVER_WAS_THERE,
  },
  'what was found is removed whatever came meanwhile': {
    from: "return removeByWrite(this, key, found, () => this.#cas(key, '', found.bytes, AT_ONCE, found));",
    to: 'return this.delete(key).then(() => true);',
    name: 'node_memcached',
    finds: /was told as stored, under a lease that had ended/,
  },
  'a CAS number that changed, and is told as the same': {
    from: 'return answer;\n    });\n  }\n}',
    to: 'return true;\n    });\n  }\n}',
    name: 'node_memcached',
    finds: /was told as stored, under a lease that had ended/,
  },
  'a removal that is not gone at once': {
    from: "this.#cas(key, '', found.bytes, AT_ONCE, found)",
    to: "this.#cas(key, '', found.bytes, 0, found)",
    name: 'node_memcached',
    // One's own, or another's that was to be voided: to the server that is a new end.
    finds: new RegExp(`${KEPT.source}|has renewed the lease`),
  },
  'one of many keys that is told as another': {
    from: 'Object.hasOwn(found, key) ? asBytes(found[key]) : undefined',
    to: 'asBytes(found[key] ?? Object.values(found)[0] ?? undefined)',
    name: 'node_memcached',
    finds: /was given a value of/,
  },
};

const files = {
  'backends/memcached/client-backend.ts': backend,
  'backends/memcached/token-lock.ts': locks,
  'backends/memcached/memjs.ts': memjs,
  'backends/memcached/node-memcached.ts': nodeMemcached,
};

describe.each(Object.entries(files))('a rule that is taken out of %s is found out:', (file, mutants) => {
  for (const [name, { finds, from, to, ...search }] of Object.entries(mutants)) {
    it(name, A_SEARCH, async () => {
      const found = await firstFoundIn({ file, from, to }, { first: 1, seeds: MANY_SEEDS, ...search });
      expect(found).toMatch(finds);
    });
  }
});
