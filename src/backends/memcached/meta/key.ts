/** What the protocol takes for a key. Anything else would be two words of a command, or a second command. */
import { ValidationError } from '../../../errors.js';
import { shown } from '../../../shown.js';

const KEY = /^[\x21-\x7e]{1,250}$/;

export function isKey(key: string): boolean {
  return KEY.test(key);
}

/** `ValidationError`, before anything is written. */
export function checkKey(key: string): void {
  if (isKey(key)) return;
  throw new ValidationError(
    `memcached takes keys of 1 to 250 printable ASCII characters without spaces, not ${shown(key)}. Use memcachedKeyMangler.`,
  );
}
