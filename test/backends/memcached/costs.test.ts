/** What each call costs, in requests on the wire. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type CacheRegion, makeRegion } from '../../../src/region/region.js';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { PACKAGES } from './support/packages.js';
import { raw, store } from './support/raw.js';
import { type Tap, tap } from './support/tap.js';
import { UNHURRIED, UNHURRIED_POLICY } from './support/unhurried.js';

let server: RunningMemcached;
beforeAll(async () => {
  server = await startMemcached();
});
afterAll(() => server.kill());

describe.each(PACKAGES)('$name', ({ open, hasCas, name }) => {
  async function watched(): Promise<{
    region: CacheRegion;
    requestsOf(run: () => Promise<unknown>): Promise<string[]>;
  }> {
    await raw(server.port, 'flush_all');
    const between: Tap = await tap(server.port);
    onTestFinished(() => between.close());
    const region = makeRegion().configure(open(between.url, UNHURRIED), UNHURRIED_POLICY);
    onTestFinished(() => region.close());
    await region.ready();
    const requestsOf = async (run: () => Promise<unknown>) => {
      between.requests.length = 0;
      await run();
      return [...between.requests];
    };
    return { region, requestsOf };
  }

  it('a hit 1, also of many callers at once', async () => {
    const { region, requestsOf } = await watched();
    await region.set('k', 1);
    expect(await requestsOf(() => region.getOrCreate('k', () => 2))).toEqual(['get k']);
    const many = () => Promise.all(Array.from({ length: 100 }, () => region.getOrCreate('k', () => 2)));
    expect(await requestsOf(many)).toEqual(['get k']);
  });

  it('a miss and an expired value 6, 7 where there is no CAS', async () => {
    const { region, requestsOf } = await watched();
    const gets = hasCas ? 'gets' : 'get';
    const cas = (verb: string) => (hasCas ? 'cas' : verb);
    const end = [...(hasCas ? [] : ['get _lockk']), `${cas('delete')} _lockk`];
    const begin = ['get k', 'add _lockk', `${gets} k`, `${gets} _lockk`];
    expect(await requestsOf(() => region.getOrCreate('k', () => 1))).toEqual([...begin, 'add k', ...end]);
    await store(server.port, 'k', `{"ct":${Date.now() / 1000 - 7200},"v":2}|1`);
    expect(await requestsOf(() => region.getOrCreate('k', () => 2))).toEqual([...begin, `${cas('replace')} k`, ...end]);
  });

  it('a stale value while another creates 3', async () => {
    const { region, requestsOf } = await watched();
    await store(server.port, 'k', `{"ct":${Date.now() / 1000 - 7200},"v":2}|1`);
    await store(server.port, '_lockk', '1');
    expect(await requestsOf(() => region.getOrCreate('k', () => 2))).toHaveLength(3);
  });

  it('a set or delete 2, of many as many times', async () => {
    const { region, requestsOf } = await watched();
    expect(await requestsOf(() => region.set('k', 1))).toHaveLength(2);
    expect(await requestsOf(() => region.delete('k'))).toHaveLength(2);
    const two = new Map([
      ['a', 1],
      ['b', 2],
    ]);
    expect(await requestsOf(() => region.setMulti(two))).toHaveLength(4);
    expect(await requestsOf(() => region.deleteMulti(['a', 'b']))).toHaveLength(4);
  });

  it('many keys 1, one each where there is no multi-get', async () => {
    const { region, requestsOf } = await watched();
    const keys = Array.from({ length: 100 }, (_, at) => `k${at}`);
    expect(await requestsOf(() => region.getMulti(keys))).toHaveLength(name === 'memjs' ? 100 : 1);
  });
});
