/** What Python's suite says of the arguments of its memcached and Redis backends (7.21, 7.22), where we have them, and where we have not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ValidationError } from '../../src/errors.js';
import { makeRegion } from '../../src/region/region.js';
import { type RunningMemcached, startMemcached } from '../services/memcached.js';
import { ask } from '../services/server.js';
import { PATIENCE } from '../support/server-backends.js';

const refused = (backend: string, args: object) => {
  const region = makeRegion();
  expect(() => region.configure(backend, { arguments: { ...args } })).toThrow(ValidationError);
  expect(region.isConfigured).toBe(false);
};

describe.each(['memcached', 'node_memcached', 'memjs', 'memcache_client'])('dogpile.cache.%s', (name) => {
  const backend = `dogpile.cache.${name}`;
  let server: RunningMemcached;
  beforeAll(async () => {
    server = await startMemcached();
  });
  afterAll(() => server.stop());

  it('[py 223–227, 229] how often and when a lost server is tried is not to be said: refused, not ignored (differs)', () => {
    for (const option of ['retryAttempts', 'retryTimeout', 'retryDelay', 'retryFor', 'deadTimeout', 'deadRetry'])
      refused(backend, { [option]: 4 });
    refused(backend, { enableRetryClient: true });
    refused(backend, { hashclientRetryAttempts: 4 });
  });

  it('[py 231, 234, 236] nor is what would be another client: binary, behaviors, minCompressLen (differs)', () => {
    refused(backend, { binary: true });
    refused(backend, { behaviors: { ketama: true } });
    refused(backend, { minCompressLen: 20 });
  });

  it('[py 228, 235, 237, 238] memcachedExpireTime is what the server is told; without it and the policy, nothing', async () => {
    const left = async (args: object) => {
      const region = makeRegion().configure<string>(backend, {
        backendTimeout: PATIENCE,
        arguments: { url: server.url, timeout: PATIENCE, ...args },
      });
      await region.set('k', 'value');
      await region.close();
      return Number(/ t(-?\d+)/.exec(await ask(server.port, 'mg k t\r\n'))?.[1]);
    };
    const seconds = await left({ memcachedExpireTime: '20s' });
    expect(seconds).toBeGreaterThan(15);
    expect(seconds).toBeLessThan(23);
    expect(await left({})).toBe(-1);
  });
});

describe.each(['redis', 'valkey'])('dogpile.cache.%s', (name) => {
  const backend = `dogpile.cache.${name}`;
  const client = { sendCommand: async () => null };

  it('[py 251, 252, 255] options of the client are its own: they are refused here, and a client of yours is taken (differs)', () => {
    refused(backend, { socketKeepalive: true });
    refused(backend, { socketKeepalive: true, socketKeepaliveOptions: { 1: 1 } });
    refused(backend, { connectionKwargs: { retryOnTimeout: true } });
  });

  it('[py 253] beside a client of yours no other place is ignored: it is refused (differs)', () => {
    refused(backend, { client, url: 'redis://elsewhere' });
  });
});
