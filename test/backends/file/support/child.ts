/** Child processes and worker threads that use a cache file. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import type { FileArguments } from '../../../../src/backends/file.js';
import { builtPath } from '../../../support/built.js';
import { type Answer, Answers, Child, crowd, forkChild } from '../../../support/children.js';

export { type Child, crowd };

const program = join(import.meta.dirname, 'child.mjs');

/** `library`: in place of that of this project. */
export async function startProcess(args: FileArguments, library?: string): Promise<Child> {
  return forkChild(program, { built: library ?? (await builtPath()), ...args });
}

export async function startThread(args: FileArguments): Promise<Child> {
  const worker = new Worker(program, { workerData: { built: await builtPath(), ...args } });
  const answers = new Answers((message) => worker.postMessage(message));
  worker.on('message', (answer: Answer) => answers.hear(answer));
  onTestFinished(async () => void (await worker.terminate()));
  await answers.on('here');
  return new Child(answers, undefined);
}
