/** docs/reference.md has everything that is exported, and nothing else. The compiler knows what there is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { ROOT } from './page.js';
import { projectOptions } from './run.js';

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

// ---------------------------------------------------------------------------------------------------------- the page

interface Table {
  /** The chapter that it stands in: `dogpile-cache/lock`. */
  readonly chapter: string;
  /** `export`; or the types whose members its rows are: `` `ConfigureOptions` besides `Policy` ``. */
  readonly heading: string;
  /** By row, without the names of the columns. */
  readonly cells: readonly (readonly string[])[];
  /** At the beginning of its rows. */
  readonly names: readonly string[];
  /** Of each name, where there is a column of them. */
  readonly defaults: ReadonlyMap<string, string>;
}

function tablesOf(text: string): Table[] {
  return text
    .split(/^## /m)
    .flatMap((part) => [...part.matchAll(/(?:^\|.*\n)+/gm)].map(([table]) => tableOf(namesIn(part)[0] ?? '', table)));
}

function tableOf(chapter: string, table: string): Table {
  const [head = [], , ...cells] = table.trimEnd().split('\n').map(cellsOf);
  const column = head.indexOf('default');
  const rows = cells.map((row) => ({ names: namesIn(row[0] ?? ''), preset: row[column]?.replaceAll('`', '') ?? '' }));
  return {
    chapter,
    heading: head[0] ?? '',
    cells,
    names: rows.flatMap(({ names }) => names),
    defaults: new Map(rows.flatMap(({ names, preset }) => (column < 0 ? [] : names.map((name) => [name, preset])))),
  };
}

const cellsOf = (row: string) =>
  row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
/** `` `get(key, options?)` `` is get. */
const namesIn = (text: string) =>
  [...text.matchAll(/`([^`]*)`/g)].flatMap(([, code = '']) => /^[^(<? ]+/.exec(code)?.[0] ?? []);

const tables = tablesOf(read('docs/reference.md'));
const exportsTables = tables.filter(({ heading }) => heading === 'export');
const memberTables = tables.filter(({ heading }) => heading.startsWith('`'));

// ---------------------------------------------------------------------------------------------------------- the code

const { name, exports } = JSON.parse(read('package.json')) as {
  name: string;
  exports: Record<string, string | { default: string }>;
};
/** Source files by the names that users import. */
const sources = new Map(
  Object.entries(exports).flatMap(([entry, target]) =>
    typeof target === 'string'
      ? []
      : [
          [
            `${name}${entry.slice(1)}`,
            join(ROOT, target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')),
          ] as const,
        ],
  ),
);
const program = ts.createProgram([...sources.values()], projectOptions());
const checker = program.getTypeChecker();

/** What an entry point exports. */
function exportedBy(source: string): ts.Symbol[] {
  const file = program.getSourceFile(source);
  const module = file && checker.getSymbolAtLocation(file);
  return module ? checker.getExportsOfModule(module) : [];
}
const exported = new Map([...sources.values()].flatMap(exportedBy).map((symbol) => [symbol.name, symbol]));

/** Public members of an exported type; of a union, of all that are in it. */
function membersOf(type: string): string[] {
  const symbol = exported.get(type);
  if (!symbol) return [`(nothing is exported as ${type})`];
  const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
  const declared = checker.getDeclaredTypeOfSymbol(isAlias ? checker.getAliasedSymbol(symbol) : symbol);
  return (declared.isUnion() ? declared.types : [declared])
    .flatMap((each) => checker.getPropertiesOfType(each))
    .map((member) => member.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]'))
    .filter((member) => !member.startsWith('#'));
}

// ---------------------------------------------------------------------------------------------------------- the laws

const sorted = (names: Iterable<string>) => [...names].toSorted();
/** What a table lists: all members of the types that its heading names, without those of the types behind `besides`. */
function listedBy(heading: string): string[] {
  const [types = '', besides = ''] = heading.split(' besides ');
  const others = namesIn(besides).flatMap(membersOf);
  return sorted(new Set(namesIn(types).flatMap(membersOf))).filter((member) => !others.includes(member));
}

describe('the reference', () => {
  for (const [chapter, source] of sources) {
    it(`names every export of ${chapter}, once, and no other`, () => {
      const named = exportsTables.filter((table) => table.chapter === chapter).flatMap(({ names }) => names);
      expect(sorted(named)).toEqual(sorted(exportedBy(source).map((symbol) => symbol.name)));
    });
  }

  for (const { heading, names } of memberTables) {
    it(`has every member of ${heading}, once, and no other`, () => {
      expect(sorted(names)).toEqual(listedBy(heading));
    });
  }

  it('has a table of each of what regions, cached functions, creators and backends can do, and of all options', () => {
    const verbs = ['CacheRegion', 'CachedVerbs', 'CachedMultiFunction', 'CachedMultiMapFunction', 'CreationContext'];
    const ofAuthors = ['MultiCreationContext', 'CacheBackend', 'CacheMutex', 'Lease'];
    const options = [...exported.keys()].filter((type) => /(Options|(?<!On)Arguments)$/.test(type));
    const listed = new Set(memberTables.flatMap(({ heading }) => namesIn(heading.split(' besides ')[0] ?? '')));
    expect([...verbs, ...ofAuthors, 'Policy', ...options].filter((type) => !listed.has(type))).toEqual([]);
  });

  for (const [type, page] of [
    ['Policy', 'guide/configuration'],
    ['ConfigureOptions', 'guide/configuration'],
    ['MemoryArguments', 'backends/memory'],
    ['FileArguments', 'backends/file'],
    ['RedisLockArguments', 'backends/redis'],
    ['MemcachedCommonArguments', 'backends/memcached'],
  ] as const) {
    it(`has the defaults of ${type} that ${page}.md has`, () => {
      const table = memberTables.find(({ heading }) => heading.startsWith(`\`${type}\``));
      const explained = new Map(tablesOf(read(`docs/${page}.md`)).flatMap(({ defaults }) => [...defaults]));
      for (const [option, preset] of table?.defaults ?? [])
        expect([option, preset]).toEqual([option, explained.get(option) || 'needed']);
      expect(table?.defaults.size).toBeGreaterThan(0);
    });
  }

  it('says of every export where it is explained', () => {
    const unlinked = exportsTables
      .filter(({ cells }) => cells[0]?.length === 3)
      .flatMap(({ cells }) => cells.filter(([, , see]) => see === '').map(([first]) => first));
    expect(unlinked).toEqual(['`Awaitable<T>`', '`AnyFunction`, `AsyncFunction`']);
  });
});
