/** Tells answers from promises of answers: what keeps a synchronous store synchronous. */
import type { Awaitable } from './api.js';

export function isPromiseLike<T>(answer: Awaitable<T>): answer is PromiseLike<T> {
  return typeof (answer as { then?: unknown } | null | undefined)?.then === 'function';
}

/** Goes on with an answer at once when it is there, else when it comes. */
export function andThen<T, R>(answer: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return isPromiseLike(answer) ? answer.then(next) : next(answer);
}

/** Answers of many, at once where all are there. */
export function all<T>(answers: readonly Awaitable<T>[]): Awaitable<T[]> {
  // None of them is a promise.
  return answers.some(isPromiseLike) ? Promise.all(answers) : (answers as T[]);
}
