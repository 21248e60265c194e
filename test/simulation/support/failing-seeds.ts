/** Seeds of a simulation, from 1 on, one after the other. Decides how a broken promise is told: by the seed that finds it again. */
import type { SimulationReport } from '../../../src/testing/simulation/simulate.js';

export async function failing(
  count: number,
  run: (seed: number) => Promise<Pick<SimulationReport, 'violations'>>,
): Promise<string[]> {
  const failures: string[] = [];
  for (let seed = 1; seed <= count; seed++) {
    const { violations } = await run(seed);
    if (violations.length > 0) failures.push(`SEED=${seed}: ${violations[0]}`);
  }
  return failures;
}
