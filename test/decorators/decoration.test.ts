import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { KeyGenerationError, ValidationError } from '../../src/errors.js';
import { functionKeyGenerator, pythonFunctionKeyGenerator } from '../../src/keys.js';
import { makeRegion } from '../../src/region/region.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const setUp = () => makeRegion().configure('memory');
const loadOf = (value: number) =>
  async function load() {
    return value;
  };

describe('options of a decorator', () => {
  const region = setUp();

  it.each([
    [{ expirationtime: 5 }, 'cacheOnArguments() knows no option "expirationtime". Did you mean "expirationTime"?'],
    [{ expiration_time: 5 }, 'Did you mean "expirationTime"? Mind that Python counts seconds'],
    [{ should_cache_fn: () => true }, 'cacheOnArguments() knows no option "should_cache_fn".'],
    [{ asMap: true }, 'cacheOnArguments() knows no option "asMap".'],
    [{ expirationTime: 'one hour' }, 'expirationTime'],
    [{ background: 'yes' }, 'background must be true or false, not "yes".'],
    [{ namespace: 5 }, 'namespace must be a string, not 5.'],
    [{ namespace: '' }, 'namespace must be text that is not empty.'],
    [{ key: 'id' }, 'key must be a function, not "id".'],
    [{ tags: 'users' }, 'tags must be an array of strings, not "users".'],
    [{ shouldCache: true }, 'shouldCache must be a function, not true.'],
    [{ argumentToString: 'JSON' }, 'argumentToString must be a function, not "JSON".'],
    [{ functionKeyGenerator: null }, 'functionKeyGenerator must be a function, not null.'],
    [5, 'The options of cacheOnArguments() must be an object, not 5.'],
    [null, 'The options of cacheOnArguments() must be an object, not null.'],
  ])('%o is refused before anything is decorated', (options, message) => {
    expect(() => region.cacheOnArguments(options as never)).toThrow(ValidationError);
    expect(() => region.cacheOnArguments(options as never)).toThrow(message);
  });

  it('of a multi decorator as well', () => {
    expect(() => region.cacheMultiOnArguments({ asmap: true } as never)).toThrow(
      'cacheMultiOnArguments() knows no option "asmap". Did you mean "asMap"?',
    );
    expect(() => region.cacheMultiOnArguments({ asMap: 'yes' } as never)).toThrow('asMap must be true or false');
    expect(() => region.cacheMultiOnArguments({ functionKeyGenerator } as never)).toThrow(
      'Did you mean "functionMultiKeyGenerator"?',
    );
    expect(() => region.cacheMultiOnArguments({ functionMultiKeyGenerator: 5 } as never)).toThrow(ValidationError);
  });

  it('that are undefined count as not given', async () => {
    const options = {
      namespace: undefined,
      key: undefined,
      tags: undefined,
      expirationTime: undefined,
      unheard: undefined,
    };
    const cached = region.cacheOnArguments(options)(async function undefinedOptions() {
      return 1;
    });
    expect(await cached()).toBe(1);
  });
});

describe('what is decorated', () => {
  const region = setUp();

  it('is a function', () => {
    const decorate = region.cacheOnArguments({ namespace: 'n' }) as (target: unknown, ...more: unknown[]) => unknown;
    expect(() => decorate(5)).toThrow('cacheOnArguments() caches a function, not 5.');
    expect(() => decorate(class A {})).toThrow('caches functions and methods, not a class.');
    expect(() => decorate(function* () {})).toThrow("can't cache a generator");
    expect(() => decorate(async function* () {})).toThrow("can't cache a generator");
    expect(() => decorate(undefined, { kind: 'field' })).toThrow('goes on methods, not on a field.');
    expect(() => decorate(() => {}, { kind: 'getter' })).toThrow(ValidationError);
    expect(() => decorate({}, 'field')).toThrow('goes on methods, and field is none.');
    expect(() => decorate({}, 'getter', { get: () => 5 })).toThrow(ValidationError);
    expect(() => decorate({}, 'parameter', 0)).toThrow(ValidationError);
  });

  it('comes second: a decorator that is not called first says so', () => {
    const decorate = region.cacheOnArguments as (...args: unknown[]) => unknown;
    const message =
      'cacheOnArguments() makes the decorator: say cacheOnArguments()(fn), or @region.cacheOnArguments().';
    expect(() => decorate.call(region, async () => 1)).toThrow(message);
    class Reports {
      async load() {}
    }
    expect(() => decorate.call(region, Reports.prototype, 'load', {})).toThrow(message);
  });
});

