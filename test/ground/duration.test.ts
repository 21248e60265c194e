import { describe, expect, it } from 'vitest';
import { durationOption, parseDuration } from '../../src/duration.js';
import { ValidationError } from '../../src/errors.js';

describe('parseDuration', () => {
  const read: readonly (readonly [string | number, number])[] = [
    [0, 0],
    [0.5, 0.5],
    [600, 600],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['0ms', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
    ['007s', 7000],
    ['0.001s', 1],
  ];
  it.each(read)('[py 11] reads %j as %d milliseconds', (duration, ms) => {
    expect(parseDuration(duration)).toBe(ms);
  });

  const refused = [
    Number.NaN,
    -1,
    Number.NEGATIVE_INFINITY,
    '',
    ' ',
    '600',
    'one hour',
    '-5s',
    '+5s',
    '5 s',
    ' 5s',
    '5s ',
    '5s\n',
    '5S',
    '5 minutes',
    '1h30m',
    '.5s',
    '5.s',
    '1e3s',
    '0x10s',
    '1_000ms',
    '٥s',
    '5５s',
    'Infinity',
    'Infinitys',
    `${'9'.repeat(400)}d`,
    null,
    undefined,
    true,
    [],
    [5],
    {},
    5n,
    Symbol('s'),
    new Number(5),
    new String('5s'),
    { valueOf: () => 5 },
    () => 5,
    new Date(),
  ].map((value) => [value]);
  it.each(refused)('[py 12] refuses %s and says what it accepts', (duration) => {
    const read = () => parseDuration(duration as never);
    expect(read).toThrow(ValidationError);
    expect(read).toThrow(
      /^The duration must be a number of milliseconds, a text with a unit \('250ms', .*\) or Infinity, not /,
    );
  });

  it('names the option, and the value', () => {
    expect(() => durationOption('one hour', 'expirationTime')).toThrow(/^expirationTime must be .*, not "one hour"\.$/);
    expect(() => durationOption(-0.1, 'lockWait')).toThrow(/^lockWait must be .*, not -0\.1\.$/);
    expect(() => durationOption(5n, 'lockWait')).toThrow(/, not 5n\.$/);
  });

  it('refuses long texts, in time', () => {
    expect(() => parseDuration(`${'1'.repeat(100_000)}x`)).toThrow(ValidationError);
    expect(() => parseDuration(`${'1.'.repeat(50_000)}s`)).toThrow(ValidationError);
  });
});
