/**
 * Many keys: one read, one acquire for all that miss, one creator call for what was won, one commit; then what others create is
 * awaited (semantics §5). Each key is a flight of its own, so calls for one key and for many share creations both ways.
 */
import type { Awaitable, CachedValue, Lease, MultiCreationContext, RecordsRequest, Storable } from '../api.js';
import { ValidationError } from '../errors.js';
import { shown } from '../shown.js';
import { isWanted, limitCreation } from './attempt.js';
import { type Call, callOf } from './call.js';
import { enclosingCreation, MultiCreation } from './context.js';
import type { Core } from './core.js';
import { entryOf, type Failed, fenceOf, generationUnder, type Made, runCreator, ttlOf } from './creating.js';
import type { Flight, Outcome } from './flights.js';
import type { Generation } from './generations.js';
import {
  isDueEarly,
  isFreshFor,
  isReentrant,
  lockTimeout,
  reentrance,
  softValue,
  staleFor,
  standIn,
  waitFor,
} from './get-or-create.js';
import { acquireAlone, LoneLease } from './lone-lease.js';
import { type Look, withoutFresh } from './look.js';
import type { Read } from './reads.js';
import type { Settings } from './settings.js';

export type AnyMultiCreator = (keys: string[], context: MultiCreationContext<unknown>) => Awaitable<Results>;
type Results = readonly unknown[] | ReadonlyMap<string, unknown>;

/** A value there is; a key that a creator's Map left out has none. */
export interface Found {
  readonly value: unknown;
}

/** What the keys of one call share. */
interface Batch {
  readonly creator: AnyMultiCreator;
  readonly settings: Settings;
  /** Create also what is there (`refresh`). */
  readonly anew: boolean;
  /** Of each key, beside those of the settings. */
  tagsOf?(key: string): readonly string[];
}

/** A key with what the last look found. */
interface Item {
  readonly call: Call;
  readonly look: Look;
  /** May be served while another creates. */
  readonly stale: CachedValue | undefined;
}

/** An item that this call contends for. */
interface Contender extends Item {
  readonly flight: Flight;
  /** The fresh value that is refreshed early, if that is why. */
  readonly early?: CachedValue | undefined;
}

/** Values by key, without the keys that a creator's Map left out. */
export async function getOrCreateMulti(
  core: Core,
  keys: readonly string[],
  creator: AnyMultiCreator,
  settings: Settings,
  { anew = false, tagsOf }: { anew?: boolean; tagsOf?: ((key: string) => readonly string[]) | undefined } = {},
): Promise<ReadonlyMap<string, Found>> {
  const batch: Batch = { creator, settings, anew, ...(tagsOf && { tagsOf }) };
  settings.signal?.throwIfAborted();
  let open: readonly Call[] = [...new Set(keys)].map((key) => callOf(core, key, unused, settings));
  const results = new Map<string, Found>();
  if (core.store.backend.storesNothing) return createAlone(core, open, batch);
  for (let round = 1; open.length > 0; round++) {
    const looks = await core.looks.lookMulti(
      open.map(({ key }) => key),
      open.map(({ name }) => name),
      open[0]?.asked ?? never(),
      settings.tags,
    );
    settings.signal?.throwIfAborted();
    core.throwIfClosed();
    const items = open.map((call, at) => itemOf(core, call, looks[at] ?? never(), batch));
    if (round === 1) for (const { call, look } of items) core.looked(call.key, look);
    // What others hold is waited for one key at a time, every other round: by then most of the rest is there as well.
    open = await settleRound(core, items, batch, { wait: round % 2 === 0 }, results);
  }
  return results;
}

