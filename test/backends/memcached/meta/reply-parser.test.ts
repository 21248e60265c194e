import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Reply, ReplyParser } from '../../../../src/backends/memcached/meta/reply-parser.js';
import { BackendUnavailableError } from '../../../../src/errors.js';

const LARGEST = 10_000;

function parsed(chunks: readonly Buffer[]): Reply[] {
  const replies: Reply[] = [];
  const parser = new ReplyParser(LARGEST, (reply) => replies.push(reply));
  for (const chunk of chunks) parser.feed(chunk);
  return replies;
}

function read(text: string): Reply[] {
  return parsed([Buffer.from(text, 'latin1')]);
}

/** A reply as a server writes it, and what is to be read of it. */
const replies = fc.oneof(
  fc
    .record({
      value: fc.uint8Array({ maxLength: 300 }),
      cas: fc.option(fc.bigInt(0n, 2n ** 64n - 1n)),
      ttl: fc.option(fc.integer({ min: -1, max: 2 ** 31 })),
      opaque: fc.option(fc.nat(1000)),
      isWon: fc.boolean(),
    })
    .map(({ value, cas, ttl, opaque, isWon }) => {
      const flags = [
        cas === null ? '' : ` c${cas}`,
        ttl === null ? '' : ` t${ttl}`,
        ' kthekey',
        opaque === null ? '' : ` O${opaque}`,
        isWon ? ' W' : ' Z',
      ];
      return {
        bytes: Buffer.concat([Buffer.from(`VA ${value.length}${flags.join('')}\r\n`), value, Buffer.from('\r\n')]),
        says: {
          code: 'VA',
          value: Buffer.from(value),
          cas: cas?.toString(),
          ttl: ttl ?? undefined,
          opaque: opaque ?? -1,
          isWon,
          isTaken: !isWon,
        },
      };
    }),
  fc.constantFrom('HD', 'EN', 'NS', 'EX', 'NF', 'MN', 'STORED', 'ERROR').map((code) => ({
    bytes: Buffer.from(`${code}\r\n`),
    says: { code, value: undefined, cas: undefined, ttl: undefined, opaque: -1, isWon: false, isTaken: false },
  })),
);

function saidBy({ code, value, cas, ttl, opaque, isWon, isTaken }: Reply) {
  return { code, value: value && Buffer.from(value), cas, ttl, opaque, isWon, isTaken };
}

describe('the parser', () => {
  it('reads any replies, however their bytes are split', () => {
    fc.assert(
      fc.property(fc.array(replies, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 90 })), (said, cuts) => {
        const stream = Buffer.concat(said.map(({ bytes }) => bytes));
        const chunks: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(stream.subarray(at, at + cut));
          at += cut;
        }
        chunks.push(stream.subarray(at));
        expect(parsed(chunks).map(saidBy)).toEqual(said.map(({ says }) => says));
      }),
    );
  });

  it('reads them byte by byte', () => {
    fc.assert(
      fc.property(fc.array(replies, { maxLength: 4 }), (said) => {
        const stream = Buffer.concat(said.map(({ bytes }) => bytes));
        expect(parsed([...stream].map((byte) => Buffer.of(byte))).map(saidBy)).toEqual(said.map(({ says }) => says));
      }),
    );
  });

  it('takes any garbage as replies or throws its own error, and never anything else', () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(
          fc.constantFrom(
            'VA',
            'HD',
            'EN',
            ' ',
            '\r\n',
            '\r',
            '\n',
            '5',
            '99999999999999999999999',
            'c1',
            ' O',
            ' t-',
            'SERVER_ERROR',
            '\0',
          ),
        )
        .map((words) => Buffer.from(words.join(''))),
    );
    fc.assert(
      fc.property(fc.array(garbage, { maxLength: 5 }), (chunks) => {
        try {
          parsed(chunks.map((chunk) => Buffer.from(chunk)));
        } catch (error) {
          expect(error).toBeInstanceOf(BackendUnavailableError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('a byte changed anywhere in good replies gives replies or its own error', () => {
    fc.assert(
      fc.property(fc.array(replies, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255), (said, place, byte) => {
        const stream = Buffer.concat(said.map(({ bytes }) => bytes));
        stream[place % stream.length] = byte;
        try {
          parsed([stream]);
        } catch (error) {
          expect(error).toBeInstanceOf(BackendUnavailableError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n'],
    ['a line without a return', 'HD\n'],
    ['an empty line', '\r\n'],
    ['a line that never ends', 'x'.repeat(3000)],
    ['a long line of its own words', `HD ${'x'.repeat(3000)}\r\n`],
    ['a value without its size', 'VA \r\n'],
    ['a value whose size is no number', 'VA 1x\r\nx\r\n'],
    ['a negative size', 'VA -1\r\n'],
    ['a size of 30 digits', `VA ${'1'.repeat(30)}\r\n`],
    ['a value that is longer than it says', 'VA 2\r\nabc\r\n'],
    ['a value that is larger than is taken', `VA ${LARGEST + 1}\r\n`],
    ['a CAS that is no number', 'HD c12x\r\n'],
    ['a code that runs on', 'HDx\r\n'],
  ])('%s is garbage', (_, text) => {
    expect(() => read(text)).toThrow(BackendUnavailableError);
  });

  it('a size that is too large is refused before its bytes are waited for', () => {
    expect(() => read(`VA ${LARGEST + 1} c1\r\n`)).toThrow(/at most 10000/);
  });

  it('keeps what the server says of an error', () => {
    expect(read('SERVER_ERROR out of memory storing object\r\n')[0]).toMatchObject({
      code: 'SERVER_ERROR',
      text: 'out of memory storing object',
    });
  });
});
