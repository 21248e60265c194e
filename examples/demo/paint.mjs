/** Text for a terminal: colours where they are wanted, widths, and how numbers are written. */

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] };

/** Functions that colour, or leave as it is. NO_COLOR: https://no-color.org */
export function paintFor(stream, env = process.env) {
  const isWanted = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return Object.fromEntries(
    Object.entries(CODES).map(([name, [on, off]]) => [
      name,
      isWanted ? (text) => `\x1b[${on}m${text}\x1b[${off}m` : (text) => text,
    ]),
  );
}

/** One more colour than there are rounds would be one too many. */
export const ROUND_COLOURS = ['red', 'yellow', 'green'];

/** Columns of a line; what goes to a file or a pipe has 100. */
export function widthOf(stream) {
  return stream.isTTY && stream.columns > 0 ? stream.columns : 100;
}

/** So long at most, and no shorter when `isPadded`. */
export function fit(text, width, { isPadded = false } = {}) {
  const short = text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…`.slice(0, width) : text;
  return isPadded ? short.padEnd(width) : short;
}

export function formatNumber(number) {
  return number.toLocaleString('en-US');
}

export function formatTimes(ratio) {
  return `${ratio < 99.95 ? ratio.toFixed(1) : Math.round(ratio)}×`;
}

export function formatMs(ms) {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : formatSeconds(ms);
}

export function formatSeconds(ms) {
  return `${(ms / 1000).toFixed(ms < 9950 ? 2 : 1)} s`;
}
