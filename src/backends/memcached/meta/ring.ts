/**
 * Which server a key belongs to: the ketama ring, laid out as libmemcached does. A server that is gone keeps its keys: another that
 * took them over would hand back, at the server's return, values that were deleted meanwhile.
 */
import { createHash } from 'node:crypto';

const DIGESTS_PER_SERVER = 40;

export class Ring<Server> {
  readonly #only: Server | undefined;
  /** Sorted; the server of a point stands at the same place of `#owners`. */
  readonly #points: Uint32Array;
  readonly #owners: readonly Server[];

  /** By name. */
  constructor(servers: ReadonlyMap<string, Server>) {
    const points: { readonly at: number; readonly owner: Server }[] = [];
    for (const [name, owner] of servers) {
      for (let digest = 0; digest < DIGESTS_PER_SERVER; digest++) {
        const bytes = md5(`${name}-${digest}`);
        for (let at = 0; at < 16; at += 4) points.push({ at: bytes.readUInt32LE(at), owner });
      }
    }
    points.sort((a, b) => a.at - b.at);
    this.#points = Uint32Array.from(points, ({ at }) => at);
    this.#owners = points.map(({ owner }) => owner);
    this.#only = servers.size === 1 ? this.#owners[0] : undefined;
  }

  serverOf(key: string): Server {
    const owner = this.#only ?? this.#owners[this.#placeOf(md5(key).readUInt32LE(0))] ?? this.#owners[0];
    if (owner === undefined) throw new RangeError('A ring needs a server.');
    return owner;
  }

  /** The first point that is not before it. Past the last one the ring begins anew. */
  #placeOf(hash: number): number {
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#points[middle] ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function md5(text: string): Buffer {
  return createHash('md5').update(text).digest();
}
