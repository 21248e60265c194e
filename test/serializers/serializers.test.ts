import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { CachedValue, type Serializer } from '../../src/api.js';
import { decodeEntry, encodeEntry } from '../../src/envelope.js';
import { CantDeserializeError, DriverNotInstalledError, SerializationError } from '../../src/errors.js';
import { jsonSerializer, msgpackSerializer, v8Serializer } from '../../src/serializers.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const clock = new FakeClock();
const stored = (value: unknown, serializer: Serializer) =>
  encodeEntry(new CachedValue(value, { ct: 1, v: 2 }), serializer);
const roundTrip = (value: unknown, serializer: Serializer, reader = serializer) =>
  decodeEntry(stored(value, serializer), reader, clock).payload;

describe('JSON', () => {
  it.each([null, true, 0, -1.5, '', 'é ☃ 😀 |', [], {}, [[1, [2]]], { a: { b: null } }, '\ud800', '\u2028\u0000'])(
    'keeps %j',
    (value) => {
      expect(roundTrip(value, jsonSerializer)).toEqual(value);
    },
  );

  it('changes what it has no word for, as its description says', () => {
    expect(roundTrip({ date: new Date(0), none: undefined, nan: Number.NaN }, jsonSerializer)).toEqual({
      date: '1970-01-01T00:00:00.000Z',
      nan: null,
    });
  });

  it.each([
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
    ['undefined', undefined],
  ])('has no word for %s', (_, value) => {
    expect(() => jsonSerializer.serialize(value)).toThrow(SerializationError);
  });

  it('reads bytes of any view', () => {
    expect(jsonSerializer.deserialize(Buffer.from('xx{"a":1}').subarray(2))).toEqual({ a: 1 });
  });
});

const circle: { self?: unknown } = {};
circle.self = circle;
const rich = {
  date: new Date(5),
  map: new Map<unknown, unknown>([[{ a: 1 }, new Set([1, 'x'])]]),
  big: 2n ** 60n,
  negative: -5n,
  bytes: Uint8Array.of(1, 2, 255),
  none: undefined,
  text: '😀'.repeat(100),
  float: 0.1,
  nested: [[[]]],
};

describe.each([
  ['v8', () => Promise.resolve(v8Serializer)],
  ['msgpack', () => msgpackSerializer()],
])('%s', (name, make) => {
  it('has its name', async () => {
    expect((await make()).name).toBe(name);
  });

  it('keeps dates, maps, sets, bigints, bytes, undefined and circles', async () => {
    const serializer = await make();
    const read = roundTrip(rich, serializer) as typeof rich;
    expect({ ...read, bytes: [...read.bytes] }).toEqual({ ...rich, bytes: [...rich.bytes] });
    expect('none' in read).toBe(true);
    const back = roundTrip(circle, serializer) as typeof circle;
    expect(back.self).toBe(back);
    expect(roundTrip(undefined, serializer)).toBeUndefined();
    expect(roundTrip(null, serializer)).toBeNull();
  });

  it('is read by another of its kind: nothing of a value is kept in the writer', async () => {
    const [writer, reader] = [await make(), await make()];
    const shape = { first: 1, second: 2, third: [{ first: 1, second: 2, third: 3 }] };
    for (let i = 0; i < 40; i++) writer.serialize({ ...shape, [`field${i}`]: i });
    expect(roundTrip(shape, writer, reader)).toEqual(shape);
    expect(roundTrip(shape, writer, reader)).toEqual(shape);
  });

  it('does not reuse the bytes of an earlier value', async () => {
    const serializer = await make();
    const first = stored({ a: 'first' }, serializer);
    const copy = Uint8Array.from(first);
    for (let i = 0; i < 2000; i++) stored({ a: `another ${i}` }, serializer);
    expect(first).toEqual(copy);
  });

  it('bytes that come back are a copy: to change them changes nothing stored', async () => {
    const serializer = await make();
    const entry = stored({ bytes: Uint8Array.of(1, 2, 3) }, serializer);
    const { bytes } = decodeEntry(entry, serializer, clock).payload as { bytes: Uint8Array };
    bytes.fill(9);
    expect([...(decodeEntry(entry, serializer, clock).payload as { bytes: Uint8Array }).bytes]).toEqual([1, 2, 3]);
  });

  it('refuses functions', async () => {
    const serializer = await make();
    expect(() => stored(() => {}, serializer)).toThrow(SerializationError);
    expect(() => stored({ a: [() => {}] }, serializer)).toThrow(SerializationError);
  });

  it('hostile bytes are CantDeserializeError, or a value, and nothing of them is left behind', async () => {
    const serializer = await make();
    const whole = stored({ a: [64, 65] }, serializer);
    const head = whole.subarray(0, whole.indexOf(0x7c) + 1);
    // Lengths of billions, nesting without end, names of prototypes, shapes that later values could be read by.
    const bombs = [
      'dd ff ff ff ff',
      'df ff ff ff ff',
      'c9 ff ff ff ff 01',
      '91'.repeat(100_000),
      '81 a9 5f5f70726f746f5f5f 81 a1 78 01',
      'd4 72 40 91 a9 5f5f70726f746f5f5f 01',
      '93 d4 72 40 91 a1 78 01 d4 72 41 91 a1 78 02 40',
      'ff 0f 41 ff ff ff ff 0f',
      'ff 0f 42 ff ff ff ff 0f',
    ].map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    const any = fc.oneof(fc.constantFrom(...bombs), fc.uint8Array({ maxLength: 60 }));
    fc.assert(
      fc.property(any, (body) => {
        try {
          decodeEntry(Buffer.concat([head, body]), serializer, clock);
        } catch (error) {
          expect(error).toBeInstanceOf(CantDeserializeError);
        }
        expect(decodeEntry(whole, serializer, clock).payload).toEqual({ a: [64, 65] });
        expect('x' in {}).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('garbage is CantDeserializeError at every truncation, or a value', async () => {
    const serializer = await make();
    const whole = stored(rich, serializer);
    const pipe = whole.indexOf(0x7c);
    for (let length = pipe + 1; length < whole.length; length++) {
      try {
        decodeEntry(whole.subarray(0, length), serializer, clock);
      } catch (error) {
        expect(error).toBeInstanceOf(CantDeserializeError);
      }
    }
  });
});

describe('msgpack without its package', () => {
  it('says what to install', async () => {
    vi.doMock('msgpackr', () => {
      throw new Error('Cannot find package');
    });
    try {
      const making = msgpackSerializer();
      await expect(making).rejects.toThrow(DriverNotInstalledError);
      await expect(making).rejects.toThrow(/needs the package `msgpackr`.*npm install msgpackr/);
    } finally {
      vi.doUnmock('msgpackr');
    }
  });
});
