/**
 * Four processes, a hundred callers in each, all at once, for one key in one file: when nothing is there, and when what is there has
 * expired. The creator takes 300 ms; the best a fleet can do is one creation, and be done when it is.
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quantile } from '../harness.mjs';

export const title = '4 processes × 100 callers of one key in one file, creator of 300 ms';

const WORKER = fileURLToPath(new URL('../fleet-worker.mjs', import.meta.url));
const PROCESSES = 4;
const CALLERS = 100;
const CREATION = 300;

export async function run() {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-bench-'));
  const workers = [];
  try {
    for (let i = 0; i < PROCESSES; i++) workers.push(fork(WORKER, [join(folder, 'cache'), String(CREATION)]));
    await all(workers, 'ready');
    const results = [];
    for (const state of ['cold', 'expired']) {
      const rounds = [];
      for (let round = 0; round < 5; round++) {
        const key = `${state} ${round}`;
        if (state === 'expired') await ask(workers.slice(0, 1), { do: 'fill', key });
        const answers = await ask(workers, { do: 'crowd', key, callers: CALLERS, at: Date.now() + 100 });
        const times = answers.flatMap((answer) => answer.times);
        const creations = answers.reduce((sum, answer) => sum + answer.creations, 0);
        rounds.push({ creations, p50: quantile(times, 0.5), p99: quantile(times, 0.99), last: Math.max(...times) });
      }
      const of = (name) =>
        quantile(
          rounds.map((round) => round[name]),
          0.5,
        );
      const most = Math.max(...rounds.map((round) => round.creations));
      results.push({
        name: `${state}: creations ${most} at most; callers p50 ${ms(of('p50'))}, p99 ${ms(of('p99'))}, last ${ms(of('last'))}`,
        creations: most,
        p50: of('p50'),
        p99: of('p99'),
        last: of('last'),
        ratio: of('last') / CREATION,
      });
    }
    return results;
  } finally {
    for (const worker of workers) worker.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

const ms = (time) => `${time.toFixed(1)} ms`;

function ask(workers, question) {
  const answers = all(workers, 'answer');
  for (const worker of workers) worker.send(question);
  return answers;
}

function all(workers, kind) {
  return Promise.all(
    workers.map(
      (worker) =>
        new Promise((resolve, reject) => {
          const gone = (code) => reject(new Error(`A process of the fleet ended with ${code}.`));
          worker.once('exit', gone);
          worker.once('message', (message) => {
            worker.off('exit', gone);
            if (message.error) reject(new Error(message.error));
            else if (message.kind === kind) resolve(message);
            else reject(new Error(`Expected ${kind}, got ${message.kind}.`));
          });
        }),
    ),
  );
}
