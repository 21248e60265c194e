/**
 * Arguments as plain descriptions: what fast-check makes up, what real arguments are built from, and what `read` finds in a key again.
 * That a key can be read back is the proof that no other argument has it.
 */
import * as fc from 'fast-check';

export type Model =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number' | 'bigint' | 'date'; readonly text: string }
  | { readonly kind: 'constant'; readonly text: string }
  | { readonly kind: 'bytes'; readonly of: string; readonly text: string }
  | { readonly kind: 'numbers'; readonly of: string; readonly items: readonly string[] }
  | { readonly kind: 'array' | 'set'; readonly items: readonly (Model | 'hole')[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [Model, Model])[] }
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, Model])[] };

/** A Map or Set makes 0 of -0. */
function asMember(model: Model): Model {
  return model.kind === 'number' && model.text === '-0' ? { kind: 'number', text: '0' } : model;
}

/** A Map or Set keeps one of them. */
function isOneMember(a: Model, b: Model): boolean {
  const isPrimitive = ['string', 'number', 'bigint', 'constant'].includes(a.kind);
  return isPrimitive && JSON.stringify(asMember(a)) === JSON.stringify(asMember(b));
}

/** Much of what keys are written with, so that a slip in the quoting shows. */
const text = fc.oneof(
  fc
    .array(
      fc.constantFrom(
        'a',
        '1',
        'n',
        '"',
        '\\',
        ',',
        ':',
        '[',
        ']',
        '{',
        '}',
        '(',
        ')',
        '|',
        '=>',
        '\ud800',
        '\udc00',
        'é',
        '\n',
      ),
      { maxLength: 5 },
    )
    .map((parts) => parts.join('')),
  fc.string({ unit: 'binary' }),
);
const numbers = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, Number.NaN, 1e21, Number.POSITIVE_INFINITY));
const numeral = (value: number) => (Object.is(value, -0) ? '-0' : String(value));

export const models: fc.Arbitrary<Model> = fc.letrec<{ model: Model }>((tie) => ({
  model: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    text.map((it): Model => ({ kind: 'string', text: it })),
    numbers.map((it): Model => ({ kind: 'number', text: numeral(it) })),
    fc.bigInt().map((it): Model => ({ kind: 'bigint', text: String(it) })),
    fc.date({ noInvalidDate: false }).map((it): Model => ({ kind: 'date', text: String(it.getTime()) })),
    fc.constantFrom('true', 'false', 'null', 'undefined').map((it): Model => ({ kind: 'constant', text: it })),
    fc
      .tuple(fc.constantFrom('Buffer', 'Uint8Array', 'Int8Array', 'ArrayBuffer'), fc.uint8Array({ maxLength: 4 }))
      .map(([of, bytes]): Model => ({ kind: 'bytes', of, text: Buffer.from(bytes).toString('hex') })),
    fc
      .array(numbers, { maxLength: 3 })
      .map((items): Model => ({ kind: 'numbers', of: 'Float64Array', items: items.map(numeral) })),
    fc
      .array(fc.oneof(tie('model'), fc.constant('hole' as const)), { maxLength: 4 })
      .map((items): Model => ({ kind: 'array', items })),
    fc
      .uniqueArray(tie('model'), { maxLength: 3, comparator: isOneMember })
      .map((items): Model => ({ kind: 'set', items: items.map(asMember) })),
    fc
      .uniqueArray(fc.tuple(tie('model'), tie('model')), {
        maxLength: 3,
        comparator: ([a], [b]) => isOneMember(a, b),
      })
      .map((entries): Model => ({ kind: 'map', entries: entries.map(([key, value]) => [asMember(key), value]) })),
    fc
      .dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'a', '10', '9')), tie('model'), {
        maxKeys: 4,
      })
      .map(
        (record): Model => ({ kind: 'object', entries: Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)) }),
      ),
  ),
})).model;

// -------------------------------------------------------------------------------------------------------------- build

const CONSTANTS: Readonly<Record<string, unknown>> = { true: true, false: false, null: null, undefined: undefined };

