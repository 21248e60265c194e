/**
 * A simulation over source of which a rule was taken out. The text has to be there, once: what is renamed or moved is renamed here, too.
 * Each runs in a thread of its own, whose copy of the library is nobody else's.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { build, type Plugin } from 'esbuild';
import type { PackageSimulationOptions } from '../../../src/testing/simulation/simulate.js';

const ROOT = join(import.meta.dirname, '../../..');

export interface Mutation {
  /** Below `src/`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Search extends Omit<PackageSimulationOptions, 'seed'> {
  /** The first one, and how many. */
  readonly first: number;
  readonly seeds: number;
}

/** The first violation of the first seed that finds one. */
export async function firstFoundIn(mutation: Mutation, search: Search): Promise<string | undefined> {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { parentPort, workerData } from 'node:worker_threads';
        import { simulatePackage } from './src/testing/simulation/simulate.ts';
        import { firstFound } from './test/simulation/support/first-found.ts';
        const { first, seeds, ...options } = workerData;
        const run = (seed) => simulatePackage({ seed, ...options });
        parentPort.postMessage(await firstFound(run, seeds, { first }));`,
      resolveDir: ROOT,
      loader: 'ts',
    },
    plugins: [mutate(mutation)],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'silent',
  });
  const code = outputFiles[0]?.text ?? '';
  const worker = new Worker(new URL(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`), {
    workerData: search,
  });
  try {
    return await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  } finally {
    await worker.terminate();
  }
}

function mutate({ file, from, to }: Mutation): Plugin {
  const path = join(ROOT, 'src', file);
  return {
    name: 'mutate',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.ts$/ }, async (asked) => {
        if (asked.path !== path) return undefined;
        const text = await readFile(path, 'utf8');
        const parts = text.split(from);
        if (parts.length !== 2) throw new Error(`src/${file} has ${parts.length - 1} times: ${from}`);
        return { contents: parts.join(to), loader: 'ts' };
      });
    },
  };
}
