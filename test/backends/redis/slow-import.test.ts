/** The first call of a process, on a host so busy that importing the client's package takes longer than a call may. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../../services/redis.js';
import { builtPath } from '../../support/built.js';

/** Loads `redis` late; a module is loaded once. */
const HOOKS = `export async function load(url, context, next) {
  if (url.includes('/node_modules/redis/')) await new Promise((done) => setTimeout(done, 1500));
  return next(url, context);
}`;

it('the import of the package counts against no call’s deadline', async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const index = `file://${join(await builtPath(), 'index.js')}`;
  const code = `
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}));
    const { makeRegion } = await import(${JSON.stringify(index)});
    const region = makeRegion().configure('redis', { arguments: { url: ${JSON.stringify(server.url)} } });
    await region.getOrCreate('k', () => 'made');
    console.log(await region.get('k'), region.statistics.backendTimeouts);
    await region.close();`;
  const words = ['--input-type=module', '-e', code];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', timeout: 20_000 });
  expect({ stdout, stderr }).toEqual({ stdout: 'made 0\n', stderr: '' });
});
