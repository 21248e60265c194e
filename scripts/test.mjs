// @ts-check
/**
 * `npm test`: builds dist/, which child processes of the tests run from, then all tests. `npm test -- test/region -t 'stale'` hands
 * everything on to vitest. Files with tests that did not run, and those without a result, are named at the end; a test that shuts out
 * others (`only`) fails.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { build } from './build.mjs';
import { missingPrograms } from './programs.mjs';
import { binOf, ROOT, run, secondsSince } from './run.mjs';

/**
 * The part that is read here of what vitest writes.
 * @typedef {object} Report
 * @property {number} numTotalTests
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {readonly { name: string, assertionResults: readonly { fullName: string, status: string }[] }[]} testResults
 */

process.exitCode = await main(process.argv.slice(2));

/** @param {readonly string[]} args */
async function main(args) {
  const missing = missingPrograms();
  if (missing !== undefined) {
    console.error(missing);
    return 1;
  }
  const began = performance.now();
  try {
    await build();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
  console.log(`built dist/ in ${secondsSince(began)}`);

  const folder = await mkdtemp(join(tmpdir(), 'dogpile-test-'));
  const file = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const { code } = await run(process.execPath, [binOf('vitest'), 'run', '--allowOnly=false', ...reporters, ...args], {
      shown: true,
    });
    const report = await readFile(file, 'utf8').catch(() => undefined);
    if (report !== undefined) await summarize(JSON.parse(report), args.length === 0);
    console.log(`npm test: ${code === 0 ? 'passed' : 'FAILED'} in ${secondsSince(began)}`);
    return code;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * @param {Report} report
 * @param {boolean} isWhole every test was asked for: files with some that did not run are named
 */
async function summarize({ numTotalTests, numPassedTests, numFailedTests, testResults }, isWhole) {
  // vitest fails when one of its processes dies, but does not say which file that was running.
  const lost = new Set(isWhole ? await testFiles() : testResults.map(({ name }) => name));
  for (const { name, assertionResults } of testResults) if (assertionResults.length > 0) lost.delete(name);
  for (const name of lost) console.log(`without a result: ${relative(ROOT, name)}`);
  let skipped = 0;
  for (const { name, assertionResults } of testResults) {
    const left = assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed').length;
    skipped += left;
    // Laws that don't concern a backend, each with its reason: `npx vitest run --reporter=verbose` says which.
    if (isWhole && left > 0) console.log(`not run: ${left} of ${assertionResults.length} in ${relative(ROOT, name)}`);
  }
  console.log(
    `${testResults.length} files, ${numTotalTests} tests: ${numPassedTests} passed, ${numFailedTests} failed, ${skipped} not run`,
  );
}

async function testFiles() {
  const folder = join(ROOT, 'test');
  const paths = await readdir(folder, { recursive: true });
  return paths.filter((path) => path.endsWith('.test.ts')).map((path) => join(folder, path));
}
