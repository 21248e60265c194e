/** The three rounds: the callers and the creator are the same, the region is configured differently. */

/** In the order in which they run. */
export const ROUNDS = [
  { name: 'no cache', says: 'every call creates', configure: (region) => region.configure('null') },
  {
    name: 'single flight',
    says: 'a cache and one creation per process, as most libraries have it',
    configure: (region, { expirationTime }) => region.configure('memory', { expirationTime, serveStale: false }),
  },
  {
    name: 'dogpile',
    says: 'one file for all processes',
    configure: (region, { expirationTime, filename }) =>
      region.configure('file', { expirationTime, arguments: { filename } }),
  },
];
