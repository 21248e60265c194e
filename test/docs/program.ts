/**
 * A page as programs. Decides how its blocks come together: those that run make one module, in order; one that doesn't run is a module
 * of its own that sees the names before it. Line n of a page is line n + `header.length` of its module, so that every error finds home.
 */
import ts from 'typescript';
import { type Block, type Page, PageError } from './page.js';

export interface Module {
  /** What others import it by, without an ending. */
  readonly name: string;
  readonly text: string;
  /** From its own line, from 1, to the page's; 0 for what the page doesn't say. */
  pageLine(line: number): number;
}

/** A name that an import binds. */
interface Binding {
  readonly local: string;
  /** `imported as local`, `* as local`, `default as local`. */
  readonly clause: (isType: boolean) => string;
  readonly specifier: string;
  readonly isType: boolean;
  readonly line: number;
}

interface Parsed {
  readonly block: Block;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Binding[];
  /** Statements that aren't imports. */
  readonly statements: readonly ts.Statement[];
}

/** An arrow at the end of a statement's last line. */
const ARROW = /^\s*\/\/\s*→\s*(\S.*?)\s*$/;
const ANY_ARROW = /\/\/\s*→/;

// ---------------------------------------------------------------------------------------------------------- for its types

/** The page's modules as their author wrote them: first the one that runs, then one for each block that doesn't. */
export function typedModules(page: Page, name: string): Module[] {
  const parsed = page.blocks.map((block) => parse(page, block));
  const running = parsed.filter(({ block }) => block.runs);
  const modules = [moduleOf(name, mergedImports(running), running.map(asWritten), exportsOf(running))];
  // What the next block may name: who declares it, and what is imported.
  const scope = new Map<string, { readonly module: string; readonly isType: boolean }>();
  const imports = new Map<string, Binding>();
  for (const one of parsed) {
    const module = one.block.runs ? name : `${name}.${one.block.line}`;
    const own = declaredBy([one]);
    if (!one.block.runs) {
      const taken = new Set([...own.keys(), ...one.imports.map(({ local }) => local)]);
      const named = new Set(one.block.code.match(/[\w$]+/g));
      const inherited = [...imports.values()].filter(({ local }) => named.has(local) && !taken.has(local));
      const seen = [...scope]
        .filter(([local]) => !taken.has(local))
        .map(([local, { module: from, isType }]) => bindingOf(local, from, isType));
      modules.push(
        moduleOf(module, [...mergedImports([one]), ...inherited, ...seen], [asWritten(one)], exportsOf([one])),
      );
    }
    for (const binding of one.imports) {
      imports.set(binding.local, binding);
      scope.delete(binding.local);
    }
    for (const [local, isType] of own) {
      scope.set(local, { module, isType });
      imports.delete(local);
    }
  }
  return modules;
}

function bindingOf(local: string, module: string, isType: boolean): Binding {
  return {
    local,
    specifier: `./${module}.js`,
    isType,
    line: 0,
    clause: (type) => `{ ${type ? 'type ' : ''}${local} }`,
  };
}

function exportsOf(parsed: readonly Parsed[]): string {
  const names = [...declaredBy(parsed, { exported: false })].map(([name, isType]) => `${isType ? 'type ' : ''}${name}`);
  return `export { ${names.join(', ')} };`;
}

// -------------------------------------------------------------------------------------------------------------- to be run

/**
 * The page's module that runs: every statement of its own says where it is, every `// → literal` is asserted, also those inside; one that
 * is never reached is an error.
 */
export function runningModule(page: Page, name: string, recorder: string): Module {
  const running = page.blocks.filter(({ runs }) => runs).map((block) => parse(page, block));
  const record: Binding = {
    local: '$doc',
    specifier: recorder,
    isType: false,
    line: 0,
    clause: () => '{ recorder as $doc }',
  };
  return moduleOf(
    name,
    [record, ...mergedImports(running)],
    running.map((one) => ({ line: one.block.line, code: instrumented(page, one) })),
    '',
  );
}

