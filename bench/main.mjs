/**
 * `npm run bench`: all cases, or those that are named (`node bench/main.mjs hit miss`). Every figure is a ratio to a baseline of the
 * same run; nanoseconds stand beside it for scale. Several cases have a process each: what one has compiled and left on the heap is no
 * matter of the next.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const CASES = [
  ...[
    'hit',
    'zipf',
    'decorated',
    'miss',
    'crowd',
    'multi',
    'serialized',
    'file',
    'redis',
    'memcached',
    'fleet',
    'bytes',
  ],
  ...['early-refresh', 'tags'],
];

const USAGE = `Usage: npm run bench -- [case]… [options]

Cases, all of them where none is named:
  ${CASES.join(' ')}

  --rounds=N   samples of each (default 31)
  --json       every figure, for a program
  --help       this

Exit code: 0 all well, 1 a law is broken or something could not be measured, 2 wrong options.`;

const { flags, positionals, rounds } = readOptions();
if (flags.help) {
  console.log(USAGE);
  process.exit(0);
}

const report = [];
const names = positionals.length > 0 ? positionals : CASES;
for (const name of names) {
  const measured = await (names.length === 1 ? measure(name) : measureApart(name));
  report.push(measured);
  if (!flags.json) print(measured);
}
if (flags.json) console.log(JSON.stringify({ node: process.version, rounds, cases: report }, null, 2));
if (report.some(({ error, laws = [] }) => error !== undefined || laws.some(({ kept }) => !kept))) process.exitCode = 1;

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '31' },
        help: { type: 'boolean', default: false },
      },
    });
    const unknown = positionals.find((name) => !CASES.includes(name));
    if (unknown !== undefined) throw new TypeError(`No case is called "${unknown}".`);
    const rounds = Number(values.rounds);
    if (!(rounds >= 1)) throw new TypeError(`--rounds takes a number from 1 on, not "${values.rounds}".`);
    return { flags: values, positionals, rounds };
  } catch (error) {
    console.error(`bench: ${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function measure(name) {
  const { title, laws = [], run } = await import(`./cases/${name}.mjs`);
  try {
    const results = await run({ rounds });
    const judged = laws.map((law) => ({ ...law, kept: isKept(law, results) }));
    return { name, title, results, laws: judged };
  } catch (error) {
    return { name, title, error: String(error?.stack ?? error) };
  }
}

/** In a process of its own. */
async function measureApart(name) {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), name, '--json', `--rounds=${rounds}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = await text(child.stdout);
  try {
    return JSON.parse(said).cases[0];
  } catch {
    return { name, title: name, error: `Its process said ${JSON.stringify(said.slice(0, 200))}.` };
  }
}

/** Nothing that bears its name may be beyond it. */
function isKept({ name, most }, results) {
  return results.every((result) => result.name !== name || result.ratio <= most);
}

function print({ title, results = [], error, laws = [] }) {
  console.log(`\n${title}`);
  if (error) console.log(`  could not be measured: ${error}`);
  for (const result of results) {
    console.log(`  ${figures(result)}  ${result.name}${result.detail ? `: ${result.detail}` : ''}`);
  }
  for (const { kept, name, most } of laws)
    console.log(`  ${kept ? 'kept' : 'BROKEN'}: ${name} at most ${Number(most.toFixed(3))} × the baseline`);
}

function figures({ ratio, spread, ns, bytes, total }) {
  if (bytes !== undefined) return `${`+${bytes} B`.padStart(9)} ${`${total} B`.padStart(9)}`;
  const quartiles = spread ? `${spread[0].toFixed(2)}–${spread[1].toFixed(2)}`.padStart(14) : '';
  const time = ns === undefined ? '' : scaled(ns).padStart(11);
  return `${ratio.toFixed(2).padStart(7)} ×${quartiles}${time}`;
}

function scaled(ns) {
  if (ns < 10_000) return `${ns.toFixed(0)} ns`;
  return ns < 10_000_000 ? `${(ns / 1000).toFixed(1)} µs` : `${(ns / 1e6).toFixed(1)} ms`;
}
