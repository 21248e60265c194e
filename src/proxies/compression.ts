/** Compresses what is stored, from a size on; reads what was stored uncompressed as well. */
import { constants as buffers } from 'node:buffer';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import { CantDeserializeError, ValidationError } from '../errors.js';
import { ProxyBackend } from '../proxy.js';
import { checkCount, checkObject, refuseUnknown } from '../validation.js';

/** First byte of what this proxy has compressed. No entry begins with it; what another proxy has made of one may. */
const MARK = 0x01;

export interface CompressionOptions {
  /** Bytes from which on a value is compressed. Default 1024. */
  threshold?: number | undefined;
  /** Bytes that a stored value may have when it is inflated; a larger one is missing. Default 64 MiB. */
  maxOutputLength?: number | undefined;
  /** 1 (fast) to 9 (small). Default 1. */
  level?: number | undefined;
}

/** `wrap: [new CompressionProxy()]`: raw deflate of `node:zlib`, on its thread pool. */
export class CompressionProxy extends ProxyBackend<Uint8Array> {
  override readonly stores = 'bytes';
  readonly #threshold: number;
  readonly #maxOutputLength: number;
  readonly #level: number;

  constructor(options: CompressionOptions = {}) {
    super();
    checkObject('The options of CompressionProxy', options);
    refuseUnknown('CompressionProxy', options, ['threshold', 'maxOutputLength', 'level']);
    this.#threshold = checkCount('threshold', options.threshold ?? 1024);
    const maxOutputLength = checkCount('maxOutputLength', options.maxOutputLength ?? 64 * 1024 * 1024);
    this.#maxOutputLength = Math.min(maxOutputLength, buffers.MAX_LENGTH);
    this.#level = checkCount('level', options.level ?? constants.Z_BEST_SPEED);
    if (this.#level > constants.Z_BEST_COMPRESSION)
      throw new ValidationError(`level must be a whole number from 1 to 9, not ${this.#level}.`);
  }

  override encode(_key: string, stored: Uint8Array): Uint8Array | Promise<Uint8Array> {
    // Compressed whatever its size: else it would be taken for what it only looks like.
    const isMistakable = stored[0] === MARK;
    // What could not be inflated any more stays as it is.
    if (stored.length > this.#maxOutputLength) return stored;
    if (stored.length < this.#threshold && !isMistakable) return stored;
    return new Promise((resolve, reject) => {
      deflateRaw(stored, { level: this.#level }, (error, deflated) => {
        if (error) reject(error);
        else if (deflated.length + 1 >= stored.length && !isMistakable) resolve(stored);
        else resolve(Buffer.concat([Buffer.of(MARK), deflated]));
      });
    });
  }

  override decode(_key: string, stored: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (stored[0] !== MARK) return stored;
    return new Promise((resolve, reject) => {
      inflateRaw(stored.subarray(1), { maxOutputLength: this.#maxOutputLength }, (cause, inflated) => {
        if (cause)
          reject(new CantDeserializeError(`A compressed value can't be inflated: ${cause.message}`, { cause }));
        else resolve(inflated);
      });
    });
  }
}
