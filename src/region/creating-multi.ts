/**
 * One creator call for many keys, and one commit. Decides what the creator is asked for, which of its results belongs to which key,
 * and what each flight is told; who may create is `attempt-multi.ts`, whether and for how long a value is stored `creating.ts`.
 */
import type { Awaitable, Lease, MultiCreationContext, RecordsRequest, Storable } from '../api.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { flyAlone } from './alone.js';
import { limitCreation } from './attempt.js';
import type { Call } from './call.js';
import { MultiCreation } from './context.js';
import type { Core } from './core.js';
import { entryOf, type Failed, fenceOf, generationUnder, type Made, runCreator, ttlOf } from './creating.js';
import type { Flight } from './flight.js';
import type { Generation } from './generations.js';
import { LoneLease } from './lone-lease.js';
import type { Look } from './look.js';
import type { Settings } from './settings.js';

export type AnyMultiCreator = (keys: string[], context: MultiCreationContext<unknown>) => Awaitable<Results>;
type Results = readonly unknown[] | ReadonlyMap<string, unknown>;

/** A value there is; a key that a creator's Map left out has none. */
export interface Found {
  readonly value: unknown;
}
export type FoundByKey = ReadonlyMap<string, Found>;

/** What the keys of one call share. */
export interface Batch {
  readonly creator: AnyMultiCreator;
  readonly settings: Settings;
  /** Create also what is there (`refresh`). */
  readonly anew: boolean;
  /** By key, where each is asked for by somebody else (`load`): what one can't be had for is told to him alone. */
  readonly failures?: Map<string, Failed> | undefined;
}

/** A key that is this call's to create. */
export interface Winner {
  readonly call: Call;
  readonly look: Look;
  readonly flight: Flight;
  readonly lease: Lease;
}

/**
 * `won` in the order of their keys; what nobody wants any more by then, or is no longer ours, is left. `records`: what came with the
 * leases, where the store keeps generations.
 */
export async function create(
  core: Core,
  won: readonly Winner[],
  batch: Batch,
  records: RecordsRequest | undefined,
): Promise<void> {
  const isFenced = won.some(({ lease }) => !(lease instanceof LoneLease));
  const generation = isFenced && records ? await generationUnder(core, records) : undefined;
  const isOurs = ({ flight, lease }: Winner) => !flight.isDeserted && (!(lease instanceof LoneLease) || lease.stands);
  const [winners, left] = [won.filter(isOurs), won.filter((winner) => !isOurs(winner))];
  if (left.length > 0) core.behind(giveAllBack(core, left));
  if (winners.length === 0) return;
  const creation = new MultiCreation({
    lock: core.store.locks.space,
    names: new Set(winners.map(({ call }) => core.store.locks.nameOf(call.name))),
    keys: winners.map(({ call }) => call.key),
    stale: new Map(winners.flatMap(staleOf)),
    tags: batch.settings.tags,
  });
  const isBackground = winners.every(({ flight }) => flight.waiting === 0);
  for (const { flight, lease } of winners) {
    flight.begin(creation, lease);
    lease.whenLost?.((why) => flight.lose(why, core.statistics));
  }
  const limits = winners.map(({ call, flight }) => limitCreation(core, call, flight));
  const made = await callCreator(core, batch, creation, { isBackground });
  for (const stopLimit of limits) stopLimit();
  // It has failed, or its commit is sent now: who comes from here on looks for himself.
  for (const { flight } of winners) flight.close();
  if ('reason' in made) {
    for (const { call } of winners) core.backoff.remember(call.name, made.reason, batch.settings.errorBackoff);
    return fail(core, winners, made.reason);
  }
  let writing: Writing;
  try {
    writing = writingOf(core, winners, { batch, creation, made, generation });
  } catch (reason) {
    if (winners.every(({ flight }) => flight.waiting === 0)) core.report('shouldCache', reason);
    return fail(core, winners, reason);
  }
  const stored = await commit(core, winners, writing, generation);
  await giveAllBack(
    core,
    winners.filter(({ call }) => !stored.has(call.name)),
  );
  for (const { call, flight, lease } of winners) {
    const isStored = stored.has(call.name);
    if (isStored) core.backoff.forget(call.name);
    const shared = isStored || (lease instanceof LoneLease && !flight.isVoid);
    const found = made.value.get(call.key);
    flight.end(found ? { kind: 'created', value: found.value, shared } : { kind: 'nothing' });
  }
}

