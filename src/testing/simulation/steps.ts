/**
 * What is asked of a store that needs several steps for what others do in one: who may end a lease, write, remove and take back, for how
 * long a lease is kept, and by when something is gone that should not be there.
 */
import { type Creation, type Doubt, isInvalidation, isRemoval, isSaid, type Operation, type Origin } from './calls.js';
import { valueIdIn } from './entries.js';
import { type Ledger, mayStay } from './ledger.js';
import type { Committed, Meaning, TakenBack } from './model.js';
import type { SimulatedProcess } from './process.js';
import type { Scheduler } from './scheduler.js';

/** The answer to the write, two looks at the lock, one at what is stored, its removal. */
const CALLS_TO_TAKE_BACK = 5;
/** From winning a lease to creating, and from having created to having stored and released. */
const CALLS_TO_LET_GO = 4;

export interface StepsOptions {
  readonly scheduler: Scheduler;
  readonly ledger: Ledger;
  /** Of each call, in milliseconds. */
  readonly deadline: number;
  originOf(id: number): Origin | undefined;
  /** What is stored and has not expired, by the account of the checks. */
  entryOf(key: string): Uint8Array | undefined;
  violated(what: string): void;
}

export class Steps {
  readonly #options: StepsOptions;
  /** Until when a creation ran under a lease, by its token. */
  readonly #needed = new Map<string, number>();

  constructor(options: StepsOptions) {
    this.#options = options;
  }

  /** A creation, under this lease. */
  began(token: string): void {
    this.#needed.set(token, Number.POSITIVE_INFINITY);
  }

  ended(token: string): void {
    this.#needed.set(token, this.#options.scheduler.now);
  }

  /** What its holder ends himself is released, unless he deletes, sets or invalidates its key. */
  asCalled(operation: Operation | undefined, process: SimulatedProcess, meaning: Meaning): Meaning {
    if (meaning.kind !== 'ended' || !this.#isOf(process, meaning.of)) return meaning;
    if (operation && (isOver(operation) || isInvalidation(operation.verb))) return meaning;
    return { kind: 'released', key: meaning.key, token: meaning.of };
  }

  check(operation: Operation | undefined, process: SimulatedProcess, meaning: Meaning): void {
    if (meaning.kind === 'taken back') this.#checkTakenBack(process, meaning);
    if (meaning.kind === 'renewed') this.#checkRenewal(process, meaning);
    if (!operation || !('key' in meaning)) return;
    const { kind, key } = meaning;
    const { id, verb } = operation;
    const { violated } = this.#options;
    if ((kind === 'said' && !isSaid(verb)) || (kind === 'removed' && !isRemoval(verb)))
      violated(`call ${id} of ${process.name}, ${verb}, has ${kind} ${key}, whatever was there`);
    if (kind === 'ended' && !isOver(operation) && !this.#isOf(process, meaning.of))
      violated(`call ${id} of ${process.name}, ${verb}, has ended the lease of another for ${key}`);
  }

  /** What is stored under a lease that does not stand is taken back, in as many calls at most, and by who is not paused. */
  doubtAbout({ token, how }: Committed): Doubt | undefined {
    const { deadline, ledger, scheduler } = this.#options;
    const { now } = scheduler;
    const grant = ledger.isDoubtful(token, now) && ledger.grantOf(token);
    if (!grant) return undefined;
    if (!how) return { until: Number.POSITIVE_INFINITY, mayStay: () => true };
    return {
      until: now + CALLS_TO_TAKE_BACK * deadline,
      mayStay: () => mayStay({ grant, how }) || grant.process.disturbedAt >= now,
    };
  }

  /** Of what a creation stored without a right to, its process removes its own. */
  #checkTakenBack({ name }: SimulatedProcess, { key, read, isBlind }: TakenBack): void {
    const { entryOf, ledger, originOf, scheduler, violated } = this.#options;
    const which = valueIdIn(read);
    const { token, process } = (originOf(which) ?? {}) as Partial<Creation>;
    if (process?.name !== name || !token || !ledger.mayTakeBack(token, scheduler.now))
      violated(`${name} took back ${which} of ${key}, which is not its own to take back`);
    const stored = entryOf(key);
    if (stored && !isBlind && valueIdIn(stored) !== which)
      violated(`${name} took back ${which} of ${key}, and removed ${valueIdIn(stored)}`);
  }

  /** Who creates nothing under a lease lets go of it. */
  #checkRenewal({ name, disturbedAt }: SimulatedProcess, of: { readonly key: string; readonly token: string }): void {
    const { deadline, ledger, scheduler, violated } = this.#options;
    const since = this.#needed.get(of.token) ?? ledger.grantOf(of.token)?.at ?? scheduler.now;
    if (scheduler.now - since > CALLS_TO_LET_GO * deadline && disturbedAt < since)
      violated(`${name} renews the lease ${of.key}#${of.token.slice(0, 4)}, under which nothing is created`);
  }

  #isOf(process: SimulatedProcess, token: string): boolean {
    return this.#options.ledger.grantOf(token)?.process === process;
  }
}

/** A call that ends whatever lease there is. */
function isOver({ verb }: Operation): boolean {
  return isRemoval(verb) || isSaid(verb);
}
