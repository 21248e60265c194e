/**
 * The default key generators: `name|arg,arg`, with a namespace `namespace:name|arg,arg`. Decides what stands before the arguments,
 * and refuses functions that have nothing to be told apart by.
 */
import type { AnyFunction, FunctionKeyGenerator, FunctionMultiKeyGenerator } from '../api.js';
import { KeyGenerationError } from '../errors.js';
import { shown } from '../shown.js';
import { encodeArguments, encodeId } from './encode.js';

/** What a generator of ours knows besides the keys of one function. */
export interface Generated {
  /** Begins every key of the function: two functions that have it in common share their entries. */
  readonly prefix: string;
  /** The key of one call, or of one id that is made up of several values. */
  keyOf(values: readonly unknown[]): string;
  /** The keys of many ids, however many there are. */
  keysOf?(ids: readonly unknown[]): string[];
}

/** By the function that a generator of ours answered with. */
const known = new WeakMap<AnyFunction, Generated>();

/** What is known of a function made by one of our generators, also through one that was built on it. */
export function generatedBy(generate: AnyFunction): Generated | undefined {
  return known.get(generate);
}

export function singleGenerator(generated: Generated): (...args: unknown[]) => string {
  const generate = (...args: unknown[]) => generated.keyOf(args);
  known.set(generate, generated);
  return generate;
}

export function multiGenerator(
  generated: Generated & { keysOf(ids: readonly unknown[]): string[] },
): (...ids: unknown[]) => string[] {
  const generate = (...ids: unknown[]) => generated.keysOf(ids);
  known.set(generate, generated);
  return generate;
}

/** Python's `function_key_generator`, with an encoding that can't collide. */
export const functionKeyGenerator: FunctionKeyGenerator = (namespace, fn, argumentToString) =>
  singleGenerator(defaultKeys(namespace, fn, argumentToString));

/** Python's `function_multi_key_generator`: each id has the key that it would have as the one argument of a function of this name. */
export const functionMultiKeyGenerator: FunctionMultiKeyGenerator = (namespace, fn, argumentToString) =>
  multiGenerator(defaultKeys(namespace, fn, argumentToString));

function defaultKeys(
  namespace: string | undefined,
  fn: AnyFunction,
  argumentToString: ((argument: unknown) => string) | undefined,
) {
  if (namespace === undefined && fn.name === '') {
    throw new KeyGenerationError(
      'A function without a name has nothing to make keys of: give the function a name, or say `namespace`.',
    );
  }
  const prefix = `${namespace === undefined ? '' : `${escaped(namespace, '|')}:`}${escaped(fn.name, '|:')}|`;
  const of = calledName(fn);
  if (argumentToString) {
    const textOf = (argument: unknown) => escaped(textBy(argumentToString, argument, of), ',') || '\\e';
    return {
      prefix,
      keyOf: (values: readonly unknown[]) => prefix + values.map(textOf).join(','),
      keysOf: (ids: readonly unknown[]) => ids.map((id) => prefix + textOf(id)),
    };
  }
  return {
    prefix,
    keyOf: (values: readonly unknown[]) => prefix + encodeArguments(values, of),
    keysOf: (ids: readonly unknown[]) => ids.map((id, at) => prefix + encodeId(id, at, of)),
  };
}

/** What `argumentToString` makes of an argument. */
export function textBy(argumentToString: (argument: unknown) => string, argument: unknown, of: string): string {
  const text: unknown = argumentToString(argument);
  if (typeof text === 'string') return text;
  throw new KeyGenerationError(
    `argumentToString must answer with a string; for an argument of ${of} it gave ${shown(text)}.`,
  );
}

/** A function as it is named in errors. */
export function calledName(fn: AnyFunction): string {
  return fn.name === '' ? 'the function' : JSON.stringify(fn.name);
}

/** Text that no separator, no backslash and no lone surrogate stands in unescaped, so that what is put together comes apart again. */
function escaped(text: string, separators: string): string {
  let made = '';
  for (const character of text) {
    if (character === '\\' || separators.includes(character)) made += `\\${character}`;
    else if (character.isWellFormed()) made += character;
    else made += `\\u${character.charCodeAt(0).toString(16)}`;
  }
  return made;
}
