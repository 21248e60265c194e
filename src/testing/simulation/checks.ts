/** The promises that a simulation is held against, and the accounts that they share: what each of them is told of the others. */
import { Elections } from './elections.js';
import { Finality } from './finality.js';
import { Ledger } from './ledger.js';
import type { StoreModel } from './model.js';
import { Notes } from './notes.js';
import { Origins } from './origins.js';
import type { SimulatedProcess } from './process.js';
import { Promptness } from './promptness.js';
import type { Scheduler } from './scheduler.js';
import { Steps } from './steps.js';
import { StoredEntries } from './stored-entries.js';
import { Troubles } from './troubles.js';

export interface CheckOptions {
  /** Milliseconds that a request may take when nothing goes wrong. */
  readonly deadline: number;
  readonly lockMaxHold: number;
  /** Of the breakers. */
  readonly cooldown: number;
  /** How far clocks differ at most. */
  readonly skew: number;
  readonly keys: readonly string[];
  readonly trace: boolean;
  /** A process has stored what it is to take back. */
  doubted(process: SimulatedProcess): void;
}

export interface Checks {
  readonly scheduler: Scheduler;
  readonly notes: Notes;
  readonly origins: Origins;
  readonly entries: StoredEntries;
  readonly ledger: Ledger;
  readonly finality: Finality;
  readonly elections: Elections;
  readonly promptness: Promptness;
  readonly steps: Steps;
  readonly troubles: Troubles;
  /** A process has stored what it is to take back. */
  doubted(process: SimulatedProcess): void;
}

export function makeChecks(
  scheduler: Scheduler,
  model: Pick<StoreModel<never, never>, 'recordsOf' | 'isPiecemeal' | 'bound' | 'heldFor' | 'asksInParts' | 'isStuck'>,
  { deadline, lockMaxHold, cooldown, skew, keys, trace, doubted }: CheckOptions,
): Checks {
  const notes = new Notes(scheduler, trace);
  const violated = (what: string) => notes.violated(what);
  const recordsOf = (region: string) => model.recordsOf(region);
  const origins = new Origins(scheduler);
  const entries = new StoredEntries({ scheduler, recordsOf, violated });
  const entryOf = (key: string) => entries.entryOf(key);
  const ledger = new Ledger(violated, lockMaxHold);
  const elections = new Elections({
    scheduler,
    ledger,
    isStuck: (process, key, since) => model.isStuck?.(process, key) ?? ledger.isStuck(key, since, scheduler.now),
    // What is known of the records may be as old as the request.
    slack: model.isPiecemeal ? deadline : 0,
    heldFor: model.heldFor ?? 0,
    entryOf,
    storedAt: (key) => entries.storedAt(key),
    recordsOf,
    violated,
  });
  const stampedByCaller = skew === 0 ? 'called' : undefined;
  const foreignCut = model.isPiecemeal ? stampedByCaller : 'carried out';
  return {
    scheduler,
    notes,
    origins,
    entries,
    doubted,
    ledger,
    finality: new Finality(violated, origins, { skew, bound: model.bound ?? 0, foreignCut }),
    elections,
    promptness: new Promptness({ scheduler, keys, patience: 5 * deadline, skew, entryOf, violated }),
    steps: new Steps({ scheduler, ledger, deadline, originOf: (id) => origins.get(id), entryOf, violated }),
    troubles: new Troubles({
      scheduler,
      cooldown,
      recovery: deadline + cooldown + 1000,
      asksInParts: model.asksInParts ?? false,
      violated,
    }),
  };
}
