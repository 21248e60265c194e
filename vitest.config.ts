import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { defineConfig } from 'vitest/config';

/** Every entry point of the package as its source: `dogpile-cache/lock` is src/lock/index.ts. */
function entryPoints() {
  const { name, exports } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as {
    name: string;
    exports: Record<string, string | { default: string }>;
  };
  return Object.entries(exports).flatMap(([entry, target]) => {
    if (typeof target === 'string') return [];
    const source = target.default.replace('./dist/', './src/').replace(/\.js$/, '.ts');
    return [
      { find: new RegExp(`^${name}${entry.slice(1)}$`), replacement: fileURLToPath(new URL(source, import.meta.url)) },
    ];
  });
}

export default defineConfig({
  plugins: [
    {
      // Vite's parser does not know TC39 decorators: tests that use them go through esbuild first.
      // It renames functions that are called as a variable is; keys are made of their names.
      name: 'tc39-decorators',
      enforce: 'pre',
      async transform(code, id) {
        if (!/\.[mc]?ts$/.test(id) || !/@\w/.test(code) || !/class/.test(code)) return;
        const result = await transform(code, {
          loader: 'ts',
          target: 'es2022',
          keepNames: true,
          sourcemap: true,
          sourcefile: id,
        });
        return { code: result.code, map: result.map };
      },
    },
  ],
  resolve: {
    alias: entryPoints(),
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // More than the cores of CI: half of the time goes by waiting for servers and other processes.
    maxWorkers: 3,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html'],
      reportOnFailure: true,
      // What holds, rounded down; raised when more does. Child processes, which run from dist/, are not counted.
      thresholds: { statements: 97, branches: 93, functions: 96, lines: 98 },
    },
  },
});
