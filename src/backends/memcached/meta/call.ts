/** What a connection waits for: one reply, or those of a quiet batch up to its `MN`. Decides when a call is answered. */
import { BackendUnavailableError, ValueTooLargeError } from '../../../errors.js';
import type { Reply, ReplyCode } from './reply-parser.js';

export interface Call {
  /** Monotonic milliseconds (`performance.now()`). */
  readonly deadline: number;
  readonly sentAt: number;
  /** Its caller waits no longer; its replies are still to come. */
  readonly hasFailed: boolean;
  /** `true`: that was the last of its replies. Throws for a reply that can't be its own, or after which nobody knows what is. */
  take(reply: Reply): boolean;
  fail(error: Error): void;
}

export interface Times {
  readonly deadline: number;
  readonly sentAt: number;
}

export interface SingleCallOptions extends Times {
  readonly codes: readonly ReplyCode[];
  readonly late?: ((reply: Reply) => void) | undefined;
}

export class SingleCall implements Call {
  readonly deadline: number;
  readonly sentAt: number;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: Error) => void;
  readonly #late: ((reply: Reply) => void) | undefined;
  readonly #codes: readonly ReplyCode[];
  hasFailed = false;

  /** `codes`: what an answer can be. `late` is given the reply if the call has failed by then. */
  constructor(
    { deadline, sentAt, codes, late }: SingleCallOptions,
    resolve: (reply: Reply) => void,
    reject: (error: Error) => void,
  ) {
    this.deadline = deadline;
    this.sentAt = sentAt;
    this.#late = late;
    this.#codes = codes;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  fail(error: Error): void {
    this.hasFailed = true;
    this.#reject(error);
  }

  take(reply: Reply): boolean {
    // The server goes on after this one: it has taken the command and its value off the wire.
    if (reply.code === 'SERVER_ERROR') this.fail(refusal(reply));
    else if (isOutOfStep(reply)) throw refusal(reply);
    else if (!this.#codes.includes(reply.code)) throw notAsked();
    else if (this.hasFailed) this.#late?.(reply);
    else this.#resolve(reply);
    return true;
  }
}

export class QuietCall implements Call {
  readonly deadline: number;
  readonly sentAt: number;
  readonly #replies: (Reply | undefined)[];
  readonly #resolve: (replies: (Reply | undefined)[]) => void;
  readonly #reject: (error: Error) => void;
  hasFailed = false;

  constructor(
    { deadline, sentAt, count }: Times & { readonly count: number },
    resolve: (replies: (Reply | undefined)[]) => void,
    reject: (error: Error) => void,
  ) {
    this.deadline = deadline;
    this.sentAt = sentAt;
    this.#replies = new Array<Reply | undefined>(count).fill(undefined);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  fail(error: Error): void {
    this.hasFailed = true;
    this.#reject(error);
  }

  take(reply: Reply): boolean {
    if (reply.code === 'MN') {
      this.#resolve(this.#replies);
      return true;
    }
    // Of an error nobody knows which of the batch it answers.
    if (reply.code === 'SERVER_ERROR' || isOutOfStep(reply)) throw refusal(reply);
    if (reply.opaque < 0 || reply.opaque >= this.#replies.length) {
      throw notAsked();
    }
    this.#replies[reply.opaque] = reply;
    return false;
  }
}

function notAsked(): BackendUnavailableError {
  return new BackendUnavailableError('The server answers a question that was not asked.');
}

/** Of a command that the server could not read, it may take the value for the next command. */
function isOutOfStep({ code }: Reply): boolean {
  return code === 'CLIENT_ERROR' || code === 'ERROR';
}

export function refusal({ code, text }: Reply): BackendUnavailableError | ValueTooLargeError {
  if (code === 'SERVER_ERROR' && text.startsWith('object too large')) {
    return new ValueTooLargeError('memcached takes no value of this size: raise its item size (-I), or store less.');
  }
  return new BackendUnavailableError(`memcached refused a command: ${code}${text && ` ${text}`}.`);
}