describe('names', () => {
  it('an anonymous function needs a namespace', async () => {
    const region = setUp();
    expect(() => region.cacheOnArguments()(async () => 1)).toThrow(KeyGenerationError);
    expect(() => region.cacheMultiOnArguments()(async (ids: number[]) => ids)).toThrow(KeyGenerationError);
    const cached = region.cacheOnArguments({ namespace: 'n' })(async () => 1);
    expect(cached.keyFor()).toBe('n:|');
    // A generator of the user's decides for itself.
    expect(
      region
        .cacheOnArguments({ functionKeyGenerator: () => () => 'k' })(async () => 1)
        .keyFor(),
    ).toBe('k');
  });

  it('two functions of one name in one region are refused, when the second is decorated', () => {
    const region = setUp();
    region.cacheOnArguments()(loadOf(1));
    expect(() => region.cacheOnArguments()(loadOf(2))).toThrow(KeyGenerationError);
    expect(() => region.cacheOnArguments()(loadOf(2))).toThrow('keys that begin with "load|" already');
    expect(() =>
      region.cacheMultiOnArguments()(async function load(ids: number[]) {
        return ids;
      }),
    ).toThrow(KeyGenerationError);
    // A namespace tells them apart, and so does another region.
    expect(region.cacheOnArguments({ namespace: 'other' })(loadOf(2)).keyFor()).toBe('other:load|');
    setUp().cacheOnArguments()(loadOf(2));
  });

  it('one function may be decorated twice, and a closure made anew with a namespace', async () => {
    const region = setUp();
    const load = loadOf(1);
    const first = region.cacheOnArguments()(load);
    const second = region.cacheOnArguments({ expirationTime: '1m' })(load);
    await first();
    expect(await second.get()).toBe(1);
    for (const value of [5, 6]) expect(await region.cacheOnArguments({ namespace: 'anew' })(loadOf(value))()).toBe(5);
  });

  it('a closure made anew for every request is refused, however long ago the first was', async () => {
    const region = setUp();
    const decorate = () => region.cacheOnArguments()(loadOf(1));
    decorate();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(decorate).toThrow('If it is one function, made anew for every request, decorate it once, outside.');
  });

  it('two names that are one in Python are refused, too', () => {
    const functionKeyGenerator = pythonFunctionKeyGenerator({ module: 'app', name: (fn) => fn.name.toLowerCase() });
    const region = makeRegion({ functionKeyGenerator }).configure('memory');
    expect(
      region
        .cacheOnArguments()(async function loadUser() {})
        .keyFor(),
    ).toBe('app:loaduser|');
    expect(() => region.cacheOnArguments()(async function loaduser() {})).toThrow(KeyGenerationError);
    region.cacheOnArguments({ functionKeyGenerator: pythonFunctionKeyGenerator({ module: 'other' }) })(
      async function loaduser() {},
    );
  });

  it('a generator built on ours is known by what it makes of them', () => {
    const region = makeRegion({
      functionKeyGenerator: (namespace, fn, argumentToString) =>
        functionKeyGenerator(namespace ?? 'v2', fn, argumentToString),
    }).configure('memory');
    expect(region.cacheOnArguments()(loadOf(1)).keyFor()).toBe('v2:load|');
    expect(() => region.cacheOnArguments()(loadOf(2))).toThrow(KeyGenerationError);
  });
});
