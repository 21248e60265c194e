/** What has options or fields has all of them on its page. The compiler counts them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfigureOptions, Explanation, Policy, RegionOptions, RegionStatistics } from '../../src/api.js';
import * as errors from '../../src/errors.js';
import { ROOT } from './page.js';

/** Of each option the chapter that has an example of it. */
const POLICY: Record<keyof Policy, string> = {
  expirationTime: 'freshness',
  serveStale: 'freshness',
  background: 'freshness',
  keepStale: 'freshness',
  jitter: 'freshness',
  earlyRefresh: 'freshness',
  staleIfError: 'failures',
  errorBackoff: 'failures',
  softTimeout: 'failures',
  hardTimeout: 'failures',
  lockWait: 'failures',
};
const CONFIGURE: Record<keyof ConfigureOptions, string> = {
  ...POLICY,
  backendTimeout: 'failures',
  breaker: 'failures',
  onBackendError: 'failures',
  regionInvalidator: 'invalidation',
  replaceExistingBackend: 'configuration',
  wrap: 'storage',
};
const REGION: Record<keyof RegionOptions, true> = {
  name: true,
  keyMangler: true,
  serializer: true,
  functionKeyGenerator: true,
  functionMultiKeyGenerator: true,
  asyncCreationRunner: true,
  clock: true,
  random: true,
};
const STATISTICS: Record<keyof RegionStatistics, true> = {
  hits: true,
  misses: true,
  stale: true,
  waits: true,
  creations: true,
  failures: true,
  creationTime: true,
  refusedCommits: true,
  droppedWrites: true,
  backendErrors: true,
  backendTimeouts: true,
  evictions: true,
  lockLosses: true,
  reset: true,
};
const EXPLANATION: Record<keyof Explanation, true> = {
  key: true,
  mangledKey: true,
  state: true,
  reason: true,
  age: true,
  expiresIn: true,
  creationTime: true,
  size: true,
  tags: true,
  generations: true,
  lock: true,
  here: true,
  metadata: true,
};

const pageOf = (chapter: string) => readFileSync(join(ROOT, 'docs/guide', `${chapter}.md`), 'utf8');
const codeOf = (chapter: string) => [...pageOf(chapter).matchAll(/^```ts\n(.*?)^```/gms)].join('\n');
/** The first cells of the rows of its tables. */
const rowsOf = (chapter: string) =>
  [...pageOf(chapter).matchAll(/^\| ([^|]*) \|/gm)].map(([, cell]) => cell).join('\n');
/** Those that don't stand in the text as a word. */
const missing = (names: readonly string[], text: string) =>
  names.filter((name) => !new RegExp(`\\b${name}\\b`).test(text));

describe('the guide', () => {
  it('has every option of a region and of configure() in a table, with its default and its unit', () => {
    expect(missing([...Object.keys(CONFIGURE), ...Object.keys(REGION)], rowsOf('configuration'))).toEqual([]);
  });

  it('has an example of every option of configure(), that the tests run', () => {
    const without = Object.entries(CONFIGURE).filter(([name, chapter]) => missing([name], codeOf(chapter)).length > 0);
    expect(without).toEqual([]);
  });

  it('says of every option of a policy and of the store what one wants who sets it', () => {
    const { wrap, replaceExistingBackend, ...wanted } = CONFIGURE;
    expect(missing(Object.keys(wanted), pageOf('choosing'))).toEqual([]);
  });

  it('has every error with its code', () => {
    const { DogpileCacheError, ...classes } = errors;
    const rows = Object.values(classes).map((Class) => `| \`${Class.name}\` | \`${new Class().code}\` |`);
    expect(rows.filter((row) => !pageOf('failures').includes(row))).toEqual([]);
  });

  it('says what every counter counts and what every field of an explanation says', () => {
    expect(missing([...Object.keys(STATISTICS), ...Object.keys(EXPLANATION)], pageOf('observation'))).toEqual([]);
  });
});
