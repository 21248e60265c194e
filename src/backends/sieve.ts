/**
 * A bounded map that evicts by SIEVE (Zhang et al., NSDI 2024): a hit sets a bit; to evict, a hand moves from the oldest entry to
 * the newest, spares and unmarks what was hit since it last came by, and takes the first that was not.
 */
interface Node<V> {
  readonly key: string;
  value: V;
  size: number;
  isVisited: boolean;
  older: Node<V> | undefined;
  newer: Node<V> | undefined;
}

export interface Bounds {
  readonly maxEntries: number;
  readonly maxSize: number;
}

export class Sieve<V> {
  readonly #bounds: Bounds;
  readonly #nodes = new Map<string, Node<V>>();
  #newest: Node<V> | undefined;
  #oldest: Node<V> | undefined;
  /** Where the next eviction begins to look; the oldest when undefined. */
  #hand: Node<V> | undefined;
  #size = 0;
  evictions = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get count(): number {
    return this.#nodes.size;
  }

  /** The sum of the sizes given. */
  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    node.isVisited = true;
    return node.value;
  }

  /** What is larger than all the room there is isn't kept, and leaves nothing of an older value. */
  set(key: string, value: V, size: number): void {
    if (size > this.#bounds.maxSize) {
      this.delete(key);
      this.evictions++;
      return;
    }
    const { maxEntries, maxSize } = this.#bounds;
    const known = this.#nodes.get(key);
    const growth = size - (known?.size ?? 0);
    if (known) known.isVisited = true;
    // Others make room, if there are any: one entry alone fits, whatever sizes with fractions have added up to.
    const spared = known ? 1 : 0;
    while (this.#nodes.size > spared && (this.#size + growth > maxSize || (!known && this.#nodes.size >= maxEntries)))
      this.#evict(known);
    this.#size += growth;
    if (known) {
      known.value = value;
      known.size = size;
    } else this.#add({ key, value, size, isVisited: false, older: this.#newest, newer: undefined });
  }

  delete(key: string): void {
    const node = this.#nodes.get(key);
    if (node) this.#remove(node);
  }

  #add(node: Node<V>): void {
    if (this.#newest) this.#newest.newer = node;
    else this.#oldest = node;
    this.#newest = node;
    this.#nodes.set(node.key, node);
  }

  #remove(node: Node<V>): void {
    if (this.#hand === node) this.#hand = node.newer;
    if (node.older) node.older.newer = node.newer;
    else this.#oldest = node.newer;
    if (node.newer) node.newer.older = node.older;
    else this.#newest = node.older;
    this.#nodes.delete(node.key);
    this.#size = this.#nodes.size === 0 ? 0 : this.#size - node.size;
  }

  /** `spared` is being written: room is made for it, not of it. */
  #evict(spared: Node<V> | undefined): void {
    let node = this.#hand ?? this.#oldest;
    while (node && (node.isVisited || node === spared)) {
      node.isVisited = false;
      node = node.newer ?? this.#oldest;
    }
    if (!node) return;
    this.#hand = node.newer;
    this.#remove(node);
    this.evictions++;
  }
}
