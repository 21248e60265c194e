/**
 * Many keys: the story of a call (semantics §5). Decides what a caller is given for each, in rounds: what is there at once, then what
 * is won and created here, then what others create. Each key is a flight of its own, so calls for one key and for many share creations
 * both ways. Who creates is `attempt-multi.ts`, how `creating-multi.ts`.
 */
import type { CachedValue } from '../api.js';
import { together } from '../lock/aborts.js';
import { type Contender, type Looked, launch, lookAtAll } from './attempt-multi.js';
import { type Call, callOf } from './call.js';
import { type Creation, enclosingCreation } from './context.js';
import type { Core } from './core.js';
import { type Batch, createAlone, type Found, type FoundByKey } from './creating-multi.js';
import type { Flight } from './flight.js';
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
import { freshnessOf } from './settings.js';

/** A key with what this round's look found. */
interface Item extends Looked {
  /** May be served while another creates. */
  readonly stale: CachedValue | undefined;
}

interface Round {
  readonly core: Core;
  readonly batch: Batch;
  /** The creation that the call is made in. */
  readonly caller: Creation | undefined;
  readonly results: Map<string, Found>;
  /** Calls that have to look again. */
  readonly again: Call[];
}

/** Values by key, without the keys that a creator's Map left out. */
export async function getOrCreateMulti(core: Core, keys: readonly string[], batch: Batch): Promise<FoundByKey> {
  // An expiration time that is a function is asked once for all of its keys.
  const settings = { ...batch.settings, fixed: freshnessOf(batch.settings) };
  settings.signal?.throwIfAborted();
  const distinct = [...new Set(keys)];
  let open: readonly Call[] = distinct.map((key) => callOf(core, key, uncalled, settings));
  if (core.store.backend.storesNothing) return allAlone(core, open, batch);
  const results = new Map<string, Found>();
  let wait = false;
  for (let round = 1; open.length > 0; round++) {
    const seen = await lookAtAll(core, open);
    settings.signal?.throwIfAborted();
    core.throwIfClosed();
    if (round === 1) for (const { call, look } of seen) core.looked(call.key, look);
    const { again, hasContended } = await settle(core, seen, batch, results, { wait });
    open = again;
    // What others hold is waited for one key at a time, every other turn: by then most of the rest is there as well. An attempt of another
    // call that this one only joined is no turn of its own: of two calls that go round opposite to each other neither would ever wait.
    if (hasContended) wait = !wait;
  }
  return results;
}

/** Where the backend elects nobody. */
async function allAlone(core: Core, calls: readonly Call[], batch: Batch): Promise<FoundByKey> {
  const results = new Map<string, Found>();
  const caller = enclosingCreation();
  if (calls.length === 0) return results;
  const sorted = [...calls].sort((a, b) => byCodePoint(a.key, b.key));
  const flights = createAlone(core, sorted, batch);
  await Promise.all(
    sorted.map(async (call, at) => {
      const flight = flights[at];
      const outcome = flight && (await waitFor(flight, call, caller, { first: true, hasStale: false }));
      if (outcome?.kind === 'failed') throw outcome.reason;
      if (outcome?.kind === 'created') results.set(call.key, { value: outcome.value });
    }),
  );
  return results;
}

/** The keys of a batch are created by the creator of the batch. */
const uncalled = () => undefined;

interface Settled {
  /** The calls that have to look again. */
  readonly again: readonly Call[];
  /** Something was left to contend for. */
  readonly hasContended: boolean;
}

/** One round: gives what it can. */
async function settle(
  core: Core,
  seen: readonly Looked[],
  batch: Batch,
  results: Map<string, Found>,
  { wait }: { wait: boolean },
): Promise<Settled> {
  const round: Round = { core, batch, caller: enclosingCreation(), results, again: [] };
  const missing = giveWhatIsThere(round, seen);
  if (missing.length === 0) return { again: [], hasContended: false };
  // What nobody here creates is ours to contend for: all at once, or, where others hold all of it, one that we wait for.
  const free = missing.filter(({ call }) => batch.anew || !core.flights.joinable(call.name));
  const chosen = new Set(wait ? free.slice(0, 1) : free);
  const others = missing.filter((item) => !chosen.has(item));
  await together(batch.settings.signal, async (signal) => {
    await contend(round, [...chosen], { wait, signal });
    // What was won has been created; now the rest is awaited.
    await joinOthers(round, others, signal);
  });
  return { again: round.again, hasContended: chosen.size > 0 };
}

