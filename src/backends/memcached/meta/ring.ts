/**
 * Which server a key belongs to: a ketama ring, the same as libmemcached's weighted one with equal weights. A server that is gone keeps
 * its keys: another that took them over would hand back, at the server's return, values that were deleted meanwhile.
 */
import { hash } from 'node:crypto';

const DIGESTS_PER_SERVER = 40;

export class Ring<Server> {
  readonly #only: Server | undefined;
  /** Sorted; the server of a point stands at the same place of `#owners`. */
  readonly #points: Uint32Array;
  readonly #owners: readonly Server[];

  /** By name. */
  constructor(servers: ReadonlyMap<string, Server>) {
    const [first, ...others] = servers.values();
    this.#only = others.length === 0 ? first : undefined;
    const points = this.#only === undefined ? pointsOf(servers) : [];
    this.#points = Uint32Array.from(points, ({ at }) => at);
    this.#owners = points.map(({ owner }) => owner);
  }

  serverOf(key: string): Server {
    const owner = this.#only ?? this.#owners[this.#placeOf(wordAt(md5(key), 0))] ?? this.#owners[0];
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

interface Point<Server> {
  readonly at: number;
  readonly owner: Server;
}

function pointsOf<Server>(servers: ReadonlyMap<string, Server>): readonly Point<Server>[] {
  const points: Point<Server>[] = [];
  for (const [name, owner] of servers) {
    for (let digest = 0; digest < DIGESTS_PER_SERVER; digest++) {
      const bytes = md5(`${name}-${digest}`);
      for (let at = 0; at < 16; at += 4) points.push({ at: wordAt(bytes, at), owner });
    }
  }
  return points.sort((a, b) => a.at - b.at);
}

/** A character for each byte: a third of what a buffer costs. */
function md5(text: string): string {
  return hash('md5', text, 'binary');
}

/** Little-endian. */
function wordAt(bytes: string, at: number): number {
  let word = 0;
  for (let byte = 3; byte >= 0; byte--) word = word * 256 + bytes.charCodeAt(at + byte);
  return word;
}
