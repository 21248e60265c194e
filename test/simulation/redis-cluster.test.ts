/**
 * The promises over a simulated cluster of Redis: the real backend, slots that move, nodes that are restarted empty, keys with braces, Python
 * programs beside it. `SEEDS=3000` runs more seeds, `SEED=36` one with its trace.
 */
import { describe, expect, it } from 'vitest';
import { type ClusterSimulationOptions, simulateCluster } from '../../src/testing/simulation/simulate.js';
import { failing } from './support/failing-seeds.js';

const LOSING = { generations: true, tags: true, misfortunes: { evict: 40 } };
const seeds = Number(process.env.SEEDS ?? 60);

const failingSeeds = (count: number, options?: Omit<ClusterSimulationOptions, 'seed'>) =>
  failing(count, (seed) => simulateCluster({ seed, ...options }));

if (process.env.SEED !== undefined) {
  it(`seed ${process.env.SEED}, with its trace`, async () => {
    const options = process.env.LOSING === undefined ? {} : LOSING;
    const { trace, violations } = await simulateCluster({ seed: Number(process.env.SEED), trace: true, ...options });
    process.stdout.write(`${trace.join('\n')}\n`);
    expect(violations).toEqual([]);
  });
} else {
  describe('the promises on a cluster', () => {
    it(`hold over ${seeds} seeds`, { timeout: 1_200_000 }, async () => {
      expect(await failingSeeds(seeds)).toEqual([]);
    });

    it('hold where slots move, nodes are restarted and records are lost all the time', {
      timeout: 600_000,
    }, async () => {
      expect(await failingSeeds(Math.ceil(seeds / 4), LOSING)).toEqual([]);
    });

    it('a seed is a run: the same steps again', async () => {
      const run = () => simulateCluster({ seed: 7, trace: true, stranger: true });
      const [one, other] = [await run(), await run()];
      // Tokens and incarnations are drawn by the library itself.
      const drawn = (trace: readonly string[]) => trace.map((line) => line.replace(/#\w{4}|\w{32}/g, '#'));
      expect(drawn(one.trace)).toEqual(drawn(other.trace));
      expect(one.creations).toBeGreaterThan(0);
    });
  });
}
