/** Backends of child processes, on clients that we make. */
import { pathToFileURL } from 'node:url';

/** As URLs make them; by ioredis or iovalkey where that is asked for, though redis is installed. */
export async function openMade(built, { by, url, sentinels, startupNodes, ...more }) {
  const library = (path) => import(pathToFileURL(`${built}/${path}`).href);
  const { checkRedisArguments } = await library('backends/redis-arguments.js');
  const { RedisBackend } = await library('backends/redis/backend.js');
  const { RedisClusterBackend } = await library('backends/redis/cluster-backend.js');
  const { openBackend } = await library('backends/redis/open.js');
  const { IoClient } = await library('backends/redis/io-client.js');
  const settings = sentinels
    ? checkRedisArguments('redis_sentinel', { sentinels, serviceName: 'watched', ...more })
    : startupNodes
      ? checkRedisArguments('redis_cluster', { startupNodes, ...more })
      : checkRedisArguments('redis', { url, ...more });
  if (by === undefined || by === 'redis') return openBackend(settings);
  const module = await import(by);
  const { target } = settings;
  if (target.at === 'cluster')
    return new RedisClusterBackend(settings, async () => IoClient.madeOfCluster(module, target));
  return new RedisBackend(settings, async () =>
    target.at === 'sentinels' ? IoClient.madeOfSentinels(module, target) : IoClient.made(module, target.server),
  );
}
