import { afterAll, describe, expect, it } from 'vitest';
import { backendLaws, type ConformanceOptions, type Law, mutexLaws } from '../../src/testing/index.js';
import { flaws } from './support/broken.js';
import { fencedOptions } from './support/fenced.js';

const lawsOf = (options: ConformanceOptions) => [...backendLaws(options), ...mutexLaws(options)];

/** The laws that a backend breaks, each over a store of its own, so that they may run at once. */
async function broken(make: () => ConformanceOptions): Promise<Map<string, unknown>> {
  const failures = new Map<string, unknown>();
  const run = async (_: Law, at: number) => {
    const law = lawsOf({ ...make(), patience: '2s' })[at];
    await law?.run().catch((error: unknown) => failures.set(law.name, error));
  };
  await Promise.all(lawsOf(make()).map(run));
  return failures;
}

describe.concurrent('the suite finds a backend whose', () => {
  const caught = new Set<string>();
  for (const flaw of flaws) {
    it(flaw.name, async () => {
      const failures = await broken(() => fencedOptions(flaw));
      for (const name of failures.keys()) caught.add(name);
      expect([...failures.keys()]).toContain(flaw.breaks);
    });
  }

  afterAll(() => {
    const names = lawsOf(fencedOptions()).map(({ name }) => name);
    expect(
      names.filter((name) => !caught.has(name)),
      'laws that no broken backend breaks',
    ).toEqual([]);
  });
});
