// @ts-check
/**
 * The floors of ARCHITECTURE.md as a law: imports go down only. Reads the sources of a tree and answers with its offenders; who
 * asks decides what becomes of them (`npm run check`, test/architecture).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';

/**
 * From the ground up. A file may import from its own room and from every floor below; rooms that share a floor do not know each
 * other. `files` are paths in src/; a name that ends in `/` is a folder.
 * @type {readonly { name: string, floor: number, files: readonly string[] }[]}
 */
const ROOMS = [
  {
    name: 'ground',
    floor: 0,
    files: [
      'api.ts',
      'channels.ts',
      'clock.ts',
      'duration.ts',
      'errors.ts',
      'promises.ts',
      'turn.ts',
      'shown.ts',
      'validation.ts',
    ],
  },
  { name: 'lock', floor: 1, files: ['lock/'] },
  { name: 'values', floor: 2, files: ['keys.ts', 'keys/', 'serializers.ts', 'envelope.ts', 'proxy.ts', 'proxies/'] },
  { name: 'region', floor: 3, files: ['region/'] },
  { name: 'backends', floor: 3, files: ['backends/'] },
  { name: 'names', floor: 4, files: ['config.ts', 'registry.ts'] },
  { name: 'watchers', floor: 4, files: ['debug-log.ts'] },
  { name: 'front door', floor: 5, files: ['index.ts'] },
  { name: 'testing', floor: 5, files: ['testing/'] },
  { name: 'plugins', floor: 6, files: ['plugins/'] },
  { name: 'cli', floor: 6, files: ['cli/'] },
];

/** The only ways up or across, each with its reason. One that is no longer used is an offence too. */
const STAIRS = [
  { from: 'region/configured.ts', to: 'registry.ts', why: 'configure() turns a name into a backend' },
  { from: 'region/configured.ts', to: 'backends/lazy.ts', why: 'an engine is loaded before a region uses it' },
  { from: 'region/configured.ts', to: 'backends/drivers.ts', why: 'and so is the package that it needs' },
  { from: 'region/region.ts', to: 'registry.ts', typesOnly: true, why: 'configure() types the arguments of each name' },
  { from: 'region/region.ts', to: 'config.ts', why: 'configureFromConfig() reads a dictionary' },
  { from: 'api.ts', to: 'region/region.ts', typesOnly: true, why: 'the vocabulary names the region' },
  { from: 'api.ts', to: 'proxy.ts', typesOnly: true, why: 'the vocabulary names proxies' },
  { from: 'channels.ts', to: 'region/region.ts', typesOnly: true, why: 'messages carry their region' },
];

/** What lock/ may not know of the ground: a lock is usable without any cache. */
const OF_THE_CACHE = ['channels.ts'];

/**
 * @typedef {object} Import
 * @property {string} target a path in src/ for relative ones, else as it is written
 * @property {boolean} relative
 * @property {number} line
 * @property {'value' | 'type' | 'dynamic'} kind
 */

/**
 * The offences of a source tree, one sentence each; none: it stands.
 * @param {string} source the folder, src/
 * @param {{ packages?: readonly string[], stairs?: readonly { from: string, to: string, typesOnly?: boolean, why: string }[] }} [options]
 *   `packages`: those that may be imported at all, and then only dynamically or as types
 * @returns {string[]}
 */