function instrumented(page: Page, { block, tree, statements }: Parsed): string {
  const { code } = asWritten({ block, tree });
  const lineAt = (position: number) => block.line + tree.getLineAndCharacterOfPosition(position).line;
  const edits: { readonly at: number; readonly text: string }[] = [];
  const asserted = new Set<number>();
  const assertion = (statement: ts.Statement) => {
    const end = statement.getEnd();
    const [, expected] = ARROW.exec(restOfLine(code, end)) ?? [];
    if (expected === undefined) return;
    const line = lineAt(end);
    if (asserted.has(line)) return;
    asserted.add(line);
    checkLiteral(page, line, expected);
    if (ts.isExpressionStatement(statement)) {
      edits.push(
        { at: statement.getStart(tree), text: `$doc.same(${line}, ` },
        { at: statement.expression.getEnd(), text: `, (${expected}))` },
      );
    } else {
      edits.push({ at: end, text: `;$doc.same(${line}, ${assertedName(page, line, statement)}, (${expected}));` });
    }
  };
  const visit = (node: ts.Node) => {
    ts.forEachChild(node, visit);
    // From the inside: of `if (found) found.id; // → 5` it is the inner one.
    if (ts.isStatement(node) && !ts.isBlock(node)) assertion(node);
  };
  for (const statement of statements) {
    const start = statement.getStart(tree);
    edits.push({ at: start, text: `$doc.at(${lineAt(start)});` });
    visit(statement);
  }
  for (const [at, line] of code.split('\n').entries()) {
    if (!ANY_ARROW.test(line) || asserted.has(block.line + at)) continue;
    throw new PageError(
      page.path,
      block.line + at,
      'has an arrow that asserts nothing: it belongs behind a whole statement.',
    );
  }
  if (asserted.size > 0) edits.unshift({ at: 0, text: `$doc.awaits(${[...asserted].join(', ')});` });
  // In the order of the text; at one place, in the order they were found in.
  edits.sort((one, other) => one.at - other.at);
  return edits.reduceRight((text, { at, text: added }) => text.slice(0, at) + added + text.slice(at), code);
}

function restOfLine(code: string, from: number): string {
  const end = code.indexOf('\n', from);
  return code.slice(from, end === -1 ? code.length : end);
}

function checkLiteral(page: Page, line: number, expected: string): void {
  const { diagnostics = [] } = ts.transpileModule(`(${expected})`, { reportDiagnostics: true });
  if (diagnostics.length > 0) throw new PageError(page.path, line, `asserts what is no JavaScript: ${expected}`);
}

function assertedName(page: Page, line: number, statement: ts.Statement): string {
  const declarations = ts.isVariableStatement(statement) ? statement.declarationList.declarations : [];
  const [declaration] = declarations;
  if (declarations.length === 1 && declaration && ts.isIdentifier(declaration.name)) return declaration.name.text;
  throw new PageError(page.path, line, 'asserts neither an expression nor one name that is declared.');
}

// ---------------------------------------------------------------------------------------------------------------- details

function parse(page: Page, block: Block): Parsed {
  const tree = ts.createSourceFile(`${page.path}.ts`, block.code, ts.ScriptTarget.Latest, true);
  const imports: Binding[] = [];
  const statements: ts.Statement[] = [];
  for (const statement of tree.statements) {
    if (!ts.isImportDeclaration(statement)) statements.push(statement);
    else
      imports.push(
        ...bindingsOf(statement, block.line + tree.getLineAndCharacterOfPosition(statement.getStart(tree)).line),
      );
  }
  return { block, tree, imports, statements };
}

