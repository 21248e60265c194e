/**
 * The promises over simulated processes: real regions, one store, and everything that goes wrong, drawn from a seed.
 * `SEEDS=3000` runs more of them, `SEED=36` one with its trace, `LOSING=1` besides where the
 * store loses records all the time.
 */
import { describe, expect, it } from 'vitest';
import { type SimulationOptions, simulate } from '../../src/testing/simulation/simulate.js';
import { failing } from './support/failing-seeds.js';

const LOSING = { generations: true, tags: true, misfortunes: { evict: 40 } };
const seeds = Number(process.env.SEEDS ?? 120);

const failingSeeds = (count: number, options?: Omit<SimulationOptions, 'seed'>) =>
  failing(count, (seed) => simulate({ seed, ...options }));

if (process.env.SEED !== undefined) {
  it(`seed ${process.env.SEED}, with its trace`, async () => {
    const options = process.env.LOSING === undefined ? {} : LOSING;
    const { trace, violations } = await simulate({ seed: Number(process.env.SEED), trace: true, ...options });
    process.stdout.write(`${trace.join('\n')}\n`);
    expect(violations).toEqual([]);
  });
} else {
  describe('the promises', () => {
    it(`hold over ${seeds} seeds`, { timeout: 1_200_000 }, async () => {
      expect(await failingSeeds(seeds)).toEqual([]);
    });

    it('hold where the store loses records all the time', { timeout: 600_000 }, async () => {
      expect(await failingSeeds(Math.ceil(seeds / 4), LOSING)).toEqual([]);
    });

    it('a seed is a run: the same steps again', async () => {
      const [one, other] = [await simulate({ seed: 7, trace: true }), await simulate({ seed: 7, trace: true })];
      // Tokens and incarnations are drawn by the library itself.
      const drawn = (trace: readonly string[]) => trace.map((line) => line.replace(/#\w{4}|"\w{32}"/g, '#'));
      expect(drawn(one.trace)).toEqual(drawn(other.trace));
      expect(one.creations).toBeGreaterThan(0);
    });
  });
}