/** Settles what it can; answers with the calls that have to look again. */
async function settleRound(
  core: Core,
  items: readonly Item[],
  batch: Batch,
  { wait }: { wait: boolean },
  results: Map<string, Found>,
): Promise<Call[]> {
  const caller = enclosingCreation();
  const missing: Item[] = [];
  const early: Contender[] = [];
  const give = (call: Call, value: CachedValue): void => void results.set(call.key, { value: value.payload });
  for (const item of items) {
    const { call, look, stale } = item;
    const current = core.flights.joinable(call.name);
    const failure = current || batch.anew ? undefined : core.backoff.recall(call.name, batch.settings.errorBackoff);
    if (look.state === 'fresh' && !batch.anew) {
      if (isDueEarly(core, call, look)) early.push(earlyContender(core, item, look.value));
      give(call, look.value);
    } else if (isReentrant(core, call, caller, current)) {
      if (look.state === 'missing') throw reentrance(call.key);
      give(call, look.value);
    } else if (stale && current) give(call, stale);
    else if (failure) {
      const value = stale ?? standIn(core, look, call);
      if (!value) throw failure.reason;
      give(call, value);
    } else missing.push(item);
  }
  // The order that creators are promised; what is there needs none.
  early.sort(byKey);
  missing.sort(byKey);
  launch(core, early, batch, false);

  const again: Call[] = [];
  const settle = async ({ call, look, stale }: Item, outcome: Outcome, isOurs: boolean): Promise<void> => {
    if (outcome.kind === 'created') results.set(call.key, { value: outcome.value });
    else if (outcome.kind === 'failed') {
      const value = standIn(core, look, call);
      if (!value) throw outcome.reason;
      give(call, value);
    } else if (outcome.kind === 'soft') give(call, softValue(core, look, call) ?? never());
    else if (outcome.kind === 'timeout') throw lockTimeout(call);
    else if (outcome.kind === 'found' && (await isFreshFor(core, outcome.entry, call))) give(call, outcome.entry);
    else if (outcome.kind === 'again' && stale && isOurs) give(call, stale);
    else if (outcome.kind !== 'nothing') again.push(call);
  };
  const settleBy = async (item: Item, flight: Flight, first: boolean): Promise<void> => {
    const hasStale = !batch.anew && softValue(core, item.look, item.call) !== undefined;
    await settle(item, await waitFor(flight, item.call, caller, { first, hasStale }), first);
  };

  // What nobody here creates is ours to contend for: all at once, or, where others hold all of it, one that we wait for.
  const free = missing.filter(({ call }) => batch.anew || !core.flights.joinable(call.name));
  const chosen = new Set(wait ? free.slice(0, 1) : free);
  // Stale values are served at once and created behind, unless the caller has to wait for missing ones anyway.
  const isBehind = batch.settings.background && [...chosen].every(({ stale }) => stale !== undefined);
  const contenders = [...chosen].map((item) => ({
    ...item,
    flight: core.flights.open(item.call.name, { listed: !batch.anew, unattended: isBehind }),
  }));
  launch(core, contenders, batch, wait);
  await Promise.all(
    contenders.map(async (contender) => {
      if (isBehind) results.set(contender.call.key, { value: contender.stale?.payload });
      else await settleBy(contender, contender.flight, true);
    }),
  );

  // What was won has been created; now the rest is awaited.
  const rest = missing.filter((item) => !chosen.has(item));
  await Promise.all(
    rest.map(async (item) => {
      const current = core.flights.joinable(item.call.name);
      if (!current || batch.anew) again.push(item.call);
      else {
        core.waits(item.call.key, 'here');
        await settleBy(item, current, false);
      }
    }),
  );
  return again;
}

function itemOf(core: Core, call: Call, look: Look, { anew }: Batch): Item {
  return { call, look, stale: anew ? undefined : staleFor(core, look, call) };
}

function earlyContender(core: Core, item: Item, value: CachedValue): Contender {
  return { ...item, early: value, flight: core.flights.open(item.call.name, { unattended: true }) };
}

// -------------------------------------------------------------------------------------------------------- the flights

/** What is known of the acquire: when it was sent, and the records it brought along. */
type Acquired = Pick<Read, 'records' | 'sentAt'>;

/** Starts the flights; they are the region's from here on, and tell their waiters themselves. */
function launch(core: Core, contenders: readonly Contender[], batch: Batch, wait: boolean): void {
  if (contenders.length === 0) return;
  const end = (ending: Parameters<Flight['end']>[0]) => contenders.map(({ flight }) => flight.end(ending));
  core.behind(
    fly(core, contenders, batch, wait).then(
      () => void end({ kind: 'again' }),
      (reason: unknown) => void end({ kind: 'failed', reason }),
    ),
  );
}

