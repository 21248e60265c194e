/**
 * The names under which the store keeps what is not a value: locks, records, and the channels of their wake-ups. Python shares the
 * names of locks; the others are ours.
 */

/** A region's name in braces, so that its record and those of its tags are in one slot of a cluster. */
function braced(region: string): string {
  const name = region.replace(/[%{}]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  // A cluster takes empty braces for none.
  return `{${name || '%'}}`;
}

export function regionRecordName(region: string): string {
  return `_region${braced(region)}`;
}

export function tagRecordName(region: string, tag: string): string {
  return `_tag${braced(region)}${tag}`;
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
