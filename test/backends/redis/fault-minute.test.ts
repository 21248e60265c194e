/**
 * Traffic of two processes while their server is frozen, cut off, restarted empty and slow at random, in a few seconds for a minute:
 * no call fails, no key is created twice at once in one process, nothing is kept of it, and nothing wrong is in the store afterwards.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type CacheRegion, makeRegion } from '../../../src/region/region.js';
import { type Observer, observe, type RunningRedis, startRedis } from '../../services/redis.js';
import { until } from '../../support/wait.js';
import { ioredisByUrl, nodeRedisByUrl, type Opened } from './support/clients.js';

const KEYS = Array.from({ length: 10 }, (_, at) => `k${at}`);
const DEADLINE = 100;

let server: RunningRedis;
let observer: Observer;
let processes: Process[];
beforeEach(async () => {
  server = await startRedis();
  observer = await observe(server.url);
  processes = [];
  for (const way of [nodeRedisByUrl, ioredisByUrl]) processes.push(new Process(await way.open(server.url)));
});
afterEach(async () => {
  for (const each of processes) await each.close();
  observer.close();
  await server.stop();
});

/** What is cached: a row for each key, whose version grows. */
const rows = new Map(KEYS.map((key) => [key, 1]));

interface Row {
  readonly key: string;
  readonly version: number;
}

/** A region with a client of its own, its traffic, and what it has seen go wrong. */
class Process {
  readonly region: CacheRegion<Row>;
  readonly wrong: unknown[] = [];
  calls = 0;
  readonly #opened: Opened;
  /** Creations under way that nothing the process said has called off, by key. */
  readonly #running = new Map<string, Set<object>>();
  /** The version below which this process must not see a key any more. */
  readonly #least = new Map<string, number>();
  #traffic: Promise<unknown> = Promise.resolve();
  #isOpen = true;

  constructor(opened: Opened) {
    this.#opened = opened;
    this.region = makeRegion<Row>({ name: 'faults' }).configure(opened.backend, {
      expirationTime: 200,
      backendTimeout: DEADLINE,
      breaker: { failures: 5, cooldown: 100 },
    });
  }

  begin(): void {
    const lanes = Array.from({ length: 10 }, (_, lane) => this.#drive(lane));
    this.#traffic = Promise.all(lanes);
  }

  /** Ends the traffic; what it had begun is done. */
  async end(): Promise<void> {
    this.#isOpen = false;
    await this.#traffic;
    await this.region.idle();
  }

  async close(): Promise<void> {
    await this.end();
    await this.region.close();
    await this.#opened.close();
  }

  async #drive(lane: number): Promise<void> {
    for (let turn = lane; this.#isOpen; turn += 7) {
      const key = KEYS[turn % KEYS.length] ?? '';
      if (turn % 50 === lane) await this.#change(key);
      else await this.ask(key);
      await sleep(turn % 5);
    }
  }

  async ask(key: string): Promise<void> {
    const least = this.#least.get(key) ?? 0;
    this.calls++;
    try {
      const found = await this.region.getOrCreate(key, () => this.#create(key));
      if (found.key !== key || found.version < least) this.wrong.push({ key, least, found });
    } catch (error) {
      this.wrong.push(error);
    }
  }

  async #create(key: string): Promise<Row> {
    const running = this.#running.get(key) ?? new Set();
    this.#running.set(key, running);
    const creation = {};
    if (running.size > 0) this.wrong.push(`${key} is created twice at once`);
    running.add(creation);
    const version = rows.get(key) ?? 0;
    await sleep(3);
    running.delete(creation);
    return { key, version };
  }

  /** Changes a row and deletes what is cached of it. That the store can't be told is no wrong: he knows. */
  async #change(key: string): Promise<void> {
    const version = (rows.get(key) ?? 0) + 1;
    rows.set(key, version);
    // What was being created may go on, and somebody may begin anew beside it.
    this.#running.delete(key);
    const told = await this.region.delete(key).then(
      () => true,
      () => false,
    );
    if (told) this.#least.set(key, Math.max(version, this.#least.get(key) ?? 0));
  }
}

const faults: Readonly<Record<string, () => Promise<void>>> = {
  frozen: async () => {
    server.freeze();
    await sleep(6 * DEADLINE);
    server.thaw();
  },
  cut: async () => {
    for (let times = 0; times < 10; times++) {
      await observer.raw('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await sleep(40);
    }
  },
  'restarted empty': async () => {
    observer.close();
    await server.kill();
    await sleep(3 * DEADLINE);
    server = await startRedis({ port: server.port });
    observer = await observe(server.url);
  },
  'slow at random': async () => {
    for (let times = 0; times < 12; times++) {
      server.freeze();
      await sleep(Math.random() * 1.5 * DEADLINE);
      server.thaw();
      await sleep(Math.random() * DEADLINE);
    }
  },
};

it('a store that is frozen, cut, restarted empty and slow at random harms nobody, and is used again afterwards', async () => {
  for (const each of processes) each.begin();
  const heaps: number[] = [];
  for (let round = 0; round < 3; round++) {
    for (const fault of Object.values(faults)) {
      await fault();
      await until(isUsed);
    }
    heaps.push(heap());
  }
  for (const each of processes) await each.end();
  expect(processes.flatMap(({ wrong }) => wrong)).toEqual([]);
  // 200 bytes kept of each call would be more.
  expect((heaps.at(-1) ?? 0) - (heaps[0] ?? 0)).toBeLessThan(2 * 2 ** 20);
  for (const { calls, region } of processes) {
    expect(calls).toBeGreaterThan(1000);
    const { hits, droppedWrites, backendTimeouts } = region.statistics;
    for (const count of [hits, droppedWrites, backendTimeouts]) expect(count).toBeGreaterThan(0);
  }

  // What the deadline or a crash left behind is given back, or lapses.
  await until(async () => (await leasesLeft()) === 0);
  for (const { region } of processes) {
    for (const key of KEYS) {
      const version = rows.get(key) ?? 0;
      const found = await region.get(key, { ignoreExpiration: true });
      if (found) expect(found).toMatchObject({ key });
      expect(found?.version ?? 0).toBeLessThanOrEqual(version);
      await region.delete(key);
      expect(await region.getOrCreate(key, () => ({ key, version }))).toEqual({ key, version });
    }
  }
}, 120_000);

/** Both take from the store what either has put into it: nothing is created. */
async function isUsed(): Promise<boolean> {
  const [one, other] = processes;
  const key = `used ${Math.random()}`;
  const row = { key, version: 1 };
  await one?.region.getOrCreate(key, () => row);
  return (await other?.region.get(key))?.key === key;
}

async function leasesLeft(): Promise<number> {
  return Number(await observer.raw('EVAL', "return #redis.call('KEYS', '_lock*')", '0'));
}

/** Bytes in use after a collection. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
