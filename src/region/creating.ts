/**
 * What creating one key and many have in common: running a creator under observation, whether and for how long its value is
 * stored, and giving leases back. Who creates, and who is told, is decided by the callers.
 */
import type { GenerationFence, Lease, RecordsRequest, Storable } from '../api.js';
import { type ChannelMessages, creations } from '../channels.js';
import { stamp } from '../clock.js';
import { ValidationError } from '../errors.js';
import { isPromiseLike } from '../promises.js';
import type { Creation, EntryPlan } from './context.js';
import type { Core } from './core.js';
import type { Flight } from './flight.js';
import type { Freshness } from './freshness.js';
import type { Generation } from './generations.js';
import { LoneLease } from './lone-lease.js';
import type { Settings } from './settings.js';

export interface Made<T> {
  readonly value: T;
  /** Stamps. */
  readonly startedAt: number;
  readonly endedAt: number;
}
export interface Failed {
  readonly reason: unknown;
}

export interface Run<T> {
  /** Nobody waits for it. */
  readonly isBackground: boolean;
  run(): T | PromiseLike<T>;
  /** What of the result is of this key. */
  resultFor(value: T, key: string): unknown;
}

/** Calls a creator inside its creation; counts, times and publishes. Never rejects: what it throws, `undefined` too, is the answer. */
export async function runCreator<T>(
  core: Core,
  keys: readonly string[],
  creation: Creation,
  { isBackground, run, resultFor }: Run<T>,
): Promise<Made<T> | Failed> {
  const { region, statistics, clock } = core;
  const messages: ChannelMessages['dogpile.cache:create'][] = creations.hasSubscribers
    ? keys.map((key) => ({ region, key, background: isBackground }))
    : [];
  const startedAt = stamp(clock);
  for (const message of messages) creations.start.publish(message);
  try {
    const value = await creation.run(region, run);
    const endedAt = stamp(clock);
    statistics.created(keys.length, endedAt - startedAt);
    for (const message of messages) {
      creations.asyncEnd.publish(Object.assign(message, { result: resultFor(value, message.key) }));
    }
    return { value, startedAt, endedAt };
  } catch (reason) {
    statistics.failures++;
    for (const message of messages) creations.error.publish(Object.assign(message, { error: reason }));
    return { reason };
  }
}

/** A value that may become an entry. */
export interface Candidate {
  readonly key: string;
  readonly value: unknown;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly plan: EntryPlan;
  readonly lease: Lease;
  readonly generation: Generation | undefined;
  readonly flight: Flight;
  readonly settings: Settings;
  /** Made by `refresh`, which stores whatever it makes, as in Python. */
  readonly anew: boolean;
}

/**
 * The entry to be stored, or `undefined`: it is not to be cached, there is no lease to write it under, its flight is void, or it
 * can't be serialized (events, all but the first). Throws only what `shouldCache` throws, or for an answer that is none.
 */
export function entryOf(core: Core, candidate: Candidate): Storable | undefined {
  const { key, value, startedAt, endedAt, plan, lease, generation, flight, settings, anew } = candidate;
  if (!plan.cached || (!anew && !isWanted(settings, value))) return undefined;
  if (lease instanceof LoneLease) {
    core.statistics.droppedWrites++;
    return undefined;
  }
  if (flight.isVoid) {
    core.refused(key, 'its key was deleted, set or invalidated meanwhile, or its lease was lost');
    return undefined;
  }
  try {
    const share = shareOf(settings, core.random);
    return core.store.encode({
      value,
      startedAt,
      endedAt,
      ownExpiration: plan.expiration,
      share,
      tags: [...plan.tags],
      generation,
    });
  } catch (error) {
    core.statistics.droppedWrites++;
    core.report('serialize', error, key);
    return undefined;
  }
}

/** By truth, as Python: `undefined`, 0 and '' are no. A promise would always be yes, whatever it comes to. */
function isWanted({ shouldCache }: Settings, value: unknown): boolean {
  if (!shouldCache) return true;
  // The type of the value is the caller's, who gave both the creator and shouldCache.
  const answer = (shouldCache as (value: unknown) => unknown)(value);
  if (!isPromiseLike(answer)) return Boolean(answer);
  answer.then(undefined, () => {});
  throw new ValidationError('shouldCache must say at once whether the value is stored, not by a promise.');
}

/** What a creation is stamped with, read before its creator is called, where the store keeps generations. */
export async function generationUnder(core: Core, records: RecordsRequest): Promise<Generation | undefined> {
  if (!core.shared) return undefined;
  try {
    return await core.shared.generationOf(records);
  } catch (error) {
    core.report('generations', error);
    return core.shared.unknown;
  }
}

/** `tags`: of each entry, by its name. */
export function fenceOf(
  core: Core,
  generation: Generation | undefined,
  tags: ReadonlyMap<string, readonly string[]>,
): GenerationFence | undefined {
  return generation && core.shared?.fence(generation, tags);
}

/** The part of its expiration time that `jitter` leaves an entry. */
export function shareOf({ jitter }: Settings, random: () => number): number | undefined {
  return jitter === 0 ? undefined : 1 - jitter * random();
}

/** How long the store keeps an entry, in milliseconds; `undefined`: for ever. */
export function ttlOf(asked: Freshness, ownExpiration: number | undefined): number | undefined {
  const expiration = ownExpiration ?? Math.max(asked.callExpiration ?? 0, asked.expiration);
  const ttl = expiration + asked.keepStale;
  return ttl === Number.POSITIVE_INFINITY ? undefined : ttl;
}
