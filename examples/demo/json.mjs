/** The figures for other programs: milliseconds, from the start of each round. */
import { cpus } from 'node:os';
import { QUERIES } from './queries.mjs';

export function jsonOf({ logs, figures, checks, options, times }) {
  const { processes, callers } = options;
  const rounds = figures.map((figure, i) => ({ ...figure, trouble: troubleOf(logs[i]), log: creationsOf(logs[i]) }));
  const machine = { node: process.version, platform: process.platform, cores: cpus().length };
  const all = { machine, processes, callers, ...times, queries: QUERIES, rounds, checks, ok: isWell(checks) };
  return `${JSON.stringify(all, undefined, 1)}\n`;
}

function isWell(checks) {
  return checks.every(({ ok }) => ok !== false);
}

/** What the regions of the processes that lived to the end had trouble with. */
function troubleOf({ accounts }) {
  const total = { refusedCommits: 0, droppedWrites: 0, lockLosses: 0, backendErrors: 0 };
  for (const { trouble } of accounts) for (const name of Object.keys(total)) total[name] += trouble[name];
  return total;
}

/** `until`: its end, or that of its process. */
function creationsOf(log) {
  const { creations, startedAt } = log;
  const since = (at) => (at === undefined ? undefined : Number((at - startedAt).toFixed(3)));
  return creations.map((creation) => ({
    process: creation.process,
    pid: creation.pid,
    key: creation.key,
    calledAt: since(creation.calledAt),
    began: since(creation.began),
    endedAt: since(creation.endedAt),
    until: since(log.endOf(creation)),
    killedAt: since(creation.killedAt),
  }));
}
