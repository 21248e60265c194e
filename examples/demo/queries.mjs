/** What is asked for, how often, and by whom: the same in every round and every run. */

/** The most popular first. The first is a phrase, the longest search: its creator is the one to be killed. */
export const QUERIES = [
  'seperate adress occurence',
  'definately recieve',
  'accomodate',
  'neccessary',
  'embarass',
  'tommorow',
  'millenium',
  'rythm',
];

/** Zipf: the second is asked for half as often as the first, the third a third as often. */
const weights = QUERIES.map((_, rank) => 1 / (rank + 1));
const total = weights.reduce((sum, weight) => sum + weight, 0);

/** Milliseconds between an answer and the next question. */
const THINKING = { least: 20, most: 180 };

/** What one caller does: `key()` is the rank of his next query, `pause()` how long he thinks; repeatable by the numbers given. */
export function scriptOf(process, caller) {
  const random = seeded(process * 10_007 + caller);
  return {
    key() {
      let left = random() * total;
      const rank = weights.findIndex((weight) => {
        left -= weight;
        return left < 0;
      });
      return rank === -1 ? 0 : rank;
    },
    pause: () => THINKING.least + random() * (THINKING.most - THINKING.least),
    /** When he comes, as a part of the time in which all of them come. */
    arrival: random(),
  };
}

/** Numbers from 0 up to 1 by Marsaglia's xorshift. */
function seeded(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  // Neighbouring seeds begin alike.
  for (let i = 0; i < 8; i++) next();
  return next;
}
