/**
 * Entries with their hard expiry, in the order in which they leave: those whose time has passed, then, when there is no room, those that
 * would leave next (entries without a time last, the oldest write first). Every verb that writes runs inside a transaction.
 */
import type { Clock } from '../../api.js';
import type { Lmdb } from './engine.js';
import { NAMESPACE, rangeOf } from './keys.js';

/** An entry is a version, when it leaves, the number of its write, and its bytes; the middle two also make its place in the index. */
const VERSION = 1;
const HEADER = 1 + 8 + 8;

/** LMDB's own limit is twice this. */
const LARGEST = 2 ** 31 - 1 - HEADER;

/** How many whose time has passed are removed by each write. */
const SWEEP = 16;

const TOTALS = Buffer.of(NAMESPACE.totals);

export interface Totals {
  /** Of names and entries. */
  bytes: number;
  count: number;
  /** The last number given to a write. */
  order: number;
}

export class Entries {
  readonly #db: Lmdb;
  readonly #maxSize: number;
  /** Replaced by that of the region. */
  clock: Clock;
  /** Thrown out to make room by the transaction under way: it counts once that is committed. */
  evicted = 0;
  evictions = 0;

  constructor(db: Lmdb, maxSize: number, clock: Clock) {
    this.#db = db;
    this.#maxSize = maxSize;
    this.clock = clock;
  }

  /** A copy; what has left by its time, or is none of ours, is missing. */
  get(name: Buffer): Uint8Array | undefined {
    const record = this.#db.getBinary(name);
    if (record === undefined || record.length < HEADER || record[0] !== VERSION) return undefined;
    const leaves = record.readDoubleBE(1);
    if (leaves !== Number.POSITIVE_INFINITY && leaves <= this.clock.now()) return undefined;
    return record.subarray(HEADER);
  }

  /** `false`: it is larger than all the room there is, and nothing is left of an older value. */
  put(name: Buffer, bytes: Uint8Array, ttl: number | undefined): boolean {
    const totals = this.totals();
    this.#drop(name, totals);
    const size = name.length + HEADER + bytes.byteLength;
    const fits = bytes.byteLength <= LARGEST && size <= this.#maxSize;
    if (fits) {
      const record = Buffer.allocUnsafe(HEADER + bytes.byteLength);
      record[0] = VERSION;
      record.writeDoubleBE(ttl === undefined ? Number.POSITIVE_INFINITY : this.clock.now() + ttl, 1);
      record.writeDoubleBE(++totals.order, 9);
      record.set(bytes, HEADER);
      this.#db.put(name, record);
      this.#db.put(placeOf(record), name);
      totals.bytes += size;
      totals.count += 1;
    }
    this.#sweep(totals);
    this.#evict(totals, name);
    this.#writeTotals(totals);
    return fits;
  }

  remove(name: Buffer): void {
    const totals = this.totals();
    if (this.#drop(name, totals)) this.#writeTotals(totals);
  }

  /** Takes out those that leave first, until so many bytes are free or a batch is done; answers with what is. */
  reclaim(bytes: number): number {
    const totals = this.totals();
    const before = totals.bytes;
    for (const { place, name } of this.#first(SWEEP)) {
      if (before - totals.bytes >= bytes) break;
      this.#leave(place, name, totals);
    }
    if (totals.bytes !== before) this.#writeTotals(totals);
    return before - totals.bytes;
  }

  totals(): Totals {
    const record = this.#db.getBinary(TOTALS);
    if (record?.length !== 24) return { bytes: 0, count: 0, order: 0 };
    return { bytes: record.readDoubleBE(0), count: record.readDoubleBE(8), order: record.readDoubleBE(16) };
  }

  #writeTotals({ bytes, count, order }: Totals): void {
    const record = Buffer.allocUnsafe(24);
    record.writeDoubleBE(bytes, 0);
    record.writeDoubleBE(count, 8);
    record.writeDoubleBE(order, 16);
    this.#db.put(TOTALS, record);
  }

  #drop(name: Buffer, totals: Totals): boolean {
    const record = this.#db.getBinary(name);
    if (record === undefined) return false;
    this.#db.remove(name);
    if (record.length < HEADER || record[0] !== VERSION) return false;
    this.#db.remove(placeOf(record));
    totals.bytes -= name.length + record.length;
    totals.count -= 1;
    return true;
  }

  #sweep(totals: Totals): void {
    const now = this.clock.now();
    for (const { place, name } of this.#first(SWEEP)) {
      if (place.readDoubleBE(1) > now) return;
      this.#leave(place, name, totals);
    }
  }

  /** `spared` is being written: room is made for it, not of it. */
  #evict(totals: Totals, spared: Buffer): void {
    while (totals.bytes > this.#maxSize) {
      const next = this.#first(SWEEP).filter(({ name }) => !spared.equals(name));
      if (next.length === 0) return;
      for (const { place, name } of next) {
        if (totals.bytes <= this.#maxSize) return;
        this.#leave(place, name, totals);
        this.evicted++;
      }
    }
  }

  #leave(place: Buffer, name: Buffer, totals: Totals): void {
    if (!this.#drop(name, totals)) this.#db.remove(place);
  }

  /** Those that leave first, read before anything is removed: a cursor doesn't outlive the page it stands on. */
  #first(limit: number): { readonly place: Buffer; readonly name: Buffer }[] {
    const range = { ...rangeOf(NAMESPACE.expiry), limit };
    return Array.from(this.#db.getRange(range), ({ key, value }) => ({
      place: Buffer.from(key),
      name: Buffer.from(value),
    }));
  }
}

/** Doubles from 0 on are ordered as their bytes are. */
function placeOf(record: Buffer): Buffer {
  const place = Buffer.allocUnsafe(HEADER);
  place[0] = NAMESPACE.expiry;
  record.copy(place, 1, 1, HEADER);
  return place;
}
