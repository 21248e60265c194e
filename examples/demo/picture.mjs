/** Creations over time in a terminal: a line per key, a column per moment, the higher the more creations. */
import { fit, formatNumber, ROUND_COLOURS } from './paint.mjs';
import { QUERIES } from './queries.mjs';

const BLOCKS = ['▂', '▃', '▄', '▅', '▆', '▇', '█'];
const COUNT = 6;
/** Of the names of keys, where the line is that wide, and where it is narrower. */
const LABELS = { roomy: 25, from: 90, tight: 14 };
const KILLED = '✗';
const TAKEN_OVER = '◆';

export function pictureOf(logs, { paint, width }) {
  const label = width >= LABELS.from ? LABELS.roomy : LABELS.tight;
  const columns = Math.max(10, width - 1 - label - COUNT - 2);
  // One scale for all rounds.
  const span = Math.max(...logs.map(({ startedAt, overAt }) => overAt - startedAt));
  return logs.flatMap((log, round) => [
    ...(round === 0 ? [] : ['']),
    paint[ROUND_COLOURS[round]](fit(`${log.name}: creations over time`, width)),
    ...QUERIES.map((query, key) => {
      const { cells, count } = lineOf(log, { key, columns, span });
      const line = cells.map((cell) => paintCell(cell, paint, ROUND_COLOURS[round])).join('');
      return `${fit(query, label, { isPadded: true })} ${line} ${formatNumber(count).padStart(COUNT - 1)}`;
    }),
    paint.dim(`${' '.repeat(label + 1)}${axisOf(columns, span)}`),
  ]);
}

/** What the marks mean. */
export function legendOf({ killing }, { paint }) {
  const blocks = `${BLOCKS[0]} one creation … ${BLOCKS.at(-1)} ${BLOCKS.length} or more`;
  if (!killing) return [blocks];
  return [blocks, `${paint.red(KILLED)} creator killed   ${paint.cyan(TAKEN_OVER)} taken over`];
}

function lineOf({ creations, startedAt, killing }, { key, columns, span }) {
  const column = (at) => Math.min(columns - 1, Math.floor(((at - startedAt) / span) * columns));
  const counts = new Array(columns).fill(0);
  const made = creations.filter((creation) => creation.key === key && creation.endedAt !== undefined);
  for (const { endedAt } of made) counts[column(endedAt)]++;
  const cells = counts.map((count) => (count === 0 ? ' ' : BLOCKS[Math.min(count, BLOCKS.length) - 1]));
  if (killing?.creation.key === key) {
    const at = column(killing.at);
    cells[at] = KILLED;
    const { takenOver } = killing;
    if (takenOver) cells[Math.min(columns - 1, Math.max(at + 1, column(takenOver.calledAt)))] = TAKEN_OVER;
  }
  return { cells, count: made.length };
}

function paintCell(cell, paint, colour) {
  if (cell === ' ') return paint.dim('·');
  if (cell === KILLED) return paint.red(cell);
  return cell === TAKEN_OVER ? paint.cyan(cell) : paint[colour](cell);
}

/** Seconds, where there is room for them. */
function axisOf(columns, span) {
  const step = stepOf(span, Math.max(1, Math.floor(columns / 10)));
  const axis = new Array(columns).fill(' ');
  for (let at = 0; at < span; at += step) {
    const text = `${Number((at / 1000).toFixed(2))} s`;
    const from = Math.round((at / span) * columns);
    if (from + text.length <= columns) axis.splice(from, text.length, ...text);
  }
  return axis.join('').trimEnd();
}

/** Milliseconds between two marks, so that there are no more of them than this. */
export function stepOf(span, marks) {
  for (let power = 1; ; power *= 10) {
    for (const step of [1, 2, 5]) if (span / (step * power) <= marks) return step * power;
  }
}