/** Answers with the others, in the order of their keys. Throws what one key refuses the whole call for, before anything is begun. */
function giveWhatIsThere(round: Round, seen: readonly Looked[]): Item[] {
  const { core, batch, caller } = round;
  const { anew, settings } = batch;
  const missing: Item[] = [];
  const due: (Looked & { early: CachedValue })[] = [];
  for (const { call, look } of seen) {
    const stale = anew ? undefined : staleFor(core, look, call);
    const current = core.flights.joinable(call.name);
    const failure = current || anew ? undefined : core.backoff.recall(call.name, settings.errorBackoff);
    if (look.state === 'fresh' && !anew) {
      if (isDueEarly(core, call, look)) due.push({ call, look, early: look.value });
      give(round, call, look.value);
    } else if (isReentrant(core, call, caller, current)) {
      if (look.state === 'missing') fail(round, call, reentrance(call.key));
      else give(round, call, look.value);
    } else if (stale && current) give(round, call, stale);
    else if (failure) {
      const value = stale ?? standIn(core, look, call);
      if (value) give(round, call, value);
      else fail(round, call, failure.reason);
    } else missing.push({ call, look, stale });
  }
  const refreshed = due.sort(byKey).map((each): Contender => {
    return { ...each, flight: core.flights.open(each.call.name, { unattended: true }) };
  });
  launch(core, refreshed, batch, { wait: false });
  return missing.sort(byKey);
}

/** Starts flights for these keys, and gives what they bring. */
async function contend(
  round: Round,
  items: readonly Item[],
  { wait, signal }: { wait: boolean; signal: AbortSignal },
): Promise<void> {
  const { core, batch } = round;
  // Stale values are served at once and created behind, unless the caller has to wait for missing ones anyway.
  const isBehind = batch.settings.background && items.every(({ stale }) => stale !== undefined);
  const contenders = items.map((item) => ({
    ...item,
    flight: core.flights.open(item.call.name, { listed: !batch.anew, unattended: isBehind }),
  }));
  launch(core, contenders, batch, { wait });
  await Promise.all(
    contenders.map(async (item) => {
      if (isBehind && item.stale) give(round, item.call, item.stale);
      else await follow(round, item, item.flight, { first: true, signal });
    }),
  );
}

async function joinOthers(round: Round, items: readonly Item[], signal: AbortSignal): Promise<void> {
  const { core, batch, again } = round;
  signal.throwIfAborted();
  await Promise.all(
    items.map(async (item) => {
      const { call } = item;
      const current = core.flights.joinable(call.name);
      if (!current || batch.anew) again.push(call);
      else {
        core.waits(call.key, 'here');
        await follow(round, item, current, { first: false, signal });
      }
    }),
  );
}

/** Waits on a flight, and gives what it brings, if that is an answer for this call. `first`: this call has started it. */
async function follow(
  round: Round,
  item: Item,
  flight: Flight,
  { first, signal }: { first: boolean; signal: AbortSignal },
): Promise<void> {
  const { core, batch, caller, results, again } = round;
  const { call, look, stale } = item;
  const soft = batch.anew ? undefined : softValue(core, look, call);
  const outcome = await waitFor(flight, call, caller, { first, hasStale: soft !== undefined, signal });
  if (outcome.kind === 'created') results.set(call.key, { value: outcome.value });
  else if (outcome.kind === 'failed') {
    const value = standIn(core, look, call);
    if (value) give(round, call, value);
    else fail(round, call, outcome.reason);
  } else if (outcome.kind === 'soft' && soft) give(round, call, soft);
  else if (outcome.kind === 'timeout') fail(round, call, lockTimeout(call));
  else if (outcome.kind === 'found' && (await isFreshFor(core, outcome.entry, call))) give(round, call, outcome.entry);
  else if (outcome.kind === 'again' && stale && first) give(round, call, stale);
  else if (outcome.kind !== 'nothing') again.push(call);
}

function give({ results }: Round, call: Call, value: CachedValue): void {
  results.set(call.key, { value: value.payload });
}

/** One key can't be had: then nothing of the call can, but where each key is somebody else's. */
function fail({ batch }: Round, { key }: Call, reason: unknown): void {
  if (!batch.failures) throw reason;
  batch.failures.set(key, { reason });
}

function byKey(a: Looked, b: Looked): number {
  return byCodePoint(a.call.key, b.call.key);
}

/** The order that creators are promised, Python's: by code point, where UTF-16 units would put astral characters before U+E000. */
function byCodePoint(a: string, b: string): number {
  const left = a[Symbol.iterator]();
  const right = b[Symbol.iterator]();
  for (;;) {
    const [l, r] = [left.next(), right.next()];
    if (l.done || r.done) return Number(r.done ?? false) - Number(l.done ?? false);
    const difference = (l.value.codePointAt(0) ?? 0) - (r.value.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
}
