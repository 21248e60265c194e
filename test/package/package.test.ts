import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectedSurface, surfaceTrouble } from '../../scripts/checks/surface.mjs';
import { type Installed, install, node } from './installed.js';

const ENTRIES = Object.keys(expectedSurface()).map((entry) => entry.replace(/^\./, 'dogpile-cache'));

/** Prints what is loaded besides: hooks run in a thread of their own, and write where both can. */
const WATCH = `
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(\`
    import { writeSync } from 'node:fs';
    export async function load(url, context, next) {
      writeSync(2, 'loaded ' + url + '\\\\n');
      return next(url, context);
    }
  \`));
`;

let installed: Installed;
beforeAll(async () => {
  installed = await install();
}, 240_000);
afterAll(() => installed?.remove());

const manifest = () => JSON.parse(readFileSync(join(installed.folder, 'package.json'), 'utf8'));

describe('the package, installed', () => {
  it('brings nothing with it', () => {
    expect(readdirSync(join(installed.project, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      'dogpile-cache',
    ]);
    const {
      dependencies,
      bundledDependencies,
      scripts = {},
      peerDependencies = {},
      peerDependenciesMeta = {},
    } = manifest();
    expect(dependencies).toBeUndefined();
    expect(bundledDependencies).toBeUndefined();
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
    for (const name of Object.keys(peerDependencies))
      expect(peerDependenciesMeta[name], name).toEqual({ optional: true });
  });

  it('holds what is built, what says what it is, and nothing else', () => {
    const other = installed.files.filter((path) => !/^(dist\/|docs\/.*\.md$)/.test(path));
    expect(other.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
    expect(installed.files.filter((path) => !/\.(js|d\.ts)$/.test(path) && path.startsWith('dist/'))).toEqual([]);
    expect(installed.files).toContain('docs/README.md');
    // Of use to who changes a protocol, who has the repository.
    expect(installed.files.filter((path) => path.includes('simulation'))).toEqual([]);
    expect(installed.size).toBeLessThan(500_000);
  });

  it('exports the names that it promises, and no other', () => {
    expect(surfaceTrouble(installed.folder)).toEqual([]);
  });

  for (const entry of ENTRIES) {
    it(`${entry} is imported by plain node`, async () => {
      const names = await node(installed, `console.log(Object.keys(await import('${entry}')).length > 0)`, [
        '--input-type=module',
      ]);
      expect(names).toBe('true');
    });

    it(`${entry} is required by plain node`, async () => {
      expect(
        await node(installed, `console.log(Object.keys(require('${entry}')).length > 0)`, ['--input-type=commonjs']),
      ).toBe('true');
    });
  }

  it('has no other door', async () => {
    const attempt =
      "import('dogpile-cache/dist/clock.js').then(() => console.log('open'), (error) => console.log(error.code))";
    expect(await node(installed, attempt)).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  for (const entry of ENTRIES) {
    it(`${entry} loads its own files and node's, nothing else`, async () => {
      writeFileSync(join(installed.project, 'watch.mjs'), WATCH);
      const program = `
        import { spawnSync } from 'node:child_process';
        const { stderr, status } = spawnSync(process.execPath, ['--import', './watch.mjs', '--input-type=module', '-e', "await import('${entry}')"]);
        if (status !== 0) throw new Error(String(stderr));
        console.log(JSON.stringify(String(stderr).match(/(?<=^loaded ).*$/gm)));
      `;
      const loaded: string[] = JSON.parse(await node(installed, program, ['--input-type=module']));
      const outside = loaded.filter(
        (url) =>
          !url.startsWith('node:') && !url.startsWith('data:') && !url.includes('/node_modules/dogpile-cache/dist/'),
      );
      expect(outside).toEqual([]);
      expect(loaded.some((url) => url.includes('/node_modules/dogpile-cache/dist/'))).toBe(true);
      if (entry !== 'dogpile-cache') return;
      // Engines come when they are used: no other entry point is among them.
      const engines = Object.entries<{ default?: string }>(manifest().exports).flatMap(([name, target]) =>
        name !== '.' && target.default ? [target.default.slice(1)] : [],
      );
      expect(loaded.filter((url) => engines.some((path) => url.endsWith(path)))).toEqual([]);
    });
  }

  it('works: a region over memory, from install to value', async () => {
    const program = `
      import { makeRegion } from 'dogpile-cache';
      const region = makeRegion().configure('memory', { expirationTime: '1h' });
      await region.getOrCreate('k', () => 5);
      console.log(await region.get('k'));
    `;
    expect(await node(installed, program, ['--input-type=module'])).toBe('5');
  });

  it('says which package a backend lacks', async () => {
    const program = `
      import { makeRegion } from 'dogpile-cache';
      const region = makeRegion().configure('file', { arguments: { filename: './cache.db' } });
      await region.ready().then(() => console.log('ready'), (error) => console.log(error.code, error.message));
    `;
    const said = await node(installed, program, ['--input-type=module']);
    expect(said).toMatch(/^DOGPILE_DRIVER_NOT_INSTALLED .*lmdb/);
  });

  it('is bundled where none of the optional packages is installed; what is used of them is an error then', async () => {
    const program = `
      import { makeRegion } from 'dogpile-cache';
      for (const name of ['redis', 'node_memcached', 'memjs', 'memcache_client', 'file']) {
        const region = makeRegion().configure(name, { arguments: name === 'file' ? { filename: './cache.db' } : {} });
        await region.getOrCreate('k', () => 1).catch((error) => console.log(name, error.code));
        await region.close();
      }
    `;
    const outfile = join(installed.project, 'bundled.mjs');
    await build({
      stdin: { contents: program, resolveDir: installed.project },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      logLevel: 'silent',
    });
    const said = await node(installed, `import(${JSON.stringify(outfile)})`);
    expect(said.split('\n')).toEqual([
      'redis DOGPILE_DRIVER_NOT_INSTALLED',
      'node_memcached DOGPILE_DRIVER_NOT_INSTALLED',
      'memjs DOGPILE_DRIVER_NOT_INSTALLED',
      'memcache_client DOGPILE_DRIVER_NOT_INSTALLED',
      'file DOGPILE_DRIVER_NOT_INSTALLED',
    ]);
  });

  const kinds = [
    { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, name: 'nodenext' },
    { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, name: 'bundler' },
  ];
  for (const { name, ...options } of kinds) {
    it(`has types that hold under ${name}, strict, with nothing but the language`, { timeout: 120_000 }, () => {
      const imports = ENTRIES.map(
        (entry, at) => `import * as entry${at} from '${entry}';\nexport const all${at} = entry${at};`,
      );
      const use = `
        import { makeRegion } from 'dogpile-cache';
        const region = makeRegion().configure('memory', { expirationTime: '1h' });
        export const value: Promise<number> = region.getOrCreate('k', async () => 5);
        // @ts-expect-error: the creator makes numbers
        export const wrong: Promise<string> = region.getOrCreate('k', async () => 5);
      `;
      const path = join(installed.project, `use-${name}.mts`);
      writeFileSync(path, [...imports, use].join('\n'));
      const program = ts.createProgram([path], {
        ...options,
        target: ts.ScriptTarget.ES2022,
        lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        types: [],
      });
      const said = ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
        const at = file
          ? `${file.fileName.replace(/^.*node_modules\//, '')}:${file.getLineAndCharacterOfPosition(start).line + 1} `
          : '';
        return at + ts.flattenDiagnosticMessageText(messageText, '\n');
      });
      expect(said).toEqual([]);
    });
  }
});
