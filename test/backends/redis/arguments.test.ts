/** What `configure` accepts of Redis and Valkey, and what it says to the rest, before anything is connected to. */
import { describe, expect, it } from 'vitest';
import { checkRedisArguments, type RedisName } from '../../../src/backends/redis-arguments.js';
import { makeRegion } from '../../../src/region/region.js';

const client = { callBuffer: async () => null };

describe('is refused, with what to do instead', () => {
  it.each<[RedisName, object, string]>([
    ['redis', { host: 'x' }, 'knows no option "host". It stands in the url: \'redis://user:password@host:6379/0\''],
    ['valkey', { password: 'secret' }, 'It stands in the url'],
    ['redis', client, 'is handed to the redis backend as { client }'],
    ['redis_cluster', client, 'is handed to the redis_cluster backend as { client }'],
    ['redis', { client: Promise.resolve(client) }, 'not a promise: await it first'],
    ['redis', { lock_timeout: 1 }, 'Did you mean "lockTimeout"'],
    ['redis', { url: 5 }, 'url must be a URL'],
    ['redis', { url: 'localhost' }, 'no URL'],
    ['redis', { url: 'http://localhost' }, '"http:"'],
    ['redis', { url: 'redis://localhost/x' }, 'database'],
    ['redis', { url: 'redis://localhost?family=6' }, '"family"'],
    ['redis', { url: 'redis://:a%zz@localhost' }, 'percent-encoded'],
    ['redis', { url: 'redis://localhost', client }, 'exclude each other'],
    ['redis', { client: {} }, 'sendCommand()'],
    ['redis', { client: null }, 'client must be'],
    ['redis', { distributedLock: 1 }, 'true or false'],
    ['redis', { lockTimeout: 'soon' }, 'lockTimeout must be'],
    ['redis', { lockTimeout: 0 }, 'more than 0'],
    ['redis', { lockTimeout: Number.POSITIVE_INFINITY }, 'finite'],
    ['redis', { lockMaxHold: 'Infinity' }, 'lockMaxHold'],
    ['redis', { lockSleep: 0 }, 'more than 0'],
    ['redis', { timeout: Number.NaN }, 'timeout must be'],
    ['redis', { lockPrefix: 'l' }, '2 to 10'],
    ['redis', { lockPrefix: 'a b' }, '2 to 10'],
    ['redis', { lockPrefix: 'éé' }, '2 to 10'],
    ['redis', { lockPrefix: 'ab\n' }, '2 to 10'],
    ['redis', { lockPrefix: 7 }, 'string'],
    ['redis', { redisExpirationTime: 0 }, 'more than 0'],
    ['redis', { valkeyExpirationTime: 1 }, 'redisExpirationTime'],
    ['valkey', { redisExpirationTime: 1 }, 'valkeyExpirationTime'],
    ['redis', { sentinels: ['x'] }, 'knows no option "sentinels"'],
    ['redis', { url: 'unix://run/redis.sock' }, 'has a host, "run"'],
    ['redis_sentinel', {}, 'sentinels and serviceName'],
    ['redis_sentinel', { sentinels: [], serviceName: 'm' }, 'at least one'],
    ['redis_sentinel', { sentinels: 'x:1', serviceName: 'm' }, `array of at least one address`],
    ['redis_sentinel', { sentinels: 'x:1', serviceName: 'm' }, `as text its JSON ('["host:26379"]')`],
    ['redis_sentinel', { sentinels: ['a:b'], serviceName: 'm' }, 'sentinels[0]'],
    ['redis_sentinel', { sentinels: ['a:70000'], serviceName: 'm' }, '65535'],
    ['redis_sentinel', { sentinels: ['a'], serviceName: 'm', database: -1 }, 'database'],
    ['redis_sentinel', { sentinels: ['a', 'rediss://b'], serviceName: 'm' }, 'sentinels[1] has TLS'],
    ['redis_sentinel', { sentinels: ['unix:///run/s'], serviceName: 'm' }, 'sentinels[0] has a path'],
    ['redis_sentinel', { sentinels: ['redis://:p@a'], serviceName: 'm' }, 'credentials of its own'],
    ['redis_sentinel', { sentinels: ['redis://a/2'], serviceName: 'm' }, 'a database'],
    ['redis_cluster', { startupNodes: ['a', 'unix:///run/s'] }, 'startupNodes[1] has a path'],
    ['redis_cluster', { startupNodes: ['redis://a/1'] }, 'a database'],
    ['redis_cluster', { url: 'redis://a/1' }, 'a database'],
    ['redis_sentinel', { sentinels: ['a'], serviceName: 'm', client }, 'exclude each other'],
    ['redis_cluster', {}, 'url, startupNodes or client'],
    ['redis_cluster', { url: 'redis://a', startupNodes: ['b'] }, 'exclude each other'],
    ['redis_cluster', { startupNodes: [{ port: 1 }] }, 'startupNodes[0]'],
    ['redis_cluster', { client }, 'a client of one server. Hand in one of a cluster'],
    ['redis', { tls: { ca: 'x' } }, "with TLS 'rediss://…'. For TLS beyond"],
    ['redis', { url: 'rediss://h', ca: 'x' }, 'make the client yourself and hand it in'],
    ['redis_sentinel', { sentinels: ['a'], serviceName: 'm', tls: true }, 'make the client yourself and hand it in'],
  ])('%s %o', (name, args, message) => {
    expect(() => checkRedisArguments(name, args)).toThrow(
      expect.objectContaining({ code: 'DOGPILE_VALIDATION', message: expect.stringContaining(message) }),
    );
  });

  it('a cluster that reads from replicas, whatever says which', () => {
    const cluster = (scaleReads: unknown) => ({ ...client, isCluster: true, options: { scaleReads } });
    for (const scaleReads of ['slave', 'all', () => undefined])
      expect(() => checkRedisArguments('redis_cluster', { client: cluster(scaleReads) })).toThrow('scaleReads');
    for (const scaleReads of ['master', undefined])
      expect(checkRedisArguments('redis_cluster', { client: cluster(scaleReads) }).target.at).toBe('client');
  });

  it('and the region stays unconfigured', () => {
    const region = makeRegion();
    expect(() => region.configure('redis', { arguments: { lockTimeout: 'soon' } })).toThrow('lockTimeout');
    expect(region.isConfigured).toBe(false);
  });

  it('without ever showing a password', () => {
    for (const url of [
      'redis://:secret@host:x',
      'redis://:secret@h/db',
      'amqp://u:secret@h',
      'redis://:secret%@h',
      'redis://:secret@h?x=1',
    ]) {
      try {
        checkRedisArguments('redis', { url });
        expect.unreachable(url);
      } catch (error) {
        expect(
          `${error} ${error instanceof Error ? JSON.stringify(error.cause, Object.getOwnPropertyNames(error.cause ?? {})) : ''}`,
        ).not.toContain('secret');
      }
    }
  });
});

