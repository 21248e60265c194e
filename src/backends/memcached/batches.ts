/** What a call for many keys makes of the calls that it is made of. Decides how often a failure is told of. */
import { messageOf } from '../../shown.js';

/** Of each kind one: a server that is gone fails with the same words for every key of its. */
export function eachOnce(troubles: readonly unknown[]): Iterable<unknown> {
  return new Map(troubles.map((trouble) => [messageOf(trouble), trouble])).values();
}
