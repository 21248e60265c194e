/** Servers, observers and backends that live as long as the test that asks for them; last in, first out. */
import { onTestFinished } from 'vitest';
import type { RedisBackend } from '../../../../src/backends/redis/backend.js';
import { type RunningProxy, startProxy } from '../../../services/proxy.js';
import {
  type Observer,
  observe,
  type RedisServerOptions,
  type RunningRedis,
  startRedis,
} from '../../../services/redis.js';
import { nodeRedisByUrl, type Way } from './clients.js';

export async function serve(options?: RedisServerOptions): Promise<RunningRedis> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}

export async function look(url: string): Promise<Observer> {
  const observer = await observe(url);
  onTestFinished(() => observer.close());
  return observer;
}

export async function open(
  url: string,
  args: Parameters<Way['open']>[1] = {},
  { open: openBy }: Way = nodeRedisByUrl,
): Promise<RedisBackend> {
  const one = await openBy(url, args);
  onTestFinished(() => one.close());
  return one.backend;
}

/** Between whoever connects to its `url` and the server. */
export async function proxy(server: RunningRedis): Promise<RunningProxy & { readonly url: string }> {
  const running = await startProxy(server.port);
  onTestFinished(() => running.stop());
  return { ...running, url: `redis://127.0.0.1:${running.port}` };
}
