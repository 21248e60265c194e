// @ts-check
/**
 * `npm run check`: all that can be said of the project without running its tests. One line per step; the first words after a
 * failure are its reason. `npm run check -- floors leftovers` runs those steps only. Needs no network.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { offencesIn } from './checks/floors.mjs';
import { leftovers } from './checks/leftovers.mjs';
import { pack, quietNpm } from './checks/packing.mjs';
import { surfaceTrouble } from './checks/surface.mjs';
import { binOf, ROOT, run, secondsSince } from './run.mjs';

/** @typedef {import('./checks/packing.mjs').Packed} Packed */
/**
 * @typedef {object} Step
 * @property {string} name
 * @property {(packed: () => Promise<Packed>) => Promise<readonly string[]>} look answers with what is wrong
 */

/** @type {readonly Step[]} */
const STEPS = [
  { name: 'types', look: () => said(process.execPath, [binOf('typescript', 'tsc'), '--noEmit', '-p', '.']) },
  {
    name: 'lint',
    look: () =>
      said(process.execPath, [
        binOf('@biomejs/biome', 'biome'),
        'ci',
        '--error-on-warnings',
        '--colors=off',
        '--max-diagnostics=20',
        '.',
      ]),
  },
  { name: 'floors', look: async () => offencesIn(join(ROOT, 'src'), { packages: await peers() }) },
  { name: 'leftovers', look: leftovers },
  { name: 'exports', look: async (packed) => surfaceTrouble((await packed()).stage) },
  { name: 'publint', look: async (packed) => publint((await packed()).tarball) },
  { name: 'attw', look: async (packed) => attw((await packed()).tarball) },
];

await main(process.argv.slice(2));

/** @param {readonly string[]} wanted names of steps; none: all */
async function main(wanted) {
  const unknown = wanted.find((name) => !STEPS.some((step) => step.name === name));
  if (unknown !== undefined) {
    console.error(`There is no step "${unknown}". Known are ${STEPS.map(({ name }) => name).join(', ')}.`);
    process.exitCode = 1;
    return;
  }
  const began = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-check-'));
  /** @type {Promise<Packed> | undefined} */
  let packing;
  const packed = () => {
    packing ??= pack(folder);
    return packing;
  };
  /** @type {string[]} */
  const failed = [];
  try {
    for (const { name, look } of STEPS) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      const start = performance.now();
      const wrong = await look(packed).catch((error) => [error instanceof Error ? error.message : String(error)]);
      console.log(`${wrong.length === 0 ? 'ok  ' : 'FAIL'}  ${name.padEnd(10)} ${secondsSince(start)}`);
      for (const line of wrong) console.log(line.replace(/^(?=.)/gm, '      '));
      if (wrong.length > 0) failed.push(name);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (failed.length > 0) process.exitCode = 1;
  console.log(
    failed.length > 0
      ? `check: ${failed.join(', ')} failed after ${secondsSince(began)}`
      : `check: all well in ${secondsSince(began)}`,
  );
}

/**
 * A command that is content, or all that it says.
 * @param {string} command
 * @param {readonly string[]} args
 */
async function said(command, args) {
  const { code, output } = await run(command, args, { env: quietNpm() });
  return code === 0 ? [] : [output.trim() || `${args.join(' ')} failed without a word.`];
}

async function peers() {
  const { peerDependencies = {} } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  return Object.keys(peerDependencies);
}

/** @param {string} tarball */
function publint(tarball) {
  return said(process.execPath, [binOf('publint'), 'run', tarball, '--strict']);
}

/** @param {string} tarball */
function attw(tarball) {
  return said(process.execPath, [
    binOf('@arethetypeswrong/cli', 'attw'),
    tarball,
    '--profile',
    'esm-only',
    '--no-color',
    '--no-emoji',
  ]);
}