export function offencesIn(source, { packages = [], stairs = STAIRS } = {}) {
  const files = sourceFiles(source);
  const known = new Set(files);
  /** @type {string[]} */
  const offences = [];
  const used = new Set();
  /** @type {Map<string, string[]>} */
  const values = new Map();

  for (const file of files) {
    const room = roomOf(file);
    if (!room)
      offences.push(`${file} stands on no floor: give it one in scripts/checks/floors.mjs, and in ARCHITECTURE.md.`);
    const imports = importsOf(file, readFileSync(join(source, file), 'utf8'));
    const inside = imports.filter(({ relative, kind }) => relative && kind === 'value');
    values.set(
      file,
      inside.map(({ target }) => target),
    );
    for (const { target, relative, line, kind } of imports) {
      const at = `${file}:${line}`;
      if (!relative) {
        const trouble = troubleOutside(target, kind, packages);
        if (trouble) offences.push(`${at} ${trouble}`);
        continue;
      }
      if (!known.has(target)) {
        offences.push(`${at} imports ${target}, which is not there.`);
        continue;
      }
      const stair = stairs.find((one) => one.from === file && one.to === target);
      if (stair) used.add(stair);
      if (stair && (kind === 'type' || stair.typesOnly !== true)) continue;
      const other = roomOf(target);
      if (!room || !other) continue;
      if (stair) offences.push(`${at} may import only types from ${target} (${stair.why}).`);
      else if (room.name === 'lock' && OF_THE_CACHE.includes(target)) {
        offences.push(
          `${at} imports ${target}: lock/ knows no cache. What it has to tell, it tells by a function it is given.`,
        );
      } else if (other !== room && other.floor === room.floor) {
        offences.push(
          `${at} imports ${target}: ${room.name} and ${other.name} share a floor and do not know each other. What both need belongs further down.`,
        );
      } else if (other.floor > room.floor) {
        offences.push(`${at} imports ${target}: ${other.name} is above ${room.name}, and imports go down only.`);
      }
    }
  }
  for (const stair of stairs) {
    if (!used.has(stair))
      offences.push(`${stair.from} no longer imports ${stair.to}: take that stair out of scripts/checks/floors.mjs.`);
  }
  for (const circle of circlesIn(values))
    offences.push(`${circle.join(' → ')}: a circle of imports. Types may go round, values may not.`);
  return offences;
}

/** @param {string} source */
function sourceFiles(source) {
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .sort();
}

/** @param {string} file */
function roomOf(file) {
  return ROOMS.find(({ files }) => files.some((name) => (name.endsWith('/') ? file.startsWith(name) : file === name)));
}

/**
 * @param {string} target
 * @param {Import['kind']} kind
 * @param {readonly string[]} packages
 */
function troubleOutside(target, kind, packages) {
  if (target.startsWith('node:')) return undefined;
  const name = target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
  if (!packages.includes(name))
    return `imports ${target}: it is no peer of this package, and there are no dependencies.`;
  if (kind === 'value')
    return `imports ${target} at once: an optional package is imported when it is needed, by \`await import()\`.`;
  return undefined;
}

/**
 * Every import and re-export of a file, `import()` and `typeof import()` too.
 * @param {string} file its path in src/
 * @param {string} text
 * @returns {Import[]}
 */
function importsOf(file, text) {
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  /** @type {Import[]} */
  const imports = [];
  const add = (/** @type {ts.Node} */ node, /** @type {string} */ specifier, /** @type {Import['kind']} */ kind) => {
    const relative = specifier.startsWith('.');
    const target = relative ? posix.normalize(posix.join(dirname(file), specifier)).replace(/\.js$/, '.ts') : specifier;
    imports.push({ target, relative, kind, line: tree.getLineAndCharacterOfPosition(node.getStart()).line + 1 });
  };
  const visit = (/** @type {ts.Node} */ node) => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node, node.moduleSpecifier.text, isTypesOnly(node.importClause) ? 'type' : 'value');
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node, node.moduleSpecifier.text, node.isTypeOnly ? 'type' : 'value');
    } else if (
      ts.isImportTypeNode(node) &&
      ts.isLiteralTypeNode(node.argument) &&
      ts.isStringLiteral(node.argument.literal)
    ) {
      add(node, node.argument.literal.text, 'type');
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier && ts.isStringLiteralLike(specifier)) add(node, specifier.text, 'dynamic');
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return imports;
}

/** @param {ts.ImportClause | undefined} clause */
function isTypesOnly(clause) {
  if (!clause) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  return (
    name === undefined &&
    !!namedBindings &&
    ts.isNamedImports(namedBindings) &&
    namedBindings.elements.every((one) => one.isTypeOnly)
  );
}

/**
 * @param {ReadonlyMap<string, readonly string[]>} graph
 * @returns {string[][]}
 */
function circlesIn(graph) {
  /** @type {string[][]} */
  const circles = [];
  const done = new Set();
  const walk = (/** @type {string} */ file, /** @type {string[]} */ path) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file]);
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return circles;
}
