/**
 * `npm run demo`: three rounds, what they counted, and a picture. Owns what has to be gone at the end, however it ends: the processes
 * and the folder of the file.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checksOf } from './checks.mjs';
import { conduct, timesOf } from './conduct.mjs';
import { figuresOf } from './figures.mjs';
import { Fleet } from './fleet.mjs';
import { jsonOf } from './json.mjs';
import { HELP, OptionError, readOptions } from './options.mjs';
import { formatMs, formatNumber, paintFor, widthOf } from './paint.mjs';
import { legendOf, pictureOf } from './picture.mjs';
import { Progress } from './progress.mjs';
import { QUERIES } from './queries.mjs';
import { requirePackages } from './requirements.mjs';
import { ROUNDS } from './rounds.mjs';
import { svgOf } from './svg.mjs';
import { tableOf, verdictsOf, wrapped } from './table.mjs';

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
const out = process.stdout;

/** The run ends early, and it is no failure of it. */
class Interrupted extends Error {
  constructor(exitCode) {
    super('interrupted');
    this.exitCode = exitCode;
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  if (error instanceof Interrupted) return error.exitCode;
  process.stderr.write(`demo: ${error.message}\n`);
  if (!(error instanceof OptionError)) return 1;
  process.stderr.write('`npm run demo -- --help` tells what there is.\n');
  return 2;
});

async function main(args) {
  const options = readOptions(args);
  if (options.help) {
    out.write(HELP);
    return 0;
  }
  requirePackages();
  introduce(options);
  return show(await run(options), options);
}

async function run(options) {
  const interrupted = interruption();
  const ending = new AbortController();
  const folder = mkdtempSync(join(tmpdir(), 'dogpile-demo-'));
  const fleet = new Fleet(options);
  const progress = new Progress(out, { names: ROUNDS.map(({ name }) => name), length: timesOf(options).round });
  const clear = () => {
    fleet.killAll();
    rmSync(folder, { recursive: true, force: true });
  };
  // Where something else ends this process before what stands below has run.
  process.once('exit', clear);
  try {
    const filename = join(folder, 'demo.db');
    const rounds = conduct(fleet, { options, filename, progress, signal: ending.signal });
    return await Promise.race([rounds, fleet.failure, interrupted]);
  } finally {
    ending.abort();
    progress.close();
    // First the processes, which have the files open.
    await fleet.end();
    clear();
    process.off('exit', clear);
  }
}

/** Rejects at a signal, or when nobody reads any more what is written. */
function interruption() {
  const interrupted = new Promise((_, reject) => {
    for (const [signal, exitCode] of Object.entries(SIGNALS))
      process.on(signal, () => reject(new Interrupted(exitCode)));
    out.on('error', () => reject(new Interrupted(1)));
  });
  interrupted.catch(() => {});
  return interrupted;
}

function introduce(options) {
  const { processes, callers } = options;
  const { round, expirationTime } = timesOf(options);
  const text =
    `${processes} processes with ${formatNumber(callers)} callers each ask for ${QUERIES.length} misspelled words. Each answer ` +
    `is a search through 275,000 words, and expires after ${formatMs(expirationTime)}. Three rounds of ${formatMs(round)}:`;
  const rounds = ROUNDS.map(({ name, says }) => `  ${name.padEnd(14)} ${says}`);
  out.write(`${[...wrapped(text, Math.min(100, widthOf(out))), ...rounds, ''].join('\n')}\n`);
}

/** The exit code. */
function show(logs, options) {
  const times = timesOf(options);
  const figures = logs.map((log) => figuresOf(log, times));
  const checks = checksOf(logs, figures);
  const style = { paint: paintFor(out), width: Math.min(100, widthOf(out)) };
  const last = logs.at(-1);
  const parts = [pictureOf(logs, style), legendOf(last, style), tableOf(figures, style), verdictsOf(checks, style)];
  out.write(`\n${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`);
  if (options.svg) write(options.svg, svgOf(logs, figures));
  if (options.json) write(options.json, jsonOf({ logs, figures, checks, options, times }));
  return checks.some(({ ok }) => ok === false) ? 1 : 0;
}

function write(path, text) {
  try {
    writeFileSync(path, text);
  } catch (cause) {
    throw new Error(`Can't write ${path}: ${cause.message}`, { cause });
  }
  out.write(`Written: ${path}\n`);
}
