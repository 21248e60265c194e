/** Makes a backend of settings, and its client on first use: takes what was handed in, or imports a package and connects. */
import type { CacheBackend } from '../../api.js';
import { DriverNotInstalledError } from '../../errors.js';
import { withDriver } from '../drivers.js';
import type { RedisSettings } from '../redis-arguments.js';
import { RedisBackend } from './backend.js';
import type { RedisClient } from './client.js';
import { RedisClusterBackend } from './cluster-backend.js';
import { IoClient, type IoModule } from './io-client.js';
import { NodeClient, type NodeModule } from './node-client.js';
import { isCluster } from './shape.js';

export function openBackend(settings: RedisSettings): CacheBackend<Uint8Array> {
  const { name, target } = settings;
  const isClustered = target.at === 'cluster' || (target.at === 'client' && isCluster(target.shape));
  const backend = new (isClustered ? RedisClusterBackend : RedisBackend)(settings, () => openClient(settings));
  return target.at === 'client' ? backend : withDriver(backend, () => importDriver(name));
}

async function openClient({ name, target }: RedisSettings): Promise<RedisClient> {
  if (target.at === 'client') {
    const { client, shape } = target;
    if (shape === 'io' || shape === 'io-cluster') return IoClient.handedIn(client);
    return NodeClient.handedIn(client, shape);
  }
  const driver = await importDriver(name);
  if (target.at === 'sentinels') {
    return driver.is === 'node'
      ? NodeClient.madeOfSentinels(driver.module, target)
      : IoClient.madeOfSentinels(driver.module, target);
  }
  if (target.at === 'cluster') {
    return driver.is === 'node'
      ? NodeClient.madeOfCluster(driver.module, target)
      : IoClient.madeOfCluster(driver.module, target);
  }
  return driver.is === 'node'
    ? NodeClient.made(driver.module, target.server)
    : IoClient.made(driver.module, target.server);
}

type Driver = { readonly is: 'node'; readonly module: NodeModule } | { readonly is: 'io'; readonly module: IoModule };

/** The first that is installed. */
async function importDriver(name: string): Promise<Driver> {
  // Each by its name in the text, so that bundlers see it, and in a `try` of its own, so that they leave alone what is not installed.
  const missing: unknown[] = [];
  try {
    return { is: 'node', module: (await import('redis')) as NodeModule };
  } catch (error) {
    missing.push(missed(error));
  }
  try {
    return { is: 'io', module: (await import('ioredis')) as IoModule };
  } catch (error) {
    missing.push(missed(error));
  }
  try {
    return { is: 'io', module: (await import('iovalkey')) as IoModule };
  } catch (error) {
    missing.push(missed(error));
  }
  const [cause] = missing;
  throw new DriverNotInstalledError(
    `Backend "${name}" needs the package \`redis\` (>=5), \`ioredis\` (>=5) or \`iovalkey\`. Install one, or pass \`client\`.`,
    { cause },
  );
}

/** A package that is there and fails is another matter: that is thrown. */
function missed(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') return error;
  throw error;
}
