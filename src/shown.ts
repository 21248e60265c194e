/** Characters of a text that are shown. */
const LONGEST = 100;

/** What an error says, and whatever else may have been thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : shown(error);
}

/** The same as an error. */
export function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(shown(error));
}

/** A value as it stands in the message of an error: short, and never its contents at length. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** How an error about a region begins. */
export function thisRegion(name: string | undefined): string {
  return name === undefined ? 'This region' : `This region (${shown(name)})`;
}
