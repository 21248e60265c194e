/** What regions of this process tell of their stores, until the test is over. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { onTestFinished } from 'vitest';

export function hear(): readonly unknown[] {
  const errors: unknown[] = [];
  const listen = (message: unknown) => errors.push(message);
  subscribe('dogpile.cache:backend-error', listen);
  onTestFinished(() => void unsubscribe('dogpile.cache:backend-error', listen));
  return errors;
}
