/**
 * One of the processes: its callers ask its region, and it tells its parent what it sees on the library's channels: creations at once,
 * calls in batches. Started with its number and how many callers it has.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeRegion } from 'dogpile-cache';
import { now } from './clock.mjs';
import { QUERIES, scriptOf } from './queries.mjs';
import { ROUNDS } from './rounds.mjs';
import { WordList } from './search.mjs';

const REPORT_MS = 40;
const [number, callers] = process.argv.slice(2).map(Number);
const words = new WordList();
/** The call that the running code is part of: channels tell of keys, we count calls. */
const calls = new AsyncLocalStorage();
const keyOf = new Map(QUERIES.map((query, key) => [query, key]));
const tell = (message) => process.send?.({ process: number, pid: process.pid, ...message }, ignoreClosed);

/** The round that runs: its region, and what was counted since the last report. */
let round;

for (const seen of ['hit', 'stale', 'miss']) {
  diagnostics.subscribe(`dogpile.cache:${seen}`, () => {
    const call = calls.getStore();
    if (call) call.seen = seen;
  });
}
diagnostics.tracingChannel('dogpile.cache:create').subscribe({
  start(message) {
    if (!isCounted(message.region)) return;
    message.calledAt = now();
    tell({ kind: 'creating', key: keyOf.get(message.key), calledAt: message.calledAt });
  },
  asyncEnd(message) {
    if (!isCounted(message.region)) return;
    const { began, made } = message.result;
    round.creations++;
    tell({ kind: 'created', key: keyOf.get(message.key), calledAt: message.calledAt, began, made, endedAt: now() });
  },
});

function isCounted(region) {
  return round !== undefined && region === round.region && !round.isOver;
}

async function prepare({ round: index, ...settings }) {
  const region = ROUNDS[index].configure(makeRegion({ name: 'demo' }), settings);
  await region.ready();
  round = {
    region,
    ...settings,
    isOver: false,
    over: new AbortController(),
    answered: [],
    waiting: new Set(),
    seen: {},
    creations: 0,
  };
  tell({ kind: 'prepared' });
}

function start() {
  const { arrivals } = round;
  round.reporting = setInterval(report, REPORT_MS);
  for (let caller = 0; caller < callers; caller++) void live(round, scriptOf(number, caller), arrivals);
}

/** The life of a caller. What goes wrong ends the process, and its parent hears of it. */
async function live(mine, script, arrivals) {
  await sleep(script.arrival * arrivals);
  while (!mine.isOver) {
    await ask(mine, script.key());
    await sleep(script.pause());
  }
}

async function ask(mine, key) {
  const call = { key, began: now(), seen: 'nothing', creates: false };
  mine.waiting.add(call);
  const creator = () => {
    call.creates = true;
    return words.search(QUERIES[key], mine.over.signal);
  };
  const answer = calls.run(call, () => mine.region.getOrCreate(QUERIES[key], creator));
  const value = await answer.catch((error) => {
    if (!mine.isOver) throw error;
  });
  if (mine.isOver) return;
  if (call.creates) tell({ kind: 'stored', key });
  mine.waiting.delete(call);
  mine.seen[call.seen] = (mine.seen[call.seen] ?? 0) + 1;
  const answeredAt = now();
  mine.answered.push([key, call.began, answeredAt - call.began, outcomeOf(call, value, answeredAt)]);
}

/** What the caller was given, by what his own look had found. */
function outcomeOf({ creates, seen }, value, at) {
  if (creates) return 'created';
  if (seen === 'hit') return 'hit';
  return seen === 'stale' && at - value.made > round.expirationTime ? 'stale' : 'waited';
}

function report() {
  const { answered } = round;
  round.answered = [];
  if (answered.length > 0) tell({ kind: 'calls', calls: answered });
}

/** Everything is counted at one instant; what is still going on is given up. */
async function stop() {
  const at = now();
  round.isOver = true;
  clearInterval(round.reporting);
  report();
  const { region, waiting, seen, creations } = round;
  for (const call of waiting) seen[call.seen] = (seen[call.seen] ?? 0) + 1;
  const { hits, stale, misses, creations: created } = region.statistics;
  const { refusedCommits, droppedWrites, lockLosses, backendErrors } = region.statistics;
  tell({
    kind: 'done',
    at,
    unanswered: [...waiting].map(({ key, began }) => [key, began, at - began]),
    /** Counted on the channels, and by the region itself. */
    seen: { hits: seen.hit ?? 0, stale: seen.stale ?? 0, misses: seen.miss ?? 0, creations },
    statistics: { hits, stale, misses, creations: created },
    trouble: { refusedCommits, droppedWrites, lockLosses, backendErrors },
  });
  round.over.abort();
  await region.close({ timeout: 0 });
  tell({ kind: 'closed' });
}

const verbs = { prepare, start, stop };
process.on('message', ({ verb, ...settings }) => verbs[verb](settings));
// A Ctrl-C reaches all processes of the terminal; the parent decides.
process.on('SIGINT', () => {});
// The parent is gone without having cleared up.
process.on('disconnect', () => {
  if (round) rmSync(dirname(round.filename), { recursive: true, force: true });
  process.exit(1);
});

/** The parent is gone, and `disconnect` says so. */
function ignoreClosed() {}

// What is compiled once is compiled before anything is timed.
await words.search(QUERIES[0], new AbortController().signal);
tell({ kind: 'up' });
