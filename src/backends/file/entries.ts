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

/** What LMDB puts beside an entry and its place in the index. */
const OVERHEAD = 64;

/** What an entry takes of the disk, about: its name stands there twice. */
export function sizeInFile(key: string, bytes: Uint8Array): number {
  return 2 * Buffer.byteLength(key) + bytes.byteLength + OVERHEAD;
}

interface Totals {
  /** Of names and entries. */
  bytes: number;
  /** The last number given to a write. */
  order: number;
}

interface Leaving {
  readonly place: Buffer;
  readonly name: Buffer;
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
    if (record === undefined || !isEntry(record)) return undefined;
    const leaves = record.readDoubleBE(1);
    if (leaves !== Number.POSITIVE_INFINITY && leaves <= this.clock.now()) return undefined;
    return record.subarray(HEADER);
  }

  /** `false`: it is larger than all the room there is, and nothing is left of an older value. */
  put(name: Buffer, bytes: Uint8Array, ttl: number | undefined): boolean {
    const totals = this.#totals();
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
    }
    this.#sweep(totals);
    this.#evict(totals, name);
    this.#writeTotals(totals);
    return fits;
  }

  remove(name: Buffer): void {
    const totals = this.#totals();
    if (this.#drop(name, totals)) this.#writeTotals(totals);
  }

  /** Takes out those that leave first, until so many bytes are free or a batch is done; answers with what is. */
  reclaim(bytes: number): number {
    const totals = this.#totals();
    const before = totals.bytes;
    for (const leaving of this.#first(SWEEP)) {
      if (before - totals.bytes >= bytes) break;
      if (this.#leave(leaving, totals)) this.evictions++;
    }
    if (totals.bytes !== before) this.#writeTotals(totals);
    return before - totals.bytes;
  }

  #totals(): Totals {
    const record = this.#db.getBinary(TOTALS);
    if (record?.length !== 16) return this.#counted();
    const totals = { bytes: record.readDoubleBE(0), order: record.readDoubleBE(8) };
    return isCount(totals.bytes) && isCount(totals.order) ? totals : this.#counted();
  }

  /** In a new file, and where the record is garbage. */
  #counted(): Totals {
    const totals = { bytes: 0, order: 0 };
    for (const { key, value } of this.#db.getRange(rangeOf(NAMESPACE.entry))) {
      if (!isEntry(value)) continue;
      const order = value.readDoubleBE(9);
      totals.bytes += key.length + value.length;
      if (isCount(order) && order > totals.order) totals.order = order;
    }
    return totals;
  }

  #writeTotals({ bytes, order }: Totals): void {
    const record = Buffer.allocUnsafe(16);
    record.writeDoubleBE(bytes, 0);
    record.writeDoubleBE(order, 8);
    this.#db.put(TOTALS, record);
  }

  #drop(name: Buffer, totals: Totals): boolean {
    const record = this.#db.getBinary(name);
    if (record === undefined) return false;
    this.#db.remove(name);
    if (!isEntry(record)) return false;
    this.#db.remove(placeOf(record));
    totals.bytes -= name.length + record.length;
    return true;
  }

  #sweep(totals: Totals): void {
    const now = this.clock.now();
    for (const leaving of this.#first(SWEEP)) {
      if (isPlace(leaving.place) && leaving.place.readDoubleBE(1) > now) return;
      this.#leave(leaving, totals);
    }
  }

  /** `spared` is being written: room is made for it, not of it. */
  #evict(totals: Totals, spared: Buffer): void {
    while (totals.bytes > this.#maxSize) {
      const next = this.#first(SWEEP).filter(({ name }) => !spared.equals(name));
      if (next.length === 0) return;
      for (const leaving of next) {
        if (totals.bytes <= this.#maxSize) return;
        if (this.#leave(leaving, totals)) this.evicted++;
      }
    }
  }

  /** Whether an entry went before its time. A place that no entry has is garbage. */
  #leave({ place, name }: Leaving, totals: Totals): boolean {
    const record = name[0] === NAMESPACE.entry ? this.#db.getBinary(name) : undefined;
    if (!record || !isEntry(record) || !placeOf(record).equals(place)) {
      this.#db.remove(place);
      return false;
    }
    this.#drop(name, totals);
    return place.readDoubleBE(1) > this.clock.now();
  }

  /** Those that leave first, read before anything is removed: a cursor doesn't outlive the page it stands on. */
  #first(limit: number): Leaving[] {
    const range = { ...rangeOf(NAMESPACE.expiry), limit };
    return Array.from(this.#db.getRange(range), ({ key, value }) => ({
      place: Buffer.from(key),
      name: Buffer.from(value),
    }));
  }
}

/** Of this version, and whole. */
function isEntry(record: Buffer): boolean {
  return record.length >= HEADER && record[0] === VERSION;
}

function isCount(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0;
}

function isPlace(place: Buffer): boolean {
  return place.length === HEADER;
}

/** Doubles from 0 on are ordered as their bytes are. */
function placeOf(record: Buffer): Buffer {
  const place = Buffer.allocUnsafe(HEADER);
  place[0] = NAMESPACE.expiry;
  record.copy(place, 1, 1, HEADER);
  return place;
}
