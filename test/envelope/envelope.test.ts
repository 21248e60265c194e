import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CachedValue, type Metadata, type Serializer } from '../../src/api.js';
import { decodeEntry, encodeEntry } from '../../src/envelope.js';
import { CantDeserializeError, SerializationError } from '../../src/errors.js';
import { jsonSerializer, v8Serializer } from '../../src/serializers.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const clock = new FakeClock(1_700_000_000_000);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const bytes = (content: string | readonly number[]) => Uint8Array.from(Buffer.from(content as string));
const encode = (payload: unknown, metadata: Partial<Metadata> = {}, serializer = jsonSerializer) =>
  encodeEntry(new CachedValue(payload, { ct: 1_700_000_000.123456, v: 2, ...metadata }, clock), serializer);
const decode = (content: Uint8Array, serializer = jsonSerializer) => decodeEntry(content, serializer, clock);

describe('an entry as bytes', () => {
  it('[py 193] is metadata, a pipe, and what the serializer gives, byte for byte', () => {
    expect(text(encode({ a: 1, b: [1, 2.5, null, true, 'hé'] }))).toBe(
      '{"ct":1700000000.123456,"v":2}|{"a":1,"b":[1,2.5,null,true,"hé"]}',
    );
    const raw: Serializer = {
      name: 'raw',
      serialize: () => Uint8Array.of(0, 255, 0x7c, 10),
      deserialize: (b) => [...b],
    };
    const entry = encode('whatever', {}, raw);
    expect([...entry.subarray(entry.indexOf(0x7c) + 1)]).toEqual([0, 255, 0x7c, 10]);
    expect(decode(entry, raw).payload).toEqual([0, 255, 0x7c, 10]);
  });

  it.each([
    [
      '{"ct": 1700000000.123456, "v": 2}|{"a": 1, "b": [1, 2.5, null, true, "h\\u00e9"]}',
      { a: 1, b: [1, 2.5, null, true, 'hé'] },
    ],
    ['{"ct": 1700000000.123456, "v": 2}|"some value"', 'some value'],
    ['{"ct": 1700000000.123456, "v": 2}|null', null],
    ['{"ct": 1700000000.123456, "v": 2}|"pipe | in | payload"', 'pipe | in | payload'],
    ['{"ct": 1700000000.123456, "v": 2}|"h\\u00e9llo \\u2603 \\ud83d\\ude00"', 'héllo ☃ 😀'],
    ['{"ct": 1700000000.123456, "v": 2}|{"x":"hé ☃"}', { x: 'hé ☃' }],
    ['{"v": 2, "ct": 1700000000.123456}|1', 1],
    ['\ufeff {\n "ct": 1700000000.123456, "v": 2.0, "more": [1]}\t|\ufeff1e-07', 1e-7],
    ['{"ct": 1700000000.123456, "v": 2}|"\\ud800"', '\ud800'],
  ])('reads what Python writes, and what Python reads of others: %s', (stored, payload) => {
    const entry = decode(bytes(stored));
    expect(entry.payload).toEqual(payload);
    expect(entry.metadata).toMatchObject({ ct: 1_700_000_000.123456, v: 2 });
    expect(entry.cachedTime).toBe(1_700_000_000_123.456);
  });

  it('reads Python’s very prefix', () => {
    const prefix = '7b226374223a20313730303030303030302e3132333435362c202276223a20327d7c';
    expect(decode(Buffer.concat([Buffer.from(prefix, 'hex'), Buffer.from('5')])).payload).toBe(5);
  });

  it('a pipe in the metadata is escaped: the first one separates', () => {
    const stored = encode('a|b', { t: ['x|y', '|'] });
    expect(text(stored)).toBe('{"ct":1700000000.123456,"v":2,"t":["x\\u007cy","\\u007c"]}|"a|b"');
    expect(decode(stored)).toMatchObject({ payload: 'a|b', metadata: { t: ['x|y', '|'] } });
  });

  it('[py E9] undefined is null with a mark; null is null', () => {
    expect(text(encode(undefined))).toBe('{"ct":1700000000.123456,"v":2,"u":1}|null');
    expect(text(encode(null))).toBe('{"ct":1700000000.123456,"v":2}|null');
    expect(decode(encode(undefined)).payload).toBeUndefined();
    expect(decode(encode(null)).payload).toBeNull();
    expect(decode(bytes('{"ct":1,"v":2,"u":1}|5')).payload).toBe(5);
    expect(decode(encode(undefined, {}, v8Serializer), v8Serializer).payload).toBeUndefined();
  });

  it('[py 194, 195] any value and metadata come back', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 3 }),
        fc.string({ unit: 'binary' }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (value, tag, ct) => {
          const { payload, metadata } = decode(encode(value, { t: [tag], ct }));
          expect(payload).toEqual(JSON.parse(JSON.stringify(value)));
          expect(metadata.t).toEqual([tag]);
          expect(metadata.ct).toBe(Object.is(ct, -0) ? 0 : ct);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('a huge value comes back, and costs no more than a copy', () => {
    const value = 'é'.repeat(1_000_000);
    const stored = encode(value);
    expect(stored.length).toBe(2_000_000 + '{"ct":1700000000.123456,"v":2}|""'.length);
    const digest = (content: string) => createHash('sha1').update(content).digest('hex');
    expect(digest(decode(stored).payload as string)).toBe(digest(value));
    const blob = Buffer.alloc(5_000_000, 7);
    const raw: Serializer = { name: 'raw', serialize: () => blob, deserialize: (b) => b.length };
    expect(decode(encode(0, {}, raw), raw).payload).toBe(blob.length);
  });

  it('is right whatever view of a larger buffer it is read from', () => {
    const stored = encode({ long: 'ü'.repeat(50), date: new Date(5) }, {}, v8Serializer);
    for (let shift = 0; shift < 9; shift++) {
      const larger = new Uint8Array(stored.length + 32).fill(0x7c);
      larger.set(stored, shift);
      const view = larger.subarray(shift, shift + stored.length);
      expect(decode(view, v8Serializer).payload).toEqual({ long: 'ü'.repeat(50), date: new Date(5) });
    }
  });
});

describe('what is no entry', () => {
  const garbage: readonly (readonly [string, string | readonly number[]])[] = [
    ['nothing', ''],
    ['no pipe', '{"ct":1,"v":2}'],
    ['a pipe alone', '|'],
    ['no metadata', '|5'],
    ['no payload', '{"ct":1,"v":2}|'],
    ['metadata that is no JSON', '{"ct":1,"v":2|5'],
    ['payload that is no JSON', '{"ct":1,"v":2}|{'],
    ['two payloads', '{"ct":1,"v":2}|1 2'],
    ['Python’s NaN', '{"ct":1,"v":2}|NaN'],
    ['a pickle', [...Buffer.from('{"ct": 1.0, "v": 2}|'), 0x80, 0x04, 0x4e, 0x2e]],
    ['metadata that is a list', '[1,2]|5'],
    ['metadata that is null', 'null|5'],
    ['metadata that is a number', '5|5'],
    ['metadata that is a text', '"ct"|5'],
    ['no ct', '{"v":2}|5'],
    ['ct null', '{"ct":null,"v":2}|5'],
    ['ct a text', '{"ct":"1","v":2}|5'],
    ['ct out of range', '{"ct":1e999,"v":2}|5'],
    ['dt a text', '{"ct":1,"v":2,"dt":"1"}|5'],
    ['dt negative', '{"ct":1,"v":2,"dt":-1}|5'],
    ['et null', '{"ct":1,"v":2,"et":null}|5'],
    ['et negative', '{"ct":1,"v":2,"et":-5}|5'],
    ['invalid UTF-8 in the metadata', [...Buffer.from('{"ct":1,"v":2,"x":"'), 0xff, ...Buffer.from('"}|5')]],
    ['invalid UTF-8 in the payload', [...Buffer.from('{"ct":1,"v":2}|"'), 0xc3, 0x28, ...Buffer.from('"')]],
    ['a truncated character', [...Buffer.from('{"ct":1,"v":2}|"'), 0xe2, 0x98]],
    ['zeros', [0, 0, 0, 0]],
    ['UTF-16', [...Buffer.from('{"ct":1,"v":2}|5', 'utf16le')]],
    ['HTML', '<html>502 Bad Gateway | nginx</html>'],
  ];
  it.each(garbage)('%s', (_, content) => {
    expect(() => decode(bytes(content))).toThrow(CantDeserializeError);
    expect(() => decode(bytes(content))).toThrow(/^These bytes are no entry: /);
  });

  it('random bytes are refused, or are read; nothing else is thrown', () => {
    const start = [...Buffer.from('{"ct":1,"v":2}|')];
    const any = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 200 }).map((tail) => Uint8Array.from([...start, ...tail])),
      fc.json().map((json) => bytes(`${json}|${json}`)),
    );
    fc.assert(
      fc.property(any, fc.constantFrom(jsonSerializer, v8Serializer), (content, serializer) => {
        try {
          expect(decode(content, serializer)).toBeInstanceOf(CachedValue);
        } catch (error) {
          expect(error).toBeInstanceOf(CantDeserializeError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a truncated entry is refused at every length', () => {
    const whole = encode({ a: 'text', b: [1, 2] });
    for (let length = 0; length < whole.length; length++) {
      expect(() => decode(whole.subarray(0, length))).toThrow(CantDeserializeError);
    }
  });

  it('[py 192] whatever a deserializer throws is garbage, with its cause', () => {
    for (const cause of [
      new CantDeserializeError('not mine'),
      new TypeError('no'),
      'a text',
      undefined,
      Object.create(null),
    ]) {
      const picky: Serializer = {
        ...jsonSerializer,
        deserialize: () => {
          throw cause;
        },
      };
      expect(() => decode(encode(1), picky)).toThrow(CantDeserializeError);
    }
  });

  it('pollutes no prototype', () => {
    const entry = decode(bytes('{"ct":1,"v":2,"__proto__":{"polluted":1}}|{"__proto__":{"polluted":1}}'));
    expect('polluted' in {}).toBe(false);
    expect(Object.getPrototypeOf(entry.metadata)).toBe(Object.prototype);
  });

  it('deep nesting is a value or garbage, not a crash', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    for (const content of [`${deep}|1`, `{"ct":1,"v":2}|${deep}`]) {
      try {
        decode(bytes(content));
      } catch (error) {
        expect(error).toBeInstanceOf(CantDeserializeError);
      }
    }
  });
});

describe('what can’t be stored', () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  it.each([
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
    ['a bigint', 5n],
    ['a bigint inside', { a: [5n] }],
    ['a circle', circle],
    [
      'a toJSON that throws',
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
    ],
    ['a toJSON that gives nothing', { toJSON: () => undefined }],
    [
      'a getter that throws',
      {
        get a() {
          throw new Error('no');
        },
      },
    ],
  ])('%s is a SerializationError', (_, value) => {
    expect(() => encode(value)).toThrow(SerializationError);
  });

  it('whatever a serializer throws', () => {
    for (const cause of ['a text', undefined, Object.create(null)]) {
      const broken: Serializer = {
        ...jsonSerializer,
        serialize: () => {
          throw cause;
        },
      };
      expect(() => encode(1, {}, broken)).toThrow(SerializationError);
    }
  });

  it('text that would come back as another', () => {
    const raw: Serializer = { name: 'raw', serialize: String, deserialize: (content) => text(content) };
    expect(() => encode('a\ud800', {}, raw)).toThrow(SerializationError);
    expect(decode(encode('a😀', {}, raw), raw).payload).toBe('a😀');
  });

  it('says which serializer refuses, and why', () => {
    expect(() => encode(5n)).toThrow(/^The json serializer refuses this value: .*BigInt/);
    expect(() => encode(() => {})).toThrow('JSON has no word for a value of type function.');
    expect(() => encode(() => {}, {}, v8Serializer)).toThrow(/^The v8 serializer refuses this value: /);
  });

  it.each([5, undefined, null, {}, [1, 2], new ArrayBuffer(3)])('a serializer that gives %j is refused', (given) => {
    const wrong = { name: 'wrong', serialize: () => given, deserialize: () => 0 } as unknown as Serializer;
    expect(() => encode(1, {}, wrong)).toThrow(
      new SerializationError('The wrong serializer gave neither text nor bytes.'),
    );
  });
});

it.each([
  ['fulfilled', async () => 1],
  ['rejected', async () => Promise.reject(new Error('later'))],
])(
  'a deserializer that answers with a promise gives no value, nor an unhandled rejection: %s',
  async (_, deserialize) => {
    const unhandled: unknown[] = [];
    const hear = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', hear);
    const serializer: Serializer = { ...jsonSerializer, name: 'odd', deserialize };
    const decode = () => decodeEntry(Buffer.from('{"ct":1,"v":2}|1'), serializer, new FakeClock());
    expect(decode).toThrow(CantDeserializeError);
    expect(decode).toThrow('The odd serializer answers with a promise');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', hear);
    expect(unhandled).toEqual([]);
  },
);
