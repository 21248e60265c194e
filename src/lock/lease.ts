/**
 * Leases that a store keeps (semantics §4): the token, the renewal, the deadline, the one release. What acquiring, renewing and
 * releasing mean on a store is the backend's; how to wait for one is `waiting.ts`.
 */
import { randomBytes } from 'node:crypto';
import type { Awaitable, Clock, Lease, LossReason, Storable } from '../api.js';
import { afterTurn } from '../turn.js';
import { after } from './timer.js';
import { tellLoss } from './trouble.js';

export { type WaitOptions, waitUntil } from './waiting.js';

/** 128 random bits, in hexadecimal. */
export function newToken(): string {
  return randomBytes(16).toString('hex');
}

export interface KeptLeaseOptions {
  readonly token: string;
  /** What the store held when the lease was won. */
  readonly stored: Storable | undefined;
  /** Milliseconds until the store forgets the lease, from when it was acquired or renewed. */
  readonly timeout: number;
  /** Milliseconds after which it is no longer renewed. */
  readonly maxHold: number;
  readonly clock: Clock;
  /** `false`: it is no longer ours. */
  renew(): Awaitable<boolean>;
  release(): Awaitable<void>;
  /** For a renewal that failed: the next one tries again. */
  report(verb: string, error: unknown): void;
}

export class KeptLease implements Lease {
  readonly token: string;
  readonly stored: Storable | undefined;
  readonly #options: KeptLeaseOptions;
  #state: 'held' | 'lost' | 'ended' = 'held';
  /** Why it was lost, if it was. */
  #why: LossReason | undefined;
  #lost: ((why: LossReason) => void)[] = [];
  #released: Promise<void> | undefined;
  /** The end of what was granted last: by then the store has forgotten the lease, whether it answers or not. */
  #stopDeadline: () => void;
  /** The same, should the renewal under way succeed. */
  #stopNextDeadline: () => void = () => {};
  #stopRenewal: () => void;
  readonly #stopHold: () => void;

  constructor(options: KeptLeaseOptions) {
    const { clock, timeout, maxHold } = options;
    this.token = options.token;
    this.stored = options.stored;
    this.#options = options;
    this.#stopHold = after(clock, maxHold, () => this.lose('lapsed'));
    this.#stopDeadline = this.#expire(timeout);
    this.#stopRenewal = this.#renewLater();
  }

  /** Not released, not committed, and not known to be lost: the store may know better. */
  get stands(): boolean {
    return this.#state === 'held';
  }

  /** Called back at once, if it has been lost by now. */
  whenLost(run: (why: LossReason) => void): void {
    if (this.#why) tellLoss([run], this.#why);
    else if (this.#state === 'held') this.#lost.push(run);
  }

  /** A commit has taken the lease along: nothing is left to renew or release. */
  settle(): void {
    this.#stop('ended');
  }

  /** It is known to be lost. */
  lose(why: LossReason): void {
    if (this.#state !== 'held') return;
    this.#why = why;
    const listeners = this.#lost;
    this.#stop('lost');
    tellLoss(listeners, why);
  }

  /** Idempotent. Also of a lost one: a store compares the token, and what else is held for it is given back. */
  async release(): Promise<void> {
    if (this.#state === 'ended' && !this.#released) return;
    this.#stop('ended');
    this.#released ??= (async () => this.#options.release())();
    await this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #stop(state: 'lost' | 'ended'): void {
    this.#state = state;
    this.#lost = [];
    this.#stopHold();
    this.#stopDeadline();
    this.#stopNextDeadline();
    this.#stopRenewal();
  }

  /** Nobody has confirmed it for as long as the store keeps it: it may be another's by now. An answer that waits to be read confirms it, too. */
  #expire(ms: number): () => void {
    let isOver = false;
    const expire = () => {
      if (!isOver) this.lose('voided');
    };
    const stop = after(this.#options.clock, ms, () => afterTurn(expire));
    return () => {
      isOver = true;
      stop();
    };
  }

  #renewLater(): () => void {
    const { clock, timeout } = this.#options;
    return after(clock, timeout / 3, () => void this.#renew());
  }

  /** One that never settles is not repeated: the deadline ends it. */
  async #renew(): Promise<void> {
    // What the store grants counts from here at the earliest, not from when its answer is here.
    this.#stopNextDeadline = this.#expire(this.#options.timeout);
    const isOurs = await this.#askToRenew();
    if (this.#state !== 'held') return;
    if (isOurs === false) return this.lose('voided');
    (isOurs ? this.#stopDeadline : this.#stopNextDeadline)();
    if (isOurs) this.#stopDeadline = this.#stopNextDeadline;
    this.#stopRenewal = this.#renewLater();
  }

  /** `undefined`: the store did not say. */
  async #askToRenew(): Promise<boolean | undefined> {
    try {
      return await this.#options.renew();
    } catch (error) {
      this.#options.report('renew', error);
      return undefined;
    }
  }
}
