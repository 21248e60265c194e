/** What of node-redis can't be seen on a server: clients of clusters and sentinels that could not connect at first. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { NodeClient } from '../../../src/backends/redis/node-client.js';
import { Gate } from '../../../src/testing/gate.js';

beforeEach(() => {
  vi.useFakeTimers();
  // Pauses of a second and a half.
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The package, with one client. */
function moduleOf(connect: () => Promise<unknown>) {
  const client = {
    on: () => {},
    off: () => {},
    sendCommand: async () => {},
    subscribe: async () => {},
    unsubscribe: async () => {},
    connect: vi.fn(connect),
    destroy: vi.fn(),
  };
  const create = () => client;
  return { client, module: { createClient: create, createSentinel: create, createCluster: create } };
}
const target = { at: 'cluster', nodes: [], server: { username: undefined, password: undefined, tls: false } } as const;

it('tries again until it is closed, not after', async () => {
  const { client, module } = moduleOf(() => Promise.reject(new Error('nobody is there')));
  const opened = NodeClient.madeOfCluster(module, target);
  await opened.opening;
  await vi.advanceTimersByTimeAsync(2000);
  expect(client.connect).toHaveBeenCalledTimes(2);
  await opened.close();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(client.connect).toHaveBeenCalledTimes(2);
});

it('that connects only once it is closed is ended again', async () => {
  const gate = new Gate();
  const { client, module } = moduleOf(() => gate.passed());
  const opened = NodeClient.madeOfCluster(module, target);
  await opened.close();
  expect(client.destroy).toHaveBeenCalledTimes(1);
  gate.open();
  await vi.advanceTimersByTimeAsync(0);
  expect(client.destroy).toHaveBeenCalledTimes(2);
});

it('nobody waits for its first connection once it is closed', async () => {
  const { module } = moduleOf(() => new Promise(() => {}));
  const opened = NodeClient.madeOfCluster(module, target);
  const opening = opened.opening;
  await opened.close();
  await opening;
  expect(opened.opening).toBeUndefined();
});
