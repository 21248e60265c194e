import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../src/errors.js';
import {
  checkBoolean,
  checkCount,
  checkFunction,
  checkMembers,
  checkObject,
  checkString,
  nearest,
  refuseUnknown,
} from '../../src/validation.js';

const KNOWN = ['expirationTime', 'serveStale', 'softTimeout', 'wrap', 'url'];

describe('refuseUnknown', () => {
  it('lets known names pass, and unknown ones that are undefined: those are not given', () => {
    refuseUnknown('configure()', { expirationTime: 1, url: null, colour: undefined }, KNOWN);
  });

  it('names the nearest known one', () => {
    expect(() => refuseUnknown('configure()', { expirationTme: 1 }, KNOWN)).toThrow(
      new ValidationError('configure() knows no option "expirationTme". Did you mean "expirationTime"?'),
    );
  });

  it('lists them where none is like it', () => {
    expect(() => refuseUnknown('configure()', { colour: 1 }, KNOWN)).toThrow(
      new ValidationError(
        'configure() knows no option "colour". It knows expirationTime, serveStale, softTimeout, wrap, url.',
      ),
    );
    expect(() => refuseUnknown('it', { colour: 1 }, [])).toThrow(
      new ValidationError('it knows no option "colour". It takes none.'),
    );
  });

  it('tells who comes from Python of the name and the unit', () => {
    expect(() => refuseUnknown('configure()', { expiration_time: 3600 }, KNOWN)).toThrow(
      /knows no option "expiration_time"\. Did you mean "expirationTime"\? Mind that Python counts seconds/,
    );
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''])('is not fooled by %j', (name) => {
    const given = Object.defineProperty({}, name, { value: 1, enumerable: true });
    expect(() => refuseUnknown('configure()', given, KNOWN)).toThrow(ValidationError);
  });
});

describe('nearest', () => {
  it.each([
    ['urls', 'url'],
    ['URL', 'url'],
    ['warp', 'wrap'],
    ['servestale', 'serveStale'],
    ['expiration', 'expirationTime'],
    ['lockTimeout', undefined],
    ['', undefined],
    ['completely different', undefined],
  ])('of %j is %s', (name, known) => {
    expect(nearest(name, KNOWN)).toBe(known);
  });

  it('is found for a long name too, in time', () => {
    expect(nearest('x'.repeat(100_000), KNOWN)).toBeUndefined();
  });
});

describe('checks', () => {
  const refused: readonly (readonly [string, () => unknown, string])[] = [
    ['an array as object', () => checkObject('options', []), 'options must be an object, not an array.'],
    ['null as object', () => checkObject('options', null as never), 'options must be an object, not null.'],
    ['a text as object', () => checkObject('options', 'x' as never), 'options must be an object, not "x".'],
    ['a number as string', () => checkString('name', 5), 'name must be a string, not 5.'],
    ['a boxed string', () => checkString('name', new String('x')), 'name must be a string, not an object.'],
    ['a text as boolean', () => checkBoolean('hard', 'true'), 'hard must be true or false, not "true".'],
    ['1 as boolean', () => checkBoolean('hard', 1), 'hard must be true or false, not 1.'],
    ['an object as function', () => checkFunction('load', {}), 'load must be a function, not an object.'],
    ...[0, -1, 1.5, Number.NaN, 2 ** 53, '5', Number.NEGATIVE_INFINITY].map(
      (count) =>
        [
          `${typeof count} ${count} as count`,
          () => checkCount('maxEntries', count),
          `maxEntries must be a whole number from 1 on, or Infinity, not ${typeof count === 'string' ? `"${count}"` : count}.`,
        ] as const,
    ),
    [
      'members that are missing',
      () => checkMembers('store', { get: 1 }, ['get', 'set']),
      'store must be an object with get(), set(), not one without get().',
    ],
    [
      'members of null',
      () => checkMembers('store', null as never, ['get']),
      'store must be an object with get(), not null.',
    ],
    [
      'members of a function',
      () => checkMembers('store', (() => {}) as never, ['call']),
      'store must be an object with call(), not a function.',
    ],
  ];
  it.each(refused)('refuse %s', (_, check, message) => {
    expect(check).toThrow(new ValidationError(message));
  });

  it('let pass what is right', () => {
    const bare = Object.create(null) as object;
    expect(checkObject('options', bare)).toBe(bare);
    expect(checkString('name', '')).toBe('');
    expect(checkBoolean('hard', false)).toBe(false);
    expect(checkCount('n', 1)).toBe(1);
    expect(checkCount('n', Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    const map = new Map();
    expect(checkMembers('store', map, ['get', 'set'])).toBe(map);
  });
});
