/**
 * The attempt of many flights at once to be the creators (semantics §5): one acquire for all, one second look, and every lease is given
 * back. Decides which keys are this call's to create; how they are created is `creating-multi.ts`.
 */
import type { CachedValue, Lease, RecordsRequest } from '../api.js';
import { isWanted } from './attempt.js';
import type { Call } from './call.js';
import type { Core } from './core.js';
import { type Batch, create, giveAllBack, type Winner } from './creating-multi.js';
import type { Ending, Flight } from './flight.js';
import { acquireAlone, LoneLease } from './lone-lease.js';
import { type Look, withoutFresh } from './look.js';

/** A key with what the last look found. */
export interface Looked {
  readonly call: Call;
  readonly look: Look;
}

/** One that this call contends for. */
export interface Contender extends Looked {
  readonly flight: Flight;
  /** The fresh value that is refreshed early, if that is why. */
  readonly early?: CachedValue | undefined;
}

interface Won extends Contender, Winner {}

type LeasesByName = ReadonlyMap<string, Lease>;

interface Attempt {
  readonly core: Core;
  readonly contenders: readonly Contender[];
  readonly batch: Batch;
  /** Wait for the lock of the first, if others hold all of them. */
  readonly wait: boolean;
  /** The records that the acquire brings along, where the store keeps generations. */
  readonly records: RecordsRequest | undefined;
}

/** One read for all of them; they are of one policy. */
export async function lookAtAll(core: Core, calls: readonly Call[]): Promise<Looked[]> {
  const [first] = calls;
  if (!first) return [];
  const [keys, names] = [calls.map(({ key }) => key), calls.map(({ name }) => name)];
  const looks = await core.looks.lookMulti(keys, names, first.asked, first.settings.tags);
  return calls.map((call, at) => ({ call, look: looks[at] ?? never() }));
}

function never(): never {
  throw new Error('A store answered for other keys than it was asked for.');
}

/** Starts the flights; they are the region's from here on, and tell their waiters themselves. */
export function launch(
  core: Core,
  contenders: readonly Contender[],
  batch: Batch,
  { wait }: Pick<Attempt, 'wait'>,
): void {
  if (contenders.length === 0) return;
  const records = core.shared?.request(tagsOf(contenders, batch));
  const end = (ending: Ending) => contenders.map(({ flight }) => flight.end(ending));
  core.behind(
    fly({ core, contenders, batch, wait, records }).then(
      () => void end({ kind: 'again' }),
      (reason: unknown) => void end({ kind: 'failed', reason }),
    ),
  );
}

/** Of the entries that were seen, and those that the call names: their records are made by the acquire, if they are absent. */
function tagsOf(contenders: readonly Contender[], { settings }: Batch): string[] {
  const seen = contenders.flatMap(({ look }) => (look.state === 'missing' ? [] : (look.value.metadata.t ?? [])));
  return [...new Set([...seen, ...settings.tags])];
}

async function fly(attempt: Attempt): Promise<void> {
  const { core, contenders, batch, records } = attempt;
  const sentAt = core.flights.tick();
  const leases = await acquireAll(attempt);
  const won = wonOf(contenders, leases);
  try {
    for (const { call, flight } of contenders) if (!leases.has(call.name)) flight.end({ kind: 'again' });
    const toCreate: Winner[] = [];
    for (const winner of await lookUnder(attempt, won, sentAt)) {
      const { look, flight, early } = winner;
      if (look.state === 'fresh' && !isWanted(look, { anew: batch.anew, early }))
        flight.end({ kind: 'found', entry: look.value, readAt: look.readAt });
      else toCreate.push({ ...winner, look: withoutFresh(look) });
    }
    if (toCreate.length === 0) return;
    const creating = new Set(toCreate.map(({ flight }) => flight));
    const idle = won.filter(({ flight }) => !creating.has(flight));
    // Nobody is to wait for a lease under which nothing is created.
    if (idle.length > 0) core.behind(giveAllBack(core, idle));
    await create(core, toCreate, batch, records);
  } finally {
    await giveAllBack(core, won);
  }
}

function wonOf(contenders: readonly Contender[], leases: LeasesByName): Won[] {
  return contenders.flatMap((contender) => {
    const lease = leases.get(contender.call.name);
    return lease ? [{ ...contender, lease }] : [];
  });
}

/** Those that were won: of the process's own locks, while the store's can't be reached. */
async function acquireAll(attempt: Attempt): Promise<LeasesByName> {
  const { core, contenders, wait, records } = attempt;
  // Once a call has run into its deadline, the rest of the flight goes on without the store.
  if (contenders.every(({ look }) => look.state === 'missing' && look.isDown)) return acquireAllAlone(attempt);
  const awaited = wait ? contenders[0] : undefined;
  const names = contenders.map(({ call }) => call.name);
  const troubles: unknown[] = [];
  let leases: LeasesByName;
  try {
    leases = await core.store.locks.tryAcquireMulti(names, (error) => troubles.push(error), records);
    if (awaited && leases.size === 0) leases = await waitForOne(attempt, awaited);
  } catch (error) {
    if (awaited?.flight.abandoned.aborted) throw error;
    core.unreadable('acquire', error);
    return acquireAllAlone(attempt);
  }
  if (troubles.some((error) => core.rejectsFor(error))) await giveAllBack(core, wonOf(contenders, leases));
  for (const error of troubles) core.unreadable('acquire', error);
  return leases;
}

async function acquireAllAlone({ core, contenders, wait }: Attempt): Promise<LeasesByName> {
  const leases = new Map<string, LoneLease>();
  for (const { call, flight } of contenders) {
    // Who waits contends for one key alone: nothing is held meanwhile.
    const lease = await acquireAlone(core, { call, flight, wait });
    if (lease) leases.set(call.name, lease);
  }
  return leases;
}

async function waitForOne({ core, records }: Attempt, { call, flight }: Contender): Promise<LeasesByName> {
  core.waits(call.key, 'elsewhere');
  flight.waitsElsewhere();
  const lease = await core.store.locks.acquire(call.name, flight.abandoned, records);
  return new Map(lease ? [[call.name, lease]] : []);
}

/** The second look: what came with the leases, which was sent for at `sentAt`, and one read for those that say nothing. */
async function lookUnder({ core, records }: Attempt, won: readonly Won[], sentAt: number): Promise<Won[]> {
  const isSilent = ({ lease }: Won) => (lease instanceof LoneLease ? lease.hasWaited : !('stored' in lease));
  const silent = won.filter(isSilent).map(({ call }) => call);
  const read = new Map((await lookAtAll(core, silent)).map(({ call, look }) => [call, look]));
  return Promise.all(
    won.map(async (winner) => {
      const { call, look, lease } = winner;
      if (!('stored' in lease)) return { ...winner, look: read.get(call) ?? look };
      const came = { records, sentAt, stored: lease.stored, sync: false };
      return { ...winner, look: await core.looks.judge(call.key, came, call.asked) };
    }),
  );
}
