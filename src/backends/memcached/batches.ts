/** What a call for many keys makes of the calls that it is made of. Decides when it is over, and how often a failure is told of. */
import { messageOf } from '../../shown.js';

/** All of them, also when one fails: its error is thrown once nothing is under way any more. */
export async function allDone<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/** Of each kind one: a server that is gone fails with the same words for every key of its. */
export function eachOnce(troubles: readonly unknown[]): Iterable<unknown> {
  return new Map(troubles.map((trouble) => [messageOf(trouble), trouble])).values();
}
