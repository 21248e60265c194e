/**
 * What a running creation knows of itself, and of the creations it stands in: the creator's context, `currentCreation()`, and
 * whether waiting for another would close a circle. Decides nothing about storing.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { CachedValue, CreationContext, Duration, MultiCreationContext } from '../api.js';
import { durationOption } from '../duration.js';
import { ValidationError } from '../errors.js';
import { checkTags } from './policy-options.js';

/** The creation that the running code is part of, if any. */
const running = new AsyncLocalStorage<Creation>();

/** What the creator said of the entry it makes. */
export interface EntryPlan {
  /** The entry's own expiration time, milliseconds. */
  expiration: number | undefined;
  readonly tags: Set<string>;
  cached: boolean;
}

function newPlan(tags: readonly string[]): EntryPlan {
  return { expiration: undefined, tags: new Set(tags), cached: true };
}

function tagPlan(plan: EntryPlan, tags: readonly string[]): void {
  for (const tag of checkTags(tags)) plan.tags.add(tag);
}

/** Somebody who is waited for: his creation, once it runs. */
export interface Awaited {
  readonly creation: Creation | undefined;
}

/** One creation under way. */
abstract class Creation {
  /** The creation whose creator asked for this one. Written by `activeFrom`, by which of those that have ended no chain is kept. */
  parent: Creation | undefined = activeFrom(running.getStore());
  /** What calls made inside it are waiting for: added before the wait, removed after it, by the caller who waits. */
  readonly awaiting = new Set<Awaited>();
  /** Identity of the lock, and its names: how a call further down its own chain recognises it. */
  readonly #lock: object;
  readonly #names: ReadonlySet<string>;
  #active = true;
  /** The region that it runs in. */
  #owner: object | undefined;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  constructor(lock: object, names: ReadonlySet<string>) {
    this.#lock = lock;
    this.#names = names;
  }

  /** What `currentCreation()` gives inside it. */
  abstract readonly context: CreationContext | undefined;

  get active(): boolean {
    return this.#active;
  }

  /** Made when it is first asked for: most creators never look. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    if (!this.#active || this.#aborted) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
  }

  creates(lock: object, name: string): boolean {
    return this.#active && this.#lock === lock && this.#names.has(name);
  }

  isOf(owner: object): boolean {
    return this.#active && this.#owner === owner;
  }

  /** Calls the creator inside this creation, one of `owner`'s, and ends it when the creator has settled. */
  async run<T>(owner: object, creator: () => T | PromiseLike<T>): Promise<T> {
    this.#owner = owner;
    try {
      return await running.run(this, creator);
    } finally {
      this.#active = false;
    }
  }

  protected plan(plan: EntryPlan, change: (plan: EntryPlan) => void): void {
    if (!this.#active) {
      throw new ValidationError(
        'This creation has ended: say expireAfter(), tag() and dontCache() before its creator returns.',
      );
    }
    change(plan);
  }
}

export type { Creation };

/**
 * The nearest that has not ended. What that one stands in may have ended meanwhile, each having begun the next: it lets go of those,
 * or a creator that starts the next creation, over and over, would keep all of them alive.
 */
function activeFrom(creation: Creation | undefined): Creation | undefined {
  const found = active(creation);
  if (found) found.parent = active(found.parent);
  return found;
}

function active(creation: Creation | undefined): Creation | undefined {
  let above = creation;
  while (above && !above.active) above = above.parent;
  return above;
}

export interface SingleCreationOptions<Stale> {
  /** Identity of the lock space. */
  readonly lock: object;
  readonly name: string;
  readonly key: string;
  readonly stale: CachedValue<Stale> | undefined;
  /** Named by the call. */
  readonly tags: readonly string[];
}

export class SingleCreation<Stale = unknown> extends Creation implements CreationContext<Stale> {
  readonly key: string;
  readonly stale: CachedValue<Stale> | undefined;
  readonly entry: EntryPlan;

