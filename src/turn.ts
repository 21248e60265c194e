/** Waits for the event loop to take its turn. Decides nothing else. */

/** Taken now, so that a test runner's fake timers don't hold it up. */
const { setImmediate } = globalThis;

/**
 * Once the messages that are here have been served. At a deadline: whoever held up the event loop past it has kept the answer from being
 * read, too, and that is no silence of the store's.
 */
export function afterTurn(run: () => void): void {
  setImmediate(run);
}
