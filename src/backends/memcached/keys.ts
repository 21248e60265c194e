/** Which keys memcached's protocol and its clients can carry, and what becomes of the others. Decides nothing about when it is asked. */
import type { KeyMangler } from '../../api.js';
import { ValidationError } from '../../errors.js';
import { sha256MangleKey } from '../../keys/manglers.js';
import { shown } from '../../shown.js';
import { isRecordName } from '../records.js';

/**
 * Printable ASCII without a space, so short that the name of its lock fits, too (250 bytes). Not `__proto__`: clients keep what they
 * read by key in plain objects, where it is lost.
 */
const CARRIED = /^(?!__proto__$)[\x21-\x7e]{1,245}$/;

/** What the name of a key's lock begins with, as Python's. */
const LOCK = '_lock';

/**
 * Keys that memcached can carry stay as they are; all others become 64 hexadecimal digits (SHA-256). So do those that begin like a
 * name of ours (`_lock`, `_region{`, `_tag{`): a value would be taken for another key's lock.
 */
export const memcachedKeyMangler: KeyMangler = (key) => (isCarried(key) && !isOurs(key) ? key : sha256MangleKey(key));

function isOurs(key: string): boolean {
  return key.startsWith(LOCK) || isRecordName(key);
}

/** A name of ours, as memcached can carry it. */
export const carriedName: KeyMangler = (name) => (isCarried(name) ? name : sha256MangleKey(name));

export function isCarried(key: string): boolean {
  return CARRIED.test(key);
}

/** Refuses a key before any client sees it: it might end the command, and begin another. */
export function checkKey(key: string, isFine: (key: string) => boolean = isCarried): string {
  if (typeof key === 'string' && isFine(key)) return key;
  throw new ValidationError(
    `The key ${shown(key)} is none that can be sent to memcached: 1 to 245 printable ASCII characters, no space. Regions mangle such keys unless \`keyMangler\` is set; \`memcachedKeyMangler\` does.`,
  );
}

/** The name of a key's lock. */
export function lockNameOf(key: string): string {
  return LOCK + key;
}
