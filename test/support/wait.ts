/** Waits for what a server or another process does, by asking again: tests that never come true fail by the runner's own limit. */
import { setTimeout as sleep } from 'node:timers/promises';

export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(5);
}

/** Until it comes to something: the server is there, or answers within the deadline that a test has set. */
export function untilDone(call: () => unknown): Promise<void> {
  return until(async () => {
    try {
      await call();
      return true;
    } catch {
      return false;
    }
  });
}
