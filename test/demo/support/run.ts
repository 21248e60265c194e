/** The demonstration as a user starts it: from `dist/`, in a process of its own, whose temporary directory is the test's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const MAIN = join(import.meta.dirname, '../../../examples/demo/main.mjs');

/** Loaded into each process of the demonstration, before anything else. */
export const preloads = {
  /** Leaves a file that is named after the process. */
  counted: join(import.meta.dirname, 'counted.mjs'),
  /** Takes the store away that the processes share, and its locks. */
  unlocked: join(import.meta.dirname, 'unlocked.mjs'),
};

export class Demo {
  readonly folder = mkdtempSync(join(tmpdir(), 'dogpile-test-demo-'));
  readonly #temporary = join(this.folder, 'tmp');
  readonly #pids = join(this.folder, 'pids');
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;
  output = '';
  errors = '';

  constructor(args: readonly string[], preload: string = preloads.counted) {
    for (const folder of [this.#temporary, this.#pids]) mkdirSync(folder);
    this.#child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.folder,
      env: {
        PATH: process.env.PATH,
        TMPDIR: this.#temporary,
        TEST_PIDS: this.#pids,
        NODE_OPTIONS: `--import=${pathToFileURL(preload)}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.#exited = once(this.#child, 'close');
  }

  async exitCode(): Promise<unknown> {
    const [code] = await this.#exited;
    return code;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** What it has left in the directory for temporary files. */
  get leftovers(): string[] {
    return readdirSync(this.#temporary).filter((name) => name.startsWith('dogpile-demo-'));
  }

  /** All processes that were started, itself among them. */
  get started(): number[] {
    return readdirSync(this.#pids).map(Number);
  }

  get living(): number[] {
    return this.started.filter(isAlive);
  }

  /** Whatever the test has come to. */
  async clear(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