describe('[py 246–248, 254] a URL', () => {
  const server = (url: string) => {
    const { target } = checkRedisArguments('redis', { url });
    return target.at === 'server' ? target.server : undefined;
  };
  const local = {
    host: '127.0.0.1',
    port: 6379,
    path: undefined,
    tls: false,
    username: undefined,
    password: undefined,
    database: 0,
  };

  it.each([
    ['redis://cache.internal', { host: 'cache.internal' }],
    ['redis://', {}],
    ['valkey://h:7000/5', { host: 'h', port: 7000, database: 5 }],
    ['rediss://h', { host: 'h', tls: true }],
    ['valkeys://h', { host: 'h', tls: true }],
    ['redis://user:p%40ss@h?db=2', { host: 'h', username: 'user', password: 'p@ss', database: 2 }],
    ['redis://[::1]:7000', { host: '::1', port: 7000 }],
    ['unix:///run/redis.sock?db=1', { path: '/run/redis.sock', database: 1 }],
  ])('%s', (url, expected) => {
    expect(server(url)).toEqual({ ...local, ...expected });
  });

  it('none is the default host', () => {
    expect(checkRedisArguments('redis').target).toEqual({ at: 'server', server: local });
  });
});

it('what is left out has the documented defaults', () => {
  expect(checkRedisArguments('redis', { url: undefined, lockTimeout: undefined })).toMatchObject({
    distributedLock: true,
    lockTimeout: 10_000,
    lockMaxHold: 300_000,
    lockPrefix: '_lock',
    lockSleep: 100,
    timeout: 1000,
    expirationTime: undefined,
  });
});

it('addresses of sentinels and nodes are text, URLs or objects', () => {
  const { target } = checkRedisArguments('valkey_sentinel', {
    sentinels: ['a', 'b:1', '[::1]:2', 'redis://c:3', 'redis://f', { host: 'd' }, { host: 'e', port: 4 }],
    serviceName: 'm',
  });
  const places = target.at === 'sentinels' ? target.sentinels.map(({ host, port }) => `${host} ${port}`) : [];
  expect(places).toEqual(['a 26379', 'b 1', '::1 2', 'c 3', 'f 26379', 'd 26379', 'e 4']);
});
