/**
 * A lease inside the process: what a commit, a release, an operation that overrules it and its time limit make of it. Decides nothing
 * of who gets the lock next.
 */
import type { Awaitable, Clock, Lease, LossReason } from '../api.js';
import { isPromiseLike } from '../promises.js';
import { newToken } from './lease.js';
import { after } from './timer.js';
import { tellLoss } from './trouble.js';

/** It ends once: released, committed, overruled, or lapsed after `maxHold`. */
export class LocalLease implements Lease {
  #token: string | undefined;
  #state: 'held' | 'committing' | 'ended' = 'held';
  /** Why it was lost, if it was. */
  #why: LossReason | undefined;
  #lost: ((why: LossReason) => void)[] | undefined;
  /** There while somebody who overrules waits for the commit. */
  #committed: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  readonly #stopLimit: () => void;
  readonly #ended: () => void;

  constructor(clock: Clock, maxHold: number, ended: () => void) {
    this.#ended = ended;
    this.#stopLimit = after(clock, maxHold, () => this.#lose('lapsed'));
  }

  get token(): string {
    this.#token ??= newToken();
    return this.#token;
  }

  /** Whether a commit would be accepted. */
  get stands(): boolean {
    return this.#state === 'held';
  }

  /**
   * Writes and releases if the lease stands, else answers `false` and writes nothing. From here to the end of the write the
   * lease neither lapses nor can be overruled: who overrules waits for it.
   */
  commit(write: () => Awaitable<boolean | void>): Awaitable<boolean> {
    if (this.#state !== 'held') return false;
    this.#state = 'committing';
    let answer: Awaitable<boolean | void>;
    try {
      answer = write();
    } catch (error) {
      this.#end();
      throw error;
    }
    if (!isPromiseLike(answer)) {
      this.#end();
      return answer !== false;
    }
    return this.#endAfter(answer);
  }

  release(): void {
    if (this.#state === 'held') this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }

  /** Called back at once, if it has been lost by now. */
  whenLost(run: (why: LossReason) => void): void {
    if (this.#why) tellLoss([run], this.#why);
    if (this.#state === 'ended') return;
    this.#lost ??= [];
    this.#lost.push(run);
  }

  /** Loses the lease; while it commits, waits for that instead. */
  overruled(): Promise<void> | undefined {
    if (this.#state !== 'committing') {
      this.#lose('voided');
      return undefined;
    }
    this.#committed ??= deferred();
    return this.#committed.promise;
  }

  async #endAfter(write: PromiseLike<boolean | void>): Promise<boolean> {
    try {
      return (await write) !== false;
    } finally {
      this.#end();
    }
  }

  #lose(why: LossReason): void {
    if (this.#state !== 'held') return;
    this.#why = why;
    const listeners = this.#lost ?? [];
    this.#end();
    tellLoss(listeners, why);
  }

  #end(): void {
    this.#state = 'ended';
    this.#lost = undefined;
    this.#stopLimit();
    this.#committed?.resolve();
    this.#ended();
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
