// For programs whose `lib` does not know `AsyncDisposable`.
/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Many readers or one writer (Python's `ReadWriteMutex`). Who waits is served in the order of arrival, so that a stream of
 * readers does not starve a writer.
 */
import type { Clock, Duration } from '../api.js';
import { systemClock } from '../clock.js';
import { durationOption } from '../duration.js';
import { after } from './timer.js';

interface Waiter {
  readonly mode: 'read' | 'write';
  grant(): void;
}

interface WaitOptions {
  /** `true` (default): until it is granted; `false`: one try; else at most so long. */
  wait?: boolean | Duration | undefined;
}

export class ReadWriteMutex {
  readonly #clock: Clock;
  #readers = 0;
  #writing = false;
  readonly #queue = new Set<Waiter>();

  constructor(options: { clock?: Clock | undefined } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  /** Disposing of the answer releases it, once. `undefined`: not granted (in time). */
  acquireRead(options: WaitOptions = {}): Promise<AsyncDisposable | undefined> {
    return this.#acquire('read', options);
  }

  acquireWrite(options: WaitOptions = {}): Promise<AsyncDisposable | undefined> {
    return this.#acquire('write', options);
  }

  async #acquire(mode: Waiter['mode'], { wait = true }: WaitOptions): Promise<AsyncDisposable | undefined> {
    const ms = typeof wait === 'boolean' ? Number.POSITIVE_INFINITY : durationOption(wait, 'wait');
    if (this.#queue.size === 0 && this.#free(mode)) return this.#take(mode);
    if (wait === false) return undefined;
    return new Promise((resolve) => {
      const waiter: Waiter = {
        mode,
        grant: () => {
          stopLimit();
          resolve(this.#take(mode));
        },
      };
      const limit = () => {
        this.#queue.delete(waiter);
        resolve(undefined);
        // A writer that gives up may have been all that readers behind it waited for.
        this.#next();
      };
      const stopLimit = after(this.#clock, ms, limit, { isAwaited: true });
      this.#queue.add(waiter);
    });
  }

  #free(mode: Waiter['mode']): boolean {
    return !this.#writing && (mode === 'read' || this.#readers === 0);
  }

  #take(mode: Waiter['mode']): AsyncDisposable {
    if (mode === 'read') this.#readers++;
    else this.#writing = true;
    let held = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (!held) return;
        held = false;
        if (mode === 'read') this.#readers--;
        else this.#writing = false;
        this.#next();
      },
    };
  }

  #next(): void {
    for (const waiter of this.#queue) {
      if (!this.#free(waiter.mode)) return;
      this.#queue.delete(waiter);
      waiter.grant();
    }
  }
}
