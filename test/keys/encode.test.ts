import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyGenerationError } from '../../src/errors.js';
import { encodeArgument, functionKeyGenerator } from '../../src/keys.js';
import { build, models, read } from './support/model.js';

const keyOf = functionKeyGenerator(undefined, function loadUser() {});

/** The error that a call's key ends in. */
function refusal(...args: unknown[]): KeyGenerationError {
  try {
    const key = keyOf(...args);
    throw new Error(`there is a key: ${key}`);
  } catch (error) {
    if (error instanceof KeyGenerationError) return error;
    throw error;
  }
}

describe('arguments in keys', () => {
  it('are written as they are read', () => {
    expect(keyOf()).toBe('loadUser|');
    expect(keyOf(5)).toBe('loadUser|5');
    expect(keyOf('5')).toBe('loadUser|"5"');
    expect(keyOf(2026, 'blue')).toBe('loadUser|2026,"blue"');
    expect(keyOf(5n, true, false, null, undefined)).toBe('loadUser|5n,true,false,null,undefined');
    expect(keyOf(0, -0, Number.NaN, Number.NEGATIVE_INFINITY, 1.5, 1e21)).toBe('loadUser|0,-0,NaN,-Infinity,1.5,1e+21');
    expect(keyOf([1, [2], []])).toBe('loadUser|[1,[2],[]]');
    expect(keyOf({ b: 1, a: { c: null } })).toBe('loadUser|{a:{c:null},b:1}');
    expect(keyOf({ 'two words': 1, '': 2 })).toBe('loadUser|{"":2,"two words":1}');
    expect(keyOf(new Date(0), new Date(Number.NaN))).toBe('loadUser|Date(1970-01-01T00:00:00.000Z),Date(NaN)');
    expect(
      keyOf(
        new Map<unknown, unknown>([
          ['a', 1],
          [2, {}],
        ]),
      ),
    ).toBe('loadUser|Map("a"=>1,2=>{})');
    expect(keyOf(new Set([2, 1]))).toBe('loadUser|Set(2,1)');
    expect(keyOf(Buffer.from('hi'), Uint8Array.of(1, 255))).toBe('loadUser|Buffer(6869),Uint8Array(01ff)');
    expect(keyOf(Float32Array.of(1.5, -0), BigInt64Array.of(5n))).toBe(
      'loadUser|Float32Array(1.5,-0),BigInt64Array(5n)',
    );
    expect(keyOf(Uint8Array.of(1).buffer)).toBe('loadUser|ArrayBuffer(01)');
    expect(keyOf('say "hi"\\', 'méil drôle')).toBe('loadUser|"say \\"hi\\"\\\\","méil drôle"');
  });

  it('are read back from the key, whatever they are: no two have one key', () => {
    fc.assert(
      fc.property(fc.array(models, { maxLength: 4 }), (args) => {
        const key = keyOf(...args.map((model) => build(model)));
        expect(read(key.slice('loadUser|'.length))).toEqual(args);
        expect(key.isWellFormed()).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('that are equal have equal keys, in whatever order the names of objects were said', () => {
    fc.assert(
      fc.property(fc.array(models, { maxLength: 4 }), (args) => {
        expect(keyOf(...args.map((model) => build(model, true)))).toBe(keyOf(...args.map((model) => build(model))));
      }),
    );
  });

  it('that text could confuse have keys of their own', () => {
    const lists: unknown[][] = [
      [],
      [undefined],
      [1],
      [1, undefined],
      ['1'],
      [1n],
      ['1n'],
      [true],
      ['true'],
      [null],
      ['null'],
      ['undefined'],
      [''],
      [[]],
      [{}],
      [[undefined]],
      [new Array(1)],
      [new Array(2)],
      [['hole']],
      ['a b', 'c'],
      ['a', 'b c'],
      ['a,b'],
      ['a', 'b'],
      [['a', 'b']],
      [['a'], 'b'],
      ['"', '"'],
      ['","'],
      [new Date(0)],
      [0],
      ['1970-01-01T00:00:00.000Z'],
      [new Map()],
      [new Set()],
      [new Map([['a', 1]])],
      [{ a: 1 }],
      [{ a: 1, b: undefined }],
      [{ a: 1, b: null }],
      [[['a', 1]]],
      [new Set([1, 2])],
      [new Set([2, 1])],
      [Buffer.from([1])],
      [Uint8Array.of(1)],
      [Int8Array.of(1)],
      [Uint8ClampedArray.of(1)],
      [Uint16Array.of(1)],
      ['\ud800'],
      ['\udfff'],
      ['\ufffd'],
      ['\\ud800'],
    ];
    const keys = lists.map((args) => keyOf(...args));
    expect(new Set(keys).size).toBe(lists.length);
    expect(keys.every((key) => key.isWellFormed())).toBe(true);
  });

  it('keep an array of holes short', () => {
    expect(keyOf(new Array(4_294_967_295))).toBe('loadUser|[hole*4294967295]');
    expect(keyOf(Object.assign(new Array(4), { 1: 1 }))).toBe('loadUser|[hole,1,hole*2]');
  });

  it('are the names and values of an object, with a prototype or without', () => {
    expect(keyOf(Object.assign(Object.create(null), { a: 1 }))).toBe(keyOf({ a: 1 }));
    expect(keyOf(JSON.parse('{"__proto__":{"a":1}}'))).toBe('loadUser|{__proto__:{a:1}}');
    expect(keyOf(runInNewContext('({ a: [1, new Date(0), new Map()] })'))).toBe(
      keyOf({ a: [1, new Date(0), new Map()] }),
    );
  });

  it('are seen through a proxy, and through getters', () => {
    expect(keyOf(new Proxy({ a: [1] }, {}))).toBe(keyOf({ a: [1] }));
    expect(
      keyOf({
        get a() {
          return 1;
        },
      }),
    ).toBe(keyOf({ a: 1 }));
  });

  it('are what a Map or Set holds, whatever else it says of itself', () => {
    const none = { value: function* () {} };
    expect(keyOf(Object.defineProperty(new Map([[1, 2]]), Symbol.iterator, none))).toBe('loadUser|Map(1=>2)');
    expect(keyOf(Object.defineProperty(new Set([1]), Symbol.iterator, none))).toBe('loadUser|Set(1)');
  });

  it('may be instances of a class that has toCacheKey()', () => {
    class Money {
      constructor(
        readonly amount: number,
        readonly currency: string,
      ) {}
      toCacheKey() {
        return [this.amount, this.currency];
      }
    }
    class Tags extends Set<string> {
      toCacheKey() {
        return [...this].sort();
      }
    }
    expect(keyOf(new Money(5, 'EUR'))).toBe('loadUser|@Money([5,"EUR"])');
    expect(keyOf([new Tags(['b', 'a'])])).toBe('loadUser|[@Tags(["a","b"])]');
    expect(keyOf(new Tags(['b', 'a']))).toBe('loadUser|@Tags(["a","b"])');
    class Path extends Array<string> {
      toCacheKey() {
        return this.join('/');
      }
    }
    expect(keyOf(Path.from(['a', 'b']))).toBe('loadUser|@Path("a/b")');
    expect(keyOf(new Money(5, 'EUR'))).not.toBe(keyOf([5, 'EUR']));
  });

  it('by themselves are what encodeArgument gives', () => {
    expect(encodeArgument({ a: [1, '1'] })).toBe('{a:[1,"1"]}');
    expect(encodeArgument('\ud800')).toBe('"\\ud800"');
    expect(() => encodeArgument(Symbol('s'))).toThrow("The argument can't be part of a key: it is a symbol.");
  });
});

describe('arguments that have no place in a key', () => {
  class User {
    readonly id = 5;
  }
  class Moment extends Date {}
  const itself: unknown[] = [];
  itself.push([itself]);

  it.each([
    ['a function', () => {}, 'it is a function'],
    ['a symbol', Symbol.for('s'), 'it is a symbol'],
    ['an instance', new User(), 'it is an instance of User without a toCacheKey() method'],
    ['an instance of what nobody named', new (class {})(), 'it is an object of a class'],
    ['a subclass of Date', new Moment(0), 'it is an instance of Moment'],
    ['a subclass of Array', new (class List extends Array {})(), 'it is an instance of List'],
    ['a boxed primitive', Object('text'), 'it is a boxed primitive'],
    ['a regular expression', /a/, 'it is a regular expression'],
    ['a URL', new URL('http://localhost/'), 'it is a URL: give its href'],
    ['an error', new TypeError('no'), 'it is an error'],
    ['a promise', Promise.resolve(1), 'it is a promise: await it first'],
    ['a signal', new AbortController().signal, 'it is an instance of AbortSignal'],
    [
      'arguments',
      (function (this: unknown, ..._: unknown[]) {
        // biome-ignore lint/complexity/noArguments: what old callers hand on
        return arguments;
      })(1),
      'it is an instance of Object',
    ],
    ['Math', Math, 'without a toCacheKey() method'],
    ['a heap that is shared', new SharedArrayBuffer(1), 'it is an instance of SharedArrayBuffer'],
    ['a cycle', itself, 'it contains itself'],
    [
      'an array with a property',
      Object.assign([1], { length2: 1 }),
      'it is an array with a property of its own, "length2"',
    ],
    ['a Date with a property', Object.assign(new Date(0), { zone: 'UTC' }), 'a property of its own, "zone"'],
    ['an array with a symbol', Object.assign([1], { [Symbol('s')]: 1 }), 'it has the property Symbol(s)'],
    ['a Map with a symbol', Object.assign(new Map(), { [Symbol('s')]: 1 }), 'it has the property Symbol(s)'],
    [
      'an ArrayBuffer with a property',
      Object.assign(new ArrayBuffer(1), { unit: 'm' }),
      'a property of its own, "unit"',
    ],
    ['a subclass of ArrayBuffer', new (class Page extends ArrayBuffer {})(1), 'it is an instance of Page'],
    ['a Date without its prototype', Object.setPrototypeOf(new Date(0), null), 'it is an object of a class'],
    ['a Map without its prototype', Object.setPrototypeOf(new Map(), null), 'it is an object of a class'],
    [
      'an array with the prototype of objects',
      Object.setPrototypeOf([1], Object.prototype),
      'it is an instance of Object',
    ],
    ['a regular expression without its prototype', Object.setPrototypeOf(/a/, null), 'it is a regular expression'],
    ['an object with a symbol', { [Symbol('s')]: 1 }, 'it has the property Symbol(s), named by a symbol'],
    ['what hangs on a built-in prototype', Object.create(Date.prototype), 'it is an instance of Date'],
  ])('%s', (_name, argument, why) => {
    expect(refusal('first', argument).message).toContain(`Argument 2 of "loadUser" can't be part of a key`);
    expect(refusal('first', argument).message).toContain(why);
  });

  it('are named by their path', () => {
    const filter = { tags: ['a', { 'by day': new Map([['mon', [() => {}]]]) }] };
    expect(refusal(filter).message).toBe(
      'Argument 1 of "loadUser" can\'t be part of a key, at .tags[1]["by day"].get("mon")[0]: it is a function. Say with the `key` option which values make up the key.',
    );
    expect(refusal(1, new Set([1, Symbol('s')])).message).toContain('at .values()[1]: it is a symbol');
  });

  it('end in an error of ours when reading them fails', () => {
    const broken = new Error('not now');
    const failing = {
      get a(): never {
        throw broken;
      },
    };
    expect(refusal(failing)).toMatchObject({
      message: expect.stringContaining('at .a: reading it failed'),
      cause: broken,
    });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(refusal(proxy).cause).toBeInstanceOf(TypeError);
    expect(
      refusal(
        new Proxy(
          { a: 1 },
          {
            ownKeys: () => {
              throw broken;
            },
          },
        ),
      ).cause,
    ).toBe(broken);
    expect(
      refusal({
        toCacheKey: () => {
          throw broken;
        },
      }).cause,
    ).toBe(broken);
  });

  it('bombs of depth and of width end in the same, and soon', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = { deep };
    expect(refusal(deep).message).toContain('nested more than 256 levels deep');
    let wide: unknown = 1;
    for (let level = 0; level < 60; level++) wide = [wide, wide];
    expect(refusal(wide).message).toContain('more than 1000000 values');
    const endless: object = new Proxy({ a: 1 }, { get: (_target, name) => (name === 'a' ? endless2() : undefined) });
    const endless2 = (): object =>
      new Proxy({ a: 1 }, { get: (_target, name) => (name === 'a' ? endless2() : undefined) });
    expect(refusal(endless).message).toContain('levels deep');
    const own = { toCacheKey: (): unknown => ({ toCacheKey: own.toCacheKey }) };
    expect(refusal(own).message).toContain('levels deep');
  });
});