async function fly(core: Core, contenders: readonly Contender[], batch: Batch, wait: boolean): Promise<void> {
  const acquired: Acquired = { sentAt: core.flights.tick(), records: core.shared?.request(tagsSeen(contenders)) };
  const leases = await acquireAll(core, contenders, wait, acquired.records);
  try {
    const won: Contender[] = [];
    for (const contender of contenders) {
      if (leases.has(contender.call.name)) won.push(contender);
      else contender.flight.end({ kind: 'again' });
    }
    const looks = await lookUnder(core, won, leases, acquired);
    const toCreate: Contender[] = [];
    won.forEach((contender, at) => {
      const look = looks[at] ?? never();
      if (look.state === 'fresh' && !isWanted(look, { anew: batch.anew, early: contender.early })) {
        contender.flight.end({ kind: 'found', entry: look.value, readAt: look.readAt });
        return;
      }
      const lease = leases.get(contender.call.name);
      const isOurs = !(lease instanceof LoneLease) || lease.stands;
      if (isOurs && !contender.flight.isDeserted) toCreate.push({ ...contender, look: withoutFresh(look) });
    });
    if (toCreate.length === 0) return;
    const creating = new Set(toCreate.map(({ flight }) => flight));
    const idle = contenders.filter(({ flight }) => !creating.has(flight));
    // Nobody is to wait for a lease under which nothing is created.
    if (idle.length > 0) core.behind(giveAllBack(core, idle, leases));
    await create(core, toCreate, leases, batch, acquired.records);
  } finally {
    await giveAllBack(core, contenders, leases);
  }
}

async function giveAllBack(
  core: Core,
  contenders: readonly Contender[],
  leases: ReadonlyMap<string, Lease>,
): Promise<void> {
  const given = contenders.map(({ call }) => {
    const lease = leases.get(call.name);
    return lease && core.giveBack(lease, call.key);
  });
  await Promise.all(given);
}

function tagsSeen(contenders: readonly Contender[]): string[] {
  return [
    ...new Set(contenders.flatMap(({ look }) => (look.state === 'missing' ? [] : (look.value.metadata.t ?? [])))),
  ];
}

/** By name, those that were won: of the process's own locks, while the store's can't be reached. */
async function acquireAll(
  core: Core,
  contenders: readonly Contender[],
  wait: boolean,
  records: RecordsRequest | undefined,
): Promise<ReadonlyMap<string, Lease>> {
  const [first] = contenders;
  const isAwaited = wait && first !== undefined;
  // Once a call has run into its deadline, the rest of the flight goes on without the store.
  if (contenders.every(({ look }) => look.state === 'missing' && look.isDown))
    return acquireAllAlone(core, contenders, wait);
  const names = contenders.map(({ call }) => call.name);
  const troubles: unknown[] = [];
  let leases: ReadonlyMap<string, Lease>;
  try {
    leases = await core.store.tryAcquireMulti(names, (error) => troubles.push(error), records);
    if (isAwaited && leases.size === 0) leases = await waitForOne(core, first, records);
  } catch (error) {
    if (isAwaited && first.flight.abandoned.aborted) throw error;
    core.unreadable('acquire', error);
    return acquireAllAlone(core, contenders, wait);
  }
  if (troubles.length === 0) return leases;
  if (troubles.some((error) => core.rejectsFor(error)))
    await Promise.all([...leases].map(([name, lease]) => core.giveBack(lease, name)));
  for (const error of troubles) core.unreadable('acquire', error);
  return leases;
}

async function acquireAllAlone(
  core: Core,
  contenders: readonly Contender[],
  wait: boolean,
): Promise<ReadonlyMap<string, LoneLease>> {
  const leases = new Map<string, LoneLease>();
  for (const contender of contenders) {
    // Who waits contends for one key alone: nothing is held meanwhile.
    const lease = await acquireAlone(core, { ...contender, wait });
    if (lease) leases.set(contender.call.name, lease);
  }
  return leases;
}

