/**
 * Every behaviour that Python's own suite asserts (1 to 259), and those recorded beside it (E1 to E39), has a test here that bears
 * its number in its name, `[py 37]`; or a reason why not.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const TESTS = new URL('..', import.meta.url).pathname;
/** A claim of more items than this at once is a set-up's name, not a test's. */
const WIDEST = 10;

/** Does not make sense here. */
const NOT_APPLICABLE: readonly (readonly [first: number, last: number, why: string])[] = [
  [80, 81, 'no keyword arguments'],
  [115, 118, 'no keyword arguments'],
  [239, 239, 'no threads: one client per backend'],
  [258, 259, 'Mako is a template engine of Python’s'],
];

interface Claim {
  readonly item: string;
  readonly where: string;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return /\.ts$/.test(entry.name) && entry.name !== 'coverage.test.ts' ? [path] : [];
  });
}

/** The items in the names of tests: what stands in comments, or is skipped, is not tested. */
function claimsOf(path: string): Claim[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line, at) => {
      if (/^\s*(\/\/|\/?\*)/.test(line) || /\.(skip|todo)\b/.test(line)) return [];
      const where = `${relative(TESTS, path)}:${at + 1}`;
      return [...line.matchAll(/\[py ([^\]]*)\]/g)].flatMap(([, list = '']) => itemsOf(list, where));
    });
}

function itemsOf(list: string, where: string): Claim[] {
  return list.split(',').flatMap((part) => {
    const [, kind = '', first, , last = first] = /^\s*([EJ]?)(\d+)([–-]\1(\d+))?\s*$/.exec(part) ?? [];
    if (first === undefined)
      throw new Error(`${where}: "${part}" is no item; write [py 37], [py 37, 38], [py 37–39] or [py E7].`);
    const count = Number(last) - Number(first) + 1;
    if (count > WIDEST) return [];
    return Array.from({ length: count }, (_, at) => ({ item: `${kind}${Number(first) + at}`, where }));
  });
}

const claims = filesBelow(TESTS).flatMap(claimsOf);
const claimed = new Set(claims.map(({ item }) => item));
const numbers = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => String(first + at));
const exempt = new Map(
  NOT_APPLICABLE.flatMap(([first, last, why]) => numbers(first, last).map((item) => [item, why] as const)),
);

describe('the behaviours of Python’s suite', () => {
  it('all that apply have a test', () => {
    const missing = numbers(1, 259).filter((item) => !claimed.has(item) && !exempt.has(item));
    expect(missing, 'items of 1 to 259 without a test').toEqual([]);
  });

  it('so have those that nobody asserts in Python', () => {
    const missing = numbers(1, 39)
      .map((item) => `E${item}`)
      .filter((item) => !claimed.has(item));
    expect(missing, 'items of E1 to E39 without a test').toEqual([]);
  });

  it('no test claims one that does not exist', () => {
    const known = new Set([...numbers(1, 259), ...numbers(1, 39).map((item) => `E${item}`)]);
    const unknown = claims.filter(({ item }) => !item.startsWith('J') && !known.has(item));
    expect(unknown).toEqual([]);
  });

  it('none is excused that has a test', () => {
    const excused = NOT_APPLICABLE.flatMap(([first, last]) => numbers(first, last)).filter((item) => claimed.has(item));
    expect(excused).toEqual([]);
  });
});
