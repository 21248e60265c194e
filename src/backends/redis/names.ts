/** The channels of wake-ups. */

/** What the scripts put before a lock's name to name its channel. */
export const WAKE = 'dp1:wake:';

/** Where is told that a lock was let go of. */
export function wakeChannel(lock: string): string {
  return WAKE + lock;
}

export function lockOfChannel(channel: string): string {
  return channel.slice(WAKE.length);
}
