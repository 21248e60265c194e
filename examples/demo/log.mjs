/** What the processes have told of one round, as it comes. Times are the machine's clock (`clock.mjs`). */

/**
 * @typedef {object} Creation
 * @property {number} process
 * @property {number} pid
 * @property {number} key rank of the query
 * @property {number} calledAt the region called its creator: from here on others are kept out
 * @property {number} [began] the search had its turn
 * @property {number} [made] the search was done
 * @property {number} [endedAt] the region has its value; none: unfinished
 * @property {boolean} [isStored] its caller was answered, so the store has it, too
 * @property {number} [killedAt]
 */

/** What a call is answered with. */
export const OUTCOMES = ['hit', 'stale', 'waited', 'created'];

export class RoundLog {
  name;
  startedAt = Number.NaN;
  overAt = Number.NaN;
  /** Of answered calls: key, beginning, milliseconds, outcome. */
  calls = [];
  /** Of calls that were waiting when the round was over: the same, so far. */
  unanswered = [];
  /** @type {Creation[]} */
  creations = [];
  /** What each process that lived to the end counted in two ways. */
  accounts = [];
  /** The creator that was killed, once it is known that it was: `creation`, `at`, `takenOver` (a creation), `staleMeanwhile`. */
  killing;
  /** When a process was killed, or stopped counting: its unfinished creations had ended by then. By pid. */
  goneAt = new Map();
  /** Processes that were killed, by pid. */
  killed = new Set();

  constructor(name) {
    this.name = name;
  }

  get answered() {
    return this.calls.length;
  }

  get created() {
    return this.creations.filter(({ endedAt }) => endedAt !== undefined).length;
  }

  /** So many creations were done when their process was killed, and perhaps not yet stored: of whichever key. */
  get missed() {
    const isMissed = ({ pid, endedAt, isStored }) => this.killed.has(pid) && endedAt !== undefined && !isStored;
    return this.creations.filter(isMissed).length;
  }

  endOf({ pid, endedAt }) {
    return endedAt ?? this.goneAt.get(pid);
  }

  hear({ kind, ...message }) {
    if (kind === 'calls') for (const call of message.calls) this.calls.push(call);
    if (kind === 'creating') this.creations.push(message);
    if (kind === 'created') Object.assign(this.#creationOf(message), message);
    if (kind === 'stored') this.#lastOf(message).isStored = true;
    if (kind === 'done') {
      this.accounts.push(message);
      this.goneAt.set(message.pid, message.at);
      this.unanswered.push(...message.unanswered);
    }
  }

  #lastOf({ pid, key }) {
    return this.creations.findLast((one) => one.pid === pid && one.key === key);
  }

  #creationOf({ pid, key, calledAt }) {
    return this.creations.find((one) => one.pid === pid && one.key === key && one.calledAt === calledAt);
  }
}
