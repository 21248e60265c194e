/** A process that does nothing but wait for another's creation. memcached wakes nobody: between two tries it has no call under way. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { makeRegion } from '../../../src/index.js';
import { Gate } from '../../../src/testing/gate.js';
import { type RunningMemcached, startMemcached } from '../../services/memcached.js';
import { builtPath } from '../../support/built.js';

let server: RunningMemcached;
beforeAll(async () => {
  server = await startMemcached();
});
afterAll(() => server.stop());

it.each(['memcached', 'node_memcached', 'memjs', 'memcache_client'] as const)(
  '%s: it lives until it has its answer',
  async (name) => {
    // Deadlines are not what this is about.
    const options = { backendTimeout: '1m', arguments: { url: server.url, timeout: '1m' } } as const;
    const region = makeRegion().configure(name, options);
    onTestFinished(() => region.close());
    const gate = new Gate();
    const created = region.getOrCreate(name, async () => {
      await gate.passed();
      return 'theirs';
    });
    await gate.arrived;

    const code = `
    const { makeRegion } = await import(${JSON.stringify(`file://${await builtPath()}/index.js`)});
    const region = makeRegion().configure(${JSON.stringify(name)}, ${JSON.stringify(options)});
    await region.ready();
    console.log('asks');
    console.log(await region.getOrCreate(${JSON.stringify(name)}, () => 'mine'));
    await region.close();`;
    const words = ['--input-type=module', '-e', code];
    const waiting = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void waiting.kill('SIGKILL'));
    const exited = once(waiting, 'exit');
    let said = '';
    waiting.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await Promise.race([once(waiting.stdout, 'data'), exited]);
    // Long enough for it to end, if sleeping ends it; nothing is asserted of how long that takes.
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 1500))]);
    gate.open();
    expect(await created).toBe('theirs');
    expect({ exit: await exited, said }).toEqual({ exit: [0, null], said: 'asks\ntheirs\n' });
  },
);
