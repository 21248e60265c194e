import { describe, expect, it, vi } from 'vitest';
import { CachedValue, type Lease } from '../../src/api.js';
import { SingleCreation } from '../../src/region/context.js';
import type { Flight } from '../../src/region/flight.js';
import { Flights } from '../../src/region/flights.js';
import { Statistics } from '../../src/region/statistics.js';
import type { Joining } from '../../src/region/waiter.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const INFINITE = Number.POSITIVE_INFINITY;
const entry = new CachedValue('found', { ct: 1, v: 2 });
const setUp = () => {
  const clock = new FakeClock();
  const flights = new Flights(clock);
  const join = (flight: Flight, more: Partial<Joining> = {}) =>
    flight.join({
      began: flights.tick(),
      signal: undefined,
      patience: () => INFINITE,
      first: false,
      soft: INFINITE,
      ...more,
    });
  const release = vi.fn(async () => {});
  const lease: Lease = { token: 'token', release, [Symbol.asyncDispose]: release };
  const begin = (flight: Flight) => {
    const creation = new SingleCreation({ lock: {}, name: flight.name, key: flight.name, stale: undefined, tags: [] });
    flight.begin(creation, lease);
    return creation;
  };
  const states = (...calls: Promise<unknown>[]) => {
    const known = calls.map((): unknown => 'waits');
    calls.forEach((call, at) => {
      call.then(
        (outcome) => {
          known[at] = outcome;
        },
        (reason) => {
          known[at] = { rejected: reason };
        },
      );
    });
    return async () => {
      await clock.advance(0);
      return known;
    };
  };
  return { clock, flights, join, begin, lease, release, states };
};

