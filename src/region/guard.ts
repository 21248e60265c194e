/**
 * What stands between a region and a store behind a network (semantics §7): a deadline for every call, and a breaker that is fed by
 * errors and time-outs. Decides whether and how long a store is asked; what goes on without it is decided above.
 */
import type { Awaitable, Clock } from '../api.js';
import {
  BackendTimeoutError,
  BackendUnavailableError,
  CantDeserializeError,
  DriverNotInstalledError,
  LockTimeoutError,
  RegionClosedError,
  SerializationError,
  ValidationError,
  ValueTooLargeError,
} from '../errors.js';
import { isPromiseLike } from '../promises.js';
import { messageOf } from '../shown.js';
import { afterTurn } from '../turn.js';

export interface Breaker {
  /** So many failures in a row open it. */
  readonly failures: number;
  /** Milliseconds until one call is let through as a probe. */
  readonly cooldown: number;
}

export type BreakerState = 'open' | 'half-open' | 'closed';

export interface GuardOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly breaker: Breaker | undefined;
  readonly clock: Clock;
  changed(state: BreakerState): void;
}

/** The store was not asked, because the breaker is open. Known already: neither counted nor told again. */
export class BreakerOpenError extends BackendUnavailableError {
  override readonly name = 'BackendUnavailableError';
}

/** Whether a failure says that the store is out of reach rather than that it refused. */
export function isDown(error: unknown): boolean {
  return error instanceof BackendTimeoutError || error instanceof BreakerOpenError;
}

function isOfOneServer(error: unknown): boolean {
  return (
    (error instanceof BackendTimeoutError || error instanceof BackendUnavailableError) && error.isOfOneServer === true
  );
}

export interface GuardedCall<T> {
  readonly verb: string;
  run(): Awaitable<T>;
  /** What is done with an answer that comes too late: a lease is given back. */
  late?(answer: T): void;
  /** Whether this was answered without asking the store: then it says nothing of it. */
  isUnasked?(answer: T): boolean;
  /** Also while the breaker is open, and without feeding it: what is given back should be. */
  readonly always?: boolean;
  /** More than the deadline, for a call that is meant to wait. Milliseconds. */
  readonly extra?: number;
  /** Of the caller: his abort is no failure of the store. */
  readonly signal?: AbortSignal;
}

export class Guard {
  readonly #options: GuardOptions;
  #state: BreakerState = 'closed';
  /** In a row. */
  #failures = 0;
  /** The last of them. */
  #lastFailure: unknown;
  #openedAt = 0;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Rejects with `BackendTimeoutError` at the deadline, `BackendUnavailableError` at once while the breaker is open. */
  call<T>({ verb, run, late, isUnasked, always = false, extra = 0, signal }: GuardedCall<T>): Promise<T> {
    if (!always) {
      const refusal = this.#refusal();
      if (refusal) return Promise.reject(refusal);
    }
    const { clock, timeout } = this.#options;
    return new Promise((resolve, reject) => {
      let state: 'waiting' | 'answered' | 'late' = 'waiting';
      const expire = () => {
        if (state !== 'waiting') return;
        state = 'late';
        const error = new BackendTimeoutError(
          `The store did not answer to ${verb} within ${timeout + extra} ms (backendTimeout).`,
        );
        if (!always) this.#failed(error);
        reject(error);
      };
      let timer: unknown;
      const answered = (answer: T) => {
        if (state === 'late') return late?.(answer);
        state = 'answered';
        clock.clearTimeout(timer);
        if (isUnasked?.(answer)) this.#withdrawn();
        else if (!always) this.#succeeded();
        resolve(answer);
      };
      const failed = (error: unknown) => {
        if (state === 'late') return;
        state = 'answered';
        clock.clearTimeout(timer);
        if (!always) this.#judge(error, signal);
        reject(error);
      };
      try {
        const answer = run();
        if (!isPromiseLike(answer)) return answered(answer);
        // While the answer is on its way: before, it would hold up every hit. And behind the backend's own deadline, which may be as long,
        // and knows which of its servers is late.
        if (timeout < Number.POSITIVE_INFINITY) timer = clock.setTimeout(() => afterTurn(expire), timeout + extra);
        answer.then(answered, failed);
      } catch (error) {
        failed(error);
      }
    });
  }

  /** Why the store is not asked now, or nothing: then this call goes through, as the one probe if the breaker was open. */
  #refusal(): BreakerOpenError | undefined {
    const { breaker, clock } = this.#options;
    if (!breaker || this.#state === 'closed') return undefined;
    if (this.#state === 'open') {
      const open = clock.now() - this.#openedAt;
      // A clock that was set back keeps nobody waiting for longer.
      if (open >= breaker.cooldown || open < 0) {
        this.#change('half-open');
        return undefined;
      }
    }
    const cause = this.#lastFailure;
    return new BreakerOpenError(
      `The store has failed ${breaker.failures} times in a row and is not asked for a while (breaker); the last failure: ${messageOf(cause)}`,
      { cause },
    );
  }

  /** What a store refuses for a reason of its caller's is an answer; what is refused before it is asked says nothing of it. */
  #judge(error: unknown, signal: AbortSignal | undefined): void {
    if (signal?.aborted && error === signal.reason) return this.#withdrawn();
    // Nothing is shown of the others; the backend itself leaves that one alone for a while.
    if (isOfOneServer(error)) return this.#withdrawn();
    if (UNASKED.some((kind) => error instanceof kind)) return this.#withdrawn();
    if (ANSWERS.some((kind) => error instanceof kind)) this.#succeeded();
    else this.#failed(error);
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#lastFailure = undefined;
    this.#change('closed');
  }

  /** A probe that was called off, or never sent, has shown nothing: the next call is one. */
  #withdrawn(): void {
    if (this.#state === 'half-open') this.#change('open');
  }

  #failed(error: unknown): void {
    const { breaker, clock } = this.#options;
    this.#failures++;
    this.#lastFailure = error;
    // While it is open, what fails was asked before: that does not keep it open for longer.
    if (!breaker || this.#state === 'open' || (this.#state === 'closed' && this.#failures < breaker.failures)) return;
    this.#openedAt = clock.now();
    this.#change('open');
  }

  #change(state: BreakerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.changed(state);
  }
}

/** A call of the store: under the guard, where there is one. */
export function ask<T>(guard: Guard | undefined, verb: string, run: () => Awaitable<T>): Awaitable<T> {
  return guard ? guard.call({ verb, run }) : run();
}

/** No package, no such key, no such value, no more calls. */
const UNASKED = [DriverNotInstalledError, ValidationError, SerializationError, RegionClosedError] as const;
const ANSWERS = [CantDeserializeError, ValueTooLargeError, LockTimeoutError] as const;
