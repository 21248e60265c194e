/** Where a running page is, and what it asserts. */
import { inspect, isDeepStrictEqual } from 'node:util';

export const recorder = {
  /** The page's line of the statement that runs. */
  line: 0,
  /** Lines whose assertion has not been reached. */
  awaited: new Set<number>(),

  begin(): void {
    this.line = 0;
    this.awaited.clear();
  },
  awaits(...lines: number[]): void {
    for (const line of lines) this.awaited.add(line);
  },
  at(line: number): void {
    this.line = line;
  },
  same(line: number, actual: unknown, expected: unknown): void {
    this.line = line;
    this.awaited.delete(line);
    if (!isDeepStrictEqual(actual, expected)) throw new Error(`gives ${inspect(actual)}, not ${inspect(expected)}`);
  },
};
