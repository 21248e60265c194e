/**
 * Processes that share a store, of Python's dogpile.cache (Debian's, by /usr/bin/python3) and of ours: started, told what to do, frozen
 * and killed by a test. What they run is source text of their language, with the names `region` and `create`; a creation goes on until
 * the test says how it ends.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PYTHON } from '../../../scripts/programs.mjs';
import { builtPath } from '../../support/built.js';

export interface SideOptions {
  /** As `configure` of that side knows it. */
  readonly backend: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Seconds. Default: an hour. */
  readonly expiration?: number | undefined;
  readonly mangler?: 'sha1' | undefined;
}
export interface PythonOptions extends SideOptions {
  /** `'pickle'`: what Python does without being told. Default `'json'`. */
  readonly serializer?: 'json' | 'pickle' | undefined;
  /** The `__module__` of functions that are defined there. Default `'app'`. */
  readonly module?: string | undefined;
}
export interface OurOptions extends SideOptions {
  /** What `configure` takes besides. */
  readonly policy?: Readonly<Record<string, unknown>> | undefined;
}

/** How each side spells what both can do. */
const WORDS = {
  python: {
    get: 'region.get(key)',
    set: 'region.set(key, value)',
    delete: 'region.delete(key)',
    getOrCreate: 'region.get_or_create(key, create)',
  },
  ours: {
    get: 'region.get(key)',
    set: 'region.set(key, value)',
    delete: 'region.delete(key)',
    getOrCreate: 'region.getOrCreate(key, create)',
  },
} as const;

export type Side = keyof typeof WORDS;

/** What a participant was told to do, as it goes on. */
export class Call {
  readonly #tell: (message: object) => void;
  readonly answer: Promise<unknown>;
  /** It has found nothing, and somebody holds the lock (Python: or nobody yet). Rejects once it is answered without. */
  readonly waits: Promise<unknown>;
  /** Its creator runs, with these arguments. Rejects once it is answered without. */
  readonly creates: Promise<unknown>;
  readonly #hear = new Map<string, (value: unknown) => void>();
  #reject: (error: Error) => void = () => {};

  constructor(tell: (message: object) => void) {
    this.#tell = tell;
    const heard = (word: string) => new Promise<unknown>((resolve) => this.#hear.set(word, resolve));
    const [waits, creates] = [heard('waits'), heard('creates')];
    this.answer = new Promise((resolve, reject) => {
      this.#hear.set('answer', resolve);
      this.#reject = reject;
    });
    const without = this.answer.then((answer) => {
      throw new Error(`It was answered before: ${JSON.stringify(answer)}`);
    });
    this.waits = Promise.race([waits, without]);
    this.creates = Promise.race([creates, without]);
    // Tests look at those that they are about.
    for (const promise of [this.answer, this.waits, this.creates]) promise.catch(() => {});
  }

  hear(message: Readonly<Record<string, unknown>>): void {
    if (typeof message.raises === 'string') this.#reject(new Error(message.raises));
    for (const [word, resolve] of this.#hear) if (word in message) resolve(message[word]);
  }

  gone(): void {
    this.#reject(new Error('The participant is gone.'));
  }

  /** Its creator returns this. Answers with what the call gives. */
  finish(value: unknown): Promise<unknown> {
    this.#tell({ finish: value });
    return this.answer;
  }

  fail(reason: string): Promise<unknown> {
    this.#tell({ fail: reason });
    return this.answer;
  }
}

const running = new Set<Participant>();
process.on('exit', () => {
  for (const participant of running) participant.signal('SIGKILL');
});

export class Participant {
  readonly side: Side;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  readonly #calls = new Map<number, Call>();
  #last = 0;
  #errors = '';

  constructor(side: Side, process: ChildProcessWithoutNullStreams) {
    this.side = side;
    this.#process = process;
    this.#ended = once(process, 'exit');
    process.once('error', (error) => (this.#errors += error.message));
    process.stderr.on('data', (chunk) => (this.#errors = (this.#errors + chunk).slice(-5000)));
    // It may be gone before it has read.
    process.stdin.on('error', () => {});
    running.add(this);
    this.#ended.then(
      () => this.#end(),
      () => this.#end(),
    );
  }

  async ready(): Promise<this> {
    const lines = createInterface({ input: this.#process.stdout });
    const here = new Promise<void>((resolve) => {
      lines.on('line', (line) => {
        const message: Record<string, unknown> = JSON.parse(line);
        if ('here' in message) resolve();
        this.#calls.get(Number(message.id))?.hear(message);
      });
    });
    const why = () => {
      throw new Error(`The ${this.side} participant does not start: ${this.#errors.trim() || 'it says nothing'}`);
    };
    await Promise.race([here, this.#ended.then(why, why)]);
    return this;
  }

  /** Source text of its language, with these names besides. */
  start(source: string, given: Readonly<Record<string, unknown>> = {}): Call {
    const id = ++this.#last;
    const tell = (message: object) => void this.#process.stdin.write(`${JSON.stringify({ id, ...message })}\n`);
    const call = new Call(tell);
    this.#calls.set(id, call);
    tell({ run: source, given });
    return call;
  }

  run(source: string, given?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.start(source, given).answer;
  }

  get(key: string): Promise<unknown> {
    return this.run(WORDS[this.side].get, { key });
  }

  set(key: string, value: unknown): Promise<unknown> {
    return this.run(WORDS[this.side].set, { key, value });
  }

  delete(key: string): Promise<unknown> {
    return this.run(WORDS[this.side].delete, { key });
  }

  getOrCreate(key: string): Call {
    return this.start(WORDS[this.side].getOrCreate, { key });
  }

  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Without a word, as a crash does; resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#ended;
  }

  #end(): void {
    running.delete(this);
    for (const call of this.#calls.values()) call.gone();
  }
}

/** All that are left. */
export async function killAll(): Promise<void> {
  await Promise.all([...running].map((participant) => participant.kill()));
}

const program = (name: string) => join(import.meta.dirname, name);

export function startPython({ serializer = 'json', module = 'app', ...options }: PythonOptions): Promise<Participant> {
  const given = { serializer, module, expiration: 3600, mangler: null, ...options };
  return new Participant('python', spawn(PYTHON, [program('participant.py'), JSON.stringify(given)])).ready();
}

export async function startOurs(options: OurOptions): Promise<Participant> {
  const given = { built: await builtPath(), expiration: 3600, ...options };
  return new Participant('ours', spawn(process.execPath, [program('participant.mjs'), JSON.stringify(given)])).ready();
}
