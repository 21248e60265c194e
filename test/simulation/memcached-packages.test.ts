/**
 * The promises over a memcached behind a client package, with CAS and without: the real backend, its locks and adapters, connections that
 * are lost, restarts, Python programs beside it. And each excuse is one: without it, some seed breaks a promise. `SEEDS=3000` runs more
 * seeds, `SEED=36` one with its trace, `LOSING=1` besides where the server loses leases all the time.
 */
import { describe, expect, it } from 'vitest';
import { EXCUSES, type Excuse } from '../../src/testing/simulation/memcached/excuses.js';
import { type PackageSimulationOptions, simulatePackage } from '../../src/testing/simulation/simulate.js';
import { failing } from './support/failing-seeds.js';
import { A_SEARCH, firstFound, MANY_SEEDS } from './support/first-found.js';

type Options = Omit<PackageSimulationOptions, 'seed'>;

const LOSING = { misfortunes: { evict: 40 } };
const LEFT = /has not taken back|before the call began/;
const seeds = Number(process.env.SEEDS ?? 60);

const failingSeeds = (count: number, options?: Options) =>
  failing(count, (seed) => simulatePackage({ seed, ...options }));

/** `first`: where the search begins, which takes long where it takes much to go wrong. */
const needed: Readonly<Record<Excuse, Options & { readonly first: number; readonly finds: RegExp }>> = {
  endedBeforeWrite: { first: 1, finds: /a commit was stored under .* which no longer stands/ },
  creatorKilled: { strike: 'kill', first: 30, finds: LEFT },
  creatorCutOff: { strike: 'silence', first: 150, finds: LEFT },
  lateWrite: { misfortunes: { kill: 5, pause: 30, storm: 10 }, first: 350, finds: LEFT },
  otherLockRemoved: { first: 10, finds: /has ended the lease of another/ },
  otherLockRenewed: { name: 'memjs', first: 60, finds: /has renewed the lease/ },
  otherValueRemoved: { name: 'memjs', first: 280, finds: /took back \d+ of \w, and removed \d+/ },
  lockKnownByText: { name: 'memjs', stranger: true, first: 250, finds: /without having asked for its lease/ },
};

if (process.env.SEED !== undefined) {
  it(`seed ${process.env.SEED}, with its trace`, async () => {
    const options = process.env.LOSING === undefined ? {} : LOSING;
    const { trace, violations } = await simulatePackage({ seed: Number(process.env.SEED), trace: true, ...options });
    process.stdout.write(`${trace.join('\n')}\n`);
    expect(violations).toEqual([]);
  });
} else {
  describe('the promises on memcached by a client package', () => {
    it(`hold over ${seeds} seeds`, { timeout: 1_200_000 }, async () => {
      expect(await failingSeeds(seeds)).toEqual([]);
    });

    it('hold where the server loses leases and is restarted all the time', { timeout: 600_000 }, async () => {
      expect(await failingSeeds(Math.ceil(seeds / 4), LOSING)).toEqual([]);
    });

    it.each(['memcache_client', 'node_memcached', 'memjs'] as const)(
      '%s: a seed is a run: the same steps again',
      async (name) => {
        const run = () => simulatePackage({ seed: 7, trace: true, name, stranger: true });
        const [one, other] = [await run(), await run()];
        // Tokens are drawn by the library itself.
        const drawn = (trace: readonly string[]) => trace.map((line) => line.replace(/#\w{4}|dp1:\w{32}/g, '#'));
        expect(drawn(one.trace)).toEqual(drawn(other.trace));
        expect(one.creations).toBeGreaterThan(0);
      },
    );
  });

  describe('a promise is broken where nobody excuses', () => {
    for (const [excuse, { first, finds, ...options }] of Object.entries(needed)) {
      it(EXCUSES[excuse as Excuse], A_SEARCH, async () => {
        const unexcused = excuse as Excuse;
        const run = (seed: number) => simulatePackage({ seed, unexcused, ...options });
        expect(await firstFound(run, MANY_SEEDS, { first })).toMatch(finds);
      });
    }
  });
}
