/** How a broken rule is found out: run seeds until one finds something. */
import type { SimulationReport } from '../../../src/testing/simulation/simulate.js';

export const MOST_SEEDS = 400;
/** Where it takes much to go wrong: searches begin where they succeed, and go on for so long should that have moved. */
export const MANY_SEEDS = 2000;
/** Where it takes that the record of a tag is lost during a creation. */
export const LOST_TAGS = { generations: true, tags: true, misfortunes: { evict: 40 } } as const;
export const CAME_BACK = /was given \d+ of \S+, but .* before the call began/;

/** How long a search may take: however long a machine needs that others use. */
export const A_SEARCH = { timeout: 300_000 } as const;

interface Search {
  /** Of this kind, whatever else there is. */
  readonly of?: RegExp;
  /** The seed to begin with: one, or where it is known to be found. */
  readonly first?: number | undefined;
}

/** The first violation of the first seed that finds one. */
export async function firstFound(
  run: (seed: number) => Promise<SimulationReport>,
  seeds: number,
  { of = /^/, first = 1 }: Search = {},
): Promise<string | undefined> {
  for (let seed = first; seed < first + seeds; seed++) {
    const { violations } = await run(seed);
    const found = violations.find((violation) => of.test(violation));
    if (found !== undefined) return `SEED=${seed}: ${found}`;
  }
  return undefined;
}
