import { transform } from 'esbuild';
import { defineConfig } from 'vitest/config';

const source = (path: string) => new URL(`./src/${path}`, import.meta.url).pathname;

export default defineConfig({
  plugins: [
    {
      // Vite's parser does not know TC39 decorators: tests that use them go through esbuild first.
      name: 'tc39-decorators',
      enforce: 'pre',
      async transform(code, id) {
        if (!/\.[mc]?ts$/.test(id) || !/@\w/.test(code) || !/class/.test(code)) return;
        const result = await transform(code, { loader: 'ts', target: 'es2022', sourcemap: true, sourcefile: id });
        return { code: result.code, map: result.map };
      },
    },
  ],
  resolve: {
    alias: [
      { find: /^dogpile-cache$/, replacement: source('index.ts') },
      { find: /^dogpile-cache\/lock$/, replacement: source('lock/index.ts') },
      { find: /^dogpile-cache\/file$/, replacement: source('backends/file.ts') },
      { find: /^dogpile-cache\/testing$/, replacement: source('testing/index.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
