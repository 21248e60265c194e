/** Processes that share a Redis server, each with a region of its own. */
import { join } from 'node:path';
import { builtPath } from '../../../support/built.js';
import { type Child, forkChild } from '../../../support/children.js';

const program = join(import.meta.dirname, 'child.mjs');

/** What is tried here is no deadline: a machine that is busy keeps a process waiting for longer than a server may be. */
const PATIENT = '20s';

export interface FleetArguments {
  readonly by?: 'redis' | 'ioredis';
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
