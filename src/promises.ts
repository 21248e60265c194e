/** Tells answers from promises of answers: what keeps a synchronous store synchronous. */
import type { Awaitable } from './api.js';

export function isPromiseLike<T>(answer: Awaitable<T>): answer is PromiseLike<T> {
  return typeof (answer as { then?: unknown } | null | undefined)?.then === 'function';
}

/** Goes on with an answer at once when it is there, else when it comes. */
export function andThen<T, R>(answer: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return isPromiseLike(answer) ? answer.then(next) : next(answer);
}

/**
 * Asks once for each, and answers with all of it. Where one of them throws instead of answering, that comes out, and how those that
 * were asked before end is nobody's any more: a rejection among them would be an unhandled one, and the end of the process.
 */
export function allOf<T, R>(items: Iterable<T>, ask: (item: T) => Awaitable<R>): Awaitable<R[]> {
  const answers: Awaitable<R>[] = [];
  try {
    for (const item of items) answers.push(ask(item));
  } catch (error) {
    for (const answer of answers) if (isPromiseLike(answer)) answer.then(undefined, () => {});
    throw error;
  }
  return all(answers);
}

/** Answers of many, at once where all are there. */
export function all<T>(answers: readonly Awaitable<T>[]): Awaitable<T[]> {
  // None of them is a promise.
  return answers.some(isPromiseLike) ? Promise.all(answers) : (answers as T[]);
}

/** All of them, also when one fails: its error is thrown once nothing is under way any more. */
export async function allDone<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/** The same of two, the second of which may be left out. */
export async function bothDone<A, B>(first: Promise<A>, second: Promise<B> | undefined): Promise<[A, B | undefined]> {
  const [one, other] = await Promise.allSettled([first, second]);
  if (one.status === 'rejected') throw one.reason;
  if (other.status === 'rejected') throw other.reason;
  return [one.value, other.value];
}
