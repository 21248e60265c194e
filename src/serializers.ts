/**
 * Values to bytes and back. Which serializer a region uses is decided by `region/store.ts`; what stands beside the value in the
 * store is `envelope.ts`.
 */
import { deserialize, serialize } from 'node:v8';
import type { Serializer } from './api.js';
import { DriverNotInstalledError, SerializationError } from './errors.js';

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * JSON, the default: safe with bytes of strangers, and what Python's JSON regions read. What JSON has no word for changes (a
 * `Date` becomes its text, `undefined` members go, `NaN` becomes null); what it can't say at all (functions, `BigInt`, circles) is
 * a `SerializationError`.
 */
export const jsonSerializer: Serializer = {
  name: 'json',
  serialize(value) {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new SerializationError(`JSON has no word for a value of type ${typeof value}.`);
    return text;
  },
  deserialize: (bytes) => JSON.parse(decoder.decode(bytes)),
};

/**
 * The structured clone format of V8: keeps `Date`, `Map`, `Set`, `BigInt`, typed arrays, `undefined` and circles. For stores that
 * nobody else writes to: its reader is not made for hostile bytes, and other runtimes than Node and Deno don't read it.
 */
export const v8Serializer: Serializer = {
  name: 'v8',
  serialize: (value) => serialize(value),
  // A copy: V8 reads typed arrays as views of the very bytes, which may be the entry that a store still holds.
  deserialize: (bytes) => deserialize(new Uint8Array(bytes)),
};

/**
 * MessagePack by the package `msgpackr` (an optional peer), which keeps `Date`, `Map`, `Set`, `BigInt` and `undefined`; small and
 * fast. `DriverNotInstalledError` when the package is missing.
 */
export async function msgpackSerializer(): Promise<Serializer> {
  const { Packr } = await import('msgpackr').catch((cause: unknown) => {
    throw new DriverNotInstalledError(
      'The msgpack serializer needs the package `msgpackr` (>=2.1.3). Install it: npm install msgpackr',
      { cause },
    );
  });
  // Else it would write null in its place.
  const writeFunction = () => {
    throw new SerializationError('MessagePack has no word for a function.');
  };
  const packr = new Packr({ structuredClone: true, moreTypes: true, writeFunction });
  return { name: 'msgpack', serialize: (value) => packr.pack(value), deserialize: (bytes) => packr.unpack(bytes) };
}