/** Where the backend elects nobody, every call runs its creator: a flight for each of its keys, in their order. */
export function createAlone(core: Core, calls: readonly Call[], batch: Batch): readonly Flight[] {
  const creation = new MultiCreation({
    lock: {},
    names: new Set(),
    keys: calls.map(({ key }) => key),
    stale: new Map(),
    tags: batch.settings.tags,
  });
  return flyAlone(core, calls, {
    creation,
    create: () => callCreator(core, batch, creation, { isBackground: false }),
    foundFor: (found, key) => found.get(key),
  });
}

export async function giveAllBack(core: Core, winners: readonly Winner[]): Promise<void> {
  await Promise.all(winners.map(({ call, lease }) => core.giveBack(lease, call.key)));
}

function staleOf({ call, look, flight }: Winner) {
  return look.state === 'missing' || flight.isOutdated ? [] : [[call.key, look.value] as const];
}

// --------------------------------------------------------------------------------------------------------- the creator

function callCreator(
  core: Core,
  { creator }: Batch,
  creation: MultiCreation,
  { isBackground }: { isBackground: boolean },
): Promise<Made<FoundByKey> | Failed> {
  const { keys } = creation;
  return runCreator(core, keys, creation, {
    isBackground,
    // A copy: the creator may do with it what it likes.
    run: async () => byKey(await creator([...keys], creation), keys),
    resultFor: (found, key) => found.get(key)?.value,
  });
}

/** An array has as many values as there are keys; a Map may leave keys out. */
function byKey(results: Results, keys: readonly string[]): FoundByKey {
  if (results instanceof Map) {
    return new Map(keys.flatMap((key) => (results.has(key) ? [[key, { value: results.get(key) }]] : [])));
  }
  if (!Array.isArray(results) || results.length !== keys.length) {
    const what = Array.isArray(results) ? `${results.length} values` : shown(results);
    throw new ValidationError(
      `The creator must give an array of ${keys.length} values, one for each key it was called with, or a Map; it gave ${what}.`,
    );
  }
  return new Map(keys.map((key, at) => [key, { value: results[at] }]));
}

/** Who is told may try again at once: the locks are free by then. */
async function fail(core: Core, winners: readonly Winner[], reason: unknown): Promise<void> {
  await giveAllBack(core, winners);
  for (const { flight } of winners) flight.end({ kind: 'failed', reason });
}

// ---------------------------------------------------------------------------------------------------------- the commit

/** What is to be written, by name. */
interface Writing {
  readonly entries: ReadonlyMap<string, Storable>;
  /** Milliseconds; none: for ever. */
  readonly ttls: ReadonlyMap<string, number>;
  readonly tags: ReadonlyMap<string, readonly string[]>;
}

interface Creating {
  readonly batch: Batch;
  readonly creation: MultiCreation;
  readonly made: Made<FoundByKey>;
  readonly generation: Generation | undefined;
}

/** Throws only what `shouldCache` throws. */
function writingOf(core: Core, winners: readonly Winner[], { batch, creation, made, generation }: Creating): Writing {
  const { settings, anew } = batch;
  const entries = new Map<string, Storable>();
  const ttls = new Map<string, number>();
  const tags = new Map<string, readonly string[]>();
  for (const { call, flight, lease } of winners) {
    const { key, name, asked } = call;
    const found = made.value.get(key);
    if (!found) continue;
    const plan = creation.entry(key);
    const { value } = found;
    const entry = entryOf(core, { key, ...made, value, plan, lease, generation, flight, settings, anew });
    if (entry === undefined) continue;
    entries.set(name, entry);
    tags.set(name, [...plan.tags]);
    const ttl = ttlOf(asked, plan.expiration);
    if (ttl !== undefined) ttls.set(name, ttl);
  }
  return { entries, ttls, tags };
}

/** The names that were stored. Trouble of the store is an event. */
async function commit(
  core: Core,
  winners: readonly Winner[],
  { entries, ttls, tags }: Writing,
  generation: Generation | undefined,
): Promise<ReadonlySet<string>> {
  if (entries.size === 0) return new Set();
  const leases = new Map(winners.map(({ call, lease }) => [call.name, lease]));
  try {
    const options = { ttl: ttls, generation: fenceOf(core, generation, tags) };
    const refused = await core.store.commitMulti(entries, leases, options);
    for (const { call } of winners)
      if (refused.has(call.name)) core.refused(call.key, 'its lease no longer stood in the store');
    return new Set([...entries.keys()].filter((name) => !refused.has(name)));
  } catch (error) {
    core.statistics.droppedWrites += entries.size;
    core.report('setMulti', error);
    return new Set();
  }
}
