/**
 * The names under which the store keeps what is not a value: locks, records, and the channels of their wake-ups. Python shares the
 * names of locks; the others are ours.
 */
import type { KeyMangler } from '../../api.js';
import { sha256MangleKey } from '../../keys/manglers.js';

const REGION = '_region{';
const TAG = '_tag{';

/**
 * Keys that begin like a name of ours become 64 hexadecimal digits (SHA-256): stored as they are, a value would be taken for another
 * key's lock, or take the place of a region's record. All others stay as they are.
 */
export function manglerBeside(lockPrefix: string): KeyMangler {
  return (key) =>
    key.startsWith(lockPrefix) || key.startsWith(REGION) || key.startsWith(TAG) ? sha256MangleKey(key) : key;
}

/** A region's name, to go into braces, so that its record and those of its tags are in one slot of a cluster. */
function braced(region: string): string {
  const name = region.replace(/[%{}]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  // A cluster takes empty braces for none.
  return `${name || '%'}}`;
}

export function regionRecordName(region: string): string {
  return REGION + braced(region);
}

export function tagRecordName(region: string, tag: string): string {
  return TAG + braced(region) + tag;
}

/** What the scripts put before a lock's name to name its channel. */
export const WAKE = 'dp1:wake:';

/** Where is told that a lock was let go of. */
export function wakeChannel(lock: string): string {
  return WAKE + lock;
}

export function lockOfChannel(channel: string): string {
  return channel.slice(WAKE.length);
}
