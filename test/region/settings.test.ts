import { describe, expect, it, vi } from 'vitest';
import { ValidationError } from '../../src/errors.js';
import { CallPolicy, callSettings, readGetOptions, readSetOptions } from '../../src/region/call-options.js';
import { regionSettings } from '../../src/region/region-options.js';
import { freshnessOf } from '../../src/region/settings.js';

const INFINITE = Number.POSITIVE_INFINITY;

describe('settings', () => {
  it('of a region that says nothing are the defaults', () => {
    expect(regionSettings({})).toEqual({
      callExpiration: undefined,
      decoratorExpiration: undefined,
      expiration: INFINITE,
      serveStale: INFINITE,
      background: false,
      keepStale: 86_400_000,
      lockWait: INFINITE,
      staleIfError: 0,
      errorBackoff: 0,
      softTimeout: INFINITE,
      hardTimeout: INFINITE,
      earlyRefresh: 0,
      jitter: 0,
      tags: [],
      shouldCache: undefined,
      signal: undefined,
      fixed: { callExpiration: undefined, expiration: INFINITE, keepStale: 86_400_000 },
    });
  });

  it('limits and switches are normalised', () => {
    expect(regionSettings({ serveStale: false, staleIfError: true, earlyRefresh: true })).toMatchObject({
      serveStale: 0,
      staleIfError: INFINITE,
      earlyRefresh: 1,
    });
    expect(
      regionSettings({ serveStale: '5s', staleIfError: '1m', earlyRefresh: 2.5, jitter: 0.1, keepStale: 0 }),
    ).toMatchObject({
      serveStale: 5000,
      staleIfError: 60_000,
      earlyRefresh: 2.5,
      jitter: 0.1,
      keepStale: 0,
    });
  });

  it('the call’s expiration time, then the decorator’s, then the region’s', () => {
    const region = regionSettings({ expirationTime: '10s' });
    const decorated = new CallPolicy({ expirationTime: '5s' }).under(region);
    const called = new CallPolicy({ expirationTime: '5s' }).with({ expirationTime: '1s' }).under(region);
    expect(freshnessOf(region)).toMatchObject({ callExpiration: undefined, expiration: 10_000 });
    expect(freshnessOf(decorated)).toMatchObject({ callExpiration: undefined, expiration: 5000 });
    expect(freshnessOf(called)).toMatchObject({ callExpiration: 1000, expiration: 5000 });
    expect(freshnessOf(callSettings(region, { expirationTime: 0 }, 'x'))).toMatchObject({
      callExpiration: 0,
      expiration: 10_000,
    });
    expect(readGetOptions(region, { expirationTime: '1s' }, 'x').asked).toMatchObject({
      callExpiration: 1000,
    });
  });

  it('functions are asked at each use; what they leave open is the next one’s', () => {
    const ask = vi.fn<() => string | number | undefined>(() => '1s');
    const region = regionSettings({ expirationTime: ask });
    expect(region.fixed).toBeUndefined();
    expect(ask).not.toHaveBeenCalled();
    expect(freshnessOf(region).expiration).toBe(1000);
    ask.mockReturnValue('2s');
    expect(freshnessOf(region).expiration).toBe(2000);
    ask.mockReturnValue(undefined);
    expect(freshnessOf(region).expiration).toBe(INFINITE);
    const decorated = new CallPolicy({ expirationTime: () => undefined }).under(
      regionSettings({ expirationTime: '3s' }),
    );
    expect(freshnessOf(decorated).expiration).toBe(3000);
    ask.mockReturnValue('soon');
    expect(() => freshnessOf(region)).toThrow(/^The result of expirationTime\(\) must be .*, not "soon"\.$/);
    const boom = new Error('boom');
    ask.mockImplementation(() => {
      throw boom;
    });
    expect(() => freshnessOf(region)).toThrow(boom);
  });

  it('a call may say everything but what is the region’s alone', () => {
    const region = regionSettings({ expirationTime: '10s', background: true });
    const { signal } = new AbortController();
    const shouldCache = () => true;
    const settings = callSettings(region, { background: false, lockWait: '1s', shouldCache, signal, tags: ['a'] }, 'x');
    expect(settings).toMatchObject({
      background: false,
      lockWait: 1000,
      shouldCache,
      signal,
      tags: ['a'],
      expiration: 10_000,
    });
    expect(callSettings(region, { background: undefined, lockWait: undefined }, 'x')).toMatchObject({
      background: true,
    });
    expect(region).toMatchObject({ background: true, lockWait: INFINITE, tags: [] });
  });

  it('a decorator’s are made once for a region that stays configured as it is', () => {
    const [one, other] = [regionSettings({}), regionSettings({ expirationTime: 5 })];
    const policy = new CallPolicy({ background: true });
    expect(policy.under(one)).toBe(policy.under(one));
    expect(policy.under(other)).toMatchObject({ background: true, expiration: 5 });
  });

  it.each([
    [{ expirationTime: 'soon' }, /expirationTime must be/],
    [{ expirationTime: null }, /expirationTime must be .*, not null/],
    [
      { wrap: [] },
      /getOrCreate\(\) knows no option "wrap"\. It is an option of configure\(\)\. It knows expirationTime, /,
    ],
    [{ ttl: 5 }, /knows no option "ttl"\. The age beyond which a value is stale is its `expirationTime`\./],
    [{ serveStale: 'false' }, /serveStale must be true, false, a number of milliseconds/],
    [{ replaceExistingBackend: true }, /knows no option "replaceExistingBackend"/],
    [{ ignoreExpiration: true }, /knows no option "ignoreExpiration"/],
    [{ shouldCache: true }, /shouldCache must be a function, not true/],
    [{ should_cache_fn: () => true }, /knows no option "should_cache_fn"/],
    [{ signal: new AbortController() }, /signal must be an object with addEventListener\(\), throwIfAborted\(\)/],
    [{ tags: 'a' }, /tags must be an array of strings, not "a"/],
    [{ tags: [''] }, /A tag must be text that is not empty/],
    [{ tags: [5] }, /A tag must be text/],
    [{ tags: ['\ud800'] }, /no lone surrogate/],
    [{ earlyRefresh: Number.POSITIVE_INFINITY }, /earlyRefresh must be/],
    [{ jitter: -0.1 }, /jitter must be/],
    [{ jitter: '0.1' }, /jitter must be/],
    [[], /must be an object, not an array/],
    [null, /must be an object, not null/],
    ['1s', /must be an object, not "1s"/],
  ])('a call refuses %j', (options, message) => {
    const read = () => callSettings(regionSettings({}), options as never, 'getOrCreate()');
    expect(read).toThrow(ValidationError);
    expect(read).toThrow(message);
    if (typeof options === 'object' && options && !Array.isArray(options) && 'jitter' in options)
      expect(() => new CallPolicy(options as never)).toThrow(message);
  });

  it.each([
    [{ maxEntries: 5 }, /"maxEntries"\. What the backend itself is told goes into `arguments`\. It knows /],
    [{ keyMangler: false }, /"keyMangler"\. It is an option of makeRegion\(\)\./],
    [{ maxAge: 5 }, /"maxAge"\. .* `expirationTime`\./],
  ])('configure() says of %j where it belongs', (options, message) => {
    expect(() => regionSettings(options as never)).toThrow(message);
  });

  it('get and set know their own options alone', () => {
    const region = regionSettings({});
    expect(() => readGetOptions(region, { background: true } as never, 'get()')).toThrow(
      /get\(\) knows no option "background"/,
    );
    expect(() => readGetOptions(region, { ignoreExpiration: 1 } as never, 'get()')).toThrow(
      /ignoreExpiration must be true or false, not 1/,
    );
    expect(readGetOptions(region, { ignoreExpiration: undefined }, 'get()').ignoreExpiration).toBe(false);
    expect(() => readSetOptions({ expirationTime: () => 5 } as never, 'set()')).toThrow(
      /expirationTime must be .*, not a function/,
    );
    expect(() => readSetOptions({ ttl: 5 } as never, 'set()')).toThrow(/set\(\) knows no option "ttl"/);
    expect(readSetOptions({}, 'set()')).toEqual({ ownExpiration: undefined, tags: [] });
    expect(readSetOptions({ expirationTime: '1s', tags: ['a'] }, 'set()')).toEqual({
      ownExpiration: 1000,
      tags: ['a'],
    });
  });
});
