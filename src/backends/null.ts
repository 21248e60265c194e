/** Stores nothing and elects nobody (Python's null backend): every call runs its creator. One name switches a cache off. */
import type { CacheBackend, CacheMutex, Lease } from '../api.js';
import { newToken } from '../lock/lease.js';

/** Takes and ignores any arguments, so that only the name has to change. */
export function nullBackend(_args?: Readonly<Record<string, unknown>>): CacheBackend {
  return {
    stores: 'values',
    storesNothing: true,
    get: () => undefined,
    getMulti: (keys) => keys.map(() => undefined),
    set: () => {},
    setMulti: () => {},
    delete: () => {},
    deleteMulti: () => {},
    mutex: () => freeMutex,
  };
}

/** Never held, always granted. */
const freeMutex: CacheMutex = {
  locked: () => false,
  acquire: (): Lease => ({ token: newToken(), release: () => {}, [Symbol.asyncDispose]: async () => {} }),
};
