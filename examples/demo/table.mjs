/** The figures of the rounds side by side, and the verdicts under them. */
import { fit, formatMs, formatNumber, formatSeconds, formatTimes, ROUND_COLOURS } from './paint.mjs';

/** Each row: what it says, and of each round the text; a row about what only one round has leaves the others empty. */
const ROWS = [
  ['calls answered', ({ calls }) => formatNumber(calls), 'bold'],
  ['  fresh from the cache', ({ hit }) => formatNumber(hit)],
  ['  stale served', ({ stale }) => formatNumber(stale)],
  ['  waited for another', ({ waited }) => formatNumber(waited)],
  ['  created themselves', ({ created }) => formatNumber(created)],
  ['still waiting at the end', ({ unanswered }) => formatNumber(unanswered)],
  ['creations', ({ creations }) => formatNumber(creations), 'bold'],
  ['  per key and expiry', ({ perKeyAndExpiry }) => formatTimes(perKeyAndExpiry), 'bold'],
  ['  of one key at once', ({ atOnce }) => formatNumber(atOnce)],
  ['p50 of a call', ({ p50 }) => bounded(p50)],
  ['p99 of a call', ({ p99 }) => bounded(p99), 'bold'],
  ['creator killed', ({ killing }) => killing && `no. ${killing.process} at ${formatSeconds(killing.at)}`],
  ['  taken over by', ({ killing }) => killing && (killing.takenOverBy ? `no. ${killing.takenOverBy}` : 'nobody')],
  ['  after', ({ killing }) => killing?.takenOverAfter !== undefined && formatMs(killing.takenOverAfter)],
];

export function tableOf(figures, { paint, width }) {
  const rows = ROWS.map(([title, cellOf, style]) => ({ title, style, cells: figures.map((one) => cellOf(one) || '') }));
  const names = figures.map(({ name }) => name);
  const widths = names.map((name, i) => Math.max(name.length, ...rows.map(({ cells }) => cells[i].length)));
  const gap = '  ';
  const right = widths.reduce((sum, one) => sum + one + gap.length, 0);
  const titles = Math.max(...rows.map(({ title }) => title.length));
  if (right + titles > width) return stacked(rows, names, { paint, width });
  const line = (title, cells, colour) =>
    fit(title, titles, { isPadded: true }) + cells.map((cell, i) => gap + colour(cell.padStart(widths[i]), i)).join('');
  return [
    line('', names, (name, i) => paint[ROUND_COLOURS[i]](name)),
    ...rows.map(({ title, style, cells }) => line(title, cells, (cell) => (style ? paint[style](cell) : cell))),
  ];
}

/** For narrow terminals: one round under the other. */
function stacked(rows, names, { paint, width }) {
  const titles = Math.max(...rows.map(({ title }) => title.length));
  return names.flatMap((name, i) => [
    paint[ROUND_COLOURS[i]](fit(name, width)),
    ...rows
      .filter(({ cells }) => cells[i] !== '')
      .map(({ title, cells }) => fit(`${title.padEnd(titles)} ${cells[i].padStart(11)}`, width)),
  ]);
}

function bounded(percentile) {
  if (!percentile) return '–';
  return `${percentile.isBound ? '≥ ' : ''}${formatMs(percentile.ms)}`;
}

/** @param {readonly import('./checks.mjs').Check[]} checks */
export function verdictsOf(checks, { paint, width }) {
  return checks.flatMap(({ ok, text }) => {
    const mark = ok === undefined ? '–' : ok ? paint.green('✓') : paint.red('✗');
    return wrapped(text, width - 2).map((line, i) => `${i === 0 ? mark : ' '} ${line}`);
  });
}

export function wrapped(text, width) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
