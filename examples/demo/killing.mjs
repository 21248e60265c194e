/**
 * Kills the process that is creating a key, at the moment when its parent hears that it does, and sees who creates the key next.
 * A creation that turns out to have been done before the signal came doesn't count: the next one is tried.
 */
import { now } from './clock.mjs';

const TRIES = 3;

export class Killing {
  #fleet;
  #log;
  #key;
  #armed = false;
  #tries = 0;
  #resolve;
  /** When somebody has taken over and is done, or all tries have failed. */
  settled = new Promise((resolve) => {
    this.#resolve = resolve;
  });
  /** Told the number of a process that has been killed. */
  onKilled = (_number) => {};

  constructor(fleet, log, key) {
    this.#fleet = fleet;
    this.#log = log;
    this.#key = key;
  }

  arm() {
    this.#armed = true;
  }

  hear({ kind, key, process, pid, calledAt }) {
    if (key !== this.#key) return;
    const { killing } = this.#log;
    const isVictims = killing?.creation.pid === pid;
    if (kind === 'creating' && killing && !isVictims) this.#takenOver(pid, calledAt);
    else if (kind === 'creating' && this.#armed) this.#kill(process, pid, calledAt);
    else if (kind === 'created' && isVictims && killing.creation.calledAt === calledAt) this.#missed();
    else if (kind === 'created' && killing?.takenOver?.pid === pid) this.#resolve();
  }

  #kill(process, pid, calledAt) {
    this.#armed = false;
    this.#tries++;
    const at = now();
    this.#fleet.kill(process);
    const creation = this.#creationOf(pid, calledAt);
    creation.killedAt = at;
    this.#log.goneAt.set(pid, at);
    this.#log.killed.add(pid);
    this.#log.killing = { creation, at, takenOver: undefined };
    this.onKilled(process);
  }

  #takenOver(pid, calledAt) {
    const { killing } = this.#log;
    if (killing.takenOver) return;
    killing.takenOver = this.#creationOf(pid, calledAt);
  }

  #missed() {
    const { creation } = this.#log.killing;
    delete creation.killedAt;
    this.#log.killing = undefined;
    if (this.#tries < TRIES) this.#armed = true;
    else this.#resolve();
  }

  #creationOf(pid, calledAt) {
    return this.#log.creations.findLast((one) => one.pid === pid && one.key === this.#key && one.calledAt === calledAt);
  }
}
