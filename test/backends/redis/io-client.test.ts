/** What of ioredis can't be seen on a server: a cluster that is ended while it connects, and says so to nobody. */
import { expect, it } from 'vitest';
import { IoClient } from '../../../src/backends/redis/io-client.js';

class Connecting {
  on(): void {}
  off(): void {}
  disconnect(): void {}
  connect(): Promise<unknown> {
    return new Promise(() => {});
  }
  callBuffer(): Promise<unknown> {
    return new Promise(() => {});
  }
  duplicate(): Connecting {
    return this;
  }
  subscribe(): Promise<unknown> {
    return new Promise(() => {});
  }
  unsubscribe(): Promise<unknown> {
    return new Promise(() => {});
  }
}

it('nobody waits for its first connection once it is closed', async () => {
  const module = { Redis: Connecting, Cluster: Connecting, SentinelConnector: class {} };
  const server = { username: undefined, password: undefined, tls: false } as const;
  const opened = IoClient.madeOfCluster(module, { at: 'cluster', nodes: [], server });
  const opening = opened.opening;
  await opened.close();
  await opening;
  expect(opened.opening).toBeUndefined();
});
