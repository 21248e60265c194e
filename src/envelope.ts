/**
 * An entry as bytes: `metadata|payload`, the metadata in JSON, as Python writes and reads it (wire facts §1.1). Decides what is an
 * entry and what is garbage; not what an entry is worth.
 */
import { CachedValue, type Clock, type Metadata, type Serializer } from './api.js';
import { CantDeserializeError, SerializationError } from './errors.js';
import { isPromiseLike } from './promises.js';
import { jsonSerializer } from './serializers.js';
import { messageOf } from './shown.js';

const PIPE = 0x7c;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Says in the metadata that the payload `null` stands for `undefined`. */
const UNDEFINED = 'u';

/** `SerializationError` with its cause for a value that the serializer refuses. */
export function encodeEntry({ payload, metadata }: CachedValue, serializer: Serializer): Uint8Array {
  const isUndefined = payload === undefined;
  const header = JSON.stringify(isUndefined ? { ...metadata, [UNDEFINED]: 1 } : metadata).replaceAll('|', '\\u007c');
  let body: Uint8Array | string;
  try {
    body = serializer.serialize(isUndefined ? null : payload);
  } catch (cause) {
    if (cause instanceof SerializationError) throw cause;
    throw new SerializationError(`The ${serializer.name} serializer refuses this value: ${messageOf(cause)}`, {
      cause,
    });
  }
  if (typeof body === 'string') {
    if (body.isWellFormed()) return encoder.encode(`${header}|${body}`);
    throw new SerializationError(
      `The ${serializer.name} serializer gave text with a lone surrogate, which would come back as another one. Let it give bytes.`,
    );
  }
  if (!(body instanceof Uint8Array))
    throw new SerializationError(`The ${serializer.name} serializer gave neither text nor bytes.`);
  const bytes = new Uint8Array(header.length * 3 + 1 + body.length);
  const { written } = encoder.encodeInto(header, bytes);
  bytes[written] = PIPE;
  bytes.set(body, written + 1);
  return bytes.subarray(0, written + 1 + body.length);
}

/** `CantDeserializeError` for whatever is no entry, and nothing else: empty, no pipe, no metadata, an unreadable payload. */
export function decodeEntry(bytes: Uint8Array, serializer: Serializer, clock: Clock): CachedValue {
  let metadata: unknown;
  let payload: unknown;
  try {
    if (serializer === jsonSerializer) {
      // Text from end to end: decoded in one piece, at an eighth less for all of it.
      const text = decoder.decode(bytes);
      const end = pipeIn(text.indexOf('|'));
      metadata = JSON.parse(text.slice(0, end));
      // Python takes a byte order mark also before the value.
      payload = JSON.parse(text.slice(text[end + 1] === '\ufeff' ? end + 2 : end + 1));
    } else {
      const end = pipeIn(bytes.indexOf(PIPE));
      metadata = JSON.parse(decoder.decode(bytes.subarray(0, end)));
      payload = serializer.deserialize(bytes.subarray(end + 1));
    }
  } catch (cause) {
    throw new CantDeserializeError(`These bytes are no entry: ${messageOf(cause)}`, { cause });
  }
  if (isPromiseLike(payload)) {
    payload.then(undefined, () => {});
    throw new CantDeserializeError(
      `The ${serializer.name} serializer answers with a promise: deserialize() must give the value itself.`,
    );
  }
  if (!isMetadata(metadata))
    throw new CantDeserializeError('These bytes are no entry: the metadata has no creation time.');
  return new CachedValue(metadata[UNDEFINED] === 1 && payload === null ? undefined : payload, metadata, clock);
}

function pipeIn(at: number): number {
  if (at < 0) throw new Error('no "|" between metadata and value.');
  return at;
}

function isMetadata(metadata: unknown): metadata is Metadata {
  if (typeof metadata !== 'object' || metadata === null) return false;
  const { ct, dt, et, j, t } = metadata as { [Name in keyof Metadata]?: unknown };
  if (typeof ct !== 'number' || !Number.isFinite(ct)) return false;
  if (!isAmount(dt) || !isAmount(et) || !isAmount(j) || (j !== undefined && j > 1)) return false;
  return t === undefined || (Array.isArray(t) && t.every((tag) => typeof tag === 'string'));
}

function isAmount(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && value >= 0);
}
