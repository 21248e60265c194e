/** Reads of many keys: one quiet batch for each server. Decides what a server that fails means for the keys of the others: nothing. */
import type { Reply } from './meta/reply-parser.js';
import type { MetaPeer, MetaPeers } from './meta-peers.js';

export interface ManyOptions {
  /** Words of the protocol. */
  readonly flags: string;
  readonly deadline: number;
  /** Given what a server failed with, if another has answered: its keys count as missing. Left out: the read fails. */
  readonly report?: (error: unknown) => void;
}

/** In the keys' order; a miss is `undefined`, or a reply without a value. */
export async function readMany(
  client: MetaPeers,
  keys: readonly string[],
  { flags, deadline, report }: ManyOptions,
): Promise<(Reply | undefined)[]> {
  const found = new Array<Reply | undefined>(keys.length).fill(undefined);
  const reads = [...byServer(client, keys)].map(async ([server, places]) => {
    const connection = server.ready ?? (await server.connection(deadline));
    const own = places.map((place) => keys[place] ?? '');
    const [only = '', ...more] = own;
    const replies =
      more.length > 0
        ? await connection.getMany(own, flags, { deadline })
        : [await connection.send('mg', only, flags, { deadline })];
    for (const [at, place] of places.entries()) found[place] = replies[at];
  });
  const failed = (await Promise.allSettled(reads)).filter((one) => one.status === 'rejected');
  for (const { reason } of failed) {
    if (!report || failed.length === reads.length) throw reason;
    report(reason);
  }
  return found;
}

/** Places in the list, by server. */
function byServer(client: MetaPeers, keys: readonly string[]): Map<MetaPeer, number[]> {
  const places = new Map<MetaPeer, number[]>();
  for (const [place, key] of keys.entries()) {
    const server = client.serverOf(key);
    const own = places.get(server);
    if (own) own.push(place);
    else places.set(server, [place]);
  }
  return places;
}
