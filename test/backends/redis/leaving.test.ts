/** A process ends once its regions are closed, in whatever state their servers are, and not before its calls have ended. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startCluster } from '../../services/cluster.js';
import { startRedis } from '../../services/redis.js';
import { startWatched } from '../../services/sentinel.js';
import { freePort } from '../../services/server.js';
import { builtPath } from '../../support/built.js';
import { type Child, forkChild } from '../../support/children.js';
import type { FleetArguments } from './support/fleet.js';

const program = join(import.meta.dirname, 'support/leaving.mjs');

/** A pause before the next try to connect is up to 2 s. As much again is for a machine that is busy. */
const SOON = 4000;
/** Far less than connecting may take: what waits for that is seen. */
const TIMEOUT = '300ms';

async function start(args: FleetArguments): Promise<Child> {
  return forkChild(program, { built: await builtPath(), timeout: TIMEOUT, ...args });
}

/** Resolves once the process has ended by itself, with how long that took, and nothing to say. */
async function end(child: Child): Promise<number> {
  const { process } = child;
  if (!process) throw new Error('It is no process.');
  const began = performance.now();
  if (process.exitCode === null) await once(process, 'close');
  expect(process.exitCode).toBe(0);
  expect(child.errors).toBe('');
  return performance.now() - began;
}

async function leave(child: Child, after?: () => unknown, limit = SOON): Promise<void> {
  await child.call('leave');
  after?.();
  expect(await end(child)).toBeLessThan(limit);
}

/** A server that no longer takes connections: who connects hears nothing, until it is thawed. */
async function startSilent() {
  const server = await startRedis({ args: ['--tcp-backlog', '1'] });
  onTestFinished(() => server.stop());
  server.freeze();
  for (;;) {
    const socket = connect(server.port, server.host);
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {});
    const isTaken = await Promise.race([once(socket, 'connect'), sleep(300, undefined)]);
    if (!isTaken) return server;
  }
}

async function watched() {
  const servers = await startWatched();
  onTestFinished(() => servers.stop());
  return servers;
}

async function clustered() {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  return cluster;
}

const nodesOf = ({ nodes }: Awaited<ReturnType<typeof clustered>>) =>
  nodes.slice(0, 3).map(({ host, port }) => ({ host, port }));

describe.each(['redis', 'ioredis', 'iovalkey'] as const)('made by %s, closed', { timeout: 60_000 }, (by) => {
  it('a server that takes no connections', async () => {
    const child = await start({ by, url: (await startSilent()).url });
    await child.call('call');
    await leave(child);
  });

  it('... and takes them again afterwards', async () => {
    const server = await startSilent();
    const child = await start({ by, url: server.url });
    await child.call('call');
    await leave(child, () => server.thaw());
  });

  it.each(['freeze', 'kill'] as const)('a server that is lost, while somebody listened: %s', async (how) => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const child = await start({ by, url: server.url });
    await child.call('ready');
    await child.call('listen');
    await server[how]();
    await child.call('call');
    await leave(child);
  });

  it('sentinels that hang from the start', async () => {
    const { sentinels, sentinelServers } = await watched();
    for (const sentinel of sentinelServers) sentinel.freeze();
    const child = await start({ by, sentinels });
    await child.call('call');
    await leave(child);
  });

  it('a primary that hangs from the start', async () => {
    const { sentinels, sentinelServers, primary } = await watched();
    // One alone names no other.
    for (const sentinel of sentinelServers.slice(1)) await sentinel.kill();
    primary.freeze();
    const child = await start({ by, sentinels });
    await child.call('call');
    await leave(child);
  });

  it('sentinels that are lost', async () => {
    const { sentinels, sentinelServers } = await watched();
    const child = await start({ by, sentinels });
    await child.call('ready');
    for (const sentinel of sentinelServers) await sentinel.kill();
    // By then they are missed.
    await sleep(500);
    await leave(child);
  });

  it('a primary that is lost, in the midst of failing over, while somebody listened', async () => {
    const { sentinels, lose } = await watched();
    const child = await start({ by, sentinels });
    await child.call('ready');
    await child.call('listen');
    await lose('kill');
    await child.call('call');
    await leave(child);
  });

  it.each(['freeze', 'kill'] as const)('a cluster that is lost: %s', async (how) => {
    const cluster = await clustered();
    const child = await start({ by, startupNodes: nodesOf(cluster) });
    await child.call('ready');
    for (const node of cluster.nodes) await node[how]();
    await child.call('call');
    // ioredis and iovalkey wait for a node that they have asked, for 5 s at most.
    await leave(child, undefined, by === 'redis' ? SOON : 2 * SOON);
  });

  it('under a call that hangs: the call ends in a typed error', async () => {
    const { sentinels, primary } = await watched();
    const child = await start({ by, sentinels });
    await child.call('ready');
    primary.freeze();
    const code = await child.call('leaveUnderCall');
    expect(code).toMatch(/^DOGPILE_(BACKEND_TIMEOUT|BACKEND_UNAVAILABLE|REGION_CLOSED)$/);
    expect(await end(child)).toBeLessThan(SOON);
  });

  it.each<[string, () => Promise<FleetArguments>]>([
    ['a server that takes no connections', async () => ({ url: (await startSilent()).url })],
    ['sentinels that are away', async () => ({ sentinels: [`127.0.0.1:${await freePort()}`] })],
    ['a cluster that is away', async () => ({ startupNodes: [{ host: '127.0.0.1', port: await freePort() }] })],
  ])('a call to %s ends before the process does', async (_, where) => {
    const child = await start({ by, ...(await where()) });
    await child.call('callAndEnd');
    await end(child);
  });
});

it('made by redis, closed: startup nodes that take no connections', async () => {
  const { host, port } = await startSilent();
  const child = await start({ by: 'redis', startupNodes: [{ host, port }] });
  await child.call('call');
  await leave(child);
});

it('made by redis, closed: a cluster that hangs from the start', async () => {
  const cluster = await clustered();
  for (const node of cluster.nodes) node.freeze();
  const child = await start({ by: 'redis', startupNodes: nodesOf(cluster) });
  await child.call('call');
  await leave(child);
});
