/** Redis as a simulation has it: the real backend over one simulated server. */
import { regionRecordName, tagRecordName } from '../../../backends/records.js';
import { RedisBackend } from '../../../backends/redis/backend.js';
import * as scripts from '../../../backends/redis/scripts.js';
import type { RedisSettings } from '../../../backends/redis-arguments.js';
import type { Chance } from '../chance.js';
import type { FencedBackendOptions } from '../fenced-backend.js';
import type { Meaning, RecordsKnown, StoreModel, Stranger, StrangerSetting, Won } from '../model.js';
import type { Link } from '../network.js';
import { Python } from '../python.js';
import { SimulatedClient } from './client.js';
import { lose } from './losses.js';
import { Meanings } from './meanings.js';
import { PythonClient } from './python.js';
import type { SimulatedScripts } from './scripts.js';
import { type Command, calledBy, type Reply, SimulatedRedis } from './server.js';

export const LOCK = '_lock';

export interface RedisModelOptions extends FencedBackendOptions {
  /** Milliseconds. */
  readonly deadline: number;
  /** Scripts of your own: broken ones, to see that they are found out. */
  readonly scripts?: SimulatedScripts | undefined;
  /** How often it is a record that is written over where a server loses something, 0 to 1. Default 0.2. */
  readonly spoils?: number | undefined;
}

export class RedisModel implements StoreModel<Command, Reply> {
  /** A connection keeps order; the backend has deadlines of its own. */
  readonly wire = { isOrdered: true, rejects: false };
  readonly #options: RedisModelOptions;
  readonly #server: SimulatedRedis;
  readonly #meanings = new Meanings({ keysOf });

  constructor(options: RedisModelOptions) {
    this.#options = options;
    this.#server = new SimulatedRedis(options.scripts);
  }

  set publish(publish: (channel: string) => void) {
    this.#server.scripts.publish = publish;
  }

  handle(command: Command, now: number): Reply {
    return this.#server.handle(command, now);
  }

  connect(link: Link<Command, Reply>): RedisBackend {
    return new RedisBackend(settingsOf(this.#options), async () => new SimulatedClient(link));
  }

  stranger(link: Link<Command, Reply>, setting: StrangerSetting): Stranger {
    const lockOf = (key: string) => `${LOCK}${key}`;
    return new Python(new PythonClient({ ask: (command) => link.send(command), lockOf }, setting), setting);
  }

  /** Without a script only Python changes anything. */
  meaningOf(command: Command, reply: Reply): readonly Meaning[] {
    return this.#meanings.of(command, reply, true);
  }

  leasesAsked(command: Command): ReadonlyMap<string, string> | undefined {
    return this.#meanings.leasesAsked(command);
  }

  leasesWon(command: Command, reply: Reply): ReadonlyMap<string, Won> {
    return this.#meanings.leasesWon(command, reply);
  }

  leasesReleased(command: Command): readonly string[] {
    return this.#meanings.leasesReleased(command);
  }

  /** What is sent as a text may be the second half of one that was let through. */
  isGuarded(command: Command): boolean {
    const called = calledBy(command);
    if (!called) return command[0] === 'MGET';
    const isLease = [scripts.ACQUIRE, scripts.RENEW, scripts.RELEASE].includes(called.script);
    return command[0] === 'EVALSHA' && !isLease;
  }

  isRepeated(reply: Reply): boolean {
    return 'error' in reply && reply.error.startsWith('NOSCRIPT');
  }

  recordsOf(region: string): RecordsKnown {
    return recordsIn(this.#server, region);
  }

  evict(chance: Chance): readonly Meaning[] {
    return lose(this.#server, chance, { lockPrefix: LOCK, keysOf, spoils: this.#options.spoils ?? 0.2 });
  }

  describe(command: Command, reply?: Reply): string {
    return described(command, reply);
  }
}

function keysOf(lock: string): readonly string[] {
  return [lock.slice(LOCK.length)];
}

export function settingsOf({ lockTimeout, lockMaxHold, lockSleep, deadline }: RedisModelOptions): RedisSettings {
  return {
    name: 'redis',
    target: { at: 'client', client: { sendCommand: async () => undefined }, shape: 'node' },
    distributedLock: true,
    lockTimeout,
    lockMaxHold,
    lockPrefix: LOCK,
    lockSleep,
    timeout: deadline,
    expirationTime: undefined,
  };
}

export function recordsIn({ scripts: { keys } }: SimulatedRedis, region: string): RecordsKnown {
  const record = keys.region(regionRecordName(region));
  return { region: record, tagOf: (name) => record && keys.tag(tagRecordName(region, name), record) };
}

export function described(command: Command, reply: Reply | undefined): string {
  const called = calledBy(command);
  const words = called ? [called.script.name, ...called.keys, ...called.args] : command;
  const text = `${words.map(shortened).join(' ')}${command[0] === 'EVAL' ? ' (text)' : ''}`;
  return reply === undefined ? text : `${text} → ${'error' in reply ? reply.error : shown(reply.value)}`;
}

function shortened(word: unknown): string {
  const text = String(word);
  return /^[0-9a-f]{32}$/.test(text) ? `#${text.slice(0, 4)}` : text || "''";
}

function shown(answer: unknown): string {
  return Array.isArray(answer) ? `[${answer.map(shown).join(', ')}]` : String(answer);
}
