/** Child processes with a region over memcached: started, told what to do and killed by a test, gone when it is over. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ConfigureOptions } from '../../../../src/api.js';
import type { MemcachedArguments } from '../../../../src/backends/memcached.js';
import { builtPath } from '../../../support/built.js';

interface Answer {
  readonly id: number | string;
  readonly answer?: unknown;
  readonly error?: string;
}

export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number | string, (answer: Answer) => void>();
  #last = 0;

  constructor(process: ChildProcess) {
    this.#process = process;
    process.on('message', (message) => {
      const answer = message as Answer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** Resolves when the child says this word by itself. */
  says(word: number | string): Promise<Answer> {
    return new Promise((resolve) => this.#waiting.set(word, resolve));
  }

  // biome-ignore lint/suspicious/noExplicitAny: what a child answers is checked by the test's assertions
  async call(verb: string, args: object = {}): Promise<any> {
    const id = ++this.#last;
    const answered = this.says(id);
    this.#process.send({ id, verb, args });
    const { answer, error } = await answered;
    if (error !== undefined) throw new Error(error);
    return answer;
  }

  /** Resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}

export async function startChild(args: MemcachedArguments & { readonly policy?: ConfigureOptions }): Promise<Child> {
  const given = JSON.stringify({ built: await builtPath(), ...args });
  const program = join(import.meta.dirname, 'child.mjs');
  const child = new Child(fork(program, [given], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
  onTestFinished(() => child.kill());
  await child.says('here');
  return child;
}
