/**
 * Every error of the library. `code` is the contract: `DOGPILE_` and the class name without `Error`, upper snake case.
 * What a creator throws is never wrapped: it reaches its callers untouched.
 */
export class DogpileCacheError extends Error {
  readonly code: `DOGPILE_${string}` = 'DOGPILE_CACHE';
  // Declared only: a field of its own would hide what `Error` has set.
  declare readonly cause?: unknown;

  constructor(message?: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A region was used before `configure()`. */
export class RegionNotConfiguredError extends DogpileCacheError {
  override readonly code = 'DOGPILE_REGION_NOT_CONFIGURED';
}

/** `configure()` was called twice without `replaceExistingBackend: true`. */
export class RegionAlreadyConfiguredError extends DogpileCacheError {
  override readonly code = 'DOGPILE_REGION_ALREADY_CONFIGURED';
}

/** `close()` was called on this region. */
export class RegionClosedError extends DogpileCacheError {
  override readonly code = 'DOGPILE_REGION_CLOSED';
}

/** An option, argument or result that is not what the contract says; the message names what is accepted. */
export class ValidationError extends DogpileCacheError {
  override readonly code = 'DOGPILE_VALIDATION';
}

/** No backend has this name, and no module resolves to it. */
export class BackendNotFoundError extends DogpileCacheError {
  override readonly code = 'DOGPILE_BACKEND_NOT_FOUND';
}

/** The backend is known, but a package that it needs is not installed; the message says which to install. */
export class DriverNotInstalledError extends DogpileCacheError {
  override readonly code = 'DOGPILE_DRIVER_NOT_INSTALLED';
}

/** Arguments or a function that no unambiguous key can be made of. */
export class KeyGenerationError extends DogpileCacheError {
  override readonly code = 'DOGPILE_KEY_GENERATION';
}

/** A value that the serializer refuses. */
export class SerializationError extends DogpileCacheError {
  override readonly code = 'DOGPILE_SERIALIZATION';
}

/** Thrown by a deserializer (yours too) for bytes it does not know: the value counts as missing. */
export class CantDeserializeError extends DogpileCacheError {
  override readonly code = 'DOGPILE_CANT_DESERIALIZE';
}

/** A call to the store ran into its deadline; it may still take effect there. */
export class BackendTimeoutError extends DogpileCacheError {
  override readonly code = 'DOGPILE_BACKEND_TIMEOUT';
  /** The store has several servers, and this is one's: it is no reason to give up the others. Default: it isn't. */
  declare isOfOneServer?: boolean;
}

/** The store can't be used: not reachable, not readable, or not ours. */
export class BackendUnavailableError extends DogpileCacheError {
  override readonly code = 'DOGPILE_BACKEND_UNAVAILABLE';
  /** The store has several servers, and this is one's: it is no reason to give up the others. Default: it isn't. */
  declare isOfOneServer?: boolean;
}

/** A creation took longer than its `hardTimeout`. */
export class CreationTimeoutError extends DogpileCacheError {
  override readonly code = 'DOGPILE_CREATION_TIMEOUT';
}

/** Another's creation was not done within `lockWait`. */
export class LockTimeoutError extends DogpileCacheError {
  override readonly code = 'DOGPILE_LOCK_TIMEOUT';
}

/**
 * A creation would wait for itself: by its own key or round a circle, where there is no stale value to give it, or by the `close()` or
 * `idle()` of its region.
 */
export class ReentrantCreationError extends DogpileCacheError {
  override readonly code = 'DOGPILE_REENTRANT_CREATION';
}

/** The store takes no values of this size. */
export class ValueTooLargeError extends DogpileCacheError {
  override readonly code = 'DOGPILE_VALUE_TOO_LARGE';
}
