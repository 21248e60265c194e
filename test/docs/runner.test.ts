import { describe, expect, it } from 'vitest';
import { deadLinks } from './links.js';
import { parsePage, readPage } from './page.js';
import { runPage, typeTrouble } from './run.js';

const fixture = (name: string) => readPage(`test/docs/fixtures/${name}.md`);
const ran = (name: string) =>
  runPage(fixture(name)).then(
    () => 'ran',
    (error: Error) => error.message,
  );

describe('the runner of documentation', () => {
  it('runs a page that holds, in an empty directory, and goes back', async () => {
    const home = process.cwd();
    expect(await ran('good')).toBe('ran');
    expect(process.cwd()).toBe(home);
  });

  it('finds its types well', { timeout: 120_000 }, () => {
    expect(typeTrouble([fixture('good')])).toEqual([]);
  });

  it('names page and line of a value that is another', async () => {
    expect(await ran('wrong-value')).toBe('test/docs/fixtures/wrong-value.md:11 gives 5, not 6');
  });

  it('names page and line of a declared name that is another', async () => {
    expect(await ran('wrong-name')).toBe('test/docs/fixtures/wrong-name.md:5 gives [ 1, 2 ], not [ 1, 3 ]');
  });

  it('names page and line of a statement that throws', async () => {
    expect(await ran('throws')).toMatch(/^test\/docs\/fixtures\/throws\.md:8 RegionNotConfiguredError: /);
  });

  it('names page and line of types that do not hold, in blocks that run and in those that do not', {
    timeout: 120_000,
  }, () => {
    const trouble = typeTrouble([fixture('wrong-type')]);
    expect(trouble.map((line) => line.split(' ')[0])).toEqual([
      'test/docs/fixtures/wrong-type.md:4',
      'test/docs/fixtures/wrong-type.md:7',
      'test/docs/fixtures/wrong-type.md:11',
      'test/docs/fixtures/wrong-type.md:13',
    ]);
    expect(trouble[0]).toContain('noSuchName');
  });

  it('refuses an arrow that would assert nothing', async () => {
    await expect(async () => runPage(fixture('wrong-arrow'))).rejects.toThrow(
      'wrong-arrow.md:6 has an arrow that asserts nothing',
    );
    await expect(async () => runPage(fixture('wrong-literal'))).rejects.toThrow(
      'wrong-literal.md:4 asserts what is no JavaScript',
    );
  });

  it('refuses an assertion that was not reached', async () => {
    expect(await ran('unreached')).toBe('test/docs/fixtures/unreached.md:7 asserts what is never reached.');
  });

  it('refuses a block whose flag it does not know, and one that never ends', () => {
    expect(() => parsePage('p.md', 'text\n```ts norun\n```\n')).toThrow('p.md:2 says "norun"');
    expect(() => parsePage('p.md', '```typescript\n```\n')).toThrow('p.md:1 is called typescript');
    expect(() => parsePage('p.md', 'text\n```ts\nlet a;\n')).toThrow('p.md:2 opens a block that nothing ends');
  });

  it('finds dead links and dead anchors, and none in code', () => {
    expect(deadLinks(fixture('dead-links')).map((line) => line.replace('test/docs/fixtures/', ''))).toEqual([
      'dead-links.md:4 links to gone.md: there is no such file.',
      'dead-links.md:4 links to good.md#nothing: test/docs/fixtures/good.md has no heading of that name.',
      'dead-links.md:5 links to ../../../../outside.md: it is outside the project.',
      'dead-links.md:11 links to ../nowhere.ts: there is no such file.',
    ]);
  });

  it('names headings as GitHub does', () => {
    const { anchors } = parsePage(
      'p.md',
      '# `getOrCreate(key)`: one, two\n## The same\n## The same\n### [A link](x.md) & more\n',
    );
    expect([...anchors]).toEqual(['getorcreatekey-one-two', 'the-same', 'the-same-1', 'a-link--more']);
  });
});
