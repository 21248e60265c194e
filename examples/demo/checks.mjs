/** What the run says about itself: whether the promises were kept, and whether its figures can be believed. */
import { formatMs, formatNumber, formatTimes } from './paint.mjs';

/**
 * @typedef {{ ok: boolean | undefined, text: string }} Check `undefined`: no verdict
 * @returns {Check[]}
 */
export function checksOf(logs, [none, flight, dogpile]) {
  const { missed } = logs.at(-1);
  return [
    onePerExpiry(none, flight, dogpile, missed),
    oneAtOnce(none, flight, dogpile),
    takenOver(dogpile),
    addsUp(logs),
  ];
}

/** `missed`: so many were perhaps made and, their process killed, not stored. */
function onePerExpiry(none, flight, dogpile, missed) {
  const others = `single flight ${formatTimes(flight.perKeyAndExpiry)}, no cache ${formatTimes(none.perKeyAndExpiry)}`;
  return {
    ok: dogpile.creations > 0 && dogpile.creations <= dogpile.keysAndExpiries + missed,
    text: `One creation per key and expiry: ${formatTimes(dogpile.perKeyAndExpiry)} (${others})`,
  };
}

function oneAtOnce(none, flight, dogpile) {
  const others = `single flight ${flight.atOnce}, no cache ${none.atOnce}`;
  return {
    ok: dogpile.overlaps === 0,
    text: `Creations of one key at the same time, at most: ${dogpile.atOnce} (${others})`,
  };
}

function takenOver({ killing }) {
  if (!killing) return { ok: undefined, text: 'Nobody was killed: every creation was done before the signal came' };
  if (killing.takenOverBy === undefined) return { ok: false, text: 'Nobody took over from the killed creator' };
  const served = `${formatNumber(killing.staleMeanwhile)} calls got the stale value meanwhile`;
  return {
    ok: true,
    text: `The killed creator was replaced within ${formatMs(killing.takenOverAfter)}; ${served}`,
  };
}

/** Counted on the channels, by the regions, and by the parent. */
function addsUp(logs) {
  const wrong = logs.flatMap((log) =>
    log.accounts.filter((account) => !isBalanced(log, account)).map(({ process }) => `${log.name}, process ${process}`),
  );
  const counted = logs.reduce((total, { calls }) => total + calls.length, 0);
  if (wrong.length > 0) return { ok: false, text: `Figures that don't add up: ${wrong.join('; ')}` };
  return {
    ok: true,
    text: `All ${formatNumber(counted)} calls and every creation agree with the regions' own statistics`,
  };
}

function isBalanced(log, { pid, seen, statistics }) {
  const heard = log.creations.filter((one) => one.pid === pid && one.endedAt !== undefined).length;
  return heard === seen.creations && Object.keys(seen).every((name) => seen[name] === statistics[name]);
}
