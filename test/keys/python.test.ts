import { describe, expect, it } from 'vitest';
import { KeyGenerationError, ValidationError } from '../../src/errors.js';
import { pythonFunctionKeyGenerator, pythonFunctionMultiKeyGenerator } from '../../src/keys.js';

const MODULE = 'tests.cache.test_decorator';
function one() {}
const single = pythonFunctionKeyGenerator({ module: MODULE });
const multi = pythonFunctionMultiKeyGenerator({ module: MODULE });

describe("Python's keys", () => {
  it('[py 119] module:name|a b', () => {
    expect(single(undefined, one)(1, 2)).toBe('tests.cache.test_decorator:one|1 2');
    expect(single(undefined, one)(null, 5)).toBe('tests.cache.test_decorator:one|None 5');
    expect(single(undefined, one)()).toBe('tests.cache.test_decorator:one|');
  });

  it('[py 120, 148] one for each id', () => {
    expect(multi(undefined, one)(1, 2)).toEqual([`${MODULE}:one|1`, `${MODULE}:one|2`]);
    expect(pythonFunctionMultiKeyGenerator({ module: 'm', name: 'generate' })('foo', one)(1, 'a b')).toEqual([
      'm:generate|foo|1',
      'm:generate|foo|a b',
    ]);
  });

  it('[py 121, 122] with a namespace behind the name', () => {
    expect(single('mynamespace', one)(1, 2)).toBe('tests.cache.test_decorator:one|mynamespace|1 2');
  });

  it('[py 123–129] text as it is', () => {
    expect(single(undefined, one)('méil', 'drôle')).toBe(`${MODULE}:one|méil drôle`);
    expect(multi('ns', one)('méil drôle')).toEqual([`${MODULE}:one|ns|méil drôle`]);
  });

  it('what str() writes as we do', () => {
    expect(single(undefined, one)(true, false, null)).toBe(`${MODULE}:one|True False None`);
    expect(single(undefined, one)(-5, 0, -0, 10n ** 21n)).toBe(`${MODULE}:one|-5 0 0 1000000000000000000000`);
    expect(single(undefined, one)(Number.MAX_SAFE_INTEGER)).toBe(`${MODULE}:one|9007199254740991`);
  });

  it('by the name that the function has over there', () => {
    const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const generator = pythonFunctionKeyGenerator({ module: 'app.users', name: (fn) => snake(fn.name) });
    expect(generator(undefined, function loadUser() {})(5)).toBe('app.users:load_user|5');
    expect(pythonFunctionKeyGenerator({ module: 'app.users', name: 'load_user' })(undefined, () => {})(5)).toBe(
      'app.users:load_user|5',
    );
  });

  it.each([
    ['undefined', undefined],
    ['a fraction', 1.5],
    ['NaN', Number.NaN],
    ['a number that has lost digits', 2 ** 53],
    ['infinity', Number.POSITIVE_INFINITY],
    ['an object', {}],
    ['an array', [1]],
    ['a date', new Date(0)],
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
    ['a lone surrogate', '\ud800'],
  ])('refuse %s', (_name, argument) => {
    expect(() => single(undefined, one)(1, argument)).toThrow(KeyGenerationError);
    expect(() => single(undefined, one)(1, argument)).toThrow(/^Argument 2 of "one" has no common text/);
    expect(() => multi(undefined, one)(argument)).toThrow(KeyGenerationError);
  });

  it('unless argumentToString says how it is written', () => {
    const keyOf = single('ns', one, (argument) => (argument === undefined ? 'None' : String(argument)));
    expect(keyOf(undefined, 1.5)).toBe(`${MODULE}:one|ns|None 1.5`);
    expect(() => single('ns', one, () => null as never)(1)).toThrow(KeyGenerationError);
  });

  it('have a name', () => {
    expect(() => single(undefined, () => {})).toThrow(/begin with its name, and this one has none/);
    expect(() => pythonFunctionKeyGenerator({ module: 'm', name: () => '' })(undefined, one)).toThrow(
      KeyGenerationError,
    );
  });

  it('options are checked when they are said', () => {
    expect(() => pythonFunctionKeyGenerator({ module: '' })).toThrow(ValidationError);
    expect(() => pythonFunctionKeyGenerator({} as never)).toThrow('module must be a string, not undefined.');
    expect(() => pythonFunctionKeyGenerator({ module: 'm', name: 5 } as never)).toThrow('name must be a string');
    expect(() => pythonFunctionMultiKeyGenerator({ modul: 'm' } as never)).toThrow('Did you mean "module"?');
    expect(() => pythonFunctionKeyGenerator(undefined as never)).toThrow(ValidationError);
  });
});
