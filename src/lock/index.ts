/** `dogpile-cache/lock`: the election and its locks, usable without any cache (Python's dogpile.core). */
export { type DogpileLockOptions, dogpileLock, type Made, type MutexLike, NeedRegeneration } from './dogpile-lock.js';
export { LocalMutex, type LocalMutexOptions } from './local-mutex.js';
export { NameRegistry } from './name-registry.js';
export { ReadWriteMutex } from './read-write-mutex.js';