/** A real argument; the names of objects in the order that `reversed` says. */
export function build(model: Model, reversed = false): unknown {
  const part = (inner: Model) => build(inner, reversed);
  switch (model.kind) {
    case 'string':
      return model.text;
    case 'number':
      return Number(model.text);
    case 'bigint':
      return BigInt(model.text);
    case 'constant':
      return CONSTANTS[model.text];
    case 'date':
      return new Date(Number(model.text));
    case 'bytes':
      return bytes(model.of, Buffer.from(model.text, 'hex'));
    case 'numbers':
      return Float64Array.from(model.items, Number);
    case 'array': {
      const array: unknown[] = new Array(model.items.length);
      for (const [at, item] of model.items.entries()) if (item !== 'hole') array[at] = part(item);
      return array;
    }
    case 'set':
      return new Set(model.items.map((item) => (item === 'hole' ? item : part(item))));
    case 'map':
      return new Map(model.entries.map(([key, value]) => [part(key), part(value)]));
    case 'object': {
      const entries = reversed ? [...model.entries].reverse() : model.entries;
      return Object.fromEntries(entries.map(([name, value]) => [name, part(value)]));
    }
  }
}

function bytes(of: string, buffer: Buffer): unknown {
  if (of === 'Buffer') return buffer;
  const copy = Uint8Array.from(buffer);
  if (of === 'ArrayBuffer') return copy.buffer;
  return of === 'Int8Array' ? new Int8Array(copy.buffer) : copy;
}

// --------------------------------------------------------------------------------------------------------------- read

/** The arguments that a key is of. */
export function read(key: string): Model[] {
  const reader = new Reader(key);
  const args = reader.list(() => reader.value(), undefined);
  if (reader.rest !== '') throw new Error(`${JSON.stringify(reader.rest)} is left of ${JSON.stringify(key)}`);
  return args;
}

class Reader {
  rest: string;

  constructor(key: string) {
    this.rest = key;
  }

  list<T>(item: () => T, end: string | undefined): T[] {
    const items: T[] = [];
    if (end === undefined ? this.rest === '' : this.#eats(end)) return items;
    do items.push(item());
    while (this.#eats(','));
    if (end !== undefined && !this.#eats(end)) throw new Error(`${end} is missing before ${this.rest}`);
    return items;
  }

  value(): Model {
    if (this.rest.startsWith('"')) return { kind: 'string', text: this.#string() };
    if (this.#eats('[')) return { kind: 'array', items: this.list(() => this.#itemOrHoles(), ']').flat() };
    if (this.#eats('{')) return { kind: 'object', entries: this.list(() => this.#entry(), '}') };
    const called = this.#match(/^([A-Za-z0-9]+)\(/)?.[1];
    if (called === 'Map') return { kind: 'map', entries: this.list(() => this.#pair(), ')') };
    if (called === 'Set') return { kind: 'set', items: this.list(() => this.value(), ')') };
    if (called === 'Date') {
      const iso = this.#must(/^([^)]*)\)/);
      return { kind: 'date', text: String(Date.parse(iso)) };
    }
    if (called === 'Float64Array')
      return { kind: 'numbers', of: called, items: this.list(() => this.#must(/^([^,)]+)/), ')') };
    if (called !== undefined) return { kind: 'bytes', of: called, text: this.#must(/^([0-9a-f]*)\)/) };
    const constant = this.#match(/^(true|false|null|undefined)/)?.[1];
    if (constant !== undefined) return { kind: 'constant', text: constant };
    const big = this.#match(/^(-?\d+)n/)?.[1];
    if (big !== undefined) return { kind: 'bigint', text: big };
    return { kind: 'number', text: this.#must(/^(NaN|-?Infinity|-?[\d.]+(?:e[+-]\d+)?)/) };
  }

  #itemOrHoles(): (Model | 'hole')[] {
    const holes = this.#match(/^hole(?:\*(\d+))?/);
    return holes ? new Array<'hole'>(Number(holes[1] ?? 1)).fill('hole') : [this.value()];
  }

  #entry(): [string, Model] {
    const name = this.rest.startsWith('"') ? this.#string() : this.#must(/^([A-Za-z_$][\w$]*)/);
    this.#must(/^(:)/);
    return [name, this.value()];
  }

  #pair(): [Model, Model] {
    const key = this.value();
    this.#must(/^(=>)/);
    return [key, this.value()];
  }

  #string(): string {
    return JSON.parse(this.#must(/^("(?:[^"\\]|\\.)*")/s));
  }

  #eats(token: string): boolean {
    if (!this.rest.startsWith(token)) return false;
    this.rest = this.rest.slice(token.length);
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    const found = pattern.exec(this.rest);
    if (!found) return undefined;
    this.rest = this.rest.slice(found[0].length);
    return found;
  }

  #must(pattern: RegExp): string {
    const found = this.#match(pattern)?.[1];
    if (found === undefined) throw new Error(`no ${pattern} in ${JSON.stringify(this.rest)}`);
    return found;
  }
}
