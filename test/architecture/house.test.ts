import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leftoversIn } from '../../scripts/checks/leftovers.mjs';
import { missingPrograms } from '../../scripts/programs.mjs';

const root = join(import.meta.dirname, '../..');

describe('the picture of the house', () => {
  const page = () => readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );

  it('ARCHITECTURE.md names every source file or, of a folder in a folder, the folder; and none that is gone', () => {
    const text = page();
    const start = text.indexOf('```text');
    const picture = text.slice(start, text.indexOf('```', start + 3));
    const drawn = new Set(picture.match(/[\w-]+(?:\.ts\b|\/)/g));
    const names = new Set<string>();
    const needed = new Set<string>();
    for (const path of files) {
      const [file = '', inner, ...outer] = path.split('/').reverse();
      names.add(file);
      for (const folder of [inner, ...outer]) if (folder !== undefined) names.add(`${folder}/`);
      needed.add(outer.length > 0 ? `${inner}/` : file);
    }
    expect([...needed].filter((name) => !drawn.has(name))).toEqual([]);
    expect([...drawn].filter((name) => name !== 'src/' && name !== 'dogpile-cache/' && !names.has(name))).toEqual([]);
  });
});

describe('what must not be left behind', () => {
  const said = (text: string) => leftoversIn('src/some.ts', text, ['/srv/checkout']);

  it('is found, with its line', () => {
    expect(said(`fine\n// ${'TO' + 'DO'}: later`)).toEqual([
      `src/some.ts:2 has a note to oneself: do it, or open an issue: // ${'TO' + 'DO'}: later`,
    ]);
    expect(said(`it.${'only'}('x', () => {});`)).toHaveLength(1);
    expect(said(`describe.concurrent.${'only'}('x', () => {});`)).toHaveLength(1);
    expect(said("open('/srv/checkout/src/index.ts')")).toHaveLength(1);
    expect(said(`see /${'home'}/somebody/notes`)).toHaveLength(1);
  });

  it('is not seen where it is not', () => {
    expect(said("region.only(); // a method TODOS, './work/x', https://example.com/home/page, /workers")).toEqual([]);
  });
});

describe('programs and modules of Python that tests need', () => {
  it('are asked for in a sentence that says how to get them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dogpile-programs-'));
    try {
      writeFileSync(join(folder, 'here-server'), '');
      chmodSync(join(folder, 'here-server'), 0o755);
      const here = { name: 'here-server', debian: 'here' };
      const gone = { name: 'gone-server', debian: 'gone-tools' };
      const modules = [{ name: 'json', debian: 'python3' }];
      expect(missingPrograms({ programs: [here], modules }, folder)).toBeUndefined();
      expect(missingPrograms({ programs: [here, gone], modules: [] }, folder)).toBe(
        'The tests need gone-server: apt-get install gone-tools',
      );
      modules.push({ name: 'dogpile.gone', debian: 'python3-gone' });
      expect(missingPrograms({ programs: [here], modules }, folder)).toBe(
        "The tests need Python's dogpile.gone: apt-get install python3-gone",
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