describe('a flight', () => {
  it('tells everybody who joined, once; the first ending counts', async () => {
    const { flights, join, begin } = setUp();
    const flight = flights.open('k');
    const calls = [join(flight, { first: true }), join(flight)];
    begin(flight);
    expect(flight.waiting).toBe(2);
    expect(flight.end({ kind: 'created', value: 1, shared: true })).toBe(true);
    expect(flight.end({ kind: 'failed', reason: 2 })).toBe(false);
    for (const call of calls) expect(await call).toMatchObject({ kind: 'created', value: 1 });
    expect([flights.size, flight.waiting]).toEqual([0, 0]);
  });

  it('a value that was not stored answers only who called before its creator was called', async () => {
    const { flights, join, begin } = setUp();
    const flight = flights.open('k');
    const before = join(flight, { first: true });
    begin(flight);
    const after = join(flight);
    flight.end({ kind: 'created', value: 1, shared: false });
    expect(await before).toMatchObject({ kind: 'created' });
    expect(await after).toEqual({ kind: 'again' });
  });

  it('a value that was found answers only who called before the read that found it was sent', async () => {
    const { flights, join } = setUp();
    const flight = flights.open('k');
    const before = join(flight);
    const readAt = flights.tick();
    const after = join(flight);
    flight.end({ kind: 'found', entry, readAt });
    expect(await before).toMatchObject({ kind: 'found', entry });
    expect(await after).toEqual({ kind: 'again' });
  });

  it('a failure rejects everybody, whenever they joined', async () => {
    const { flights, join, begin } = setUp();
    const flight = flights.open('k');
    const before = join(flight);
    begin(flight);
    const after = join(flight);
    flight.end({ kind: 'failed', reason: undefined });
    expect(await Promise.all([before, after])).toEqual([
      { kind: 'failed', reason: undefined },
      { kind: 'failed', reason: undefined },
    ]);
  });

  it('a key that a creator left out is nothing for who started it; the others look again', async () => {
    const { flights, join } = setUp();
    const flight = flights.open('k');
    const [first, other] = [join(flight, { first: true }), join(flight)];
    flight.end({ kind: 'nothing' });
    expect(await first).toEqual({ kind: 'nothing' });
    expect(await other).toEqual({ kind: 'again' });
  });

  it('nobody joins once its commit is sent; who waits is told all the same', async () => {
    const { flights, join, begin } = setUp();
    const flight = flights.open('k');
    const call = join(flight);
    begin(flight);
    flight.close();
    expect(flights.joinable('k')).toBeUndefined();
    expect(flights.size).toBe(1);
    const next = flights.open('k');
    flight.end({ kind: 'created', value: 1, shared: true });
    expect(await call).toMatchObject({ value: 1 });
    expect(flights.joinable('k')).toBe(next);
  });

  it('an end takes nobody’s place: a newer flight of the key stays', () => {
    const { flights } = setUp();
    const old = flights.open('k');
    flights.unlist(old);
    const next = flights.open('k');
    flights.unlist(old);
    flights.landed(old);
    old.end({ kind: 'again' });
    expect(flights.joinable('k')).toBe(next);
    expect(flights.size).toBe(1);
  });

  it('detached: when those who look again were the last to wait, its creator is told; not where it goes on for nobody', async () => {
    for (const unattended of [false, true]) {
      const { flights, join, begin } = setUp();
      const flight = flights.open('k', { unattended });
      const gone = new AbortController();
      const first = join(flight, { first: true, signal: gone.signal });
      const { signal } = begin(flight);
      const after = join(flight);
      gone.abort(new Error('gone'));
      await expect(first).rejects.toThrow('gone');
      expect(signal.aborted).toBe(false);
      flights.detach('k');
      expect(await after).toEqual({ kind: 'again' });
      expect(signal.aborted).toBe(!unattended);
    }
  });

  it('detached before anybody joined: its creator goes on', () => {
    const { flights, begin } = setUp();
    const { signal } = begin(flights.open('k'));
    flights.detach('k');
    expect(signal.aborted).toBe(false);
  });

  it('detached: its result is void, who came after the creator was called looks again at once, the others wait', async () => {
    const { flights, join, begin, states } = setUp();
    const flight = flights.open('k');
    const before = join(flight, { first: true });
    begin(flight);
    const after = join(flight);
    const known = states(before, after);
    flights.detach('k');
    expect(flight.isVoid).toBe(true);
    expect(flights.joinable('k')).toBeUndefined();
    expect(await known()).toEqual(['waits', { kind: 'again' }]);
    flight.end({ kind: 'created', value: 1, shared: false });
    expect(await before).toMatchObject({ value: 1 });
  });

  it('detached before its creator was called: newcomers join it, but what there was is outdated', () => {
    const { flights } = setUp();
    const [flight, other] = [flights.open('k'), flights.open('other')];
    flights.detach('k');
    expect([flight.isVoid, flight.isOutdated, flights.joinable('k')]).toEqual([false, true, flight]);
    expect(other.isOutdated).toBe(false);
  });

  it('a closed flight is detached as well: a delete during the commit is final', () => {
    const { flights, begin } = setUp();
    const flight = flights.open('k');
    begin(flight);
    flight.close();
    flights.detach('k');
    expect(flight.isVoid).toBe(true);
  });

  it('a lease that is voided is counted once; one that lapsed sends everybody but the first to look again', async () => {
    const { flights, join, begin, states } = setUp();
    const statistics = new Statistics(() => 0);
    const flight = flights.open('k');
    const [first, other] = [join(flight, { first: true }), join(flight)];
    begin(flight);
    const known = states(first, other);
    flight.lose('voided', statistics);
    expect(await known()).toEqual(['waits', 'waits']);
    flight.lose('lapsed', statistics);
    expect(await known()).toEqual(['waits', { kind: 'again' }]);
    expect(statistics.lockLosses).toBe(1);
    flight.end({ kind: 'created', value: 1, shared: false });
    expect(await first).toMatchObject({ value: 1 });
  });

  it('an aborted caller leaves alone; when nobody is left the creator’s signal aborts with his reason', async () => {
    const { flights, join, begin, states } = setUp();
    const flight = flights.open('k');
    const [one, other] = [new AbortController(), new AbortController()];
    const calls = [join(flight, { signal: one.signal, first: true }), join(flight, { signal: other.signal })];
    const creation = begin(flight);
    const known = states(...calls);
    const reason = new Error('enough');
    one.abort(reason);
    expect(await known()).toEqual([{ rejected: reason }, 'waits']);
    expect(creation.signal.aborted).toBe(false);
    expect(flights.joinable('k')).toBe(flight);
    other.abort(undefined);
    await known();
    expect(creation.signal.aborted).toBe(true);
    expect(flights.joinable('k')).toBeUndefined();
    expect(flight.isDeserted).toBe(true);
    flight.end({ kind: 'again' });
    expect(flights.size).toBe(0);
  });

  it('one that goes on behind is never deserted', () => {
    const { flights, begin } = setUp();
    const flight = flights.open('k', { unattended: true });
    const creation = begin(flight);
    expect([flight.isDeserted, creation.signal.aborted]).toEqual([false, false]);
  });

  it('the limit of waiting: counted from joining for who waits for another, from waitsElsewhere for the first', async () => {
    const { flights, join, begin, clock, states } = setUp();
    const flight = flights.open('k');
    const patience = () => 1000;
    const [first, other] = [join(flight, { first: true, patience }), join(flight, { patience })];
    const known = states(first, other);
    await clock.advance(999);
    expect(await known()).toEqual(['waits', 'waits']);
    await clock.advance(1);
    expect(await known()).toEqual(['waits', { kind: 'timeout' }]);
    flight.waitsElsewhere();
    begin(flight);
    await clock.advance(5000);
    expect(await known()).toEqual(['waits', { kind: 'timeout' }]);
    flight.end({ kind: 'again' });
    expect(clock.pending).toBe(0);
    const next = flights.open('k');
    const waiting = join(next, { first: true, patience });
    next.waitsElsewhere();
    await clock.advance(1000);
    expect(await waiting).toEqual({ kind: 'timeout' });
    expect(next.abandoned.aborted).toBe(true);
  });

  it('the limit of waiting ends with the wait, also of who waited in the store first and in this process then', async () => {
    const { flights, join, begin, clock, states } = setUp();
    const flight = flights.open('k');
    const known = states(join(flight, { first: true, patience: () => 1000 }));
    flight.waitsElsewhere();
    flight.waitsElsewhere();
    begin(flight);
    expect(clock.pending).toBe(0);
    await clock.advance(1000);
    expect(await known()).toEqual(['waits']);
  });

  it('softTimeout: the caller takes his stale value, and the creation goes on with nobody waiting', async () => {
    const { flights, join, begin, clock } = setUp();
    const flight = flights.open('k');
    const call = join(flight, { first: true, soft: 100 });
    const creation = begin(flight);
    await clock.advance(100);
    expect(await call).toEqual({ kind: 'soft' });
    expect([flight.isDeserted, creation.signal.aborted, clock.pending]).toEqual([false, false, 0]);
  });

  it('hardTimeout: everybody is told, nobody joins, the signal aborts, and the end is still to come', async () => {
    const { flights, join, begin } = setUp();
    const flight = flights.open('k');
    const call = join(flight, { first: true });
    const creation = begin(flight);
    flight.timeOut('late');
    expect(await call).toEqual({ kind: 'failed', reason: 'late' });
    expect([creation.signal.reason, flights.joinable('k'), flights.size]).toEqual(['late', undefined, 1]);
    expect(flight.end({ kind: 'created', value: 1, shared: true })).toBe(true);
    flight.timeOut('again');
    expect(flights.size).toBe(0);
  });

  it('no timer and no listener is left when it has ended', async () => {
    const { flights, join, clock } = setUp();
    const flight = flights.open('k');
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    const call = join(flight, { signal: controller.signal, patience: () => 1000, soft: 500 });
    expect(clock.pending).toBe(2);
    flight.end({ kind: 'again' });
    await call;
    expect(clock.pending).toBe(0);
    expect(remove).toHaveBeenCalledTimes(1);
    controller.abort();
  });
});

