import { describe, expect, it } from 'vitest';
import { KeyGenerationError } from '../../src/errors.js';
import { functionKeyGenerator, functionMultiKeyGenerator } from '../../src/keys.js';

const named = (name: string) => Object.defineProperty(() => {}, 'name', { value: name });
const prefixOf = (namespace: string | undefined, name: string) => functionKeyGenerator(namespace, named(name))();

describe('the default generators', () => {
  it('[py 119–121] begin with the name, and with the namespace before it', () => {
    const one = named('one');
    expect(functionKeyGenerator(undefined, one)(1, 2)).toBe('one|1,2');
    expect(functionKeyGenerator(undefined, one)(null, 5)).toBe('one|null,5');
    expect(functionKeyGenerator('mynamespace', one)(1, 2)).toBe('mynamespace:one|1,2');
    expect(functionMultiKeyGenerator(undefined, one)(1, '2')).toEqual(['one|1', 'one|"2"']);
    expect(functionMultiKeyGenerator('ns', one)(1)).toEqual(['ns:one|1']);
  });

  it('keep names and namespaces apart, whatever stands in them', () => {
    const prefixes = [
      prefixOf(undefined, 'a:b'),
      prefixOf('a', 'b'),
      prefixOf('a:b', 'c'),
      prefixOf('a', 'b:c'),
      prefixOf('a|', 'b'),
      prefixOf('a', '|b'),
      prefixOf('a\\', 'b'),
      prefixOf('a', '\\b'),
      prefixOf(undefined, 'a\\:b'),
      prefixOf('a:', 'b'),
      prefixOf('a', ''),
      prefixOf('\ud800', 'b'),
      prefixOf('\\ud800', 'b'),
      prefixOf('\ufffd', 'b'),
    ];
    expect(new Set(prefixes).size).toBe(prefixes.length);
    expect(prefixes.every((prefix) => prefix.isWellFormed())).toBe(true);
    expect(prefixOf('app:users', 'load')).toBe('app:users:load|');
  });

  it('refuse a function that has neither name nor namespace', () => {
    expect(() => functionKeyGenerator(undefined, named(''))).toThrow(KeyGenerationError);
    expect(() => functionMultiKeyGenerator(undefined, named(''))).toThrow(
      /give the function a name, or say `namespace`/,
    );
  });

  it('name what a multi call was given by its position', () => {
    expect(() => functionMultiKeyGenerator(undefined, named('load'))(1, {}, () => {})).toThrow(
      'Id 3 of "load" can\'t be part of a key: it is a function.',
    );
  });

  describe('with argumentToString', () => {
    const keyOf = functionKeyGenerator(undefined, named('f'), String);

    it('write what it answers, and still keep arguments apart', () => {
      expect(keyOf(1, 'a')).toBe('f|1,a');
      expect(keyOf('a,b')).not.toBe(keyOf('a', 'b'));
      expect(keyOf('a\\', 'b')).not.toBe(keyOf('a\\,b'));
      expect(keyOf('')).not.toBe(keyOf());
      expect(keyOf('\ud800')).not.toBe(keyOf('\udfff'));
      expect(keyOf('\ud800').isWellFormed()).toBe(true);
      expect(functionMultiKeyGenerator(undefined, named('f'), (id) => `#${id}`)(1, 2)).toEqual(['f|#1', 'f|#2']);
    });

    it('refuse what is no text', () => {
      const wrong = functionKeyGenerator(undefined, named('f'), () => 5 as never);
      expect(() => wrong(1)).toThrow('argumentToString must answer with a string; for an argument of "f" it gave 5.');
    });
  });
});
