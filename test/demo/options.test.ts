import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HELP, OptionError, readOptions } from '../../examples/demo/options.mjs';

const folder = mkdtempSync(join(tmpdir(), 'dogpile-test-options-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the options of the demonstration', () => {
  it('are ten seconds, four processes and a hundred callers each where nothing is said', () => {
    expect(readOptions([])).toEqual({ seconds: 10, processes: 4, callers: 100, help: false });
  });

  it('are taken from the command line', () => {
    const [svg, json] = ['run.svg', 'run.json'].map((name) => join(folder, name));
    const args = ['--seconds', '2.5', '--processes=2', '--callers', '7', `--svg=${svg}`, '--json', String(json)];
    expect(readOptions(args)).toEqual({ seconds: 2.5, processes: 2, callers: 7, svg, json, help: false });
    expect(readOptions(['--help'])).toMatchObject({ help: true });
  });

  it.each([
    [['--seconds', '0'], "--seconds takes a number from 1.5 to 600, not '0'"],
    [['--seconds', 'ten'], "--seconds takes a number from 1.5 to 600, not 'ten'"],
    [['--seconds='], "--seconds takes a number from 1.5 to 600, not ''"],
    [['--processes', '1'], "--processes takes a whole number from 2 to 32, not '1'"],
    [['--processes', '2.5'], "--processes takes a whole number from 2 to 32, not '2.5'"],
    [['--callers', '10001'], "--callers takes a whole number from 1 to 10000, not '10001'"],
    [['--svg', ''], '--svg takes the path of a file'],
    [['--json', folder], 'it is a folder'],
    [['--json', join(folder, 'none', 'run.json')], 'there is no folder'],
    [['--colour'], "Unknown option '--colour'"],
    [['fast'], "Unexpected argument 'fast'"],
    [['--seconds'], 'argument missing'],
  ])('%j is refused', (args, message) => {
    expect(() => readOptions(args)).toThrow(OptionError);
    expect(() => readOptions(args)).toThrow(message);
  });

  it('a file in the place of a folder is refused', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(() => readOptions(['--svg', join(file, 'run.svg')])).toThrow(OptionError);
  });

  it('are all in the help', () => {
    for (const name of ['seconds', 'processes', 'callers', 'svg', 'json', 'help']) expect(HELP).toContain(`--${name}`);
  });
});
