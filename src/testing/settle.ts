/** Lets promises settle: all microtasks that are due, and those that follow from them. */

/** Taken now, so that a test runner's fake timers don't hold it up. */
const { setImmediate } = globalThis;

export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
