/**
 * Bytes as text, for the packages that write only text under flags 0: under the flags that they give to bytes, Python's clients lose
 * their step. Text stays as it is, so that Python reads it; what isn't text is `dp64:` and base64, a third longer.
 */
import { isUtf8 } from 'node:buffer';

const MARK = 'dp64:';
/** One package escapes line ends, and takes them for the end of the value. */
const LINE_END = /[\r\n]/;

export function asText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length > 0 && isUtf8(buffer)) {
    const text = buffer.toString('utf8');
    if (!text.startsWith(MARK) && !LINE_END.test(text)) return text;
  }
  return MARK + buffer.toString('base64');
}

/** What a package makes of a value: text, bytes, or, under flags of other programs, numbers and whatever JSON knows. */
export function asBytes(value: unknown): Uint8Array {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value !== 'string') return Buffer.from(JSON.stringify(value) ?? '');
  return value.startsWith(MARK) ? Buffer.from(value.slice(MARK.length), 'base64') : Buffer.from(value);
}
