/** Values of a likely shape. */

/** About a kibibyte as JSON. */
export function document() {
  return {
    id: 48_211,
    title: 'The tide tables of the northern harbours',
    published: '2026-03-01T09:30:00Z',
    tags: ['harbour', 'tide', 'north', 'tables'],
    author: { id: 7, name: 'Ada Lindqvist', languages: ['sv', 'en'] },
    lines: Array.from({ length: 12 }, (_, at) => ({
      at,
      high: 2.4 + at / 10,
      low: 0.3 + at / 20,
      harbour: `harbour ${at}`,
    })),
  };
}

/** About 200 bytes as JSON. */
export function user() {
  return {
    id: 48_211,
    name: 'Ada Lindqvist',
    email: 'ada.lindqvist@example.org',
    roles: ['reader', 'editor'],
    joined: '2026-03-01T09:30:00Z',
    address: { street: 'Strandvägen 5', city: 'Härnösand', country: 'SE' },
  };
}
