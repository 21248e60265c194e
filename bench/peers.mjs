/** What we are compared with, besides bare maps: the single flight that one writes by hand, and lru-cache. */
import { LRUCache } from 'lru-cache';

/** Ten lines: a map of values with their time, a map of promises under way. No bound, no stale values, no other processes. */
export function handWritten(ttl) {
  const values = new Map();
  const flights = new Map();
  return {
    size: () => values.size,
    clear: () => values.clear(),
    async getOrCreate(key, create) {
      const entry = values.get(key);
      if (entry !== undefined && Date.now() - entry.at <= ttl) return entry.value;
      const flight = flights.get(key);
      if (flight) return flight;
      const mine = Promise.resolve()
        .then(() => create(key))
        .then((value) => {
          values.set(key, { value, at: Date.now() });
          return value;
        })
        .finally(() => {
          if (flights.get(key) === mine) flights.delete(key);
        });
      flights.set(key, mine);
      return mine;
    },
  };
}

/** lru-cache as it is meant to be used for this: `fetch` with a `fetchMethod`. */
export function lru(ttl, create, max = 10_000) {
  return new LRUCache({ max, ttl, fetchMethod: (key) => create(key) });
}

/** lru-cache without its time to live, which costs a clock per read. */
export function lruWithoutTtl(create, max = 10_000) {
  return new LRUCache({ max, fetchMethod: (key) => create(key) });
}