function bindingsOf(statement: ts.ImportDeclaration, line: number): Binding[] {
  const specifier = ts.isStringLiteral(statement.moduleSpecifier) ? statement.moduleSpecifier.text : '';
  const { importClause: clause } = statement;
  // For its effects: bound to no name, once for each line.
  if (!clause) return [{ local: `${specifier}:${line}`, specifier, isType: false, line, clause: () => '' }];
  const areTypes = clause.phaseModifier === ts.SyntaxKind.TypeKeyword;
  const bindings: Binding[] = [];
  const add = (local: string, isType: boolean, text: (type: string) => string) =>
    bindings.push({ local, specifier, isType, line, clause: (type) => text(type ? 'type ' : '') });
  if (clause.name) {
    const local = clause.name.text;
    add(local, areTypes, (type) => `${type}${local}`);
  }
  const { namedBindings: named } = clause;
  if (named && ts.isNamespaceImport(named)) add(named.name.text, areTypes, (type) => `${type}* as ${named.name.text}`);
  else if (named) {
    for (const { name, propertyName, isTypeOnly } of named.elements) {
      const imported = propertyName ? `${propertyName.text} as ${name.text}` : name.text;
      add(name.text, areTypes || isTypeOnly, (type) => `{ ${type}${imported} }`);
    }
  }
  return bindings;
}

/** Each name once: what is imported as a type here and as a value there is a value. */
function mergedImports(parsed: readonly Parsed[]): Binding[] {
  const merged = new Map<string, Binding>();
  for (const binding of parsed.flatMap(({ imports }) => imports)) {
    const key = `${binding.specifier} ${binding.clause(false)} ${binding.local}`;
    const known = merged.get(key);
    if (!known || (known.isType && !binding.isType)) merged.set(key, binding);
  }
  return [...merged.values()];
}

/** The names that blocks declare, and whether each is a type only. */
function declaredBy(parsed: readonly Parsed[], { exported = true } = {}): Map<string, boolean> {
  const names = new Map<string, boolean>();
  const add = (name: string, isType: boolean) => names.set(name, isType && (names.get(name) ?? true));
  const addPattern = (name: ts.BindingName) => {
    if (ts.isIdentifier(name)) add(name.text, false);
    else for (const element of name.elements) if (ts.isBindingElement(element)) addPattern(element.name);
  };
  for (const statement of parsed.flatMap(({ statements }) => statements)) {
    if (
      !exported &&
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    )
      continue;
    if (ts.isVariableStatement(statement))
      for (const { name } of statement.declarationList.declarations) addPattern(name);
    else if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
      add(statement.name.text, true);
    else if (
      ts.isFunctionDeclaration(statement) ||
      ts.isClassDeclaration(statement) ||
      ts.isEnumDeclaration(statement)
    ) {
      if (statement.name) add(statement.name.text, false);
    }
  }
  return names;
}

/** A block with its imports blanked: they stand in the header. */
function asWritten({ block, tree }: Pick<Parsed, 'block' | 'tree'>): { readonly line: number; readonly code: string } {
  let { code } = block;
  for (const statement of tree.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const [start, end] = [statement.getStart(tree), statement.getEnd()];
    code = code.slice(0, start) + code.slice(start, end).replace(/[^\n]/g, ' ') + code.slice(end);
  }
  return { line: block.line, code };
}

function moduleOf(
  name: string,
  imports: readonly Binding[],
  blocks: readonly { readonly line: number; readonly code: string }[],
  footer: string,
): Module {
  const header = imports.map(({ clause, specifier, isType }) => {
    const from = clause(isType);
    return `import ${from === '' ? '' : `${from} from `}'${specifier}';`;
  });
  const body: string[] = [];
  for (const { line, code } of blocks) for (const [at, text] of code.split('\n').entries()) body[line - 1 + at] = text;
  const text = [...header, ...Array.from(body, (line) => line ?? ''), footer].join('\n');
  const pageLine = (line: number) => {
    const binding = imports[line - 1];
    if (binding) return binding.line;
    return line - header.length > body.length ? 0 : line - header.length;
  };
  return { name, text, pageLine };
}
