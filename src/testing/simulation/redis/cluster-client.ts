/** How a program finds its node: by what it believes of slots, until a node knows better. */
import { slotOf } from '../../../backends/redis/slots.js';
import type { Link } from '../network.js';
import type { ClusterRequest, SimulatedCluster } from './cluster.js';
import type { Command, Reply } from './server.js';

/** So often it is sent on at most. */
const MOST = 5;

export interface RouteOptions {
  readonly cluster: Pick<SimulatedCluster, 'ownerOf'>;
  readonly isForeign: boolean;
}

/** Sends a command to the node of a key. */
export function routed(
  link: Link<ClusterRequest, Reply>,
  { cluster, isForeign }: RouteOptions,
): (command: Command, key: string) => Promise<Reply> {
  const believed = new Map<number, number>();
  return async (command, key) => {
    let slot = slotOf(key);
    for (let round = 1; ; round++) {
      const node = believed.get(slot) ?? cluster.ownerOf(slot);
      believed.set(slot, node);
      const reply = await link.send({ node, command, isForeign, isRedirected: round > 1 });
      const [, where, to] = ('error' in reply && /^MOVED (\d+) (\d+)$/.exec(reply.error)) || [];
      if (to === undefined || round === MOST) return reply;
      slot = Number(where);
      believed.set(slot, Number(to));
    }
  };
}
