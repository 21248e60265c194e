/** Processes that share a Redis server, each with a region of its own. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { builtPath } from '../../../support/built.js';
import { type Child, forkChild } from '../../../support/children.js';
import { until } from '../../../support/wait.js';

const program = join(import.meta.dirname, 'child.mjs');

/** What is tried here is no deadline: a machine that is busy keeps a process waiting for longer than a server may be. */
const PATIENT = '20s';

export interface FleetArguments {
  readonly by?: 'redis' | 'ioredis' | 'iovalkey';
  readonly url?: string;
  readonly sentinels?: readonly string[];
  readonly startupNodes?: readonly { readonly host: string; readonly port: number }[];
  readonly lockTimeout?: string;
  readonly lockSleep?: string;
  readonly timeout?: string;
}

export async function startMember(args: FleetArguments, env?: Record<string, string>): Promise<Child> {
  return forkChild(program, { built: await builtPath(), timeout: PATIENT, ...args }, env && { env });
}

/** By both clients, in turn. */
export function startFleet(size: number, args: FleetArguments): Promise<Child[]> {
  return Promise.all(
    Array.from({ length: size }, (_, at) => startMember({ by: at % 2 === 0 ? 'redis' : 'ioredis', ...args })),
  );
}

/** Does something to the servers in the middle of traffic: it comes to life again by itself, and at no time serves anything wrong. */
export async function goOn(fleet: readonly Child[], what: () => Promise<unknown>): Promise<void> {
  await Promise.all(fleet.map((child) => child.call('traffic', { keys: 10 })));
  const more = (than: number) => async (child: Child) => {
    const { hits } = await child.call('statistics');
    await until(async () => (await child.call('statistics')).hits > hits + than);
  };
  await Promise.all(fleet.map(more(100)));
  await what();
  // Hits come from the store only.
  await Promise.all(fleet.map(more(100)));
  for (const { served, wrong, failed } of await Promise.all(fleet.map((child) => child.call('rest')))) {
    expect(served).toBeGreaterThan(0);
    expect(wrong).toBe(0);
    for (const code of failed) expect(code).toMatch(/^DOGPILE_BACKEND_(TIMEOUT|UNAVAILABLE)$/);
  }
}

/** Resolves once what one of them creates is what all are given: its place may have to be found anew first. */
export async function share(fleet: readonly Child[]): Promise<void> {
  let round = 0;
  await until(async () => {
    round++;
    const values = [];
    for (const [at, child] of fleet.entries())
      values.push(await child.call('create', { key: `shared ${round}`, value: `of ${at}`, takes: 0 }));
    return values.every((value) => value === 'of 0');
  });
}
