/** Calls in flight at once: each key in a lane of its own, one call after the other. */

/** A contestant of the harness. The loops are made anew, so that each is compiled for its call. */
export function inLanes(name, keys, call) {
  const lane = new Function(
    'call',
    'return async (key, rounds) => { for (let i = 0; i < rounds; i++) await call(key); }',
  )(call);
  return { name, size: keys.length, run: (rounds) => Promise.all(keys.map((key) => lane(key, rounds))) };
}
