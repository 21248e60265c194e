/** What is shown while it runs: lines that are written anew in a terminal, a line per second elsewhere. */
import { now } from './clock.mjs';
import { fit, formatNumber, paintFor, ROUND_COLOURS, widthOf } from './paint.mjs';

const REDRAW_MS = 100;
const LINE_MS = 1000;
const NAME = 14;

export class Progress {
  #stream;
  #paint;
  #isPanel;
  #names;
  /** Milliseconds. */
  #length;
  /** Of the rounds that have begun. */
  #logs = [];
  #timer;
  #drawn = 0;

  constructor(stream, { names, length }) {
    this.#stream = stream;
    this.#paint = paintFor(stream);
    this.#isPanel = stream.isTTY === true && process.env.TERM !== 'dumb';
    this.#names = names;
    this.#length = length;
  }

  begin(log) {
    this.#logs.push(log);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#show(), this.#isPanel ? REDRAW_MS : LINE_MS);
    if (this.#isPanel) this.#show();
  }

  end(_log) {
    clearInterval(this.#timer);
    this.#show();
  }

  /** The cursor is there again, whatever happened. Idempotent. */
  close() {
    clearInterval(this.#timer);
    if (this.#drawn > 0) this.#stream.write('\x1b[?25h');
    this.#drawn = 0;
  }

  #show() {
    if (this.#isPanel) this.#draw();
    else this.#stream.write(`${this.#lineOf(this.#logs.length - 1, 100)}\n`);
  }

  #draw() {
    const width = widthOf(this.#stream) - 1;
    const lines = this.#names.map((_, i) => this.#lineOf(i, width));
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : '\x1b[?25l';
    this.#stream.write(`${up}${lines.map((line) => `\r\x1b[2K${line}\n`).join('')}`);
    this.#drawn = lines.length;
  }

  #lineOf(index, width) {
    const log = this.#logs[index];
    const name = fit(this.#names[index], NAME, { isPadded: true });
    if (!log) return this.#paint.dim(fit(name, width));
    const passed = (Number.isNaN(log.overAt) ? now() : log.overAt) - log.startedAt;
    const text = [
      `${(passed / 1000).toFixed(1)} s`.padStart(7),
      `${formatNumber(log.answered).padStart(7)} calls`,
      `${formatNumber(log.created).padStart(5)} creations`,
      deathOf(log),
    ].join('  ');
    const room = width - NAME - 24 - 2;
    const bar = this.#isPanel && room >= text.length ? `  ${barOf(passed / this.#length, 24)}` : '';
    const colour = this.#paint[ROUND_COLOURS[index]];
    return `${colour(fit(name, width))}${colour(bar)}${fit(text, Math.max(0, width - NAME - bar.length))}`;
  }
}

function deathOf({ killing }) {
  if (!killing) return '';
  const { creation, takenOver } = killing;
  return `no. ${creation.process} killed${takenOver ? `, no. ${takenOver.process} took over` : ''}`;
}

function barOf(part, width) {
  const full = Math.round(Math.min(1, part) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}
