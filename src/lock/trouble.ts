/** Trouble in a lock that no caller is there to hear of: never thrown at somebody else, never lost. */
import type { LossReason } from '../api.js';
import { shown } from '../shown.js';

/** A warning of the process. */
export function warn(what: string, error: unknown): void {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : shown(error);
  const detail = error instanceof Error ? error.stack : undefined;
  process.emitWarning(`${what}: ${message}`, { type: 'DogpileWarning', ...(detail === undefined ? {} : { detail }) });
}

/** Tells who asked that a lease is lost. One that throws keeps nobody from being told, least of all the lock from going on. */
export function tellLoss(listeners: Iterable<(why: LossReason) => void>, why: LossReason): void {
  for (const run of listeners) {
    try {
      run(why);
    } catch (error) {
      warn('A listener for the loss of a lease threw', error);
    }
  }
}
