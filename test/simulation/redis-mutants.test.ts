/** Break a rule that a script of Redis keeps, and some seed finds out. */
import { describe, expect, it } from 'vitest';
import type { RegionRecord } from '../../src/api.js';
import type { Word } from '../../src/backends/redis/client.js';
import { type Answer, SimulatedScripts } from '../../src/testing/simulation/redis/scripts.js';
import { simulateRedis } from '../../src/testing/simulation/simulate.js';
import { A_SEARCH, CAME_BACK, firstFound, LOST_TAGS, MOST_SEEDS } from './support/first-found.js';

const redisMutants: Record<
  string,
  {
    readonly scripts: () => SimulatedScripts;
    readonly simulation?: object;
    /** Where it takes many seeds: the one to begin with. */
    readonly first?: number;
    readonly finds: RegExp;
  }
> = {
  'a commit that does not compare the token': {
    scripts: () =>
      new (class extends SimulatedScripts {
        #isCommitting = false;
        override commit(...request: Parameters<SimulatedScripts['commit']>): Answer {
          this.#isCommitting = true;
          const answer = super.commit(...request);
          this.#isCommitting = false;
          return answer;
        }
        protected override isHolder(lock: string, token: string): boolean {
          return this.#isCommitting || super.isHolder(lock, token);
        }
      })(),
    finds: /a commit was stored under .* which no longer stands/,
  },
  'a commit that compares no generation': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override mayCommit(): boolean {
          return true;
        }
      })(),
    finds: /was stored that no longer counted/,
  },
  'a commit whose tag record was lost does not compare the last invalidation of any tag': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override mayCommit(
          fence: { readonly rid: string; readonly seq: number; readonly tags: readonly string[] },
          region: RegionRecord | undefined,
        ): boolean {
          return super.mayCommit(fence, region && { ...region, tagged: 0 });
        }
        protected override seedTag(name: string, region: RegionRecord): void {
          super.seedTag(name, { ...region, tagged: 0 });
        }
      })(),
    simulation: LOST_TAGS,
    finds: CAME_BACK,
  },
  'a delete or set that does not void the lease': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override voidLease(): void {}
      })(),
    finds: /which no longer stands \(its key was|was renewed although|of which nobody has the lease/,
  },
  'a delete or set that voids a lock of Python': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override voidLease(lock: string): void {
          this.letGo(lock);
        }
      })(),
    simulation: { stranger: true },
    finds: /was granted .* while .* of stranger stands/,
  },
  'an acquire that takes a lock of Python': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override mayAcquire(lock: string, token: string, region: RegionRecord | undefined): boolean {
          return super.mayAcquire(lock, token, region) || String(this.keys.read(lock)).startsWith('python');
        }
      })(),
    simulation: { stranger: true },
    finds: /was granted .* while .* of stranger stands/,
  },
  'a set that does not compare the generation it bears': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override isBehind(): boolean {
          return false;
        }
      })(),
    finds: /was stored that no longer counted/,
  },
  'a lease that two hold': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override mayAcquire(): boolean {
          return true;
        }
      })(),
    finds: /was granted .* while .* stands/,
  },
  'a lease that is never given back': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override letGo(): void {}
      })(),
    finds: /was denied .*, of which nobody has the lease/,
  },
  'a release that does not compare the token': {
    scripts: () =>
      new (class extends SimulatedScripts {
        override release(names: readonly string[]): Answer {
          for (const lock of names) this.letGo(lock);
          return names.length;
        }
      })(),
    finds: /was granted .* while .* stands/,
  },
  'a renewal of whatever lock there is': {
    scripts: () =>
      new (class extends SimulatedScripts {
        override renew(names: readonly string[], args: readonly Word[]): Answer {
          const locks = names.slice(0, Number(args[0]));
          for (const lock of locks) this.keys.expire(lock, Number(args[1]));
          return locks.map(() => 1);
        }
      })(),
    finds: /was renewed although it no longer stands/,
  },
  'an acquire that says that nothing is stored': {
    scripts: () =>
      new (class extends SimulatedScripts {
        override acquire(...request: Parameters<SimulatedScripts['acquire']>): Answer {
          const answer = super.acquire(...request);
          return Array.isArray(answer)
            ? answer.map((each, at) => (at % 3 === 2 && answer[at - 1] === 1 ? null : each))
            : answer;
        }
      })(),
    finds: /although a fresh value was there when it won its lease/,
  },
  'a hard invalidation that does not say when it was': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override advance(name: string, region: RegionRecord): void {
          super.advance(name, { ...region, at: undefined });
        }
      })(),
    simulation: { stranger: true, generations: true },
    first: 60,
    finds: CAME_BACK,
  },
  'a hard invalidation that says the millisecond it is in: what Python wrote within it, before, has a finer stamp': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override soon(): number {
          return Math.floor(this.time);
        }
      })(),
    simulation: { stranger: true, generations: true, haste: 300 },
    finds: CAME_BACK,
  },
  'an invalidation that is not kept': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override advance(name: string, region: RegionRecord): void {
          this.seedRegion(name, region.rid);
        }
      })(),
    finds: /before the call began|refused this write again and again/,
  },
  'an evicted record that comes back as it was at first': {
    scripts: () =>
      new (class extends SimulatedScripts {
        protected override seedRegion(name: string): RegionRecord {
          return super.seedRegion(name, 'c0'.repeat(16));
        }
      })(),
    finds: /was given \d+ of \w, but .* before the call began|was renewed although/,
  },
};

describe('a rule that a script of Redis breaks is found out:', () => {
  for (const [name, { finds, first, scripts, simulation }] of Object.entries(redisMutants)) {
    it(name, A_SEARCH, async () => {
      const run = (seed: number) => simulateRedis({ seed, ...simulation, scripts: scripts() });
      expect(await firstFound(run, MOST_SEEDS, { first })).toMatch(finds);
    });
  }
});
