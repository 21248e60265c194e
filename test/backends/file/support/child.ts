/** Child processes and worker threads that use a cache file: started, told what to do, stopped and killed by a test, gone when it is over. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import type { FileArguments } from '../../../../src/backends/file.js';
import { builtPath } from '../../../support/built.js';

const program = join(import.meta.dirname, 'child.mjs');

interface Answer {
  readonly id: number | string;
  readonly answer?: unknown;
  readonly error?: string;
}

type Post = (message: object) => void;

class Answers {
  readonly #post: Post;
  readonly #waiting = new Map<number | string, (answer: Answer) => void>();
  #last = 0;

  constructor(post: Post) {
    this.#post = post;
  }

  hear(answer: Answer): void {
    this.#waiting.get(answer.id)?.(answer);
    this.#waiting.delete(answer.id);
  }

  on(id: number | string): Promise<Answer> {
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  async call(verb: string, args: object): Promise<unknown> {
    const id = ++this.#last;
    const answered = this.on(id);
    this.#post({ id, verb, args });
    const { answer, error } = await answered;
    if (error !== undefined) throw new Error(error);
    return answer;
  }
}

export class Child {
  readonly #answers: Answers;
  readonly process: ChildProcess | undefined;

  constructor(answers: Answers, process: ChildProcess | undefined) {
    this.#answers = answers;
    this.process = process;
  }

  // biome-ignore lint/suspicious/noExplicitAny: what a child answers is checked by the test's assertions
  call(verb: string, args: object = {}): Promise<any> {
    return this.#answers.call(verb, args);
  }

  /** Resolves when the child says this word by itself. */
  says(word: string): Promise<unknown> {
    return this.#answers.on(word);
  }

  /** Resolves when the process is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill(signal);
    if (signal === 'SIGKILL') await exited;
  }
}

/** `library`: in place of that of this project. */
export async function startProcess(args: FileArguments, library?: string): Promise<Child> {
  const given = JSON.stringify({ built: library ?? (await builtPath()), ...args });
  const forked = fork(program, [given], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const answers = new Answers((message) => void forked.send(message));
  forked.on('message', (answer) => answers.hear(answer as Answer));
  const child = new Child(answers, forked);
  onTestFinished(() => child.kill());
  await answers.on('here');
  return child;
}

export async function startThread(args: FileArguments): Promise<Child> {
  const worker = new Worker(program, { workerData: { built: await builtPath(), ...args } });
  const answers = new Answers((message) => worker.postMessage(message));
  worker.on('message', (answer: Answer) => answers.hear(answer));
  onTestFinished(async () => void (await worker.terminate()));
  await answers.on('here');
  return new Child(answers, undefined);
}
