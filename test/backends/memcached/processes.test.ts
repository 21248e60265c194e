/** Real processes over one server: one creation for all of them, whatever becomes of who creates. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { builtPath } from '../../support/built.js';
import { type Child, forkChild } from '../../support/children.js';
import { PACKAGES } from './support/packages.js';
import { raw, store, stored } from './support/raw.js';

let server: RunningMemcached;
beforeAll(async () => {
  server = await startMemcached();
});
afterAll(() => server.stop());
beforeEach(() => raw(server.port, 'flush_all'));

const program = join(import.meta.dirname, 'support/package-child.mjs');

async function start(name: string, args: object = {}): Promise<Child> {
  return forkChild(program, { built: await builtPath(), name, url: server.url, args });
}
const many = (count: number, name: string, args?: object) =>
  Promise.all(Array.from({ length: count }, () => start(name, args)));

/** Of a region in a program. Deadlines are not what these tests are about. */
const options = (url: string) =>
  JSON.stringify({ expirationTime: '1h', backendTimeout: '1m', arguments: { url, timeout: '1m' } });

/** Expired for an hour. */
const OLD = `{"ct":${Date.now() / 1000 - 7200},"v":2}|"old"`;

describe.each(PACKAGES)('$name', ({ name }) => {
  it('4 processes with 50 callers each on one cold key: one creation', async () => {
    const children = await many(4, name);
    const all = children.map((child) => child.call('create', { key: 'k', callers: 50 }));
    await Promise.race(children.map((child) => child.says('creating')));
    for (const child of children) await child.call('finish');
    const done = await Promise.all(all);
    expect(done.reduce((sum, { creations }) => sum + creations, 0)).toBe(1);
    expect(new Set(done.flatMap(({ values }) => values)).size).toBe(1);
    expect(done.flatMap(({ values }) => values)).toHaveLength(200);
  });

  it('the same on an expired one: one creation, and all others get the stale value while it runs', async () => {
    await store(server.port, 'k', OLD);
    const children = await many(4, name);
    const all = children.map((child) => child.call('create', { key: 'k', callers: 50 }));
    const rest = await Promise.all(children.map((child) => child.says('rest')));
    expect(rest.flat()).toEqual(Array(199).fill('old'));
    for (const child of children) await child.call('finish');
    const done = await Promise.all(all);
    expect(done.reduce((sum, { creations }) => sum + creations, 0)).toBe(1);
    expect(done.flatMap(({ values }) => values).filter((value) => value !== 'old')).toHaveLength(1);
  });

  it('a delete by another process during a creation is final', async () => {
    for (const before of [undefined, OLD]) {
      await raw(server.port, 'flush_all');
      if (before) await store(server.port, 'k', before);
      const [one, other] = (await many(2, name)) as [Child, Child];
      const creation = one.call('create', { key: 'k', callers: 1 });
      await one.says('creating');
      await other.call('delete', { key: 'k' });
      await one.call('finish');
      expect((await creation).values).toEqual([`new of ${one.process?.pid}`]);
      expect(await other.call('get', { key: 'k' })).toBe(null);
      expect(await stored(server.port, 'k')).toBe(undefined);
      expect(await stored(server.port, '_lockk')).toBe(undefined);
    }
  });

  it('a creator that is killed is followed by another when its lease is over', async () => {
    const [one, other] = (await many(2, name, { lockTimeout: '1s' })) as [Child, Child];
    one.call('create', { key: 'k', callers: 1 }).catch(() => {});
    await one.says('creating');
    const creation = other.call('create', { key: 'k', callers: 5 });
    await other.call('finish');
    await one.kill();
    const { values, creations } = await creation;
    expect(creations).toBe(1);
    expect(values).toEqual(Array(5).fill(`new of ${other.process?.pid}`));
  });

  it('a process that has nothing more to do ends, with connections that were used and not closed', async () => {
    const said = await saidInTheEnd(`
      const region = makeRegion().configure('${name}', ${options(server.url)});
      await region.getOrCreate('k', () => 1);
      console.log(await region.get('k'));`);
    expect(said).toBe('1\n');
  });

  it('a process that has closed its cache ends, though many writes were refused at once', async () => {
    const said = await saidInTheEnd(`
      const region = makeRegion().configure('${name}', ${options(server.url)});
      await region.ready();
      const large = 'x'.repeat(1_100_000);
      const writes = Array.from({ length: 5 }, (_, at) => region.set('large' + at, large));
      for (const { status } of await Promise.allSettled(writes)) console.log(status);
      await region.close();`);
    expect(said).toBe('rejected\n'.repeat(5));
  });

  it.each(['before', 'after'])('the same %s a server that takes no connection was given up', async (when) => {
    const full = await startMemcached({ args: ['-b', '1'] });
    onTestFinished(() => full.kill());
    await full.frozen();
    // As many as wait to be taken, and then some.
    const waiting = Array.from({ length: 5 }, () => connect(full.port, '127.0.0.1').on('error', () => {}));
    onTestFinished(() => waiting.forEach((socket) => void socket.destroy()));
    const said = await saidInTheEnd(`
      const region = makeRegion().configure('${name}', {
        expirationTime: '1h',
        arguments: { url: '${full.url}', timeout: '300ms' },
      });
      const read = region.ready().catch(({ code }) => console.log(code));
      ${when === 'after' ? 'await read' : 'await new Promise((resolve) => setTimeout(resolve, 50))'};
      await region.close();`);
    expect(said).toBe(when === 'after' ? 'DOGPILE_BACKEND_TIMEOUT\n' : 'DOGPILE_REGION_CLOSED\n');
  });
});

/** Of a process that runs this, and ends by itself. */
async function saidInTheEnd(program: string): Promise<string> {
  const library = `const { makeRegion } = await import(${JSON.stringify(`file://${await builtPath()}/index.js`)});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${library}\n${program}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  expect(await once(child, 'close')).toEqual([0, null]);
  return said;
}
