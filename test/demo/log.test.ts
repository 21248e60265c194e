import { describe, expect, it } from 'vitest';
import { RoundLog } from '../../examples/demo/log.mjs';

/** The log of a round in which process 1 has created key 3, and is killed. */
function killedAfter(...kinds: readonly string[]): RoundLog {
  const log = new RoundLog('dogpile');
  const creation = { process: 1, pid: 11, key: 3, calledAt: 100 };
  for (const kind of kinds) log.hear({ kind, ...creation, ...(kind === 'created' && { began: 100, endedAt: 120 }) });
  log.killed.add(11);
  return log;
}

describe('the log of a round', () => {
  it('takes for missed what a killed process had made, whichever key it was, and was perhaps not yet stored', () => {
    expect(killedAfter('creating', 'created').missed).toBe(1);
  });

  it('... but not what was stored, nor what was not made', () => {
    expect(killedAfter('creating', 'created', 'stored').missed).toBe(0);
    expect(killedAfter('creating').missed).toBe(0);
  });

  it('... nor anything of a process that lived', () => {
    const log = killedAfter('creating', 'created');
    log.killed.clear();
    expect(log.missed).toBe(0);
  });
});
