/** Values as Python writes them and as we do. */
export const VALUES: readonly (readonly [python: string, ours: unknown])[] = [
  ['None', null],
  ['True', true],
  ['False', false],
  ['0', 0],
  ['-1.5', -1.5],
  ['1e-07', 1e-7],
  ['1e+21', 1e21],
  ['2**53 - 1', Number.MAX_SAFE_INTEGER],
  ['""', ''],
  ['"pipe | in | payload"', 'pipe | in | payload'],
  ['"h\\u00e9 \\u2603 \\U0001f600 \\x00 \\u2028"', 'hé ☃ 😀 \0 \u2028'],
  ['"\\ud800"', '\ud800'],
  ['[]', []],
  ['{}', {}],
  [
    '{"a": 1, "b": [1, 2.5, None, True, {"c": {"d": []}}], "": "|"}',
    { a: 1, b: [1, 2.5, null, true, { c: { d: [] } }], '': '|' },
  ],
];
