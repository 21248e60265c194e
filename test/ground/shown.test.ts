import { describe, expect, it } from 'vitest';
import { shown } from '../../src/shown.js';

describe('a value in a message', () => {
  it.each([
    ['a "text"', '"a \\"text\\""'],
    ['a\nb', '"a\\nb"'],
    [5, '5'],
    [Number.NaN, 'NaN'],
    [5n, '5n'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Symbol('s'), 'Symbol(s)'],
    [() => {}, 'a function'],
    [class {}, 'a function'],
    [[1, 2], 'an array'],
    [{ password: 'secret' }, 'an object'],
    [Object.create(null), 'an object'],
  ])('%s is %s', (value, text) => {
    expect(shown(value)).toBe(text);
  });

  it('is short, whatever its length', () => {
    expect(shown('x'.repeat(1_000_000)).length).toBeLessThan(1000);
  });
});
