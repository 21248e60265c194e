/** Slots of a cluster, and the names of locks that share their key's (protocol, Cluster). */

/** CRC-16 (XMODEM) of the hash tag, or of all of the key where it has none, modulo 16384. */
export function slotOf(key: string): number {
  const bytes = Buffer.from(hashTagOf(key) ?? key);
  let crc = 0;
  for (const byte of bytes) crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xffff;
  return crc % 16_384;
}

const TABLE = Uint16Array.from({ length: 256 }, (_, at) => {
  let crc = at << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** What stands between the first `{` and the `}` that follows, if anything does. */
function hashTagOf(key: string): string | undefined {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : undefined;
}

/**
 * `_lock{key}`, as Python names it; where braces in the key forbid that, another name in the key's slot. No two keys share one: the
 * first closing brace ends Python's form, and is followed by a colon and the key in the other.
 */
export function clusterLockName(prefix: string, key: string): string {
  if (key !== '' && !key.includes('}')) return `${prefix}{${key}}`;
  return `${prefix}{${hashTagOf(key) ?? numberIn(slotOf(key))}}:${key}`;
}

/** By slot: the smallest number that is in it, as far as they have been counted. Written by `numberIn`. */
const numbers = new Map<number, number>();
let counted = 0;

function numberIn(slot: number): number {
  for (let known = numbers.get(slot); ; known = numbers.get(slot)) {
    if (known !== undefined) return known;
    const next = slotOf(String(counted));
    if (!numbers.has(next)) numbers.set(next, counted);
    counted++;
  }
}
