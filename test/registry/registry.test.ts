import { relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import type { CacheBackend } from '../../src/api.js';
import { LazyBackend } from '../../src/backends/lazy.js';
import { memoryBackend } from '../../src/backends/memory.js';
import { BackendNotFoundError, ValidationError } from '../../src/errors.js';
import { makeRegion } from '../../src/region/region.js';
import { isBackend, openBackend, registerBackend } from '../../src/registry.js';

const moduleFile = (name: string) => fileURLToPath(new URL(`./modules/${name}.mjs`, import.meta.url));
const loaded = (backend: CacheBackend) => {
  expect(backend).toBeInstanceOf(LazyBackend);
  return (backend as LazyBackend).load();
};

describe('names of backends', () => {
  it.each([
    'memory',
    'dogpile.cache.memory',
    'memory_serialized',
    'dogpile.cache.memory_serialized',
    'null',
    'dogpile.cache.null',
  ])('%s is there at once', (name) => {
    expect(isBackend(openBackend(name))).toBe(true);
  });

  it.each(['file', 'lmdb', 'dogpile.cache.dbm'])('%s is checked now and loaded on first use', (name) => {
    expect(openBackend(name, { filename: 'nowhere/at/all' })).toBeInstanceOf(LazyBackend);
    expect(() => openBackend(name)).toThrow(/needs a filename/);
    expect(() => openBackend(name, { filename: 'x', filname: 'y' })).toThrow(/Did you mean "filename"\?/);
    expect(() => openBackend(name, { filename: 'x', lock_timeout: 5 })).toThrow(
      /Did you mean "lockTimeout"\? Mind that Python counts seconds/,
    );
  });

  it.each([
    ['memry', 'memory'],
    ['Memory', 'memory'],
    ['dogpile.cache.memroy', 'dogpile.cache.memory'],
    ['dogpile.cache.memory_pickle', 'dogpile.cache.memory_serialized'],
    ['dogpile.cache.pylibmc', 'dogpile.cache.memcached'],
    ['dogpile.cache.pymemcache', 'dogpile.cache.memcached'],
    ['dogpile.cache.rediss', 'dogpile.cache.redis'],
  ])('[py 25] %j is not found; the nearest name is said', (name, close) => {
    expect(() => openBackend(name)).toThrow(BackendNotFoundError);
    expect(() => openBackend(name)).toThrow(
      new RegExp(`^No backend is called "${name.replaceAll('.', '\\.')}"\\. Did you mean "${close}"`),
    );
  });

  it('that all names begin with dogpile.cache makes none of them like another', () => {
    expect(() => openBackend('dogpile.cache.mongo')).toThrow(
      /^No backend is called "dogpile\.cache\.mongo"\. Known are/,
    );
  });

  it('[py 25] an unknown name leaves the region unconfigured, and the names are listed', () => {
    const region = makeRegion();
    expect(() => region.configure('unknown')).toThrow(BackendNotFoundError);
    expect(() => region.configure('unknown')).toThrow(
      /^No backend is called "unknown"\. Known are dogpile\.cache\.memory, memory, .*'@acme\/dogpile-etcd'/,
    );
    expect(region.isConfigured).toBe(false);
    region.configure('memory');
    expect(() => region.configure('unknown', { replaceExistingBackend: true })).toThrow(BackendNotFoundError);
    expect(region.actualBackend.stores).toBe('values');
  });

  it.each(['', ' ', 'toString', 'constructor', '__proto__', 'memory ', 'MEMORY\u0000', 'x'.repeat(5000)])(
    '%j is no backend',
    (name) => {
      expect(() => openBackend(name)).toThrow(BackendNotFoundError);
    },
  );

  it.each([[5], [null], [['memory']], ['text']])('arguments must be an object, not %j', (args) => {
    expect(() => openBackend('memory', args as never)).toThrow(ValidationError);
  });
});

describe('registerBackend', () => {
  it('gives a backend of one’s own a name; it is loaded on first use, with its arguments', async () => {
    const load = vi.fn(async () => import(/* @vite-ignore */ moduleFile('good')));
    registerBackend('test-good', load);
    const region = makeRegion().configure('test-good', { arguments: { servers: 3 } });
    expect(load).not.toHaveBeenCalled();
    await region.set('k', { a: 1 });
    expect(await region.get('k')).toEqual({ a: 1 });
    expect(load).toHaveBeenCalledTimes(1);
    expect(await loaded(openBackend('test-good', { servers: 3 }))).toMatchObject({ args: { servers: 3 } });
  });

  it('[py E36] the last of two of one name wins', async () => {
    const [first, second] = [memoryBackend(), memoryBackend()];
    registerBackend('test-twice', async () => ({ default: () => first }));
    registerBackend('test-twice', async () => ({ default: async () => second }));
    expect(await loaded(openBackend('test-twice'))).toBe(second);
  });

  it('is among the names that are meant', () => {
    registerBackend('test-zookeeper', async () => ({ default: () => memoryBackend() }));
    expect(() => openBackend('test-zokeeper')).toThrow(/Did you mean "test-zookeeper"\?/);
  });

  it.each(['memory', 'dogpile.cache.memory', 'null', 'file', 'lmdb'])('the built-in %s is refused', (name) => {
    expect(() => registerBackend(name, async () => ({ default: () => memoryBackend() }))).toThrow(
      new ValidationError(`"${name}" is a built-in backend. Choose another name.`),
    );
  });

  it('refuses what is no name or no loader', () => {
    expect(() => registerBackend(5 as never, async () => ({ default: () => memoryBackend() }))).toThrow(
      ValidationError,
    );
    expect(() => registerBackend('test-none', './etcd.js' as never)).toThrow(/load must be a function/);
  });
});

describe('a module’s name', () => {
  const names = {
    'by path': moduleFile('good'),
    'by URL': pathToFileURL(moduleFile('good')).href,
    'relative to the working directory': `./${relative(process.cwd(), moduleFile('good'))}`,
  };
  it.each(Object.entries(names))('%s is imported on first use', async (_, name) => {
    const region = makeRegion().configure(name, { arguments: { a: 1 } });
    await region.set('k', 1);
    expect(await region.get('k')).toBe(1);
    expect(await loaded(openBackend(name, { a: 1 }))).toMatchObject({ args: { a: 1 } });
  });

  it.each([
    '@acme/dogpile-cache-etcd',
    './not-there.mjs',
    '../not-there.mjs',
    '/not/there.mjs',
    'not-there/at-all',
    'file:///not/there.mjs',
  ])('%s that does not resolve is not found, on first use, each time anew', async (name) => {
    const region = makeRegion().configure(name);
    expect(region.isConfigured).toBe(true);
    for (let i = 0; i < 2; i++) {
      await expect(region.get('k')).rejects.toThrow(BackendNotFoundError);
      await expect(region.ready()).rejects.toThrow(
        /is found from this application\. Is the package installed, or the path right\?/,
      );
    }
  });

  it.each([
    ['no-default', ValidationError, /must be its factory, not undefined\./],
    ['no-factory', ValidationError, /must be its factory, not an object\./],
    [
      'half-a-backend',
      ValidationError,
      /must give an object with stores, get\(\), set\(\), delete\(\) and their multi forms/,
    ],
    ['throws', Error, /^this module fails while it is loaded$/],
    ['factory-throws', Error, /^no such server$/],
  ])('%s: its error says what is wrong', async (name, Class, message) => {
    const region = makeRegion().configure(moduleFile(name));
    await expect(region.ready()).rejects.toThrow(Class);
    await expect(region.getOrCreate('k', () => 1)).rejects.toThrow(message);
  });

  it('a registered one that loads nothing: its error says what is wrong', async () => {
    registerBackend('loads-nothing', async () => undefined as never);
    const region = makeRegion().configure('loads-nothing');
    await expect(region.ready()).rejects.toThrow(ValidationError);
    await expect(region.ready()).rejects.toThrow(/must be its factory, not undefined\./);
  });

  it('a module that is there but lacks a package of its own is not "not found" itself', async () => {
    const region = makeRegion().configure(moduleFile('needs-a-package'));
    await expect(region.ready()).rejects.toThrow(/a-package-that-nobody-has/);
  });
});

describe('isBackend', () => {
  const good = memoryBackend();
  it('asks for what it stores and for six verbs', () => {
    expect(isBackend(good)).toBe(true);
    const verbs = Object.fromEntries(
      ['get', 'getMulti', 'set', 'setMulti', 'delete', 'deleteMulti'].map((verb) => [verb, () => undefined]),
    );
    expect(isBackend({ stores: 'bytes', ...verbs })).toBe(true);
    expect(isBackend({ stores: 'text', ...verbs })).toBe(false);
    expect(isBackend({ ...verbs })).toBe(false);
    for (const verb of Object.keys(verbs))
      expect(isBackend({ stores: 'bytes', ...verbs, [verb]: undefined })).toBe(false);
  });

  it.each([[null], [undefined], [5], [[]], [() => {}], [new Map()], [{}]])('%j is none', (value) => {
    expect(isBackend(value)).toBe(false);
    const region = makeRegion();
    expect(() => region.configure(value as never)).toThrow(ValidationError);
    expect(region.isConfigured).toBe(false);
  });
});
