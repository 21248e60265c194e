/** The command line of the bench: what it answers before it measures anything. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../bench/main.mjs', import.meta.url));
const bench = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });

it('--help tells what there is', () => {
  const { status, stdout } = bench('--help');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Usage: npm run bench/);
  expect(stdout).toContain('early-refresh');
});

it.each([
  [['--foo'], "Unknown option '--foo'"],
  [['hit', 'nope'], 'No case is called "nope".'],
  [['--rounds=x'], '--rounds takes a number from 1 on, not "x".'],
])('%j is refused with the usage, and nothing is measured', (args, message) => {
  const { status, stdout, stderr } = bench(...args);
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain(`bench: ${message}`);
  expect(stderr).toContain('Usage: npm run bench');
});
