/** Bytes as text under flags 0: what comes back is what was given, and text is what another program reads. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { asBytes, asText } from '../../../src/backends/memcached/text-values.js';

it('any bytes come back as they were, and never bring a line end', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        const text = asText(bytes);
        expect(text).not.toMatch(/[\r\n]/);
        expect(Buffer.from(text).toString()).toBe(text);
        expect(Buffer.compare(asBytes(text), bytes)).toBe(0);
      },
    ),
  );
});

it('text stays as it is; what only looks like ours is told apart', () => {
  expect(asText(Buffer.from('{"ct":1.5,"v":2}|"é€😀"'))).toBe('{"ct":1.5,"v":2}|"é€😀"');
  for (const bytes of ['dp64:', 'dp64:AAAA', '', 'a\nb', 'a\rb'].map((text) => Buffer.from(text)))
    expect([asText(bytes).slice(0, 5), asBytes(asText(bytes))]).toEqual(['dp64:', bytes]);
});

it('a view of a larger buffer is itself alone', () => {
  const view = new Uint8Array(Buffer.from('xxxhixxx')).subarray(3, 5);
  expect(asText(view)).toBe('hi');
});

it('what packages make of flags of other programs is bytes, whatever it is', () => {
  expect(asBytes(1)).toEqual(Buffer.from('1'));
  expect(asBytes({ a: [null] })).toEqual(Buffer.from('{"a":[null]}'));
  expect(asBytes(Buffer.of(255))).toEqual(Buffer.of(255));
  expect(asBytes(undefined)).toEqual(Buffer.of());
});
