/** Key manglers: what becomes of a key on its way into the store. Decides nothing about when they are used. */
import { hash } from 'node:crypto';
import type { KeyMangler } from '../api.js';
import { ValidationError } from '../errors.js';
import { checkCount, checkFunction, checkString } from '../validation.js';

/** 40 hexadecimal digits (Python's `sha1_mangle_key`). Takes bytes, too. */
export const sha1MangleKey: KeyMangler = (key) => hash('sha1', unmistakable(key));

/** 64 hexadecimal digits. */
export const sha256MangleKey: KeyMangler = (key) => hash('sha256', unmistakable(key));

/** Mangles keys of `length` code points or more; shorter ones stay readable (Python's `length_conditional_mangler`). */
export function lengthConditionalMangler(length: number, mangler: KeyMangler): KeyMangler {
  checkCount('length', length);
  checkFunction('mangler', mangler);
  return (key) => (hasCodePoints(key, length) ? mangler(key) : key);
}

/** Puts `prefix` in front of every key, for regions that share a store. */
export function prefixMangler(prefix: string): KeyMangler {
  checkString('prefix', prefix);
  return (key) => prefix + key;
}

/** As UTF-8, a lone surrogate would be the same as any other: two keys, one hash. */
function unmistakable(key: string): string {
  if (typeof key !== 'string' || key.isWellFormed()) return key;
  throw new ValidationError(
    `The key ${JSON.stringify(key)} has a lone surrogate: as UTF-8 it would be the same as others.`,
  );
}

function hasCodePoints(key: string, length: number): boolean {
  if (key.length < length) return false;
  if (key.length >= 2 * length) return true;
  let count = 0;
  for (const _ of key) if (++count >= length) return true;
  return false;
}
