/** `dogpile-cache/redis`: Redis and Valkey as a backend. The factories check their arguments; nothing is connected before the first use. */
import type { CacheBackend } from '../api.js';
import { openBackend } from './redis/open.js';
import {
  checkRedisArguments,
  type RedisArguments,
  type RedisClusterArguments,
  type RedisName,
  type RedisSentinelArguments,
  type ValkeyArguments,
  type ValkeyClusterArguments,
  type ValkeySentinelArguments,
} from './redis-arguments.js';

export type {
  RedisAddress,
  RedisArguments,
  RedisClusterArguments,
  RedisClusterEndpoint,
  RedisEndpoint,
  RedisExpiration,
  RedisLike,
  RedisLockArguments,
  RedisSentinelArguments,
  RedisSentinelEndpoint,
  ValkeyArguments,
  ValkeyClusterArguments,
  ValkeyExpiration,
  ValkeySentinelArguments,
} from './redis-arguments.js';

/** One server. `ValidationError` for its arguments. */
export function redisBackend(args?: RedisArguments): CacheBackend<Uint8Array> {
  return backendOf('redis', args);
}

/** The primary that sentinels name, wherever it moves. `ValidationError` for its arguments. */
export function redisSentinelBackend(args: RedisSentinelArguments): CacheBackend<Uint8Array> {
  return backendOf('redis_sentinel', args);
}

/** A cluster: keys are spread over its nodes, each beside its lock. `ValidationError` for its arguments. */
export function redisClusterBackend(args: RedisClusterArguments): CacheBackend<Uint8Array> {
  return backendOf('redis_cluster', args);
}

/** `redisBackend` under Python's name for Valkey. */
export function valkeyBackend(args?: ValkeyArguments): CacheBackend<Uint8Array> {
  return backendOf('valkey', args);
}

/** `redisSentinelBackend` under Python's name for Valkey. */
export function valkeySentinelBackend(args: ValkeySentinelArguments): CacheBackend<Uint8Array> {
  return backendOf('valkey_sentinel', args);
}

/** `redisClusterBackend` under Python's name for Valkey. */
export function valkeyClusterBackend(args: ValkeyClusterArguments): CacheBackend<Uint8Array> {
  return backendOf('valkey_cluster', args);
}

function backendOf(name: RedisName, args?: object): CacheBackend<Uint8Array> {
  return openBackend(checkRedisArguments(name, args));
}
