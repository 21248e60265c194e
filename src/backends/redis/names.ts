/** Names under which the store keeps what is not a value, keys that would be taken for such, and the channels of wake-ups. */
import type { KeyMangler } from '../../api.js';
import { sha256MangleKey } from '../../keys/manglers.js';
import { isRecordName } from '../records.js';

/**
 * Keys that begin like a name of ours become 64 hexadecimal digits (SHA-256): stored as they are, a value would be taken for another
 * key's lock, or take the place of a region's record. All others stay as they are.
 */
export function manglerBeside(lockPrefix: string): KeyMangler {
  return (key) => (key.startsWith(lockPrefix) || isRecordName(key) ? sha256MangleKey(key) : key);
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
