/** Parts of servers' addresses, checked: what a part is good for is its backend's. */
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';

export function portOf(option: string, port: unknown): number {
  if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new ValidationError(`The port of ${option} must be a whole number from 1 to 65535, not ${shown(port)}.`);
}

export function decoded(option: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new ValidationError(`${option} is not percent-encoded as a URL must be (a "%" in a password is "%25").`, {
      cause,
    });
  }
}