async function waitForOne(
  core: Core,
  { call, flight }: Contender,
  records: RecordsRequest | undefined,
): Promise<ReadonlyMap<string, Lease>> {
  core.waits(call.key, 'elsewhere');
  flight.waitsElsewhere();
  const lease = await core.store.acquire(call.name, flight.abandoned, records);
  return new Map(lease ? [[call.name, lease]] : []);
}

/** The second look: what came with the leases, and one read for those that say nothing. */
async function lookUnder(
  core: Core,
  won: readonly Contender[],
  leases: ReadonlyMap<string, Lease>,
  acquired: Acquired,
): Promise<Look[]> {
  const isSilent = ({ call }: Contender) => {
    const lease = leases.get(call.name);
    if (lease instanceof LoneLease) return lease.hasWaited;
    return lease !== undefined && !('stored' in lease);
  };
  const silent = won.filter(isSilent);
  const read =
    silent.length === 0
      ? []
      : await core.looks.lookMulti(
          silent.map(({ call }) => call.key),
          silent.map(({ call }) => call.name),
          silent[0]?.call.asked ?? never(),
          silent[0]?.call.settings.tags ?? [],
        );
  const readAgain = new Map(silent.map((contender, at) => [contender, read[at]]));
  return Promise.all(
    won.map((contender) => {
      const { call, look } = contender;
      const lease = leases.get(call.name);
      if (lease && 'stored' in lease)
        return core.looks.judge(call.key, { ...acquired, stored: lease.stored, sync: false }, call.asked);
      return readAgain.get(contender) ?? look;
    }),
  );
}

async function create(
  core: Core,
  contenders: readonly Contender[],
  leases: ReadonlyMap<string, Lease>,
  batch: Batch,
  records: RecordsRequest | undefined,
): Promise<void> {
  const isFenced = contenders.some(({ call }) => !(leases.get(call.name) instanceof LoneLease));
  const generation = isFenced && records ? await generationUnder(core, records) : undefined;
  const keys = contenders.map(({ call }) => call.key);
  const stale = new Map(
    contenders.flatMap(({ call, look, flight }) =>
      look.state === 'missing' || flight.isOutdated ? [] : [[call.key, look.value]],
    ),
  );
  const names = new Set(contenders.map(({ call }) => core.store.lockName(call.name)));
  const creation = new MultiCreation({
    lock: core.store.lock,
    names,
    keys,
    stale,
    tagsOf: (key) => tagsOf(batch, key),
  });
  const isBackground = contenders.every(({ flight }) => flight.waiting === 0);
  for (const { call, flight } of contenders) {
    const lease = leases.get(call.name) ?? never();
    flight.begin(creation, lease);
    lease.whenLost?.((why) => flight.lose(why, core.statistics));
  }
  const limits = contenders.map(({ call, flight }) => limitCreation(core, call, flight));
  const run = async () => checked(await batch.creator([...keys], creation), keys);
  const made = await runCreator(core, keys, creation, { isBackground, run, resultFor: foundIn });
  for (const stopLimit of limits) stopLimit();
  // It has failed, or its commit is sent now: who comes from here on looks for himself.
  for (const { flight } of contenders) flight.close();
  if ('reason' in made) {
    for (const { call } of contenders) {
      core.backoff.remember(call.name, made.reason, batch.settings.errorBackoff);
    }
    // Who is told may try again at once: the locks are free by then.
    await giveAllBack(core, contenders, leases);
    for (const { flight } of contenders) flight.end({ kind: 'failed', reason: made.reason });
    return;
  }
  const stored = await commit(core, { contenders, leases, generation, creation, made, batch });
  if (!(stored instanceof Set)) {
    await giveAllBack(core, contenders, leases);
    for (const { flight } of contenders) flight.end({ kind: 'failed', reason: stored.reason });
    return;
  }
  const unstored = contenders.filter(({ call }) => !stored.has(call.name));
  if (unstored.length > 0) await giveAllBack(core, unstored, leases);
  for (const { call, flight } of contenders) {
    const found = made.value.get(call.key);
    const isStored = stored.has(call.name);
    if (isStored) core.backoff.forget(call.name);
    const shared = isStored || (leases.get(call.name) instanceof LoneLease && !flight.isVoid);
    flight.end(found ? { kind: 'created', value: found.value, shared } : { kind: 'nothing' });
  }
}

