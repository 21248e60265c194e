/** The end of a simulation, with everybody awake and the store in reach. Decides what must not be left by then. */
import type { Operation, WatchedRegion } from './calls.js';
import type { Checks } from './checks.js';
import { mayStay } from './ledger.js';
import type { SimulatedProcess } from './process.js';

export interface AtRest {
  /** Calls that have not settled. */
  readonly pending: Iterable<Operation>;
  readonly processes: readonly SimulatedProcess[];
  readonly regions: Iterable<WatchedRegion>;
  /** Milliseconds after which a request is given up. */
  readonly deadline: number;
}

export function checkRest(
  { ledger, notes, scheduler }: Checks,
  { pending, processes, regions, deadline }: AtRest,
): void {
  for (const { region, verb, keys, id } of pending) {
    if (region.process.isAlive) notes.violated(`call ${id} of ${region.label} ${verb} ${keys.join(' ')} never settles`);
  }
  for (const { key, token, process, at, isTriedFor } of ledger.open) {
    const isExcused = process.troubledAt >= at && (isTriedFor?.() ?? true);
    if (process.isAlive && process.disturbedAt < at && !isExcused)
      notes.violated(`${process.name} has kept the lease ${key}#${token.slice(0, 4)}`);
  }
  for (const doubtful of ledger.notTakenBack) {
    const { key, token, process } = doubtful.grant;
    const isRecent = !doubtful.how && process.troubledAt >= scheduler.now - deadline;
    if (!isRecent && !mayStay(doubtful))
      notes.violated(`${process.name} has not taken back what it stored under ${key}#${token.slice(0, 4)}`);
  }
  for (const { name, isAlive, timers } of processes) {
    if (isAlive && timers > 0) notes.violated(`${name} has ${timers} timers set with nothing left to do`);
  }
  for (const { label, process, breaker } of regions) {
    if (process.isAlive && breaker.state === 'half-open')
      notes.violated(`${label} waits for ever for the one call that shows whether its store is back`);
  }
}
