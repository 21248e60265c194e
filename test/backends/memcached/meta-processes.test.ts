/** What a region promises over several processes, by our own memcached client, with the server's leases and with `_lock<key>`. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { type Child, crowd, startChild } from './support/meta-child.js';
import { store } from './support/raw.js';

async function started(count: number, args: object): Promise<{ server: RunningMemcached; children: Child[] }> {
  const server = await startMemcached();
  onTestFinished(() => server.stop());
  const children: Child[] = [];
  for (let at = 0; at < count; at++) children.push(await startChild({ url: server.url, ...args }));
  return { server, children };
}

async function two(args: object): Promise<[Child, Child]> {
  const { children } = await started(2, args);
  const [one, other] = children;
  if (!one || !other) throw new Error('There are two.');
  return [one, other];
}

describe.each([{ lease: 'server' as const }, { lease: 'key' as const }])('lease: $lease', ({ lease }) => {
  it('8 processes with 50 callers each create a missing key once', async () => {
    const { children } = await started(8, { lease });
    for (const key of ['one', 'two', 'three']) {
      const answers = await Promise.all(children.map((child) => child.call('callers', { key, count: 50, takes: 50 })));
      expect(answers.map(({ creations }) => creations).reduce((sum, each) => sum + each, 0)).toBe(1);
      expect(new Set(answers.flatMap(({ values }) => values)).size).toBe(1);
    }
  });

  it('and an expired one, too, while the others have the old value', async () => {
    const { server, children } = await started(4, { lease });
    await store(server.port, 'k', `{"ct":${Date.now() / 1000 - 7200},"v":2}|"old"`);
    expect(await crowd(children, { key: 'k', count: 50 })).toEqual({ creations: 1, rest: Array(199).fill('old') });
  });

  it.each([
    ['delete', { key: 'k' }],
    ['invalidate', { hard: true }],
  ])('%s in another process is final for a creation under way', async (verb, args) => {
    const [one, other] = await two({ lease });
    const created = one.call('create', { key: 'k', value: 'old' });
    await one.says('creating');
    await other.call(verb, args);
    await one.call('finish');
    expect(await created).toBe('old');
    expect(await one.call('refused')).toBe(1);
    expect(await other.call('get', { key: 'k' })).toBe(null);
    expect((await other.call('callers', { key: 'k', count: 10, takes: 0 })).creations).toBe(1);
  });

  it('the key of a creator that was killed is taken over when its lease has lapsed', async () => {
    const [one, other] = await two({ lease, lockTimeout: '1s' });
    one.call('create', { key: 'k', value: 'never' }).catch(() => {});
    await one.says('creating');
    await one.kill();
    const killed = performance.now();
    expect((await other.call('callers', { key: 'k', count: 10, takes: 0 })).creations).toBe(1);
    // At most 2 s for a lease of 1 s, as the server counts, and one more to ask; the rest is for a machine at work.
    expect(performance.now() - killed).toBeLessThan(8000);
  });

  it('a creation that takes longer than its lease keeps it', async () => {
    const [one, other] = await two({ lease, lockTimeout: '2s' });
    const created = one.call('create', { key: 'k', value: 'made' });
    await one.says('creating');
    const waiting = other.call('callers', { key: 'k', count: 10, takes: 0 });
    await new Promise((resolve) => setTimeout(resolve, 5000));
    await one.call('finish');
    expect(await created).toBe('made');
    expect(await waiting).toEqual({ creations: 0, values: ['made'] });
  });
});