interface Commit {
  readonly contenders: readonly Contender[];
  readonly leases: ReadonlyMap<string, Lease>;
  readonly generation: Generation | undefined;
  readonly creation: MultiCreation;
  readonly made: Made<ReadonlyMap<string, Found>>;
  readonly batch: Batch;
}

/** The names that were stored, or what `shouldCache` threw. Trouble of the store is an event. */
async function commit(
  core: Core,
  { contenders, leases, generation, creation, made, batch }: Commit,
): Promise<Set<string> | Failed> {
  const { settings, anew } = batch;
  const { startedAt, endedAt } = made;
  const entries = new Map<string, Storable>();
  const ttls = new Map<string, number>();
  const tags = new Map<string, readonly string[]>();
  try {
    for (const { call, flight } of contenders) {
      const { key, name, asked } = call;
      const found = made.value.get(key);
      if (!found) continue;
      const plan = creation.entry(key);
      const lease = leases.get(name) ?? never();
      const candidate = {
        key,
        value: found.value,
        startedAt,
        endedAt,
        plan,
        lease,
        generation,
        flight,
        settings,
        anew,
      };
      const entry = entryOf(core, candidate);
      if (entry === undefined) continue;
      entries.set(name, entry);
      tags.set(name, [...plan.tags]);
      const ttl = ttlOf(asked, plan.expiration);
      if (ttl !== undefined) ttls.set(name, ttl);
    }
  } catch (reason) {
    return { reason };
  }
  if (entries.size === 0) return new Set();
  try {
    const options = { ttl: ttls, generation: fenceOf(core, generation, tags) };
    const refused = await core.store.commitMulti(entries, leases, options);
    for (const { call } of contenders)
      if (refused.has(call.name)) core.refused(call.key, 'its lease no longer stood in the store');
    return new Set([...entries.keys()].filter((name) => !refused.has(name)));
  } catch (error) {
    core.statistics.droppedWrites += entries.size;
    core.report('setMulti', error);
    return new Set();
  }
}

/** Where the backend elects nobody, every call runs its creator. */
async function createAlone(core: Core, calls: readonly Call[], batch: Batch): Promise<ReadonlyMap<string, Found>> {
  const keys = calls.map(({ key }) => key).sort(byCodePoint);
  if (keys.length === 0) return new Map();
  const tagged = (key: string) => tagsOf(batch, key);
  const creation = new MultiCreation({ lock: {}, names: new Set(), keys, stale: new Map(), tagsOf: tagged });
  const run = async () => checked(await batch.creator([...keys], creation), keys);
  const made = await runCreator(core, keys, creation, { isBackground: false, run, resultFor: foundIn });
  if ('reason' in made) throw made.reason;
  return made.value;
}

function tagsOf({ settings, tagsOf }: Batch, key: string): readonly string[] {
  return tagsOf ? [...settings.tags, ...tagsOf(key)] : settings.tags;
}

/** The creator's results by key. An array has as many values as there are keys; a Map may leave keys out. */
function checked(results: Results, keys: readonly string[]): ReadonlyMap<string, Found> {
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

function byKey(a: Item, b: Item): number {
  return byCodePoint(a.call.key, b.call.key);
}

/** Python's order of strings: by code point, where UTF-16 units would put astral characters before U+E000. */
export function byCodePoint(a: string, b: string): number {
  const left = a[Symbol.iterator]();
  const right = b[Symbol.iterator]();
  for (;;) {
    const [l, r] = [left.next(), right.next()];
    if (l.done || r.done) return Number(r.done ?? false) - Number(l.done ?? false);
    const difference = (l.value.codePointAt(0) ?? 0) - (r.value.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
}

function foundIn(found: ReadonlyMap<string, Found>, key: string): unknown {
  return found.get(key)?.value;
}

const unused = (): never => never();

function never(): never {
  throw new Error('A store answered for other keys than it was asked for.');
}
