/**
 * The encoding of arguments in keys: typed, readable and injective, so that different arguments never share an entry. Decides how
 * each kind of value is written and which are refused; what comes before the arguments is `generators.ts`.
 */
import { types } from 'node:util';
import { KeyGenerationError } from '../errors.js';

/** Deeper is no argument any more but a bomb, or a list that hangs together by its links. */
const MOST_LEVELS = 256;
/** So many values, at most, in one argument: shared parts are written out, and a few dozen of them can be billions. */
const MOST_VALUES = 1_000_000;

/** What JSON would write otherwise than as it stands. */
const TO_BE_ESCAPED = /["\\\p{Cc}\p{Cs}]/u;
const PLAIN_NAME = /^[A-Za-z_$][\w$]*$/;

/** One argument as it stands in a default key: `5`, `"5"`, `5n`, `[1,2]`, `{a:1}`, `Date(…)`. `KeyGenerationError` for what has no place in one. */
export function encodeArgument(argument: unknown): string {
  return encoded(argument, 'The argument');
}

/** All arguments of a call. `of` names the function in errors. */
export function encodeArguments(args: readonly unknown[], of: string): string {
  let text = '';
  for (let at = 0; at < args.length; at++) {
    if (at > 0) text += ',';
    const argument = args[at];
    // What nearly all keys are made of, without the detour.
    if (typeof argument === 'string') text += quoted(argument);
    else if (typeof argument === 'number') text += numeral(argument);
    else text += encoded(argument, () => `Argument ${at + 1} of ${of}`);
  }
  return text;
}

/** One of the ids of a multi call. */
export function encodeId(id: unknown, at: number, of: string): string {
  if (typeof id === 'string') return quoted(id);
  if (typeof id === 'number') return numeral(id);
  return encoded(id, () => `Id ${at + 1} of ${of}`);
}

function encoded(value: unknown, who: string | (() => string)): string {
  const encoder = new Encoder();
  try {
    return encoder.encode(value);
  } catch (error) {
    throw encoder.refusal(typeof who === 'string' ? who : who(), error);
  }
}

/** With quotes; lone surrogates are escaped, so that the text is the same after UTF-8. */
export function quoted(text: string): string {
  return TO_BE_ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`;
}

function numeral(value: number): string {
  return value === 0 && Object.is(value, -0) ? '-0' : String(value);
}

/** Why a value has no place in a key, thrown where it is found. */
class Refused extends Error {}

/** One argument's way into its key; remembers where it is, for errors. */
class Encoder {
  /** The objects that the current one stands in. */
  readonly #above: object[] = [];
  readonly #path: string[] = [];
  #values = 0;

  encode(value: unknown): string {
    if (++this.#values > MOST_VALUES) throw new Refused(`it has more than ${MOST_VALUES} values`);
    switch (typeof value) {
      case 'string':
        return quoted(value);
      case 'number':
        return numeral(value);
      case 'bigint':
        return `${value}n`;
      case 'boolean':
      case 'undefined':
        return String(value);
      case 'function':
        throw new Refused('it is a function');
      case 'symbol':
        throw new Refused('it is a symbol');
      default:
        return value === null ? 'null' : this.#inside(value as object);
    }
  }

  refusal(who: string, error: unknown): KeyGenerationError {
    const where = this.#path.length === 0 ? '' : `, at ${this.#path.join('')}`;
    const why = error instanceof Refused ? error.message : 'reading it failed';
    return new KeyGenerationError(
      `${who} can't be part of a key${where}: ${why}. Say with the \`key\` option which values make up the key.`,
      error instanceof Refused ? undefined : { cause: error },
    );
  }

  #inside(value: object): string {
    if (this.#above.includes(value)) throw new Refused('it contains itself');
    if (this.#above.length === MOST_LEVELS) throw new Refused(`it is nested more than ${MOST_LEVELS} levels deep`);
    this.#above.push(value);
    const text = this.#object(value);
    this.#above.pop();
    return text;
  }

  /** A value further in. The path stays as it is when this throws: the error is told with it. */
  #part(step: string, value: unknown): string {
    this.#path.push(step);
    const text = this.encode(value);
    this.#path.pop();
    return text;
  }

  /** The same where reading it may throw. */
  #read(step: string, read: () => unknown): string {
    this.#path.push(step);
    const text = this.encode(read());
    this.#path.pop();
    return text;
  }

  #object(value: object): string {
    if (Array.isArray(value) && isOf(value, 2)) return this.#array(value);
    const toCacheKey: unknown = Reflect.get(value, 'toCacheKey');
    if (typeof toCacheKey === 'function') {
      const { name } = value.constructor ?? {};
      return `@${typeof name === 'string' ? nameOf(name) : ''}(${this.#read('.toCacheKey()', () => toCacheKey.call(value))})`;
    }
    if (types.isTypedArray(value) && isOf(value, Buffer.isBuffer(value) ? 4 : 3)) return bytesOrNumbers(value);
    if (isBuiltIn(value)) return this.#builtIn(value);
    if (!isPlain(value)) throw new Refused(refusedKind(value));
    return this.#plain(value);
  }

  #builtIn(value: Date | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | ArrayBuffer): string {
    // Its contents are not its names and values, whatever prototype it has been given.
    if (!isOf(value, 2)) throw new Refused(refusedKind(value));
    refuseSymbols(value);
    refuseExtras(value, Object.keys(value));
    if (types.isDate(value)) return `Date(${instant(value)})`;
    if (types.isMap(value)) return this.#map(value);
    if (types.isSet(value)) return this.#set(value);
    return `ArrayBuffer(${hex(new Uint8Array(value))})`;
  }

  #array(value: readonly unknown[]): string {
    refuseSymbols(value);
    const names = Object.keys(value);
    const parts: string[] = [];
    let next = 0;
    for (const [nth, name] of names.entries()) {
      const at = Number(name);
      // Indices come first and in order: the first other name is one of the properties besides.
      if (!Number.isInteger(at) || at < next || String(at) !== name) refuseExtras(value, names.slice(nth));
      if (at > next) parts.push(holes(at - next));
      parts.push(this.#part(`[${at}]`, value[at]));
      next = at + 1;
    }
    if (value.length > next) parts.push(holes(value.length - next));
    return `[${parts.join(',')}]`;
  }

  #map(value: ReadonlyMap<unknown, unknown>): string {
    const parts: string[] = [];
    for (const [key, item] of Map.prototype.entries.call(value)) {
      const name = this.#part(`.keys()[${parts.length}]`, key);
      parts.push(`${name}=>${this.#part(`.get(${name.slice(0, 40)})`, item)}`);
    }
    return `Map(${parts.join(',')})`;
  }

  #set(value: ReadonlySet<unknown>): string {
    const parts: string[] = [];
    for (const item of Set.prototype.values.call(value)) parts.push(this.#part(`.values()[${parts.length}]`, item));
    return `Set(${parts.join(',')})`;
  }

  #plain(value: object): string {
    refuseSymbols(value);
    const parts = Object.keys(value)
      .sort()
      .map((name) => `${nameOf(name)}:${this.#read(stepTo(name), () => Reflect.get(value, name))}`);
    return `{${parts.join(',')}}`;
  }
}

