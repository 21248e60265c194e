/**
 * Checks of options and arguments, with errors that name the option, what it accepts and the nearest known name. Decides nothing
 * about what an option means.
 */
import { ValidationError } from './errors.js';
import { shown } from './shown.js';

/**
 * Refuses names that are not known. A name whose value is `undefined` counts as not given. `elsewhere` says of a name that is like
 * none of them where it belongs, in a sentence.
 */
export function refuseUnknown(
  what: string,
  given: object,
  known: readonly string[],
  elsewhere?: (name: string) => string | undefined,
): void {
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !known.includes(name))
      throw new ValidationError(unknownName(what, name, known, elsewhere?.(name)));
  }
}

/** How options end that are times. */
const OF_TIMES = /(time|timeout|sleep|hold|wait)$/i;

function unknownName(what: string, name: string, known: readonly string[], elsewhere: string | undefined): string {
  const camel = name.replace(/_+([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());
  if (camel !== name && known.includes(camel)) {
    const units = OF_TIMES.test(camel)
      ? " Mind that Python counts seconds; here a number is milliseconds, and '10s' is ten seconds."
      : '';
    return `${what} knows no option "${name}". Did you mean "${camel}"?${units}`;
  }
  const close = nearest(name, known);
  const place = elsewhere === undefined ? '' : ` ${elsewhere}`;
  const all = known.length > 0 ? ` It knows ${known.join(', ')}.` : ' It takes none.';
  return `${what} knows no option "${name}".${close === undefined ? place + all : ` Did you mean "${close}"?`}`;
}

/** The known name that is most like this one, if one is like it at all. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: { readonly known: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    // `expiration` is meant for `expirationTime`; `lockTimeout` is no misspelt `softTimeout`.
    const isBeginning = name.length > 3 && candidate.toLowerCase().startsWith(name.toLowerCase());
    const isLike = isBeginning || distance <= Math.max(2, candidate.length / 4);
    if (isLike && (best === undefined || distance < best.distance)) best = { known: candidate, distance };
  }
  return best?.known;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

export function checkObject<T extends object>(name: string, value: T): T {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new ValidationError(`${name} must be an object, not ${shown(value)}.`);
}

export function checkString(name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw new ValidationError(`${name} must be a string, not ${shown(value)}.`);
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new ValidationError(`${name} must be true or false, not ${shown(value)}.`);
}

export function checkFunction<T>(name: string, value: T): T {
  if (typeof value === 'function') return value;
  throw new ValidationError(`${name} must be a function, not ${shown(value)}.`);
}

/** A whole number from 1 on, or `Infinity`. */
export function checkCount(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 1 && (Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY))
    return value;
  throw new ValidationError(`${name} must be a whole number from 1 on, or Infinity, not ${shown(value)}.`);
}

/** From 0 to 1. */
export function checkFraction(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw new ValidationError(`${name} must be a number from 0 to 1, not ${shown(value)}.`);
}

/** An object that has these functions. */
export function checkMembers<T extends object>(name: string, value: T, functions: readonly string[]): T {
  const isThere = typeof value === 'object' && value !== null;
  const missing = isThere && functions.find((member) => typeof Reflect.get(value, member) !== 'function');
  if (isThere && missing === undefined) return value;
  const not = isThere ? `one without ${missing}()` : shown(value);
  throw new ValidationError(
    `${name} must be an object with ${functions.map((member) => `${member}()`).join(', ')}, not ${not}.`,
  );
}
