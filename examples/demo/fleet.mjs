/** The processes: starts them, speaks with them, kills them, and knows an expected death from another. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const WORKER = fileURLToPath(new URL('worker.mjs', import.meta.url));
const LAST_WORDS = 2000;

export class Fleet {
  /** By number; one that was killed is gone at once. */
  #workers = new Map();
  /** All that have not exited, killed or not. */
  #alive = new Set();
  #callers;
  #listener = () => {};
  #fail;
  /** Rejects when a process dies by itself. */
  failure = new Promise((_, reject) => {
    this.#fail = reject;
  });

  constructor({ callers }) {
    this.#callers = callers;
    this.failure.catch(() => {});
  }

  get numbers() {
    return [...this.#workers.keys()];
  }

  /** Who hears what the processes tell. */
  listen(listener) {
    this.#listener = listener;
  }

  /** Until it has its words. */
  async launch(number) {
    const child = fork(WORKER, [String(number), String(this.#callers)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    const worker = { child, number, isDoomed: false, lastWords: '' };
    this.#workers.set(number, worker);
    this.#alive.add(worker);
    child.stderr.setEncoding('utf8').on('data', (text) => {
      worker.lastWords = (worker.lastWords + text).slice(-LAST_WORDS);
    });
    child.on('message', (message) => this.#hear(worker, message));
    child.on('error', (cause) => this.#fail(new Error(`Process ${number}: ${cause.message}`, { cause })));
    child.on('close', (code, signal) => {
      this.#alive.delete(worker);
      if (!worker.isDoomed) this.#fail(new Error(epitaph(worker, code, signal)));
    });
    await this.#told(worker, 'up');
  }

  /** Says it to one, and waits until it has answered so. */
  async ask(number, message, answer) {
    const worker = this.#workers.get(number);
    // Killed meanwhile.
    if (!worker) return;
    const told = this.#told(worker, answer);
    this.tell(number, message);
    await told;
  }

  askAll(message, answer) {
    return Promise.all(this.numbers.map((number) => this.ask(number, message, answer)));
  }

  tell(number, message) {
    // It may be dying; that is heard of by its exit.
    this.#workers.get(number)?.child.send(message, () => {});
  }

  kill(number) {
    const worker = this.#workers.get(number);
    if (!worker) return;
    this.#workers.delete(number);
    this.#killNow(worker);
  }

  killAll() {
    this.#workers.clear();
    for (const worker of this.#alive) this.#killNow(worker);
  }

  /** Until none is left. */
  async end() {
    const gone = [...this.#alive].map(({ child }) => once(child, 'close'));
    this.killAll();
    await Promise.all(gone);
  }

  #killNow(worker) {
    worker.isDoomed = true;
    worker.child.kill('SIGKILL');
    for (const { resolve } of worker.questions?.values() ?? []) resolve();
  }

  #hear(worker, message) {
    worker.questions?.get(message.kind)?.resolve();
    this.#listener(message);
  }

  /** A process that is killed answers everything, so that nobody waits for it. */
  #told(worker, kind) {
    worker.questions ??= new Map();
    return new Promise((resolve) => worker.questions.set(kind, { resolve }));
  }
}

function epitaph({ number, lastWords }, code, signal) {
  const how = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
  const words = lastWords.trim();
  return `Process ${number} ${how}.${words === '' ? '' : `\nIts last words:\n${words}`}`;
}
