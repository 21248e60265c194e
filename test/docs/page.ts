/** A page of documentation as text: its blocks of TypeScript, its headings, its links. Decides nothing of what they are worth. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** What is wrong with a page, and where. */
export class PageError extends Error {
  constructor(page: string, line: number, what: string, options?: { cause?: unknown }) {
    super(`${page}:${line} ${what}`, options);
    this.name = 'PageError';
  }
}

export interface Block {
  /** Of its first line of code, from 1. */
  readonly line: number;
  readonly code: string;
  /** ```ts no-run: only its types are checked. */
  readonly runs: boolean;
}
export interface Link {
  readonly line: number;
  readonly target: string;
}
export interface Page {
  /** Its path from the root of the project. */
  readonly path: string;
  readonly blocks: readonly Block[];
  readonly links: readonly Link[];
  /** What `#…` may name. */
  readonly anchors: ReadonlySet<string>;
}

/** README.md and docs/: the pages whose code is run. */
export function documentation(): string[] {
  return ['README.md', ...markdownIn('docs')];
}

/** All pages of the project, whose links are checked. */
export function allPages(): string[] {
  const top = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  return [...top.sort(), ...markdownIn('docs')];
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
    .sort();
}

export function readPage(path: string): Page {
  return parsePage(path, readFileSync(join(ROOT, path), 'utf8'));
}

interface Fence {
  readonly mark: string;
  readonly indent: number;
  readonly info: string;
  readonly line: number;
  readonly code: string[];
}

export function parsePage(path: string, text: string): Page {
  const blocks: Block[] = [];
  const links: Link[] = [];
  const anchors = new Set<string>();
  let fence: Fence | undefined;
  for (const [at, line] of text.split('\n').entries()) {
    if (fence) {
      const { mark, indent, code } = fence;
      const isEnd = line.trim().startsWith(mark) && line.trim().replaceAll(mark.charAt(0), '') === '';
      if (!isEnd) {
        code.push(line.slice(Math.min(indent, line.length - line.trimStart().length)));
        continue;
      }
      const block = blockOf(path, fence);
      if (block) blocks.push(block);
      fence = undefined;
      continue;
    }
    const [, space = '', mark, info = ''] = /^(\s*)(`{3,}|~{3,})([^`]*)$/.exec(line) ?? [];
    if (mark !== undefined) {
      fence = { mark, indent: space.length, info: info.trim(), line: at + 1, code: [] };
      continue;
    }
    const [, heading] = /^#{1,6}\s+(.*?)\s*#*$/.exec(line) ?? [];
    if (heading !== undefined) addAnchor(anchors, slugOf(heading));
    for (const [, id = ''] of line.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(id);
    for (const target of linksIn(line)) links.push({ line: at + 1, target });
  }
  if (fence) throw new PageError(path, fence.line, 'opens a block that nothing ends.');
  return { path, blocks, links, anchors };
}

function blockOf(page: string, { info, line, code }: Fence): Block | undefined {
  const [language = '', ...flags] = info.split(/\s+/);
  if (language === 'typescript') throw new PageError(page, line, 'is called typescript: say ts, so that it is run.');
  if (language !== 'ts') return undefined;
  const unknown = flags.find((flag) => flag !== 'no-run');
  if (unknown !== undefined) throw new PageError(page, line, `says "${unknown}": a block is \`ts\` or \`ts no-run\`.`);
  return { line: line + 1, code: code.join('\n'), runs: flags.length === 0 };
}

function linksIn(line: string): string[] {
  const prose = line.replace(/(`+).*?\1/g, '');
  const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)].map(([, target = '']) => target);
  const [, reference] = /^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$/.exec(prose) ?? [];
  return reference === undefined ? inline : [...inline, reference];
}

/** As GitHub makes them. */
function slugOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

function addAnchor(anchors: Set<string>, slug: string): void {
  let name = slug;
  for (let count = 1; anchors.has(name); count++) name = `${slug}-${count}`;
  anchors.add(name);
}
