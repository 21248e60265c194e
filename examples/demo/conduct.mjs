/** Runs the rounds one after another: who is told what, and when. */
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from './clock.mjs';
import { Killing } from './killing.mjs';
import { RoundLog } from './log.mjs';
import { ROUNDS } from './rounds.mjs';

/** As parts of a round. */
const EXPIRATION = 0.3;
const ARRIVALS = 0.3;
/** The creations after the first expiry are there to be killed. */
const KILLING_FROM = 0.25;
/** A round goes on for so long at most, in milliseconds, when the killed creation has not been taken over by its end. */
const OVERTIME = 10_000;

const VICTIM_KEY = 0;

/** Milliseconds. */
export function timesOf({ seconds }) {
  const round = (seconds * 1000) / ROUNDS.length;
  return { round, expirationTime: Math.round(round * EXPIRATION), arrivals: round * ARRIVALS };
}

/** The logs of all rounds. `progress` is told when one begins and ends; `signal` ends it early. */
export async function conduct(fleet, { options, filename, progress, signal }) {
  await Promise.all(Array.from({ length: options.processes }, (_, i) => fleet.launch(i + 1)));
  const logs = [];
  for (const [index, { name }] of ROUNDS.entries()) {
    const log = new RoundLog(name);
    logs.push(log);
    const isLast = index === ROUNDS.length - 1;
    await runRound(fleet, log, {
      round: index,
      filename,
      times: timesOf(options),
      progress,
      signal,
      killsCreator: isLast,
    });
  }
  return logs;
}

async function runRound(fleet, log, { round, filename, times, progress, signal, killsCreator }) {
  const { expirationTime, arrivals } = times;
  const prepare = { verb: 'prepare', round, filename, expirationTime, arrivals };
  const killing = new Killing(fleet, log, VICTIM_KEY);
  fleet.listen((message) => {
    log.hear(message);
    if (killsCreator) killing.hear(message);
  });
  await fleet.askAll(prepare, 'prepared');
  signal.throwIfAborted();

  log.startedAt = now();
  progress.begin(log);
  for (const number of fleet.numbers) fleet.tell(number, { verb: 'start' });
  let joining;
  if (killsCreator) {
    killing.onKilled = (number) => {
      joining = number;
      void replace(number);
    };
    await sleep(times.round * KILLING_FROM, undefined, { signal });
    killing.arm();
    await sleep(times.round * (1 - KILLING_FROM), undefined, { signal });
    await Promise.race([killing.settled, sleep(OVERTIME, undefined, { signal, ref: false })]);
  } else {
    await sleep(times.round, undefined, { signal });
  }
  // A new process that is not there yet has no part in this round.
  if (joining !== undefined) fleet.kill(joining);
  log.overAt = now();
  await fleet.askAll({ verb: 'stop' }, 'closed');
  progress.end(log);

  async function replace(number) {
    await fleet.launch(number);
    await fleet.ask(number, prepare, 'prepared');
    fleet.tell(number, { verb: 'start' });
    if (joining === number) joining = undefined;
  }
}
