import { describe, expect, it } from 'vitest';
import { coerced, configFromEnv, readConfig } from '../../src/config.js';
import { ValidationError } from '../../src/errors.js';

describe('what text stands for', () => {
  it.each([
    ['[py 10] ', '600', 600],
    ['[py 162] ', '-1', -1],
    ['[py 163] ', '+1', 1],
    ['[py 164] ', '0.1', 0.1],
    ['[py 165] ', '-3.14e-10', -3.14e-10],
    ['', ' 5 ', 5],
    ['', '.5', 0.5],
    ['', '1.', 1],
    ['', '2E3', 2000],
    ['', 'Infinity', Number.POSITIVE_INFINITY],
    ['', 'true', true],
    ['', 'True', true],
    ['[py 10] ', 'false', false],
    ['', 'FALSE', false],
    ['[py 10] ', 'None', undefined],
    ['', 'null', undefined],
    ['', '', undefined],
    ['', '  ', undefined],
  ])('%s%j is %s', (_, text, value) => {
    expect(coerced(text)).toBe(value);
  });

  it.each([
    '127.0.0.1',
    '1h',
    '1_000',
    '0x10',
    '1,5',
    '1e',
    'e5',
    '.',
    '-',
    '+-1',
    '1 2',
    'NaN',
    '-Infinity',
    'yes',
    'undefined',
    'truely',
    '٣',
    '12345n',
  ])('[py 10] %j is itself', (text) => {
    expect(coerced(text)).toBe(text);
  });

  it.each([5, true, null, undefined, [1], { a: 1 }])('what is no text stays as it is: %j', (value) => {
    expect(coerced(value)).toBe(value);
  });
});

describe('readConfig', () => {
  it('[py 8, 9] a flat dictionary with a prefix: backend, options, arguments, and nothing else', () => {
    const config = {
      'cache.example.backend': 'memory',
      'cache.example.expirationTime': 600,
      'cache.example.arguments.maxEntries': '10',
      'cache.example.arguments.nested.deep': '1h',
      'cache.other.backend': 'file',
      'cache.exampl': 5,
      'cache.example.': 5,
      unrelated: { anything: 1 },
    };
    expect(readConfig(config, 'cache.example.')).toEqual({
      backend: 'memory',
      options: { expirationTime: 600, arguments: { maxEntries: 10, nested: { deep: '1h' } } },
    });
  });

  it('[py 10] text values are coerced', () => {
    const config = {
      'c.backend': 'x',
      'c.expirationTime': '600',
      'c.background': 'false',
      'c.lockWait': 'None',
      'c.arguments.host': '127.0.0.1',
    };
    const { options } = readConfig(config, 'c.');
    expect(options).toEqual({
      expirationTime: 600,
      background: false,
      lockWait: undefined,
      arguments: { host: '127.0.0.1' },
    });
  });

  it.each([
    ['without a prefix', { backend: 'memory', arguments: { maxEntries: '5' } }, ''],
    ['under a prefix with its dot', { cache: { backend: 'memory', arguments: { maxEntries: 5 } } }, 'cache.'],
    ['under a prefix without', { cache: { backend: 'memory', arguments: { maxEntries: 5 } } }, 'cache'],
    ['deeper', { my: { cache: { backend: 'memory', 'arguments.maxEntries': '5' } } }, 'my.cache.'],
    [
      'with dots in a name on the way',
      { 'my.cache': { backend: 'memory', arguments: { maxEntries: 5 } } },
      'my.cache.',
    ],
    [
      'half flat, half nested',
      { my: { 'cache.backend': 'memory', 'cache.arguments': { maxEntries: '5' } } },
      'my.cache.',
    ],
    [
      'of objects without a prototype',
      Object.assign(Object.create(null), { backend: 'memory', arguments: { maxEntries: 5 } }),
      '',
    ],
  ])('nested objects %s', (_, config, prefix) => {
    expect(readConfig(config, prefix)).toEqual({ backend: 'memory', options: { arguments: { maxEntries: 5 } } });
  });

  it('what is text by its nature stays text: a password of digits', () => {
    const config = { backend: 'x', arguments: { password: '12345', url: '5', filename: '1.0', username: 'true' } };
    expect(readConfig(config, '').options).toEqual({
      arguments: { password: '12345', url: '5', filename: '1.0', username: 'true' },
    });
    expect(readConfig({ backend: 'x', arguments: { password: 'None' } }, '').options).toEqual({ arguments: {} });
  });

  it('addresses may be a list, as JSON; one that begins with a bracket is none', () => {
    const read = (args: object) => readConfig({ backend: 'x', arguments: args }, '').options;
    expect(read({ url: ' ["a:1", "b:2"]', startupNodes: '["c:3"]', sentinels: '[{"host":"d"}]' })).toEqual({
      arguments: { url: ['a:1', 'b:2'], startupNodes: ['c:3'], sentinels: [{ host: 'd' }] },
    });
    for (const text of ['[::1]:11211', '["a:1", b]', '"a:1"'])
      expect(read({ url: text })).toEqual({ arguments: { url: text } });
    expect(read({ password: '["a"]', url: ['a'] })).toEqual({ arguments: { password: '["a"]', url: ['a'] } });
  });

  it('objects of classes go through untouched: a client is no branch', () => {
    class Client {
      url = '5';
    }
    const client = new Client();
    const { options } = readConfig({ 'c.backend': 'x', 'c.arguments.client': client }, 'c.');
    expect(options).toEqual({ arguments: { client } });
    expect((options as { arguments?: { client?: unknown } }).arguments?.client).toBe(client);
  });

  it('[py 191] leaves what it is given as it was', () => {
    const config = Object.freeze({
      backend: 'x',
      arguments: Object.freeze({ maxEntries: '5', nested: Object.freeze({ a: '1' }) }),
    });
    const before = JSON.stringify(config);
    const { options } = readConfig(config, '');
    expect(JSON.stringify(config)).toBe(before);
    expect((options as { arguments?: unknown }).arguments).not.toBe(config.arguments);
  });

  it('the null backend can be named, although "null" is nothing elsewhere', () => {
    expect(readConfig({ 'c.backend': 'null' }, 'c.').backend).toBe('null');
    expect(readConfig({ backend: 'null', lockWait: 'null' }, '')).toEqual({
      backend: 'null',
      options: { lockWait: undefined },
    });
  });

  it.each([
    ['no backend', { 'c.expirationTime': 5 }, 'c.', /must name a backend as "c\.backend"/],
    ['a misspelt one', { 'c.backnd': 'file' }, 'c.', /"c\.backend".* What it names is "c\.backnd"\./],
    ['an empty one', { 'c.backend': '' }, 'c.', /must name a backend as "c\.backend"/],
    ['"None"', { 'c.backend': 'None' }, 'c.', /must name a backend as "c\.backend"/],
    ['nothing under the prefix', { backend: 'memory' }, 'c.', /must name a backend as "c\.backend"/],
    ['an array', [], '', /The configuration must be an object, not an array/],
    ['null', null, '', /The configuration must be an object, not null/],
    ['a text', 'backend=memory', '', /The configuration must be an object/],
    ['a prefix that is none', { backend: 'memory' }, 5, /prefix must be a string, not 5/],
    [
      'a value where there is a branch',
      { backend: 'x', arguments: 5, 'arguments.url': 'y' },
      '',
      /"arguments" has both a value and names below it/,
    ],
    [
      'a branch where there is a value',
      { backend: 'x', 'arguments.url': 'y', arguments: 5 },
      '',
      /"arguments" has both a value and names below it/,
    ],
  ])('refuses %s', (_, config, prefix, message) => {
    const read = () => readConfig(config as never, prefix as never);
    expect(read).toThrow(ValidationError);
    expect(read).toThrow(message);
  });

  it.each([
    '{"__proto__": {"polluted": true}, "backend": "x"}',
    '{"backend": "x", "arguments": {"__proto__": {"polluted": true}}}',
    '{"backend": "x", "__proto__.polluted": true}',
    '{"backend": "x", "arguments.__proto__.polluted": true}',
    '{"backend": "x", "constructor.prototype.polluted": true}',
    '{"backend": "x", "arguments": {"constructor": {"prototype": {"polluted": true}}}}',
  ])('pollutes no prototype: %s', (text) => {
    try {
      readConfig(JSON.parse(text), '');
    } catch (error) {
      expect(error).toBeInstanceOf(ValidationError);
    }
    expect('polluted' in {}).toBe(false);
    expect('polluted' in Object).toBe(false);
  });
});

