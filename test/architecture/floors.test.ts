import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { offencesIn } from '../../scripts/checks/floors.mjs';

const root = join(import.meta.dirname, '../..');

describe('the floors', () => {
  it('imports go down only', () => {
    const { peerDependencies }: { peerDependencies: Record<string, string> } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    );
    expect(offencesIn(join(root, 'src'), { packages: Object.keys(peerDependencies) })).toEqual([]);
  });
});

describe('the law of the floors', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  /** What is said of a tree of these files. */
  function offences(files: Record<string, string>, options: Parameters<typeof offencesIn>[1] = {}): string[] {
    const folder = mkdtempSync(join(tmpdir(), 'dogpile-floors-'));
    folders.push(folder);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return offencesIn(folder, { stairs: [], ...options });
  }

  it('lets a file import from its own room and from every floor below', () => {
    const files = {
      'errors.ts': '',
      'lock/lease.ts': "import '../errors.js'; import './election.js';",
      'lock/election.ts': '',
      'region/store.ts': "import { readFile } from 'node:fs/promises';\nexport * from '../lock/lease.js';",
      'index.ts': "export * from './region/store.js';",
    };
    expect(offences(files)).toEqual([]);
  });

  it('names who imports from above, and where', () => {
    expect(offences({ 'errors.ts': "\nimport { elect } from './lock/election.js';", 'lock/election.ts': '' })).toEqual([
      'errors.ts:2 imports lock/election.ts: lock is above ground, and imports go down only.',
    ]);
  });

  it('counts types, re-exports, import() and typeof import()', () => {
    const files = {
      'errors.ts':
        "import type { A } from './index.js';\nexport type { B } from './index.js';\nawait import('./index.js');\ntype C = typeof import('./index.js');",
      'index.ts': '',
    };
    expect(offences(files).map((line) => line.split(' ')[0])).toEqual([
      'errors.ts:1',
      'errors.ts:2',
      'errors.ts:3',
      'errors.ts:4',
    ]);
  });

  it('keeps region and backends apart', () => {
    const files = {
      'region/core.ts': "import '../backends/memory.js';",
      'backends/memory.ts': "import '../region/store.js';",
      'region/store.ts': '',
    };
    expect(offences(files)).toEqual([
      'backends/memory.ts:1 imports region/store.ts: backends and region share a floor and do not know each other. What both need belongs further down.',
      'region/core.ts:1 imports backends/memory.ts: region and backends share a floor and do not know each other. What both need belongs further down.',
    ]);
  });

  it('keeps the cache out of lock/', () => {
    expect(offences({ 'lock/lease.ts': "import '../channels.js';", 'channels.ts': '' })).toEqual([
      'lock/lease.ts:1 imports channels.ts: lock/ knows no cache. What it has to tell, it tells by a function it is given.',
    ]);
    expect(offences({ 'lock/lease.ts': "import '../envelope.js';", 'envelope.ts': '' })).toHaveLength(1);
  });

  it('knows the stairs, those for types only, and those that nobody takes', () => {
    const files = { 'api.ts': "import { makeRegion } from './region/region.js';", 'region/region.ts': '' };
    const stair = { from: 'api.ts', to: 'region/region.ts', why: 'they meet here' };
    expect(offences(files, { stairs: [stair] })).toEqual([]);
    expect(offences(files, { stairs: [{ ...stair, typesOnly: true }] })).toEqual([
      'api.ts:1 may import only types from region/region.ts (they meet here).',
    ]);
    expect(offences({ 'api.ts': '' }, { stairs: [stair] })).toEqual([
      'api.ts no longer imports region/region.ts: take that stair out of scripts/checks/floors.mjs.',
    ]);
  });

  it('asks where a new file stands, and for imports of what is not there', () => {
    expect(offences({ 'utils.ts': "import './gone.js';" })).toEqual([
      'utils.ts stands on no floor: give it one in scripts/checks/floors.mjs, and in ARCHITECTURE.md.',
      'utils.ts:1 imports gone.ts, which is not there.',
    ]);
  });

  it('lets packages in only as optional peers, when they are needed', () => {
    const files = {
      'backends/file.ts':
        "import type { A } from 'lmdb';\nawait import('lmdb');\nimport { open } from 'lmdb';\nimport 'left-pad';",
    };
    expect(offences(files, { packages: ['lmdb'] })).toEqual([
      'backends/file.ts:3 imports lmdb at once: an optional package is imported when it is needed, by `await import()`.',
      'backends/file.ts:4 imports left-pad: it is no peer of this package, and there are no dependencies.',
    ]);
  });

  it('finds circles of values, not of types', () => {
    expect(
      offences({ 'a/x.ts': '', 'errors.ts': "import './clock.js';", 'clock.ts': "import './errors.js';" }),
    ).toContain('clock.ts → errors.ts → clock.ts: a circle of imports. Types may go round, values may not.');
    expect(
      offences({ 'errors.ts': "import type { A } from './clock.js';", 'clock.ts': "import './errors.js';" }),
    ).toEqual([]);
  });
});
