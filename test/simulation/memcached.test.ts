/**
 * The promises over a simulated memcached: the real backend and its commands, connections that are lost, restarts, Python programs beside
 * it. `SEEDS=3000` runs more seeds, `SEED=36` one with its trace.
 */
import { describe, expect, it } from 'vitest';
import { type MemcachedSimulationOptions, simulateMemcached } from '../../src/testing/simulation/simulate.js';
import { failing } from './support/failing-seeds.js';

const LOSING = { generations: true, tags: true, misfortunes: { evict: 40 } };
const seeds = Number(process.env.SEEDS ?? 60);

const failingSeeds = (count: number, options?: Omit<MemcachedSimulationOptions, 'seed'>) =>
  failing(count, (seed) => simulateMemcached({ seed, ...options }));

if (process.env.SEED !== undefined) {
  it(`seed ${process.env.SEED}, with its trace`, async () => {
    const options = process.env.LOSING === undefined ? {} : LOSING;
    const { trace, violations } = await simulateMemcached({ seed: Number(process.env.SEED), trace: true, ...options });
    process.stdout.write(`${trace.join('\n')}\n`);
    expect(violations).toEqual([]);
  });
} else {
  describe('the promises on memcached', () => {
    it(`hold over ${seeds} seeds`, { timeout: 1_200_000 }, async () => {
      expect(await failingSeeds(seeds)).toEqual([]);
    });

    it('hold where the server loses records and is restarted all the time', { timeout: 600_000 }, async () => {
      expect(await failingSeeds(Math.ceil(seeds / 4), LOSING)).toEqual([]);
    });

    it('hold where everything goes within milliseconds, beside Python and by one clock', {
      timeout: 600_000,
    }, async () => {
      const options = { lease: 'key', stranger: true, generations: true, skew: 0, haste: 600 } as const;
      expect(await failingSeeds(seeds, options)).toEqual([]);
    });

    it('a seed is a run: the same steps again', async () => {
      const run = () => simulateMemcached({ seed: 7, trace: true, lease: 'key', stranger: true });
      const [one, other] = [await run(), await run()];
      // Tokens and incarnations are drawn by the library itself.
      const drawn = (trace: readonly string[]) => trace.map((line) => line.replace(/\w{32}/g, '#'));
      expect(drawn(one.trace)).toEqual(drawn(other.trace));
      expect(one.creations).toBeGreaterThan(0);
    });
  });
}
