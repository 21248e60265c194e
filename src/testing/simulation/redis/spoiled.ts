/**
 * What may come to stand where a record was: text that is none, or nothing of the form. Nothing that a store could have said before: an
 * older record of the same incarnation is an old snapshot, which nobody can tell from the truth.
 */
import type { Chance } from '../chance.js';

/** Of its fields, `rid` first and `seq` second, or `rid hard soft` of a tag. `undefined`: something that is not text at all. */
export function spoiled(text: string, chance: Chance): string | undefined {
  const parts = text.split(' ');
  const isTag = parts.length === 3;
  // It has been spoiled before.
  if (!isTag && parts.length !== 6) return chance.pick(GARBAGE);
  const put = (at: number, value: string) => parts.with(at, value).join(' ');
  switch (chance.weighted({ short: 2, beyond: 3, huge: 3, words: 2, long: 1, garbage: 1, type: 1 })) {
    case 'short':
      return parts.slice(0, chance.between(0, parts.length - 1)).join(' ');
    case 'beyond':
      return put(
        isTag ? chance.between(1, 2) : chance.between(2, 4),
        String(Number(parts[1]) + chance.between(1000, 2000)),
      );
    case 'huge':
      return put(chance.between(1, isTag ? 2 : 4), chance.pick(HUGE));
    case 'words':
      return put(chance.between(0, parts.length - 1), chance.pick(WORDS));
    case 'long':
      return `${text} 0`;
    case 'garbage':
      return chance.pick(GARBAGE);
    case 'type':
      return undefined;
  }
}

/** Of 16 digits and more: beyond 2^53 the next number is often the same. */
const HUGE = ['1000000000000000', '9007199254740992', '9223372036854775807', '99999999999999999999'];
const WORDS = ['', 'x', '-1', '1e3', '0x10', '1.5', 'NaN', 'nil', '٣'];
const GARBAGE = ['', ' ', '     ', '{"rid":"ab"}', '\u0000\u0001\u0002', 'dp1:ab:cd:1'];
