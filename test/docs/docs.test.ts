import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deadLinks } from './links.js';
import { allPages, documentation, ROOT, readPage } from './page.js';
import { runPage, typeTrouble } from './run.js';

beforeEach(() => {
  for (const speak of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, speak).mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

// The first page that runs has the whole library read and transformed.
describe('the documentation', { timeout: 120_000 }, () => {
  it('begins with README.md', () => {
    expect(existsSync(join(ROOT, 'README.md'))).toBe(true);
  });

  it('has its contents in docs/README.md: every page, once', () => {
    const linked = readPage('docs/README.md').links.map(({ target }) => `docs/${target}`);
    const pages = documentation().filter((name) => name.startsWith('docs/') && name !== 'docs/README.md');
    expect(linked.toSorted()).toEqual(pages.toSorted());
  });

  for (const path of documentation().filter((name) => existsSync(join(ROOT, name)))) {
    it(`${path} runs as it is written`, async () => {
      await runPage(readPage(path));
    });
  }

  it('has types that hold, on every page', () => {
    const pages = documentation().filter((name) => existsSync(join(ROOT, name)));
    expect(typeTrouble(pages.map(readPage)).join('\n')).toBe('');
  });

  for (const path of allPages()) {
    it(`${path} has no dead link`, () => {
      expect(deadLinks(readPage(path))).toEqual([]);
    });
  }
});
