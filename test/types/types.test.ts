/** The compiler over the type tests beside it, in both decorator modes, so that `npm test` proves them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const files = readdirSync(HERE)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => join(HERE, name));
const isOnlyTc39 = (name: string) => name.endsWith('private-methods.ts');

/** Everything that the compiler says, a line each: of the type tests, not of the sources. */
function troubles(names: readonly string[], mode: ts.CompilerOptions): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, ROOT);
  const program = ts.createProgram(names, { ...options, ...mode, noEmit: true });
  return names
    .flatMap((name) => {
      const source = program.getSourceFile(name);
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    })
    .map(({ file, start = 0, messageText }) => {
      const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
      return `${file?.fileName.slice(HERE.length + 1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
}

describe('the types', { timeout: 120_000 }, () => {
  it('hold with TC39 decorators', () => {
    expect(troubles(files, {})).toEqual([]);
  });

  it('hold with experimentalDecorators', () => {
    const both = files.filter((name) => !isOnlyTc39(name));
    expect(both.length).toBeGreaterThan(4);
    expect(
      troubles(both, { experimentalDecorators: true, emitDecoratorMetadata: true, isolatedModules: false }),
    ).toEqual([]);
  });

  it('would not hold for just anything', () => {
    expect(saidOf("import { yes, type Equal } from './support.js';\nyes<Equal<string, number>>();\n")).toHaveLength(1);
  });

  it('name the option that is misspelt, and at the end, where some compilers speak of the last overload alone', () => {
    const said = saidOf(`
      import { makeRegion } from '../../src/index.js';
      makeRegion().configure('memory', { arguments: { maxEntires: 10 } });
      makeRegion().configure('memory', { expirationTimes: '1h' });
    `);
    expect(said.map((message) => message.split('\n').at(-1))).toEqual([
      expect.stringContaining("'maxEntires'"),
      expect.stringContaining("'expirationTimes'"),
    ]);
  });
});

/** What the compiler says of a program that stands here. */
function saidOf(text: string): string[] {
  const wrong = join(HERE, 'wrong.virtual.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  host.readFile = (name) => (name === wrong ? text : readFile(name));
  host.fileExists = (name) => name === wrong || fileExists(name);
  const program = ts.createProgram([wrong], options, host);
  return program
    .getSemanticDiagnostics(program.getSourceFile(wrong))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
