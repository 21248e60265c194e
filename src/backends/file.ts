import type { CacheBackend } from '../api.js';
import type { FileArguments } from './file-arguments.js';
export function fileBackend(_args: FileArguments): CacheBackend<Uint8Array> {
  throw new Error('to come');
}