// ------------------------------------------------------------------------------------------------------------ the kinds

/** No token of any value looks like it; the number keeps an array of four billion holes short. */
function holes(count: number): string {
  return count === 1 ? 'hole' : `hole*${count}`;
}

function nameOf(name: string): string {
  return PLAIN_NAME.test(name) ? name : JSON.stringify(name);
}

function stepTo(name: string): string {
  return PLAIN_NAME.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

function instant(date: Date): string {
  const time = Date.prototype.getTime.call(date);
  return Number.isNaN(time) ? 'NaN' : new Date(time).toISOString();
}

/** Small numbers as bytes, the others one by one: the bytes of those are not the same on every machine. */
function bytesOrNumbers(value: NodeJS.TypedArray): string {
  if (Buffer.isBuffer(value)) return `Buffer(${hex(value)})`;
  const name = value[Symbol.toStringTag];
  if (value.BYTES_PER_ELEMENT === 1) return `${name}(${hex(value)})`;
  return `${name}(${Array.from<number | bigint, string>(value, (item) => (typeof item === 'bigint' ? `${item}n` : numeral(item))).join(',')})`;
}

function hex({ buffer, byteOffset, byteLength }: NodeJS.ArrayBufferView): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex');
}

/** Whether it is of a built-in class itself, of whatever realm, not of a class below it: those stand so many steps from the end. */
function isOf(value: object, steps: number): boolean {
  let above: unknown = value;
  for (let left = steps; left > 0; left--) {
    above = Object.getPrototypeOf(above);
    if (above === null) return false;
  }
  return Object.getPrototypeOf(above) === null;
}

/** A literal, or an object without a prototype: both are their names and values. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // The latter tells what an object was made as, whatever prototype it has been given.
  if (Symbol.toStringTag in value || Object.prototype.toString.call(value) !== '[object Object]') return false;
  if (prototype === null || prototype === Object.prototype) return true;
  // Object.prototype of another realm.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

function refuseExtras(value: object, [name]: readonly string[]): void {
  if (name === undefined) return;
  throw new Refused(
    `it is ${Array.isArray(value) ? 'an array' : 'a built-in object'} with a property of its own, ${JSON.stringify(name)}`,
  );
}

function refuseSymbols(value: object): void {
  for (const name of Object.getOwnPropertySymbols(value)) {
    if (Object.prototype.propertyIsEnumerable.call(value, name))
      throw new Refused(`it has the property ${String(name)}, named by a symbol`);
  }
}

function isBuiltIn(value: object): value is Date | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | ArrayBuffer {
  return types.isDate(value) || types.isMap(value) || types.isSet(value) || types.isArrayBuffer(value);
}

function refusedKind(value: object): string {
  if (types.isBoxedPrimitive(value)) return 'it is a boxed primitive: give the primitive itself';
  if (types.isPromise(value)) return 'it is a promise: await it first';
  if (types.isRegExp(value)) return 'it is a regular expression: give its source and flags';
  if (types.isNativeError(value)) return 'it is an error';
  if (value instanceof URL) return 'it is a URL: give its href';
  const { name } = value.constructor ?? {};
  const kind = typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object of a class';
  return `it is ${kind} without a toCacheKey() method`;
}
