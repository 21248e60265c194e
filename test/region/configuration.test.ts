import { describe, expect, it, vi } from 'vitest';
import { BasicBackend } from '../../src/backends/basic.js';
import { memoryBackend } from '../../src/backends/memory.js';
import {
  BackendNotFoundError,
  RegionAlreadyConfiguredError,
  RegionNotConfiguredError,
  ValidationError,
} from '../../src/errors.js';
import { ProxyBackend } from '../../src/proxy.js';
import { CacheRegion, makeRegion } from '../../src/region/region.js';
import { jsonSerializer, v8Serializer } from '../../src/serializers.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const upper = (key: string) => key.toUpperCase();
const mangling = (keyMangler: (key: string) => string) => Object.assign(memoryBackend(), { keyMangler });
class Bytes extends BasicBackend {
  readonly stores = 'bytes';
  readonly entries = new Map<string, Uint8Array>();
  get = (key: string) => this.entries.get(key);
  set = (key: string, stored: Uint8Array) => void this.entries.set(key, stored);
  delete = (key: string) => void this.entries.delete(key);
}

describe('makeRegion', () => {
  it('[py 7] has the name it is given', () => {
    expect(makeRegion({ name: 'users' }).name).toBe('users');
    expect(makeRegion({}).name).toBeUndefined();
    expect(new CacheRegion({ name: 'users' })).toBeInstanceOf(CacheRegion);
  });

  it.each([
    [5, /The options of a region must be an object, not 5/],
    [null, /must be an object, not null/],
    [{ nme: 'x' }, /A region knows no option "nme"\. Did you mean "name"\?/],
    [{ key_mangler: upper }, /Did you mean "keyMangler"\?/],
    [{ name: 5 }, /name must be a string, not 5/],
    [{ keyMangler: 'sha1' }, /keyMangler must be a function, not "sha1"/],
    [{ keyMangler: true }, /keyMangler must be a function, not true/],
    [
      { serializer: JSON },
      /serializer must be an object with serialize\(\), deserialize\(\), not one without serialize\(\)/,
    ],
    [{ serializer: 'json' }, /serializer must be an object with/],
    [{ clock: { now: Date.now } }, /clock must be an object with now\(\), setTimeout\(\), clearTimeout\(\)/],
    [{ random: 0.5 }, /random must be a function, not 0\.5/],
    [{ asyncCreationRunner: {} }, /asyncCreationRunner must be a function/],
    [{ functionKeyGenerator: 'x' }, /functionKeyGenerator must be a function/],
    [{ functionMultiKeyGenerator: 'x' }, /functionMultiKeyGenerator must be a function/],
    [{ expirationTime: 5 }, /A region knows no option "expirationTime"\. It is an option of configure\(\)\./],
  ])('refuses %j', (options, message) => {
    expect(() => makeRegion(options as never)).toThrow(ValidationError);
    expect(() => makeRegion(options as never)).toThrow(message);
  });

  it('an option that is undefined is not given', () => {
    const region = makeRegion({ name: undefined, keyMangler: undefined, serializer: undefined, clock: undefined });
    expect(region.configure('memory', { expirationTime: undefined, wrap: undefined }).expirationTime).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
});

describe('before configure()', () => {
  it('[py 24] there is no backend', () => {
    const region = makeRegion();
    expect(region.isConfigured).toBe(false);
    expect(() => region.backend).toThrow(
      new RegionNotConfiguredError('No backend is configured on this region. Call region.configure(…) first.'),
    );
    expect(() => makeRegion({ name: 'users' }).backend).toThrow('No backend is configured on region "users".');
    expect(() => region.actualBackend).toThrow(RegionNotConfiguredError);
    expect(() => region.expirationTime).toThrow(RegionNotConfiguredError);
    expect(() => region.wrap(ProxyBackend)).toThrow(RegionNotConfiguredError);
    expect(region.keyMangler).toBeUndefined();
  });

  it('[py E14] every call is a rejection, none a throw (differs)', async () => {
    const region = makeRegion();
    const calls: readonly (() => Promise<unknown>)[] = [
      () => region.get('k'),
      () => region.getCachedValue('k'),
      () => region.getMulti(['k']),
      () => region.set('k', 1),
      () => region.setMulti({ k: 1 }),
      () => region.delete('k'),
      () => region.deleteMulti(['k']),
      () => region.getOrCreate('k', () => 1),
      () => region.getOrCreateMulti(['k'], () => [1]),
      () => region.invalidate(),
      () => region.keyIsLocked('k'),
      () => region.explain('k'),
      () => region.ready(),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(RegionNotConfiguredError);
    await region.idle();
    expect(region.statistics.misses).toBe(0);
  });
});

describe('configure()', () => {
  it('[py 11] stores the expiration time in milliseconds, whatever its form', () => {
    expect(makeRegion().configure('memory', { expirationTime: '1d' }).expirationTime).toBe(86_400_000);
    expect(makeRegion().configure('memory', { expirationTime: 600 }).expirationTime).toBe(600);
    expect(makeRegion().configure('memory', { expirationTime: '32h' }).expirationTime).toBe(115_200_000);
    expect(makeRegion().configure('memory').expirationTime).toBe(Number.POSITIVE_INFINITY);
  });

  it('[py E4] fractions of a second are kept, and what is no duration is refused (differs)', () => {
    expect(makeRegion().configure('memory', { expirationTime: '0.5s' }).expirationTime).toBe(500);
    for (const expirationTime of [true, [], {}]) {
      expect(() => makeRegion().configure('memory', { expirationTime: expirationTime as never })).toThrow(
        ValidationError,
      );
    }
  });

  it('[py E3] negative expiration times are refused; Infinity is "never" (differs)', async () => {
    const region = makeRegion();
    expect(() => region.configure('memory', { expirationTime: -1 })).toThrow(ValidationError);
    region.configure('memory');
    await expect(region.get('k', { expirationTime: -1 })).rejects.toThrow(ValidationError);
    await expect(region.getOrCreate('k', () => 1, { expirationTime: -1 })).rejects.toThrow(ValidationError);
  });

  it('[py 12] an invalid expiration time says what is accepted', () => {
    expect(() => makeRegion().configure('memory', { expirationTime: 'one hour' })).toThrow(
      /^expirationTime must be a number of milliseconds, .* not "one hour"\.$/,
    );
  });

  it('[py 13–15, E35] the region’s mangler, else the backend’s; false is none, the backend’s neither (differs)', () => {
    const lower = (key: string) => key.toLowerCase();
    expect(makeRegion({ keyMangler: lower }).keyMangler).toBe(lower);
    expect(makeRegion({ keyMangler: lower }).configure(mangling(upper)).keyMangler).toBe(lower);
    expect(makeRegion().configure(mangling(upper)).keyMangler).toBe(upper);
    expect(makeRegion().configure(memoryBackend()).keyMangler).toBeUndefined();
    expect(makeRegion({ keyMangler: false }).configure(mangling(upper)).keyMangler).toBeUndefined();
  });

  it.each([
    [memoryBackend, 'not a function: call the factory, or make one of the class.'],
    [Bytes, 'not a function: call the factory, or make one of the class.'],
    [
      { callBuffer: async () => null },
      'not an object without them; a client is handed to its backend, as redisBackend({ client }).',
    ],
    [5, 'not 5.'],
  ])('%o is no backend, and what to do is said', (given, message) => {
    expect(() => makeRegion().configure(given as never)).toThrow(
      `A backend is a name, or an object with stores, get(), set() and delete(), ${message}`,
    );
  });

  it('[py 20] twice is refused, and it stays configured as it was', () => {
    const region = makeRegion().configure('memory', { expirationTime: 5 });
    const { backend } = region;
    expect(() => region.configure('memory', { expirationTime: 7 })).toThrow(RegionAlreadyConfiguredError);
    expect(() => region.configure('memory')).toThrow(/This region is already configured/);
    const named = makeRegion({ name: 'users' }).configure('memory');
    expect(() => named.configure('memory')).toThrow('This region ("users") is already configured.');
    expect(() => region.configure('memory', { replaceExistingBackend: false })).toThrow(RegionAlreadyConfiguredError);
    expect(region.isConfigured).toBe(true);
    expect(region.backend).toBe(backend);
    expect(region.expirationTime).toBe(5);
  });

  it('[py 21–23] replaceExistingBackend: the new backend and its mangler, but the user’s mangler stays', () => {
    const region = makeRegion().configure('null');
    const next = mangling(upper);
    region.configure(next, { replaceExistingBackend: true });
    expect(region.isConfigured).toBe(true);
    expect(region.backend).toBe(next);
    expect(region.keyMangler).toBe(upper);
    const mine = (key: string) => key;
    const other = makeRegion({ keyMangler: mine }).configure('null').configure(next, { replaceExistingBackend: true });
    expect(other.keyMangler).toBe(mine);
  });

  it('[py E15] ... keeps the invalidations and the serializer', async () => {
    const clock = new FakeClock();
    const [one, other] = [memoryBackend(), memoryBackend()];
    await makeRegion({ clock, serializer: jsonSerializer }).configure(other).set('k', 'old');
    const region = makeRegion({ clock, serializer: jsonSerializer }).configure(one);
    await region.invalidate();
    region.configure(other, { replaceExistingBackend: true });
    expect(await region.get('k')).toBeUndefined();
    expect(await region.get('k', { ignoreExpiration: true })).toBe('old');
    await region.set('k', 'new');
    expect(await other.get('k')).toBeInstanceOf(Uint8Array);
  });

  it('[py E33] actualBackend is the new one after a replacement (differs)', () => {
    const [one, other] = [memoryBackend(), memoryBackend()];
    const region = makeRegion().configure(one);
    expect(region.actualBackend).toBe(one);
    region.configure(other, { replaceExistingBackend: true, wrap: [ProxyBackend] });
    expect(region.actualBackend).toBe(other);
  });

  it('the serializer is the region’s, else the backend’s, else JSON', async () => {
    const first = async (region: CacheRegion, backend: Bytes) => {
      await region.configure(backend).set('k', 1);
      const bytes = backend.entries.get('k') ?? new Uint8Array();
      return bytes[bytes.indexOf(0x7c) + 1];
    };
    const its = () => Object.assign(new Bytes(), { serializer: v8Serializer });
    expect(await first(makeRegion(), new Bytes())).toBe('1'.charCodeAt(0));
    expect(await first(makeRegion(), its())).toBe(0xff);
    expect(await first(makeRegion({ serializer: jsonSerializer }), its())).toBe('1'.charCodeAt(0));
  });

  it('hands the backend the region’s clock and chance, outermost proxy first', () => {
    const order: string[] = [];
    const attach = vi.fn(() => void order.push('backend'));
    class Attached extends ProxyBackend {
      override attach(host: Parameters<ProxyBackend['attach']>[0]) {
        order.push('proxy');
        super.attach(host);
      }
    }
    const clock = new FakeClock();
    const random = () => 0.5;
    makeRegion({ clock, random }).configure(Object.assign(memoryBackend(), { attach }), { wrap: [Attached] });
    expect(order).toEqual(['proxy', 'backend']);
    expect(attach).toHaveBeenCalledWith(expect.objectContaining({ clock, random, report: expect.any(Function) }));
  });

  it('[py 191] leaves options and arguments as they are', () => {
    const args = Object.freeze({ maxEntries: 5 });
    const options = Object.freeze({ arguments: args, expirationTime: '5m', wrap: Object.freeze([ProxyBackend]) });
    const before = JSON.stringify(options);
    makeRegion().configure('memory', options);
    expect(JSON.stringify(options)).toBe(before);
  });
});

describe('wrong options', () => {
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['no object', 5, /The options of configure\(\) must be an object, not 5/],
    ['an array', [], /must be an object, not an array/],
    ['an unknown name', { expirationTme: 5 }, /Did you mean "expirationTime"\?/],
    ['Python’s name', { expiration_time: 5 }, /Did you mean "expirationTime"\? Mind that Python counts seconds/],
    [
      '[py E31] wrap as a bare class',
      { wrap: ProxyBackend },
      /wrap must be an array of proxies, the first of them the outermost/,
    ],
    ['wrap of what is none', { wrap: [Map] }, /A proxy is a subclass of ProxyBackend, or an instance of one/],
    ['serveStale', { serveStale: 'yes' }, /serveStale must be/],
    ['background', { background: 1 }, /background must be true or false, not 1/],
    ['keepStale', { keepStale: -1 }, /keepStale must be/],
    ['lockWait', { lockWait: '10' }, /lockWait must be/],
    ['jitter', { jitter: 1.5 }, /jitter must be/],
    ['earlyRefresh', { earlyRefresh: -1 }, /earlyRefresh must be/],
    ['staleIfError', { staleIfError: 'always' }, /staleIfError must be/],
    ['errorBackoff', { errorBackoff: null }, /errorBackoff must be/],
    ['hardTimeout', { hardTimeout: 'soon' }, /hardTimeout must be/],
    [
      'replaceExistingBackend',
      { replaceExistingBackend: 'yes' },
      /replaceExistingBackend must be true or false, not "yes"/,
    ],
    [
      'regionInvalidator by a wrong name',
      { regionInvalidator: 'global' },
      /must be 'local', 'shared' or a strategy with invalidate\(\) and cutoffs\(\), not "global"/,
    ],
    [
      'regionInvalidator of half a strategy',
      { regionInvalidator: { invalidate: () => {} } },
      /regionInvalidator must be an object with invalidate\(\), cutoffs\(\)/,
    ],
    ['arguments that are none', { arguments: 5 }, /`arguments` must be an object, not 5/],
    [
      'unknown arguments',
      { arguments: { maxentries: 5 } },
      /The memory backend knows no option "maxentries"\. Did you mean "maxEntries"\?/,
    ],
  ];
  for (const [what, options, message] of wrong) {
    it(`[py E5] ${what}: a ValidationError, and the region is as it was (differs)`, () => {
      const region = makeRegion();
      expect(() => region.configure('memory', options as never)).toThrow(ValidationError);
      expect(() => region.configure('memory', options as never)).toThrow(message);
      expect(region.isConfigured).toBe(false);
      expect(() => region.backend).toThrow(RegionNotConfiguredError);
      const { backend } = region.configure('memory', { expirationTime: 7 });
      const again =
        typeof options === 'object' && !Array.isArray(options) ? { replaceExistingBackend: true, ...options } : options;
      expect(() => region.configure('memory', again as never)).toThrow(ValidationError);
      expect(region.backend).toBe(backend);
      expect(region.expirationTime).toBe(7);
    });
  }

  it('arguments go with a name, not with an object', () => {
    expect(() => makeRegion().configure(memoryBackend(), { arguments: {} as never })).toThrow(
      /`arguments` go with the name of a backend; a backend object has been given its own/,
    );
  });

  it('a proxy of a configure() that failed can be used for the next', async () => {
    const region = makeRegion();
    const proxy = new ProxyBackend();
    expect(() => region.configure('memory', { wrap: [Map as never, proxy] })).toThrow(ValidationError);
    await region.configure('memory', { wrap: [proxy] }).set('k', 1);
  });

  it('a backend whose attach() throws is not configured', () => {
    const attach = () => {
      throw new Error('no');
    };
    const region = makeRegion();
    expect(() => region.configure(Object.assign(memoryBackend(), { attach }))).toThrow('no');
    expect(region.isConfigured).toBe(false);
  });
});

describe('configureFromConfig()', () => {
  it('[py 8–10] by a flat dictionary with a prefix, text coerced', async () => {
    const region = makeRegion().configureFromConfig(
      {
        'cache.example.backend': 'memory',
        'cache.example.expirationTime': '600',
        'cache.example.background': 'false',
        'cache.example.lockWait': 'None',
        'cache.example.arguments.maxEntries': '1',
        'cache.other.backend': 'null',
      },
      'cache.example.',
    );
    expect(region.expirationTime).toBe(600);
    await region.setMulti({ a: 1, b: 2 });
    expect(region.statistics.evictions).toBe(1);
  });

  it('by nested objects, the null backend too', () => {
    expect(makeRegion().configureFromConfig({ backend: 'memory', expirationTime: '1h' }).expirationTime).toBe(
      3_600_000,
    );
    expect(makeRegion().configureFromConfig({ backend: 'null' }).backend.storesNothing).toBe(true);
  });

  it.each([
    [{ 'c.backend': 'memory', 'c.expirationTme': '5' }, ValidationError, /Did you mean "expirationTime"\?/],
    [{ 'c.backend': 'memory', 'c.expiration_time': '5' }, ValidationError, /Mind that Python counts seconds/],
    [{ 'c.backend': 'memory', 'c.arguments.foo': 'x' }, ValidationError, /The memory backend knows no option "foo"/],
    [{ 'c.backend': 'memory', 'c.expirationTime': 'one hour' }, ValidationError, /expirationTime must be/],
    [{ 'c.backend': 'memory', 'c.expirationTime': '-1' }, ValidationError, /expirationTime must be/],
    [{ 'c.backend': 'unknown' }, BackendNotFoundError, /No backend is called "unknown"/],
    [{ 'c.expirationTime': '5' }, ValidationError, /must name a backend as "c\.backend"/],
  ])('refuses %j', (config, Class, message) => {
    const region = makeRegion();
    expect(() => region.configureFromConfig(config, 'c.')).toThrow(Class);
    expect(() => region.configureFromConfig(config, 'c.')).toThrow(message);
    expect(region.isConfigured).toBe(false);
  });
});