describe('configFromEnv', () => {
  it('gives the flat dictionary that configureFromConfig takes', () => {
    const env = {
      CACHE_BACKEND: 'file',
      CACHE_EXPIRATION_TIME: '5m',
      CACHE_REPLACE_EXISTING_BACKEND: 'true',
      CACHE_ARGUMENTS_FILENAME: '/tmp/Cache_File',
      CACHE_ARGUMENTS_LOCK_MAX_HOLD: '1m',
      CACHE_BREAKER_FAILURES: '3',
      CACHE_UNSET: undefined,
      CACHE_: 'nothing',
      CACHED: 'no',
      HOME: '/home/me',
    };
    expect(configFromEnv(env, 'CACHE_')).toEqual({
      backend: 'file',
      expirationTime: '5m',
      replaceExistingBackend: 'true',
      'arguments.filename': '/tmp/Cache_File',
      'arguments.lockMaxHold': '1m',
      'breaker.failures': '3',
    });
  });

  it('reads on with readConfig', () => {
    const env = { X_BACKEND: 'memory', X_ARGUMENTS_MAX_ENTRIES: '5', X_EXPIRATION_TIME: '600' };
    expect(readConfig(configFromEnv(env, 'X_'), '')).toEqual({
      backend: 'memory',
      options: { arguments: { maxEntries: 5 }, expirationTime: 600 },
    });
  });

  it('pollutes no prototype', () => {
    const config = configFromEnv({ X___PROTO__: '1', X_ARGUMENTS___PROTO__: '1', X_CONSTRUCTOR: '2' }, 'X_');
    expect(Object.getPrototypeOf(config)).toBe(Object.prototype);
    expect(config).toEqual({ Proto__: '1', 'arguments.Proto__': '1', constructor: '2' });
  });

  it.each([
    [null, 'X_', /The environment must be an object, not null/],
    [{}, '', /needs a prefix, such as 'CACHE_', not ""/],
    [{}, undefined, /prefix must be a string, not undefined/],
  ])('refuses %j with prefix %j', (env, prefix, message) => {
    const read = () => configFromEnv(env as never, prefix as never);
    expect(read).toThrow(ValidationError);
    expect(read).toThrow(message);
  });
});
