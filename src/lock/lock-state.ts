/** What is known of a lock without taking it: from any mutex, whether or not it can say how long it is held. Decides nothing. */
import type { Awaitable, CacheMutex, LockState } from '../api.js';
import { andThen } from '../promises.js';

export function lockState(mutex: CacheMutex): Awaitable<LockState> {
  return mutex.inspect ? mutex.inspect() : andThen(mutex.locked(), (held) => ({ held }));
}
