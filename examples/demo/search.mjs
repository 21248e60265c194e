/**
 * The expensive function: the words that someone may have meant, found by comparing with every word of the list. One search at a
 * time, in slices, so that what the process has in its cache is answered meanwhile.
 */
import { createRequire } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { now } from './clock.mjs';

/** Slips of the pen that are forgiven: a letter wrong, missing, too much, or two letters swapped. */
const DISTANCE = 2;
const FOUND = 5;
const SLICE_MS = 1;
/** How many words are compared between two looks at the clock. */
const STRIDE = 200;

export class WordList {
  #words = createRequire(import.meta.url)('an-array-of-english-words');
  #letters;
  /** Where each word begins in the letters; one more at the end. */
  #starts = new Uint32Array(this.#words.length + 1);
  /** Which letters each word has, a bit for each. */
  #sets = new Uint32Array(this.#words.length);
  #rows;
  #last = Promise.resolve();

  constructor() {
    const size = this.#words.reduce((sum, word) => sum + word.length, 0);
    this.#letters = new Uint8Array(size);
    let at = 0;
    let longest = 0;
    for (const [i, word] of this.#words.entries()) {
      for (let j = 0; j < word.length; j++) this.#letters[at++] = word.charCodeAt(j);
      this.#starts[i + 1] = at;
      this.#sets[i] = setOf(this.#letters.subarray(this.#starts[i], at));
      longest = Math.max(longest, word.length);
    }
    this.#rows = [0, 1, 2].map(() => new Uint8Array(longest + 1));
  }

  /** Waits for its turn. `began`, `made`: when its turn came, and when it was done. */
  search(phrase, signal) {
    const search = this.#last.then(async () => {
      signal.throwIfAborted();
      const began = now();
      const meant = [];
      for (const word of phrase.split(' ')) meant.push(await this.#closest(word, signal));
      return { meant, began, made: now() };
    });
    this.#last = search.catch(() => {});
    return search;
  }

  async #closest(text, signal) {
    const asked = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const set = setOf(asked);
    const found = [];
    let until = now() + SLICE_MS;
    for (let i = 0; i < this.#words.length; i++) {
      if (i % STRIDE === 0 && now() > until) {
        await nextTurn();
        signal.throwIfAborted();
        until = now() + SLICE_MS;
      }
      // A slip changes two bits at most.
      if (bitsOf(this.#sets[i] ^ set) > 2 * DISTANCE) continue;
      const distance = this.#distance(asked, i);
      if (distance <= DISTANCE) found.push({ word: this.#words[i], distance });
    }
    found.sort((a, b) => a.distance - b.distance);
    return found.slice(0, FOUND).map(({ word }) => word);
  }

  /** Edit distance with swaps of neighbours; anything above `DISTANCE` where it is more. */
  #distance(asked, index) {
    const start = this.#starts[index];
    const length = this.#starts[index + 1] - start;
    if (Math.abs(length - asked.length) > DISTANCE) return DISTANCE + 1;
    const letters = this.#letters;
    let [before, above, row] = this.#rows;
    for (let j = 0; j <= length; j++) above[j] = j;
    for (let i = 1; i <= asked.length; i++) {
      const letter = asked[i - 1];
      let least = i;
      row[0] = i;
      for (let j = 1; j <= length; j++) {
        const other = letters[start + j - 1];
        let cost = letter === other ? above[j - 1] : 1 + Math.min(above[j - 1], above[j], row[j - 1]);
        if (i > 1 && j > 1 && letter === letters[start + j - 2] && asked[i - 2] === other) {
          cost = Math.min(cost, before[j - 2] + 1);
        }
        row[j] = cost;
        if (cost < least) least = cost;
      }
      if (least > DISTANCE) return least;
      [before, above, row] = [above, row, before];
    }
    return above[length];
  }
}

function setOf(letters) {
  return letters.reduce((set, letter) => set | (1 << (letter & 31)), 0);
}

function bitsOf(set) {
  let pairs = set - ((set >>> 1) & 0x55555555);
  pairs = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
