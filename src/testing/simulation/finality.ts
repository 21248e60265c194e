/**
 * Promise 3: what was deleted, set or invalidated does not come back. Decides which values a call may still be given, from what had
 * returned when it began; and that `get` gives nothing that a soft invalidation has made stale.
 */
import {
  isInvalidation,
  isRead,
  isRemoval,
  isSaid,
  isSimulatedValue,
  type Operation,
  type Scope,
  scopesOf,
  scopesOver,
  type Verb,
} from './calls.js';
import type { Origins } from './origins.js';
import type { SimulatedProcess } from './process.js';

export interface FinalityOptions {
  /** Milliseconds that clocks differ at most. */
  readonly skew: number;
  /** Milliseconds until an invalidation holds for other processes than its caller's. */
  readonly bound: number;
  /**
   * For which entries without a generation an invalidation of the region holds: by their time of creation it cuts off those that were stored
   * before it was carried out, or before it was called for; `undefined`: the clocks that are compared may differ.
   */
  readonly foreignCut: 'carried out' | 'called' | undefined;
}

/** What began before it, in the order of events, is gone for calls that begin from then on. */
interface Barrier {
  readonly scope: Scope;
  readonly since: number;
  /** The same for entries without a generation; `undefined`: it may hold for none. */
  readonly foreignSince: number | undefined;
  /** Else it is one for calls that are given nothing stale. */
  readonly isHard: boolean;
  /** Whose calls it holds for at once; for those of others from a time on. */
  readonly by: SimulatedProcess;
  readonly from: number;
}

export class Finality {
  readonly #violated: (what: string) => void;
  readonly #origins: Pick<Origins, 'get'>;
  readonly #options: FinalityOptions;
  readonly #barriers: Barrier[] = [];
  #foreignCut: FinalityOptions['foreignCut'];

  constructor(violated: (what: string) => void, origins: Pick<Origins, 'get'>, options: FinalityOptions) {
    this.#violated = violated;
    this.#origins = origins;
    this.#options = options;
    this.#foreignCut = options.foreignCut;
  }

  /** As they are for a call that begins now. */
  barriersFor(verb: Verb, process: SimulatedProcess, now: number): ReadonlyMap<Scope, number> {
    const barriers = new Map<Scope, number>();
    for (const { scope, since, isHard } of this.#known(process, now))
      if (isHard || isRead(verb)) raise(barriers, scope, since);
    return barriers;
  }

  /** The same for entries without a generation, which nothing makes stale but their age. */
  foreignBarriersFor(process: SimulatedProcess, now: number): ReadonlyMap<Scope, number> {
    const barriers = new Map<Scope, number>();
    for (const { scope, foreignSince = 0, isHard } of this.#known(process, now))
      if (isHard) raise(barriers, scope, foreignSince);
    return barriers;
  }

  #known(process: SimulatedProcess, now: number): readonly Barrier[] {
    return this.#barriers.filter(({ by, from }) => by === process || from <= now);
  }

  /** A record was lost: with it, when entries without a generation were cut off. */
  recordLost(): void {
    this.#foreignCut = undefined;
  }

  /** A delete, set or hard invalidation has returned: what began before it was carried out must not come back. */
  finished(operation: Operation): void {
    const { verb, region, keys, effect, effectAt, order, time, hard } = operation;
    const isCut = isInvalidation(verb);
    if (!(isCut || isRemoval(verb) || isSaid(verb))) return;
    if (isCut && region.shared === undefined) {
      if (!hard) return;
      for (const scope of scopesOf(operation)) raise(region.localBarriers, scope, time);
      return;
    }
    if (effect === undefined || effectAt === undefined)
      return this.#violated(`${verb} of ${keys.join(' ')} returned without having been carried out`);
    for (const scope of scopesOf(operation)) {
      const key = scope.replace(/^key /, '');
      const since = operation.overruled.get(key) ?? operation.effects.get(key) ?? effect;
      const isHard = !isCut || hard;
      const from = isCut ? effectAt + this.#options.bound : effectAt;
      const foreignCut = scope === 'region' ? this.#foreignCut : 'carried out';
      const foreignSince = foreignCut && (foreignCut === 'called' ? order : since);
      this.#barriers.push({ scope, since, foreignSince, isHard, by: region.process, from });
      if (isHard) raise(region.barriers, scope, order);
    }
  }

  /** Also that a value is one of its key. */
  check(operation: Operation, key: string, value: unknown): void {
    if (value === undefined && isRead(operation.verb)) return;
    const { region, id } = operation;
    if (!isSimulatedValue(value)) return this.#violated(`call ${id} for ${key} was given ${String(value)}`);
    const origin = this.#origins.get(value.id);
    if (!origin || origin.key !== key || value.key !== key)
      return this.#violated(`call ${id} for ${key} was given a value of ${value.key}`);
    // What was created while the store was out of reach knows of its own region's invalidations alone (protocol).
    const { doubt } = origin;
    const isThere = operation.order < origin.goneAt;
    if (doubt && isThere && (operation.time <= doubt.until || doubt.mayStay())) return;
    const isUnleased = 'token' in origin && origin.token === undefined && !origin.isCommitted;
    const { ownBarriers, foreignBarriers } = operation;
    const barriers = isUnleased ? ownBarriers : origin.isForeign ? foreignBarriers : operation.barriers;
    for (const scope of scopesOver(origin)) {
      if (origin.isForeign && scope === 'region' && !this.#foreignCut) continue;
      if (origin.order < (barriers.get(scope) ?? 0)) {
        this.#violated(
          `call ${id} of ${region.label} was given ${value.id} of ${key}, but ${scope} was deleted, set or invalidated before the call began`,
        );
      }
      if (origin.time + this.#options.skew < (operation.localBarriers.get(scope) ?? 0)) {
        this.#violated(
          `call ${id} of ${region.label} was given ${value.id} of ${key}, but its region had invalidated ${scope} before the call began`,
        );
      }
    }
  }
}

function raise(barriers: Map<Scope, number>, scope: Scope, at: number): void {
  barriers.set(scope, Math.max(barriers.get(scope) ?? 0, at));
}
