/** Chance that is the same in every run: numbers from 0 to 1, without 0 (xorshift, 32 bits). */
export function randomFrom(seed) {
  let state = (seed * 0x9e3779b1) | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
