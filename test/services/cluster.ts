/** A cluster of six nodes: three primaries, each with a replica. */
import { type Observer, observe, type RunningRedis, startRedis } from './redis.js';
import { freePort } from './server.js';

export interface Owner {
  readonly node: RunningRedis;
  readonly observer: Observer;
  readonly id: string;
}

export interface RunningCluster {
  readonly nodes: readonly RunningRedis[];
  /** The node that serves a slot now. */
  ownerOf(slot: number): Promise<Owner>;
  observerOf(node: RunningRedis): Observer;
  /** Settles once all nodes live, and say the same of who serves what: one that was frozen still takes itself for a primary. */
  agreed(): Promise<void>;
  stop(): Promise<void>;
}

const SLOTS = 16_384;

/** With all of its keys, while clients use them. */
export async function moveSlot(slot: number, from: Owner, to: Owner): Promise<void> {
  const set = (owner: Owner, ...how: string[]) => owner.observer.raw('CLUSTER', 'SETSLOT', String(slot), ...how);
  await set(to, 'IMPORTING', from.id);
  await set(from, 'MIGRATING', to.id);
  for (;;) {
    const keys = (await from.observer.raw('CLUSTER', 'GETKEYSINSLOT', String(slot), '10')) as unknown as string[];
    if (keys.length === 0) break;
    const target = ['127.0.0.1', String(to.node.port)];
    await from.observer.raw('MIGRATE', ...target, '', '0', '5000', 'REPLACE', 'KEYS', ...keys);
  }
  await set(to, 'NODE', to.id);
  // Nobody's older claim, heard of later, takes it back.
  await to.observer.raw('CLUSTER', 'BUMPEPOCH');
  await set(from, 'NODE', to.id);
}

export async function startCluster(): Promise<RunningCluster> {
  const nodes: RunningRedis[] = [];
  const observers = new Map<RunningRedis, Observer>();
  const stop = async () => {
    for (const observer of observers.values()) observer.close();
    await Promise.all(nodes.map((node) => node.stop()));
  };
  const observerOf = (node: RunningRedis) => {
    const observer = observers.get(node);
    if (observer) return observer;
    throw new Error('It is none of the cluster.');
  };
  try {
    const start = async () => {
      const bus = await freePort();
      const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '3000', '--cluster-port', String(bus)];
      const more = [
        '--cluster-require-full-coverage',
        'no',
        '--cluster-replica-validity-factor',
        '0',
        '--repl-diskless-sync-delay',
        '0',
      ];
      const node = await startRedis({ args: [...args, ...more] });
      nodes.push(node);
      observers.set(node, await observe(node.url));
      return { node, bus };
    };
    const started = [];
    for (let at = 0; at < 6; at++) started.push(await start());
    const first = observerOf(started[0]?.node ?? unreachable());
    for (const { node, bus } of started.slice(1))
      await first.raw('CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(bus));
    for (const [at, { node }] of started.slice(0, 3).entries()) {
      await observerOf(node).raw(
        'CLUSTER',
        'ADDSLOTSRANGE',
        String(Math.ceil((at * SLOTS) / 3)),
        String(Math.ceil(((at + 1) * SLOTS) / 3) - 1),
      );
    }
    await all(async (observer) => String(await observer.raw('CLUSTER', 'INFO')).includes('cluster_known_nodes:6'));
    for (const [at, { node }] of started.slice(3).entries()) {
      const id = String(await observerOf(started[at]?.node ?? unreachable()).raw('CLUSTER', 'MYID'));
      while (
        await observerOf(node)
          .raw('CLUSTER', 'REPLICATE', id)
          .then(
            () => false,
            () => true,
          )
      )
        await pause();
    }
    await all(async (observer) =>
      /cluster_state:ok[\s\S]*cluster_slots_ok:16384/.test(String(await observer.raw('CLUSTER', 'INFO'))),
    );
    for (const { node } of started.slice(3)) {
      while (!String(await observerOf(node).raw('INFO', 'replication')).includes('master_link_status:up'))
        await pause();
    }
    // Every node has heard of every replica.
    await all(
      async (observer) =>
        (String(await observer.raw('CLUSTER', 'NODES')).match(/ (myself,)?slave /g) ?? []).length === 3,
    );
  } catch (error) {
    await stop();
    throw error;
  }

  async function all(isSo: (observer: Observer) => Promise<boolean>): Promise<void> {
    for (const observer of observers.values()) while (!(await isSo(observer))) await pause();
  }

  return {
    nodes,
    observerOf,
    stop,
    agreed: async () => {
      const views = () =>
        Promise.all(
          nodes.map((node) =>
            observerOf(node)
              .raw('CLUSTER', 'NODES')
              .then(viewIn, () => undefined),
          ),
        );
      for (let told = await views(); !told.every((view) => view && view === told[0]); told = await views())
        await pause();
    },
    ownerOf: async (slot) => {
      for (const node of nodes) {
        const lines = await observerOf(node)
          .raw('CLUSTER', 'NODES')
          .then(String, () => '');
        const mine = lines.split('\n').find((line) => line.includes('myself'));
        const [id = '', , , , , , , , ...ranges] = mine?.split(' ') ?? [];
        const holds = ranges.some((range) => {
          const [from, to = from] = range.split('-').map(Number);
          return from !== undefined && to !== undefined && slot >= from && slot <= to;
        });
        if (holds && mine?.includes('master')) return { node, observer: observerOf(node), id };
      }
      throw new Error(`Nobody serves the slot ${slot}.`);
    },
  };
}

/** Who serves what, in the words of one node; `undefined` while it knows of one that has failed, or that it has not met yet. */
function viewIn(lines: unknown): string | undefined {
  const nodes = String(lines)
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const isWell = nodes.every(([, , flags = '']) => !/fail\b|fail\?|handshake|noaddr/.test(flags));
  const serving = nodes.flatMap(([id, , , , , , , , ...ranges]) => (ranges.length > 0 ? [`${id} ${ranges}`] : []));
  return isWell ? serving.sort().join('\n') : undefined;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

function unreachable(): never {
  throw new Error('There is one.');
}