describe('the flights of a region', () => {
  it('a hard invalidation voids all that create, and answers with the leases to be given back', () => {
    const { flights, begin } = setUp();
    const [one, other, quiet] = [flights.open('a'), flights.open('b'), flights.open('c')];
    begin(one);
    begin(other);
    other.close();
    expect(flights.revokeAll()).toHaveLength(2);
    expect([one.isVoid, other.isVoid, quiet.isVoid]).toEqual([true, true, false]);
    expect(['a', 'b', 'c'].map((name) => flights.joinable(name))).toEqual([undefined, undefined, quiet]);
    expect(quiet.isOutdated).toBe(true);
  });

  it('a soft one lets them go on; newcomers look for themselves', () => {
    const { flights, begin } = setUp();
    const [flight, quiet] = [flights.open('a'), flights.open('b')];
    begin(flight);
    flights.unlistAll();
    expect([flight.isVoid, flights.joinable('a'), flights.joinable('b')]).toEqual([false, undefined, quiet]);
    expect(flights.size).toBe(2);
  });

  it('dismissAll aborts every creation with one reason, and tells who waits at once', async () => {
    const { flights, begin, join } = setUp();
    const [attended, unattended] = [flights.open('a'), flights.open('b', { unattended: true })];
    const creations = [attended, unattended].map((flight) => begin(flight));
    const waiting = join(attended);
    flights.dismissAll('the end');
    expect(await waiting).toEqual({ kind: 'failed', reason: 'the end' });
    expect(creations.map(({ signal }) => signal.reason)).toEqual(['the end', 'the end']);
  });

  it('one that is not listed is never joined', () => {
    const { flights } = setUp();
    const flight = flights.open('k', { listed: false });
    expect([flights.joinable('k'), flights.size]).toEqual([undefined, 1]);
    flight.end({ kind: 'again' });
    expect(flights.size).toBe(0);
  });

  it('describes what goes on with a key', () => {
    const { flights, join, begin } = setUp();
    expect(flights.describe('k')).toEqual({ creating: false, isMine: false, waiting: 0 });
    const flight = flights.open('k');
    void join(flight);
    void join(flight);
    expect(flights.describe('k')).toEqual({ creating: false, isMine: false, waiting: 2 });
    begin(flight);
    expect(flights.describe('k')).toEqual({ creating: true, isMine: true, waiting: 2 });
    flights.detach('k');
    expect(flights.describe('k')).toMatchObject({ isMine: false });
    flight.end({ kind: 'again' });
    expect(flights.describe('k')).toMatchObject({ creating: false, waiting: 0 });
  });
});

describe('the creations that a creation stands in', () => {
  const creation = () => new SingleCreation({ lock: {}, name: 'k', key: 'k', stale: undefined, tags: [] });
  /** What a creator starts and does not wait for, begun when it has settled. */
  const begunAfter = async (above: SingleCreation) => {
    const { later } = await above.run({}, () => ({
      later: new Promise<SingleCreation>((resolve) => setImmediate(() => resolve(creation()))),
    }));
    return later;
  };

  it('are those that have not ended: creators that start the next creation, over and over, leave no chain', async () => {
    expect((await begunAfter(creation())).parent).toBeUndefined();
    const outer = creation();
    await outer.run({}, async () => expect((await begunAfter(creation())).parent).toBe(outer));
  });

  it('... also where the next one begins before the creator that starts it has settled', async () => {
    let last = creation();
    for (let round = 0; round < 10; round++) {
      const above = last;
      await above.run({}, () => {
        last = creation();
      });
    }
    let links = 0;
    for (let above = last.parent; above; above = above.parent) links++;
    expect(links).toBeLessThanOrEqual(2);
  });
});
