// @ts-check
/**
 * The public names: what each entry point exports, held against surface.json, so that no name goes missing and none slips out.
 * Decides nothing of what a name means; test/types does.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * By entry point. `contract`: names that this version promises; `besides`: what else a user may need to name, exported knowingly.
 * @typedef {Record<string, { readonly contract: readonly string[], readonly besides: readonly string[] }>} Surface
 */

/** @returns {Surface} */
export function expectedSurface() {
  return JSON.parse(readFileSync(new URL('surface.json', import.meta.url), 'utf8'));
}

/**
 * What is wrong with the entry points of a built package, one sentence each.
 * @param {string} directory where package.json and dist/ are
 * @param {Surface} [expected]
 * @returns {string[]}
 */
export function surfaceTrouble(directory, expected = expectedSurface()) {
  /** @type {{ exports: Record<string, string | Record<string, string>> }} */
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const trouble = [];
  /** @type {Map<string, string>} */
  const types = new Map();
  for (const [entry, target] of Object.entries(manifest.exports)) {
    const targets = typeof target === 'string' ? { default: target } : target;
    for (const [condition, path] of Object.entries(targets)) {
      if (!existsSync(join(directory, path)))
        trouble.push(`package.json exports "${entry}" (${condition}) as ${path}, which the build does not make.`);
      else if (condition === 'types') types.set(entry, join(directory, path));
    }
  }
  for (const entry of types.keys())
    if (!expected[entry]) trouble.push(`surface.json says nothing of the entry point "${entry}".`);

  const program = ts.createProgram([...types.values()], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    skipLibCheck: true,
    noLib: true,
    types: [],
  });
  for (const [entry, { contract, besides }] of Object.entries(expected)) {
    const path = types.get(entry);
    if (!path) {
      trouble.push(`package.json has no entry point "${entry}", which surface.json promises.`);
      continue;
    }
    const names = namesOf(program, path);
    const promised = new Set([...contract, ...besides]);
    for (const name of promised) if (!names.has(name)) trouble.push(`"${entry}" does not export ${name}.`);
    for (const name of names) {
      if (!promised.has(name))
        trouble.push(
          `"${entry}" exports ${name}, which surface.json does not know: add it there if users are to have it.`,
        );
    }
  }
  return trouble;
}

/**
 * @param {ts.Program} program
 * @param {string} path
 */
function namesOf(program, path) {
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(path);
  const module = file && checker.getSymbolAtLocation(file);
  return new Set(module ? checker.getExportsOfModule(module).map(({ name }) => name) : []);
}
