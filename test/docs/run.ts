/** Runs and type-checks the programs of pages. Decides where they are written and what an error is called. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { type Page, PageError, ROOT } from './page.js';
import { type Module, runningModule, typedModules } from './program.js';
import { recorder } from './recorder.js';

/** Inside the project, where its packages and aliases are found; ignored by git. */
const PROGRAMS = join(import.meta.dirname, '.pages');

/** Runs a page in a working directory of its own. Rejects with a `PageError` that names page and line. */
export async function runPage(page: Page): Promise<void> {
  const folder = programFolder();
  const home = process.cwd();
  const elsewhere = mkdtempSync(join(tmpdir(), 'dogpile-page-'));
  try {
    const { name, text } = runningModule(page, nameOf(page), '../../recorder.js');
    writeFileSync(join(folder, `${name}.ts`), text);
    recorder.begin();
    process.chdir(elsewhere);
    await import(/* @vite-ignore */ pathToFileURL(join(folder, `${name}.ts`)).href).catch((error: unknown) => {
      throw new PageError(page.path, recorder.line, messageOf(error), { cause: error });
    });
    const [unreached] = recorder.awaited;
    if (unreached !== undefined) throw new PageError(page.path, unreached, 'asserts what is never reached.');
  } finally {
    process.chdir(home);
    rmSync(elsewhere, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the compiler says of all blocks of these pages, one sentence each. */
export function typeTrouble(pages: readonly Page[]): string[] {
  const folder = programFolder();
  try {
    const modules = new Map<string, { readonly page: Page; readonly module: Module }>();
    for (const page of pages) {
      for (const module of typedModules(page, nameOf(page))) {
        const path = join(folder, `${module.name}.ts`);
        writeFileSync(path, module.text);
        modules.set(path, { page, module });
      }
    }
    const program = ts.createProgram([...modules.keys()], projectOptions());
    const trouble = program
      .getOptionsDiagnostics()
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
    for (const [path, { page, module }] of modules) {
      const file = program.getSourceFile(path);
      for (const { start = 0, messageText } of [
        ...program.getSyntacticDiagnostics(file),
        ...program.getSemanticDiagnostics(file),
      ]) {
        const line = file ? module.pageLine(file.getLineAndCharacterOfPosition(start).line + 1) : 0;
        trouble.push(`${page.path}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
      }
    }
    return trouble;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The project's own strictness; but an example may declare a name only to show it. */
export function projectOptions(): ts.CompilerOptions {
  const path = join(ROOT, 'tsconfig.json');
  const { config, error } = ts.readConfigFile(path, ts.sys.readFile);
  if (error) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  return { ...options, noUnusedLocals: false, noUnusedParameters: false };
}

function programFolder(): string {
  mkdirSync(PROGRAMS, { recursive: true });
  return mkdtempSync(join(PROGRAMS, 'run-'));
}

function nameOf({ path }: Page): string {
  return path.replace(/\.md$/, '').replace(/[^\w-]+/g, '_');
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.name === 'Error' ? error.message : `${error.name}: ${error.message}`;
  return `throws ${String(error)}`;
}
