/** The same picture as an SVG that needs nothing else: a panel per round, a line per key, a lane per process, a bar per creation. */
import { formatMs, formatNumber, formatTimes } from './paint.mjs';
import { stepOf } from './picture.mjs';
import { QUERIES } from './queries.mjs';

const WIDTH = 960;
const LEFT = 178;
const RIGHT = 24;
const PLOT = WIDTH - LEFT - RIGHT;
const TOP = 96;
const TITLE = 40;
const AXIS = 26;
const GAP = 22;
const LANE_LEAST = 2;
const LINE_LEAST = 18;

/** Told apart on white and on black, also with the usual kinds of colour blindness; more processes begin again. */
const COLOURS = ['#3b82c4', '#e08a1e', '#2ba084', '#c065a8', '#b3a02b', '#7d6bd6', '#58a8d8', '#d0614b'];

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 20px; font-weight: 600 } .round { font-size: 15px; font-weight: 600 } .quiet { fill: #57606a }
  .paper { fill: #ffffff } .grid { stroke: #d8dee4 } .line { fill: #f3f5f7 } .killed { stroke: #cf222e; stroke-width: 2.5; fill: none }
  .note { font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 } .paper { fill: #0d1117 } .grid { stroke: #30363d } .line { fill: #161b22 }
    .killed { stroke: #ff7b72 } .note { stroke: #0d1117 }
  }`;

export function svgOf(logs, figures) {
  const processes = [...new Set(logs.flatMap(({ creations }) => creations.map(({ process }) => process)))].sort(
    (a, b) => a - b,
  );
  const lane = Math.max(LANE_LEAST, (LINE_LEAST - 4) / Math.max(1, processes.length));
  const scale = {
    span: Math.max(...logs.map(({ startedAt, overAt }) => overAt - startedAt)),
    lane,
    line: lane * processes.length + 4,
    laneOf: (process) => processes.indexOf(process),
  };
  const panel = TITLE + QUERIES.length * scale.line + AXIS + GAP;
  const height = TOP + panel * logs.length;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${round(height)}" width="${WIDTH}" height="${round(height)}" role="img" aria-labelledby="title about">`,
    '<title id="title">Creations over time, without a cache, with single flight, and with dogpile</title>',
    `<desc id="about">${escaped(figures.map(summaryOf).join('. '))}.</desc>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${round(height)}"/>`,
    '<text class="title" x="24" y="38">Who creates what, and when</text>',
    ...legend(
      processes,
      figures.some(({ killing }) => killing),
    ),
    ...logs.map((log, i) => panelOf(log, figures[i], { y: TOP + panel * i, scale })),
    '</svg>',
  ].join('\n')}\n`;
}

function panelOf(log, figure, { y, scale }) {
  const top = y + TITLE;
  const bottom = top + QUERIES.length * scale.line;
  return [
    `<g transform="translate(0 ${round(y)})"><text class="round" x="24" y="16">${escaped(log.name)}</text>`,
    `<text class="quiet" x="${LEFT}" y="16">${escaped(summaryOf(figure, { isNamed: false }))}</text></g>`,
    ...QUERIES.map((query, key) => lineOf(query, { key, top, scale })),
    ...ticks(scale, { top, bottom }),
    ...log.creations.map((creation) => barOf(creation, { log, top, scale })),
    ...deathOf(log, figure, { top, scale }),
  ].join('\n');
}

function lineOf(query, { key, top, scale }) {
  const y = top + key * scale.line;
  const band =
    key % 2 === 0
      ? `<rect class="line" x="${LEFT}" y="${round(y)}" width="${PLOT}" height="${round(scale.line)}"/>`
      : '';
  return `${band}<text x="${LEFT - 8}" y="${round(y + scale.line / 2 + 4)}" text-anchor="end" font-size="12">${escaped(query)}</text>`;
}

function ticks({ span }, { top, bottom }) {
  const step = stepOf(span, 10);
  const lines = [];
  for (let at = 0; at <= span; at += step) {
    const x = round(LEFT + (at / span) * PLOT);
    lines.push(`<line class="grid" x1="${x}" x2="${x}" y1="${round(top)}" y2="${round(bottom + 4)}"/>`);
    const text = `${Number((at / 1000).toFixed(3))} s`;
    lines.push(`<text class="quiet" x="${x}" y="${round(bottom + 18)}" text-anchor="middle">${text}</text>`);
  }
  return lines;
}

/** One whose search had no turn by the end is no bar. */
function barOf({ process, key, calledAt, began, endedAt, killedAt }, { log, top, scale }) {
  const end = endedAt ?? killedAt;
  if (end === undefined) return '';
  const xOf = (at) => LEFT + ((at - log.startedAt) / scale.span) * PLOT;
  const from = xOf(began ?? calledAt);
  const width = Math.max(1, xOf(end) - from);
  const y = top + key * scale.line + 2 + scale.laneOf(process) * scale.lane;
  const fill = COLOURS[scale.laneOf(process) % COLOURS.length];
  const says = `${QUERIES[key]}, no. ${process}, ${Math.round(end - (began ?? calledAt))} ms${killedAt ? ', killed' : ''}`;
  return `<rect x="${round(from)}" y="${round(y)}" width="${round(width)}" height="${round(Math.max(1, scale.lane - 0.5))}" fill="${fill}"><title>${escaped(says)}</title></rect>`;
}

function deathOf({ killing, startedAt }, figure, { top, scale }) {
  if (!killing) return [];
  const { process, key } = killing.creation;
  const x = LEFT + ((killing.at - startedAt) / scale.span) * PLOT;
  const y = top + key * scale.line + 2 + (scale.laneOf(process) + 0.5) * scale.lane;
  const { takenOverBy, takenOverAfter } = figure.killing;
  const next = takenOverBy === undefined ? '' : `, no. ${takenOverBy} took over after ${formatMs(takenOverAfter)}`;
  const says = `no. ${process} killed${next}`;
  // Where there is more room.
  const isLeft = x > LEFT + PLOT / 2;
  const cross = `M${round(x - 5)} ${round(y - 5)}l10 10m0 -10l-10 10`;
  const words = { x: round(isLeft ? x - 12 : x + 12), y: round(top - 6), anchor: isLeft ? 'end' : 'start' };
  return [
    `<path class="killed" d="${cross}"><title>${escaped(says)}</title></path>`,
    `<text class="note" x="${words.x}" y="${words.y}" text-anchor="${words.anchor}">${escaped(says)}</text>`,
  ];
}

function legend(processes, hasDeath) {
  const parts = processes.map((process, i) => {
    const x = 24 + i * 110;
    return `<rect x="${x}" y="58" width="14" height="10" rx="2" fill="${COLOURS[i % COLOURS.length]}"/><text x="${x + 20}" y="68">process ${process}</text>`;
  });
  if (!hasDeath) return parts;
  const x = 24 + processes.length * 110;
  return [
    ...parts,
    `<path class="killed" d="M${x + 2} 58l10 10m0 -10l-10 10"/><text x="${x + 20}" y="68">creator killed</text>`,
  ];
}

function summaryOf(figure, { isNamed = true } = {}) {
  const { name, calls, creations, perKeyAndExpiry, p99 } = figure;
  const slowest = p99 ? `, p99 ${p99.isBound ? 'at least ' : ''}${formatMs(p99.ms)}` : '';
  const text = `${formatNumber(creations)} creations, ${formatTimes(perKeyAndExpiry)} per key and expiry; ${formatNumber(calls)} calls answered${slowest}`;
  return isNamed ? `${name}: ${text}` : text;
}

function round(number) {
  return Number(number.toFixed(2));
}

function escaped(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