  constructor({ lock, name, key, stale, tags }: SingleCreationOptions<Stale>) {
    super(lock, new Set([name]));
    this.key = key;
    this.stale = stale;
    this.entry = newPlan(tags);
  }

  get context(): CreationContext {
    return this;
  }

  // Functions of their own, so that creators may take them apart: `({ expireAfter }) => …`.
  readonly expireAfter = (duration: Duration): void =>
    this.plan(this.entry, (entry) => {
      entry.expiration = durationOption(duration, 'expireAfter');
    });
  readonly tag = (...tags: string[]): void => this.plan(this.entry, (entry) => tagPlan(entry, tags));
  readonly dontCache = (): void =>
    this.plan(this.entry, (entry) => {
      entry.cached = false;
    });
}

export interface MultiCreationOptions<Stale> {
  readonly lock: object;
  readonly names: ReadonlySet<string>;
  readonly keys: readonly string[];
  readonly stale: ReadonlyMap<string, CachedValue<Stale>>;
  /** Named by the call. */
  readonly tags: readonly string[];
}

export class MultiCreation<Stale = unknown> extends Creation implements MultiCreationContext<Stale> {
  readonly keys: readonly string[];
  readonly stale: ReadonlyMap<string, CachedValue<Stale>>;
  readonly #entries: ReadonlyMap<string, EntryPlan>;
  /** Flights that somebody still waits on. */
  #attended: number;

  constructor({ lock, names, keys, stale, tags }: MultiCreationOptions<Stale>) {
    super(lock, names);
    this.keys = keys;
    this.stale = stale;
    this.#attended = keys.length;
    this.#entries = new Map(keys.map((key) => [key, newPlan(tags)]));
  }

  readonly context = undefined;

  /** Each of its flights aborts for itself; the creator goes on while anybody waits for one of its keys. */
  override abort(reason: unknown): void {
    this.#attended--;
    if (this.#attended === 0) super.abort(reason);
  }

  entry(key: string): EntryPlan {
    const plan = this.#entries.get(key);
    if (!plan) throw new ValidationError(`"${key}" is not among the keys of this creation.`);
    return plan;
  }

  readonly expireAfter = (key: string, duration: Duration): void =>
    this.plan(this.entry(key), (entry) => {
      entry.expiration = durationOption(duration, 'expireAfter');
    });
  readonly tag = (key: string, ...tags: string[]): void => this.plan(this.entry(key), (entry) => tagPlan(entry, tags));
  readonly dontCache = (key: string): void =>
    this.plan(this.entry(key), (entry) => {
      entry.cached = false;
    });
}

/**
 * The creation that the running code is part of; `undefined` when it was called without the cache, and inside a multi creation
 * (use the context that its creator is given). How a decorated function sets its expiration and reads its signal.
 */
export function currentCreation(): CreationContext | undefined {
  const creation = running.getStore();
  return creation?.active ? creation.context : undefined;
}

/** The creation that a call is made in. */
export function enclosingCreation(): Creation | undefined {
  return running.getStore();
}

/** Whether this name is being created further up the caller's own chain. */
export function isCreatedAbove(caller: Creation | undefined, lock: object, name: string): boolean {
  for (let above = caller; above; above = above.parent) if (above.creates(lock, name)) return true;
  return false;
}

/** Whether the running code is part of a creation of this region, or of one that was asked for inside it. */
export function isCreatingIn(owner: object): boolean {
  for (let above = running.getStore(); above; above = above.parent) if (above.isOf(owner)) return true;
  return false;
}

/** Whether `caller`, by waiting for `other`, would wait for itself: k1 asks for k2, whose creator asks for k1. */
export function closesCircle(caller: Creation | undefined, other: Awaited): boolean {
  if (!caller) return false;
  const seen = new Set<Creation>();
  const reaches = (target: Awaited): boolean => {
    const creation = target.creation;
    if (!creation?.active || seen.has(creation)) return false;
    if (creation === caller) return true;
    seen.add(creation);
    return [...creation.awaiting].some(reaches);
  };
  return reaches(other);
}
