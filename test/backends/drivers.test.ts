/** The first call of a process, on a host so busy that importing a client's package takes longer than a call may. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startMemcached } from '../services/memcached.js';
import { startRedis } from '../services/redis.js';
import { builtPath } from '../support/built.js';

/** Loads a package late; a module is loaded once. */
const hooks = (name: string) => `let isFirst = true;
export async function load(url, context, next) {
  if (isFirst && url.includes('/node_modules/${name}/')) {
    isFirst = false;
    await new Promise((done) => setTimeout(done, 1500));
  }
  return next(url, context);
}`;

interface Way {
  readonly name: string;
  readonly packageName: string;
  readonly start: () => Promise<{ readonly url: string; stop(): Promise<void> }>;
  /** What `configure` is given, `url` and the modules of the library known. */
  readonly configured: string;
}

const WAYS: readonly Way[] = [
  { name: 'redis', packageName: 'redis', start: startRedis, configured: `'redis', { arguments: { url } }` },
  {
    name: 'redisBackend()',
    packageName: 'redis',
    start: startRedis,
    configured: `(await import(folder + '/backends/redis.js')).redisBackend({ url })`,
  },
  ...(['node_memcached', 'memjs', 'memcache_client'] as const).map((name) => ({
    name,
    packageName: name === 'node_memcached' ? 'memcached' : name.replace('_', '-'),
    start: () => startMemcached(),
    configured: `'${name}', { arguments: { url } }`,
  })),
  {
    name: 'memjsBackend()',
    packageName: 'memjs',
    start: () => startMemcached(),
    configured: `(await import(folder + '/backends/memcached.js')).memjsBackend({ url })`,
  },
];

it.each(WAYS)('$name: the import of the package counts against no call’s deadline', async (way) => {
  const server = await way.start();
  onTestFinished(() => server.stop());
  const folder = `file://${await builtPath()}`;
  const code = `
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks(way.packageName))}));
    const [folder, url] = ${JSON.stringify([folder, server.url])};
    const { makeRegion } = await import(folder + '/index.js');
    const region = makeRegion().configure(${way.configured});
    const began = performance.now();
    await region.getOrCreate('k', () => 'made');
    console.log(await region.get('k'), region.statistics.backendTimeouts, performance.now() - began >= 1500);
    await region.close();`;
  const words = ['--no-deprecation', '--input-type=module', '-e', code];
  // Inside the project, so that its packages are found.
  const options = { encoding: 'utf8', timeout: 25_000, cwd: join(import.meta.dirname, '../..') } as const;
  const { stdout, stderr } = spawnSync(process.execPath, words, options);
  expect({ stdout, stderr }).toEqual({ stdout: 'made 0 true\n', stderr: '' });
});
