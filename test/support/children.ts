/**
 * Child processes and worker threads that a test starts, tells what to do, stops and kills: `{ id, verb, args }` in, `{ id, answer | error }`
 * out. What one says by itself has a word for its id, and waits for a test that asks.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

export interface Answer {
  readonly id: number | string;
  readonly answer?: unknown;
  readonly error?: string;
}

type Post = (message: object) => void;

export class Answers {
  readonly #post: Post;
  readonly #waiting = new Map<number | string, (answer: Answer) => void>();
  /** Came before anybody asked. */
  readonly #kept: Answer[] = [];
  #last = 0;

  constructor(post: Post) {
    this.#post = post;
  }

  hear(answer: Answer): void {
    const tell = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (tell) tell(answer);
    else this.#kept.push(answer);
  }

  /** Each answer is given once. */
  async on(id: number | string): Promise<Answer> {
    const at = this.#kept.findIndex((answer) => answer.id === id);
    const [kept] = at < 0 ? [] : this.#kept.splice(at, 1);
    return kept ?? new Promise((resolve) => this.#waiting.set(id, resolve));
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
  /** What it has written to stderr: all of it once it is killed. */
  errors = '';

  constructor(answers: Answers, process: ChildProcess | undefined) {
    this.#answers = answers;
    this.process = process;
    process?.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
      globalThis.process.stderr.write(text);
    });
  }

  // biome-ignore lint/suspicious/noExplicitAny: what a child answers is checked by the test's assertions
  call(verb: string, args: object = {}): Promise<any> {
    return this.#answers.call(verb, args);
  }

  /** Resolves when the child says this word by itself, or has said it, with what it says besides. Each time is told once. */
  // biome-ignore lint/suspicious/noExplicitAny: as of `call`
  async says(word: string): Promise<any> {
    return (await this.#answers.on(word)).answer;
  }

  /** Resolves when the process is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'close');
    this.process.kill(signal);
    if (signal === 'SIGKILL') await gone;
  }
}

/** Gone when the test is over. It has the object as its one argument, and says `here` when it is ready. */
export async function forkChild(
  program: string,
  given: object,
  { env = {} }: { env?: Record<string, string> } = {},
): Promise<Child> {
  const forked = fork(program, [JSON.stringify(given)], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, ...env },
  });
  const answers = new Answers((message) => void forked.send(message));
  forked.on('message', (answer) => answers.hear(answer as Answer));
  const child = new Child(answers, forked);
  onTestFinished(() => child.kill());
  await Promise.race([
    answers.on('here'),
    once(forked, 'exit').then(([code]) => {
      throw new Error(`A child process ended with ${code} before it was ready.`);
    }),
  ]);
  return child;
}

/**
 * So many callers in each, by their verb `crowd`, while one creates: how many did, and what all others were given meanwhile. Whoever
 * waits for the creation waits for ever.
 */
export async function crowd(fleet: readonly Child[], args: object): Promise<{ creations: number; rest: unknown[] }> {
  const calls = fleet.map((child) => child.call('crowd', args));
  const rest = await Promise.all(fleet.map((child) => child.says('rest')));
  for (const child of fleet) await child.call('finish');
  const creations = await Promise.all(calls);
  return { creations: creations.reduce((sum, each) => sum + each, 0), rest: rest.flat() };
}
