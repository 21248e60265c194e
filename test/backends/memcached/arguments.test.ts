/** What `configure` accepts of the memcached backends, and what it says to the rest, before anything is connected to. */
import { describe, expect, it } from 'vitest';
import { checkMemcachedArguments, type MemcachedName } from '../../../src/backends/memcached-arguments.js';
import { makeRegion } from '../../../src/region/region.js';

const NAMES: readonly MemcachedName[] = ['memcached', 'node_memcached', 'memjs', 'memcache_client'];
const nothing = () => {};
const node = {
  get: nothing,
  gets: nothing,
  getMulti: nothing,
  set: nothing,
  add: nothing,
  cas: nothing,
  del: nothing,
  end: nothing,
};

describe('is refused, with what to do instead', () => {
  it.each<[MemcachedName, object | null, string]>([
    ['memcached', [], 'must be an object'],
    ['memcached', null, 'must be an object'],
    ['memcached', { urls: 'a' }, 'Did you mean "url"'],
    ['memcached', { memcached_expire_time: 20 }, 'Did you mean "memcachedExpireTime"'],
    ['memcached', { client: node }, 'knows no option "client"'],
    ['memcached', { lease: 'token' }, "lease must be 'server' or 'key'"],
    ['node_memcached', { lease: 'key' }, 'knows no option "lease". That is for dogpile.cache.memcached.'],
    ['node_memcached', { username: 'u' }, 'That is for dogpile.cache.memcached or dogpile.cache.memjs.'],
    ['memjs', { tls: true }, 'That is for dogpile.cache.memcached or dogpile.cache.memcache_client.'],
    ['memcache_client', { password: 'p' }, 'That is for dogpile.cache.memcached or dogpile.cache.memjs.'],
    ['memcached', { url: 5 }, 'url must be'],
    ['memcached', { url: '' }, 'url must be'],
    ['memcached', { url: [] }, 'at least one'],
    ['memcached', { url: ['a', 'b:x'] }, 'url[1] must be'],
    ['memcached', { url: ['a', 'a:11211'] }, 'twice'],
    ['memcached', { url: 'a:0' }, '65535'],
    ['memcached', { url: 'a:70000' }, '65535'],
    ['memcached', { url: '::1' }, 'url must be'],
    ['memcached', { url: 'a b' }, 'url must be'],
    ['memcached', { url: 'redis://a' }, '"redis:"'],
    ['memcached', { url: 'memcached://a/1' }, 'no databases'],
    ['memcached', { url: 'memcached://a?x=1' }, 'no databases'],
    ['memcached', { url: 'memcached://a:x' }, 'no URL'],
    ['memcached', { url: 'unix://host/path' }, 'no unix socket'],
    ['memcached', { url: 'memcached://u:a%zz@a' }, 'percent-encoded'],
    ['memcached', { url: 'user:pass@host:11211' }, 'form of a URL'],
    ['memcached', { username: 'u' }, 'belong together'],
    ['memcached', { username: 5, password: 'p' }, 'username must be a string'],
    ['memcached', { tls: 'yes' }, 'tls must be'],
    ['memcached', { distributedLock: 1 }, 'true or false'],
    ['memcached', { lockTimeout: 'soon' }, 'lockTimeout must be'],
    ['memcached', { lockTimeout: 0 }, 'more than 0'],
    ['memcached', { lockTimeout: Number.POSITIVE_INFINITY }, 'finite'],
    ['memcached', { lockMaxHold: -1 }, 'lockMaxHold'],
    ['memcached', { lockSleep: 0 }, 'more than 0'],
    ['memcached', { timeout: Number.NaN }, 'timeout must be'],
    ['memcached', { memcachedExpireTime: 0 }, 'more than 0'],
    ['node_memcached', { url: '/run/m.sock' }, 'unix sockets'],
    ['memcache_client', { url: 'unix:///run/m.sock' }, 'unix sockets'],
    ['memcache_client', { url: '[::1]:11211' }, 'IPv6'],
    ['node_memcached', { url: 'memcached://u:p@a' }, "can't authenticate"],
    ['memcache_client', { url: 'memcached://u:p@a' }, "can't authenticate"],
    ['node_memcached', { client: {} }, 'getMulti()'],
    ['node_memcached', { client: null }, 'client (of the package memcached)'],
    ['memjs', { client: node }, 'close()'],
    ['memcache_client', { client: 5 }, 'shutdown()'],
    ['node_memcached', { client: node, url: 'a' }, 'exclude each other'],
    ['memjs', { client: node, username: 'u', password: 'p' }, 'exclude each other'],
  ])('%s %o', (name, args, message) => {
    expect(() => checkMemcachedArguments(name, args as object)).toThrow(
      expect.objectContaining({ code: 'DOGPILE_VALIDATION', message: expect.stringContaining(message) }),
    );
  });

  it('and the region stays unconfigured', () => {
    for (const name of ['node_memcached', 'dogpile.cache.memjs', 'dogpile.cache.memcache_client']) {
      const region = makeRegion();
      expect(() => region.configure(name, { arguments: { lockTimeout: 'soon' } })).toThrow('lockTimeout');
      expect(region.isConfigured).toBe(false);
    }
  });

  it('without ever showing a password', () => {
    for (const url of [
      'memcached://u:secret@host:x',
      'memcached://u:secret@h/db',
      'amqp://u:secret@h',
      'memcached://u:secret%@h',
    ]) {
      try {
        checkMemcachedArguments('memjs', { url });
        expect.unreachable(url);
      } catch (error) {
        const cause =
          error instanceof Error
            ? Object.getOwnPropertyNames(error.cause ?? {}).map((name) => Reflect.get(error.cause as object, name))
            : [];
        expect(`${error} ${cause}`).not.toContain('secret');
      }
    }
  });
});

