/** What a round's log amounts to. Pure: everything is counted from what the processes told. */
import { OUTCOMES } from './log.mjs';

/** @param {import('./log.mjs').RoundLog} log */
export function figuresOf(log, { expirationTime }) {
  const { calls, unanswered, creations, startedAt, overAt } = log;
  const finished = creations.filter(({ endedAt }) => endedAt !== undefined);
  const killed = creations.filter(({ killedAt }) => killedAt !== undefined);
  const periods = sum(byKey(finished).map((some) => periodsOf(some, expirationTime)));
  return {
    name: log.name,
    seconds: (overAt - startedAt) / 1000,
    calls: calls.length,
    ...Object.fromEntries(OUTCOMES.map((outcome) => [outcome, calls.filter((call) => call[3] === outcome).length])),
    unanswered: unanswered.length,
    creations: finished.length,
    unfinished: creations.length - finished.length - killed.length,
    killed: killed.length,
    keysAndExpiries: periods,
    perKeyAndExpiry: periods === 0 ? 0 : finished.length / periods,
    ...togetherness(log),
    p50: percentile(log, 0.5),
    p99: percentile(log, 0.99),
    killing: killingOf(log),
  };
}

/**
 * How often a key had to be created: a creation opens a period as long as the expiration time, and those that begin within it were
 * one too many.
 */
function periodsOf(creations, expirationTime) {
  let periods = 0;
  let until = Number.NEGATIVE_INFINITY;
  for (const { began } of creations.toSorted((a, b) => a.began - b.began)) {
    if (began < until) continue;
    periods++;
    until = began + expirationTime;
  }
  return periods;
}

/** `atOnce`: how many creations of one key were under way together, at most; `overlaps`: how many began while another was. */
function togetherness(log) {
  let atOnce = 0;
  let overlaps = 0;
  for (const some of byKey(log.creations)) {
    let running = [];
    for (const creation of some.toSorted((a, b) => a.calledAt - b.calledAt)) {
      running = running.filter((end) => end > creation.calledAt);
      if (running.length > 0) overlaps++;
      running.push(log.endOf(creation));
      atOnce = Math.max(atOnce, running.length);
    }
  }
  return { atOnce, overlaps };
}

/**
 * Milliseconds that this part of all calls took at most. A call that was never answered took at least as long as it had waited: where
 * that decides, it is a lower bound (`isBound`).
 */
function percentile({ calls, unanswered }, part) {
  const at = (times) => times.toSorted((a, b) => a - b)[Math.ceil(times.length * part) - 1];
  const answered = calls.map(([, , ms]) => ms);
  if (answered.length + unanswered.length === 0) return undefined;
  const least = at([...answered, ...unanswered.map(([, , ms]) => ms)]);
  const most = at([...answered, ...unanswered.map(() => Number.POSITIVE_INFINITY)]);
  return { ms: least, isBound: most > least * 1.1 };
}

/** Milliseconds from the start of the round. */
function killingOf({ killing, startedAt, calls }) {
  if (!killing) return undefined;
  const { creation, at, takenOver } = killing;
  const until = takenOver?.endedAt ?? Number.POSITIVE_INFINITY;
  const isStaleMeanwhile = ([key, began, ms, outcome]) =>
    key === creation.key && outcome === 'stale' && began + ms >= at && began + ms <= until;
  return {
    key: creation.key,
    process: creation.process,
    at: at - startedAt,
    afterItBegan: at - creation.calledAt,
    ...(takenOver && { takenOverBy: takenOver.process, takenOverAfter: takenOver.calledAt - at }),
    staleMeanwhile: calls.filter(isStaleMeanwhile).length,
  };
}

function byKey(creations) {
  const keys = new Set(creations.map(({ key }) => key));
  return [...keys].map((key) => creations.filter((creation) => creation.key === key));
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
