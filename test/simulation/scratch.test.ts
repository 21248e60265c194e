import { it } from 'vitest';
import { simulate } from '../../src/testing/simulation/simulate.js';
it('x', async () => {
  const n = Number(process.env.N ?? 50), from = Number(process.env.FROM ?? 1);
  const t = performance.now(); let steps = 0, calls = 0, creations = 0; const kinds = new Map<string, number[]>();
  for (let seed = from; seed < from + n; seed++) {
    const r = await simulate({ seed, trace: n === 1 });
    steps += r.steps; calls += r.calls; creations += r.creations;
    if (n === 1) console.log(r.trace.join('\n'));
    for (const v of r.violations.slice(0, 1)) { const k = v.replace(/\d+/g, 'N').replace(/#\w{4}/g, '#').slice(0, 150); kinds.set(k, [...(kinds.get(k) ?? []), seed]); }
  }
  console.log({ ms: performance.now() - t, steps, calls, creations });
  for (const [k, s] of kinds) console.log(k, s.length, s.slice(0, 5));
}, 600000);
