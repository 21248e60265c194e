/**
 * Several processes with many callers each, all at once, for one key in one store: when nothing is there, and when what is there has
 * expired. The creator takes 300 ms; the best a fleet can do is one creation, and be done when it is. The law: over Redis, where waiters
 * are woken, everybody is served within 50 ms of the creation's end.
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quantile } from '../harness.mjs';
import { startRedis } from '../redis-server.mjs';

export const title = 'A fleet of callers of one key, creator of 300 ms';

const WORKER = fileURLToPath(new URL('../fleet-worker.mjs', import.meta.url));
const CREATION = 300;
const PROMPT = 50;
const WOKEN = 'Redis, cold: until the last caller is served, against 50 ms after the creation';

export const laws = [{ name: WOKEN, most: 1 }];

export async function run() {
  const folder = await mkdtemp(join(tmpdir(), 'dogpile-bench-'));
  const server = await startRedis(folder);
  if (!server) throw new Error('There is no redis-server.');
  try {
    const file = {
      name: 'file',
      processes: 4,
      callers: 100,
      backend: 'file',
      args: { filename: join(folder, 'cache') },
    };
    const redis = { name: 'Redis', processes: 8, callers: 50, backend: 'redis', args: { url: server.url } };
    const results = [];
    for (const fleet of [file, redis]) {
      const states = await crowded(fleet);
      results.push(...states.map(({ result }) => result));
      if (fleet === redis) results.push({ name: WOKEN, ratio: Math.max(...(states[0]?.behind ?? [])) / PROMPT });
    }
    return results;
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** `behind`: of each round, milliseconds from the end of the creation until the last caller was served. */
async function crowded({ name, processes, callers, backend, args }) {
  const workers = [];
  try {
    const started = JSON.stringify({ backend, args, creation: CREATION });
    for (let i = 0; i < processes; i++) workers.push(fork(WORKER, [started]));
    await all(workers, 'ready');
    const states = [];
    for (const state of ['cold', 'expired']) {
      const rounds = [];
      for (let round = 0; round < 5; round++) {
        const key = `${state} ${round}`;
        if (state === 'expired') await ask(workers.slice(0, 1), { do: 'fill', key });
        const answers = await ask(workers, { do: 'crowd', key, callers, at: Date.now() + 100 });
        const times = answers.flatMap((answer) => answer.times);
        const creations = answers.reduce((sum, answer) => sum + answer.creations, 0);
        const behind =
          Math.max(...answers.map(({ servedAt }) => servedAt)) - Math.max(...answers.map(({ endedAt }) => endedAt));
        rounds.push({
          creations,
          behind,
          p50: quantile(times, 0.5),
          p99: quantile(times, 0.99),
          last: Math.max(...times),
        });
      }
      const of = (what) =>
        quantile(
          rounds.map((round) => round[what]),
          0.5,
        );
      const most = Math.max(...rounds.map((round) => round.creations));
      const result = {
        name: `${name}, ${processes} × ${callers}, ${state}: creations ${most} at most; callers p50 ${ms(of('p50'))}, p99 ${ms(of('p99'))}, last ${ms(of('last'))}`,
        creations: most,
        p50: of('p50'),
        p99: of('p99'),
        last: of('last'),
        ratio: of('last') / CREATION,
      };
      states.push({ result, behind: rounds.map((round) => round.behind) });
    }
    return states;
  } finally {
    for (const worker of workers) worker.kill();
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
