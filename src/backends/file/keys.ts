/** Names inside the file: a namespace of one byte each, so that no user's key meets a record of ours; keys too long for LMDB are hashed. */
import { createHash } from 'node:crypto';
import { ValidationError } from '../../errors.js';

/** LMDB takes 1978 bytes; an entry's name also stands in the value of an index. */
const LONGEST_KEY = 1900;

/** What follows the namespace: the text itself, or its SHA-256. */
const PLAIN = 0;
const HASHED = 1;

export const NAMESPACE = {
  entry: 0x65,
  format: 0x66,
  lease: 0x6c,
  region: 0x72,
  tag: 0x74,
  totals: 0x73,
  expiry: 0x78,
} as const;

/** The name of a key's entry (`e`), lease (`l`), … */
export function nameOf(namespace: number, key: string): Buffer {
  if (!key.isWellFormed()) {
    throw new ValidationError(
      `The key ${JSON.stringify(key)} has a lone surrogate: as UTF-8 it would be the same as others.`,
    );
  }
  const size = Buffer.byteLength(key);
  if (size > LONGEST_KEY)
    return Buffer.concat([Buffer.of(namespace, HASHED), createHash('sha256').update(key).digest()]);
  const name = Buffer.allocUnsafe(2 + size);
  name[0] = namespace;
  name[1] = PLAIN;
  name.write(key, 2);
  return name;
}

/** Everything of a namespace, for scans. */
export function rangeOf(namespace: number): { readonly start: Buffer; readonly end: Buffer } {
  return { start: Buffer.of(namespace), end: Buffer.of(namespace + 1) };
}

/** Below it the lock file has contents and locks of other uses. */
const FIRST_BYTE = 2 ** 52;

/** The byte of the lock file that stands for a key: 52 bits of a hash, as far as a number is exact. */
export function byteOf(key: string): number {
  const hash = createHash('sha256').update(key).digest();
  return FIRST_BYTE + hash.readUIntBE(0, 6) * 16 + ((hash[6] ?? 0) & 15);
}
