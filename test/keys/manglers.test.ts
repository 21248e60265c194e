import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../src/errors.js';
import { lengthConditionalMangler, prefixMangler, sha1MangleKey, sha256MangleKey } from '../../src/keys.js';

describe('key manglers', () => {
  it('[py 130–132] sha1MangleKey', () => {
    expect(sha1MangleKey('tests.cache.test_decorator:one|1 2')).toBe('aead490a8ace2d69a00160f1fd8fd8a16552c24f');
    expect(sha1MangleKey('some_key')).toBe('53def077a4264bd3183d4eb21b1f56f883e1b572');
    expect(sha1MangleKey(Buffer.from('some_key') as never)).toBe('53def077a4264bd3183d4eb21b1f56f883e1b572');
  });

  it('sha256MangleKey', () => {
    expect(sha256MangleKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(sha256MangleKey('é')).toBe(sha256MangleKey(Buffer.from('c3a9', 'hex') as never));
  });

  it('hashes refuse a key that UTF-8 would merge with another', () => {
    expect(() => sha1MangleKey('\ud800')).toThrow(ValidationError);
    expect(() => sha256MangleKey('k\udfff')).toThrow('has a lone surrogate');
  });

  it('lengthConditionalMangler mangles from this many code points on', () => {
    const mangle = lengthConditionalMangler(3, (key) => `<${key}>`);
    expect(['', 'ab', 'abc', 'abcd'].map(mangle)).toEqual(['', 'ab', '<abc>', '<abcd>']);
    expect(['😀😀', '😀😀a', '😀😀😀'].map(mangle)).toEqual(['😀😀', '<😀😀a>', '<😀😀😀>']);
    expect(lengthConditionalMangler(Number.POSITIVE_INFINITY, sha1MangleKey)('k'.repeat(1000))).toHaveLength(1000);
  });

  it('prefixMangler puts its prefix in front', () => {
    expect(prefixMangler('app:')('k')).toBe('app:k');
    expect(lengthConditionalMangler(5, prefixMangler('long:'))('12345')).toBe('long:12345');
  });

  it('are checked when they are made', () => {
    expect(() => lengthConditionalMangler(0, sha1MangleKey)).toThrow(ValidationError);
    expect(() => lengthConditionalMangler(1.5, sha1MangleKey)).toThrow(ValidationError);
    expect(() => lengthConditionalMangler(5, undefined as never)).toThrow('mangler must be a function');
    expect(() => prefixMangler(5 as never)).toThrow('prefix must be a string');
  });
});
