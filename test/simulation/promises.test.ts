/**
 * The promises over simulated processes: real regions, one store, and everything that goes wrong, drawn from a seed.
 * `SEEDS=3000` runs more of them, `SEED=36` one with its trace.
 */
import { describe, expect, it } from 'vitest';
import { FencedStore } from '../../src/testing/simulation/fenced-store.js';
import { simulate } from '../../src/testing/simulation/simulate.js';

const seeds = Number(process.env.SEEDS ?? 200);

async function failingSeeds(first: number, last: number, store?: () => FencedStore): Promise<string[]> {
  const failures: string[] = [];
  for (let seed = first; seed <= last; seed++) {
    const { violations } = await simulate({ seed, ...(store && { store: { store: store() } }) });
    if (violations.length > 0) failures.push(`SEED=${seed}: ${violations[0]}`);
    if (store && failures.length > 0) break;
  }
  return failures;
}

if (process.env.SEED !== undefined) {
  it(`seed ${process.env.SEED}, with its trace`, async () => {
    const { trace, violations } = await simulate({ seed: Number(process.env.SEED), trace: true });
    process.stdout.write(`${trace.join('\n')}\n`);
    expect(violations).toEqual([]);
  });
} else {
  describe('the promises', () => {
    it(`hold over ${seeds} seeds`, { timeout: 1_200_000 }, async () => {
      expect(await failingSeeds(1, seeds)).toEqual([]);
    });

    it('a seed is a run: the same steps again', async () => {
      const [one, other] = [await simulate({ seed: 7, trace: true }), await simulate({ seed: 7, trace: true })];
      const withoutTokens = (trace: readonly string[]) => trace.map((line) => line.replace(/#\w{4}/g, '#'));
      expect(withoutTokens(one.trace)).toEqual(withoutTokens(other.trace));
      expect(one.creations).toBeGreaterThan(0);
    });
  });

  describe('a store that breaks a rule is found out', () => {
    const broken: Record<string, () => FencedStore> = {
      'a commit that does not compare the token': () =>
        new (class extends FencedStore {
          protected override isHolder(): boolean {
            return true;
          }
        })(),
      'a delete that does not void the lease': () =>
        new (class extends FencedStore {
          protected override delete(key: string): void {
            this.entries.delete(key);
          }
        })(),
      'a lease that two hold': () =>
        new (class extends FencedStore {
          protected override mayAcquire(): boolean {
            return true;
          }
        })(),
      'a lock that is never let go': () =>
        new (class extends FencedStore {
          protected override release(): void {}
        })(),
    };
    for (const [name, store] of Object.entries(broken)) {
      it(name, { timeout: 120_000 }, async () => {
        expect(await failingSeeds(1, 200, store)).toHaveLength(1);
      });
    }
  });
}
