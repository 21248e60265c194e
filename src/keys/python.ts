/**
 * Python's keys, byte for byte, for regions that a Python service shares: `module:name|ns|a b`. Decides how the arguments that
 * `str()` writes as we would are written; all others are refused. Arguments joined by blanks can collide (`"a b"`, and `"a"` with
 * `"b"`): that is the price of sharing.
 */
import type { AnyFunction, FunctionKeyGenerator, FunctionMultiKeyGenerator } from '../api.js';
import { KeyGenerationError, ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { checkObject, checkString, refuseUnknown } from '../validation.js';
import { calledName, multiGenerator, singleGenerator, textBy } from './generators.js';

export interface PythonKeyOptions {
  /** The function's `__module__` over there. */
  module: string;
  /** Its `__name__` over there, or what maps a function to it. Default: the function's own, unchanged (`loadUser` is not `load_user`). */
  name?: string | ((fn: AnyFunction) => string) | undefined;
}

/**
 * Python's `function_key_generator`. `null` is `None`, booleans `True` and `False`, safe integers and `bigint` their digits, strings
 * as they are; anything else is a `KeyGenerationError`.
 */
export function pythonFunctionKeyGenerator(options: PythonKeyOptions): FunctionKeyGenerator {
  const checked = checkedOptions(options, 'pythonFunctionKeyGenerator()');
  return (namespace, fn, argumentToString) => singleGenerator(pythonKeys(checked, namespace, fn, argumentToString));
}

/** Python's `function_multi_key_generator`. */
export function pythonFunctionMultiKeyGenerator(options: PythonKeyOptions): FunctionMultiKeyGenerator {
  const checked = checkedOptions(options, 'pythonFunctionMultiKeyGenerator()');
  return (namespace, fn, argumentToString) => multiGenerator(pythonKeys(checked, namespace, fn, argumentToString));
}

function checkedOptions(options: PythonKeyOptions, what: string): PythonKeyOptions {
  checkObject(`The options of ${what}`, options);
  refuseUnknown(what, options, ['module', 'name']);
  const { module, name } = options;
  if (checkString('module', module) === '') throw new ValidationError('module must be the name of the Python module.');
  if (name !== undefined && typeof name !== 'function') checkString('name', name);
  return { module, name };
}

function pythonKeys(
  { module, name }: PythonKeyOptions,
  namespace: string | undefined,
  fn: AnyFunction,
  argumentToString: ((argument: unknown) => string) | undefined,
) {
  const called: unknown = typeof name === 'function' ? name(fn) : (name ?? fn.name);
  if (typeof called !== 'string' || called === '') {
    throw new KeyGenerationError(
      'The keys of a Python function begin with its name, and this one has none: give the function a name, or say `name`.',
    );
  }
  const prefix = `${module}:${called}|${namespace === undefined ? '' : `${namespace}|`}`;
  const of = calledName(fn);
  const textOf = (argument: unknown, at: number) =>
    argumentToString ? textBy(argumentToString, argument, of) : pythonText(argument, at, of);
  return {
    prefix,
    keyOf: (values: readonly unknown[]) => prefix + values.map(textOf).join(' '),
    keysOf: (ids: readonly unknown[]) => ids.map((id, at) => prefix + textOf(id, at)),
  };
}

/** What `str()` makes of the same value in Python. */
function pythonText(argument: unknown, at: number, of: string): string {
  if (argument === null) return 'None';
  if (argument === true) return 'True';
  if (argument === false) return 'False';
  if (typeof argument === 'bigint' || (typeof argument === 'number' && Number.isSafeInteger(argument)))
    return String(argument);
  if (typeof argument === 'string' && argument.isWellFormed()) return argument;
  const kind =
    typeof argument === 'string' ? 'text with a lone surrogate, which Python can not encode' : shown(argument);
  throw new KeyGenerationError(
    `Argument ${at + 1} of ${of} has no common text in Python and JavaScript: it is ${kind}. Keys shared with Python are made of null, booleans, safe integers, bigint and strings; say with \`key\` which values make up the key, or with \`argumentToString\` how they are written.`,
  );
}
