/** What a run leaves behind that would end the process. */
import { settle } from '../../src/testing/settle.js';

export async function unhandledRejections(run: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const listener = (reason: unknown) => reasons.push(reason);
  process.on('unhandledRejection', listener);
  try {
    await run();
    await settle();
    await settle();
  } finally {
    process.off('unhandledRejection', listener);
  }
  return reasons;
}