describe('is taken', () => {
  const serversOf = (name: MemcachedName, args: object) => {
    const { target } = checkMemcachedArguments(name, args);
    return target.at === 'servers' ? target.servers : [];
  };
  const local = { host: '127.0.0.1', port: 11211, path: undefined, username: undefined, password: undefined };

  it.each<[string | readonly string[] | undefined, object[]]>([
    [undefined, [local]],
    ['127.0.0.1', [local]],
    ['cache.example:11212', [{ ...local, host: 'cache.example', port: 11212 }]],
    ['[::1]', [{ ...local, host: '::1' }]],
    ['[fe80::1]:5', [{ ...local, host: 'fe80::1', port: 5 }]],
    ['memcached://', [local]],
    ['memcached://a:5', [{ ...local, host: 'a', port: 5 }]],
    ['memcached://[::1]:5/', [{ ...local, host: '::1', port: 5 }]],
    ['/run/m.sock', [{ ...local, host: '', path: '/run/m.sock' }]],
    ['unix:///run/m%20m.sock', [{ ...local, path: '/run/m m.sock' }]],
    [
      ['a', 'b:5'],
      [
        { ...local, host: 'a' },
        { ...local, host: 'b', port: 5 },
      ],
    ],
  ])('[py 232, 233] %j', (url, servers) => {
    expect(serversOf('memcached', { url })).toEqual(servers);
  });

  it('credentials, of the URL or for all', () => {
    expect(serversOf('memjs', { url: 'memcached://u%40:p%3A@a' })).toMatchObject([{ username: 'u@', password: 'p:' }]);
    expect(serversOf('memcached', { url: ['a', 'b'], username: 'u', password: '' })).toMatchObject([
      { username: 'u', password: '' },
      { username: 'u', password: '' },
    ]);
  });

  it('nothing: with defaults for all of it', () => {
    for (const name of NAMES) {
      expect(checkMemcachedArguments(name)).toEqual({
        name,
        target: { at: 'servers', servers: [local] },
        distributedLock: true,
        lockTimeout: 10_000,
        lockMaxHold: 300_000,
        lockSleep: 100,
        // A tenth of it is left for what comes after.
        timeout: 900,
        expirationTime: undefined,
        lease: 'server',
        tls: undefined,
      });
    }
  });

  it('a client, known by its members', () => {
    expect(checkMemcachedArguments('node_memcached', { client: node }).target).toEqual({ at: 'client', client: node });
  });

  it('tls: true for its defaults, options as they are, false for none', () => {
    expect(checkMemcachedArguments('memcache_client', { tls: true }).tls).toEqual({});
    expect(checkMemcachedArguments('memcache_client', { tls: { ca: 'x' } }).tls).toEqual({ ca: 'x' });
    expect(checkMemcachedArguments('memcache_client', { tls: false }).tls).toBe(undefined);
  });
});
