/** Runs the conformance suite in vitest: what the page on writing a backend shows, and what has to be skipped. */
import { describe, it } from 'vitest';
import { backendLaws, type ConformanceOptions, mutexLaws } from '../../../src/testing/index.js';

export function prove(name: string, options: ConformanceOptions): void {
  describe(name, () => {
    for (const law of [...backendLaws(options), ...mutexLaws(options)]) {
      it(law.name, async (test) => {
        await law.run();
        if (law.skip) test.skip(law.skip);
      });
    }
  });
}
