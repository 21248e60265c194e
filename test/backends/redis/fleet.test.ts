/** Real processes over one server: one creation for all of them, whoever is killed, stopped or overruled in the middle of it. */
import { describe, expect, it } from 'vitest';
import type { Child } from '../../support/children.js';
import { until } from '../../support/wait.js';
import { look, serve } from './support/during.js';
import { startFleet, startMember } from './support/fleet.js';

/** Nobody is served by a poll: who waits was woken. */
const WOKEN = { lockSleep: '1h' };
const MEMBERS = 8;
const CALLERS = 50;

interface Crowd {
  readonly creations: number;
  readonly values: readonly (readonly [value: string, count: number])[];
  readonly slowest: number;
}

/** All ask for the key `k`; the one creation ends once `others` of the members that don't create is true. */
async function crowds(
  fleet: readonly Child[],
  args: { expirationTime?: number },
  others: (asked: readonly Promise<Crowd>[]) => Promise<unknown>,
): Promise<Crowd[]> {
  const asked = fleet.map((child): Promise<Crowd> => child.call('callers', { key: 'k', count: CALLERS, ...args }));
  const creator = await Promise.any(fleet.map((child) => child.says('creating k').then(() => child)));
  await others(asked.filter((_, at) => fleet[at] !== creator));
  await creator.call('finish', { key: 'k' });
  return Promise.all(asked);
}

const creationsOf = (seen: readonly Crowd[]) => seen.reduce((sum, { creations }) => sum + creations, 0);

/** By value, how many callers were given it. */
function givenTo(seen: readonly Crowd[]): Map<string, number> {
  const given = new Map<string, number>();
  for (const [value, count] of seen.flatMap(({ values }) => values)) given.set(value, (given.get(value) ?? 0) + count);
  return given;
}

describe('eight processes of fifty callers, by both clients', () => {
  it('on a cold key: one creation, and everybody is woken when it is there', async () => {
    const { url } = await serve();
    const fleet = await startFleet(MEMBERS, { url, ...WOKEN });
    const observer = await look(url);
    const listening = async () =>
      Number(String(await observer.raw('PUBSUB', 'NUMSUB', 'dp1:wake:_lockk')).split(',')[1]);
    const seen = await crowds(fleet, {}, () => until(async () => (await listening()) === MEMBERS - 1));
    expect(creationsOf(seen)).toBe(1);
    expect([...givenTo(seen).values()]).toEqual([MEMBERS * CALLERS]);
    // A few milliseconds on a quiet machine; who is not woken looks again after 5 s.
    expect(Math.max(...seen.map(({ slowest }) => slowest))).toBeLessThan(4000);
  });

  it('on an expired key: one creation, and 399 stale answers before it ends', async () => {
    const { url } = await serve();
    const fleet = await startFleet(MEMBERS, { url, ...WOKEN });
    await fleet[0]?.call('set', { key: 'k', value: 'old' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    // Nobody but the creator waits for it.
    const seen = await crowds(fleet, { expirationTime: 10 }, (served) => Promise.all(served));
    expect(creationsOf(seen)).toBe(1);
    expect(givenTo(seen).get('old')).toBe(MEMBERS * CALLERS - 1);
  });
});

describe('a creator', () => {
  it('that is killed: another takes over when its lease has run out, not before', async () => {
    const { url } = await serve();
    const [one, other] = await Promise.all([1, 2].map(() => startMember({ url, lockTimeout: '3s' })));
    one?.call('create', { key: 'k' }).catch(() => {});
    await one?.says('creating k');
    const value = other?.call('create', { key: 'k', value: 'taken over', takes: 0 });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    // It is renewed for as long as its holder lives.
    expect(await other?.call('creations')).toBe(0);
    const killed = Date.now();
    await one?.kill();
    expect(await value).toBe('taken over');
    // The lease, and at most a second until the next poll; the rest is for a machine that is busy.
    expect(Date.now() - killed).toBeLessThan(3000 + 1000 + 10_000);
  });

  it('that is stopped beyond its lease: its write is refused, its caller gets its value, no exception', async () => {
    const { url } = await serve();
    const [one, other] = await Promise.all([startMember({ url, lockTimeout: '500ms' }), startMember({ url })]);
    const late = one?.call('create', { key: 'k', value: 'late' });
    await one?.says('creating k');
    await one?.kill('SIGSTOP');
    expect(await other?.call('create', { key: 'k', value: 'in time', takes: 0 })).toBe('in time');
    // Told before it goes on: the creator ends with the lease long gone.
    const finished = one?.call('finish', { key: 'k' });
    await one?.kill('SIGCONT');
    await finished;
    expect(await late).toBe('late');
    expect(await one?.call('get', { key: 'k' })).toBe('in time');
    expect(await other?.call('get', { key: 'k' })).toBe('in time');
    expect(await one?.call('statistics')).toMatchObject({ refusedCommits: 1, backendErrors: 0 });
  });

  it.each(['delete', 'invalidate'])(
    'whose key is overruled by %s in another process: the next read in either creates again',
    async (verb) => {
      const { url } = await serve();
      const [one, other] = await startFleet(2, { url });
      const outdated = one?.call('create', { key: 'k', value: 'outdated' });
      await one?.says('creating k');
      await other?.call(verb, { key: 'k' });
      await one?.call('finish', { key: 'k' });
      expect(await outdated).toBe('outdated');
      expect(await one?.call('get', { key: 'k' })).toBe(null);
      expect(await other?.call('get', { key: 'k' })).toBe(null);
      expect(await one?.call('create', { key: 'k', value: 'new', takes: 0 })).toBe('new');
      expect(await other?.call('create', { key: 'k', value: 'never', takes: 0 })).toBe('new');
      await other?.call(verb, { key: 'k' });
      expect(await other?.call('create', { key: 'k', value: 'newer', takes: 0 })).toBe('newer');
    },
  );

  it('whose server is killed and comes back empty: its value is given, and not stored', async () => {
    const server = await serve();
    const [one, other] = await startFleet(2, { url: server.url });
    const value = one?.call('create', { key: 'k', value: 'of before' });
    await one?.says('creating k');
    await server.kill();
    await serve({ port: server.port });
    const answers = (child: Child | undefined) =>
      child?.call('set', { key: 'other', value: 1 }).then(
        () => true,
        () => false,
      );
    await until(async () => (await answers(one)) === true && (await answers(other)) === true);
    await one?.call('finish', { key: 'k' });
    expect(await value).toBe('of before');
    expect(await other?.call('get', { key: 'k' })).toBe(null);
    expect(await other?.call('create', { key: 'k', value: 'of after', takes: 0 })).toBe('of after');
  });
});
