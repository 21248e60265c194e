/** What the command line asks for, checked before anything is started. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const HELP = `Usage: npm run demo -- [options]

Processes share one file-backed region in front of a fuzzy search over 275,000 words. The same callers run three times: without a
cache, with single flight inside each process, and with dogpile. The creator of one key is killed on the way.

  --seconds N    how long the three rounds run together (default 10, 1.5 to 600)
  --processes N  default 4, 2 to 32
  --callers N    of each process (default 100, 1 to 10000)
  --svg FILE     draws the creations of all rounds
  --json FILE    writes every figure and every creation
  --help         this

Colours: not with NO_COLOR, nor where the output is no terminal.
Exit code: 0 all well, 1 something failed or a promise was broken, 2 wrong options, 130 interrupted.
`;

export class OptionError extends Error {}

/** @typedef {{ seconds: number, processes: number, callers: number, svg?: string, json?: string, help: boolean }} Options */

/**
 * @param {readonly string[]} args
 * @returns {Options}
 */
export function readOptions(args) {
  const { seconds, processes, callers, svg, json, help = false } = parse(args);
  return {
    seconds: numberOption('seconds', seconds, { fallback: 10, least: 1.5, most: 600 }),
    processes: numberOption('processes', processes, { fallback: 4, least: 2, most: 32, isWhole: true }),
    callers: numberOption('callers', callers, { fallback: 100, least: 1, most: 10_000, isWhole: true }),
    ...(svg !== undefined && { svg: fileOption('svg', svg) }),
    ...(json !== undefined && { json: fileOption('json', json) }),
    help,
  };
}

function parse(args) {
  const text = { type: 'string' };
  const options = { seconds: text, processes: text, callers: text, svg: text, json: text, help: { type: 'boolean' } };
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // The rest of the message is about positional arguments, which there are none of.
    throw new OptionError(error.message.split('. ')[0]);
  }
}

function numberOption(name, given, { fallback, least, most, isWhole = false }) {
  if (given === undefined) return fallback;
  const number = given.trim() === '' ? Number.NaN : Number(given);
  if (number >= least && number <= most && (!isWhole || Number.isInteger(number))) return number;
  throw new OptionError(`--${name} takes a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}, not '${given}'`);
}

/** The run takes a while: that its result can't be written is better said before. */
function fileOption(name, given) {
  if (given === '') throw new OptionError(`--${name} takes the path of a file`);
  const path = resolve(given);
  const what = () => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) return 'it is a folder';
    try {
      accessSync(found ? path : dirname(path), constants.W_OK);
      return statSync(dirname(path)).isDirectory() ? undefined : `${dirname(path)} is no folder`;
    } catch (error) {
      return error.code === 'ENOENT' ? `there is no folder ${dirname(path)}` : error.message;
    }
  };
  const trouble = attempt(what);
  if (trouble) throw new OptionError(`--${name}: can't write ${path}: ${trouble}`);
  return path;
}

/** statSync throws where a part of the path is a file. */
function attempt(what) {
  try {
    return what();
  } catch (error) {
    return error.message;
  }
}
