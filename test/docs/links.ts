/** Links between the project's pages and files. Decides which are dead; what lies on the network is not asked. */
import { existsSync, statSync } from 'node:fs';
import { join, normalize, posix } from 'node:path';
import { type Page, ROOT, readPage } from './page.js';

/** One sentence for each. */
export function deadLinks(page: Page): string[] {
  const dead: string[] = [];
  for (const { line, target } of page.links) {
    const why = whyDead(page, target);
    if (why !== undefined) dead.push(`${page.path}:${line} links to ${target}: ${why}`);
  }
  return dead;
}

function whyDead(page: Page, target: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  if (path.startsWith('/')) return 'say where it is from this page, not from a root.';
  const file = path === '' ? page.path : posix.join(posix.dirname(page.path), decodeURIComponent(path));
  if (normalize(file).startsWith('..')) return 'it is outside the project.';
  if (!existsSync(join(ROOT, file))) return 'there is no such file.';
  if (anchor === undefined || anchor === '') return undefined;
  if (!file.endsWith('.md') || statSync(join(ROOT, file)).isDirectory()) return 'only pages have anchors.';
  const { anchors } = file === page.path ? page : readPage(file);
  return anchors.has(decodeURIComponent(anchor)) ? undefined : `${file} has no heading of that name.`;
}
