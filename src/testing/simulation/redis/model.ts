/** Redis as a simulation has it: the real backend over a simulated server, and what each of its commands has meant. */

import { isRecordName, regionRecordName, tagRecordName } from '../../../backends/records.js';
import { RedisBackend } from '../../../backends/redis/backend.js';
import * as scripts from '../../../backends/redis/scripts.js';
import type { Chance } from '../chance.js';
import type { FencedBackendOptions } from '../fenced-backend.js';
import type { Meaning, RecordsKnown, StoreModel, Stranger, StrangerSetting, Won } from '../model.js';
import type { Link } from '../network.js';
import { Python } from '../python.js';
import { SimulatedClient } from './client.js';
import { PythonClient } from './python.js';
import type { SimulatedScripts } from './scripts.js';
import { type Command, calledBy, PYTHON_RELEASE, type Reply, SimulatedRedis } from './server.js';
import { spoiled } from './spoiled.js';

const LOCK = '_lock';
const REGION = 'simulated';

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
    const { lockTimeout, lockMaxHold, lockSleep, deadline } = this.#options;
    const settings = {
      name: 'redis',
      target: { at: 'client', client: { sendCommand: async () => undefined }, shape: 'node' },
      distributedLock: true,
      lockTimeout,
      lockMaxHold,
      lockPrefix: LOCK,
      lockSleep,
      timeout: deadline,
      expirationTime: undefined,
    } as const;
    return new RedisBackend(settings, async () => new SimulatedClient(link));
  }

  stranger(link: Link<Command, Reply>, setting: StrangerSetting): Stranger {
    return new Python(new PythonClient(link, setting), setting);
  }

  meaningOf(command: Command, reply: Reply): readonly Meaning[] {
    if ('error' in reply) return [];
    const called = calledBy(command);
    const answer = reply.value;
    if (!called) return plainMeaningOf(command, answer);
    const { script, keys, args } = called;
    const n = Number(args[0]);
    const answers = Array.isArray(answer) ? answer : [];
    switch (script) {
      case scripts.ACQUIRE: {
        const region = keys.length > 2 * n ? REGION : undefined;
        const won = keys.slice(0, n).filter((_, at) => answers[1 + 3 * at] === 1);
        return won.map((key) => ({ kind: 'granted', key, token: leaseOf(key, args[1]), ms: Number(args[2]), region }));
      }
      case scripts.COMMIT:
        return this.#commits(called.keys, args, answers);
      case scripts.RENEW:
        return keys.slice(0, n).flatMap((lock, at): Meaning[] => {
          const key = keyOf(lock);
          return answers[at] === 1
            ? [{ kind: 'renewed', key, token: leaseOf(key, args[at + 2]), ms: Number(args[1]) }]
            : [];
        });
      case scripts.RELEASE:
        return keys.map((lock, at) => ({ kind: 'released', key: keyOf(lock), token: leaseOf(keyOf(lock), args[at]) }));
      case scripts.DELETE:
        return keys.slice(0, n).map((key) => ({ kind: 'removed', key }));
      case scripts.SET: {
        if (answer !== 1) return [];
        const region = String(args[1]) === '' ? undefined : REGION;
        return keys.slice(0, n).map((key, at) => ({
          kind: 'said',
          key,
          region,
          bytes: Buffer.from(args[4 + 2 * at] ?? ''),
          ttl: ttlOf(args[5 + 2 * at]),
        }));
      }
      case scripts.INVALIDATE:
        return [{ kind: 'invalidated', region: REGION, hard: String(args[1]) === '1' }];
      case scripts.INVALIDATE_TAGS:
        return [{ kind: 'invalidated', region: REGION, hard: String(args[1]) === '1', tags: keys.slice(1) }];
      default:
        return [];
    }
  }

  #commits(keys: readonly string[], args: Command, answers: readonly unknown[]): Meaning[] {
    const n = Number(args[0]);
    const fenced = String(args[1]) === '1';
    const region = fenced ? REGION : undefined;
    let at = 4;
    return keys.slice(0, n).map((key, each) => {
      const token = leaseOf(key, args[at]);
      const [bytes, ttl] = [Buffer.from(args[at + 1] ?? ''), ttlOf(args[at + 2])];
      at += 4 + Number(args[at + 3]);
      if (answers[each] === 1) return { kind: 'committed', key, token, region, bytes, ttl };
      return { kind: 'refused', key, token, fenced };
    });
  }

  leasesAsked(command: Command): ReadonlyMap<string, string> | undefined {
    const called = calledBy(command);
    if (called?.script !== scripts.ACQUIRE) return undefined;
    const { keys, args } = called;
    return new Map(keys.slice(0, Number(args[0])).map((key) => [key, leaseOf(key, args[1])]));
  }

  leasesWon(command: Command, reply: Reply): ReadonlyMap<string, Won> {
    const won = this.meaningOf(command, reply).flatMap((meaning): [string, Won][] =>
      meaning.kind === 'granted' ? [[meaning.key, { token: meaning.token }]] : [],
    );
    return new Map(won);
  }

  leasesReleased(command: Command): readonly string[] {
    if (command[1] === PYTHON_RELEASE) return [leaseOf(keyOf(String(command[3])), command[4])];
    const called = calledBy(command);
    if (called?.script !== scripts.RELEASE) return [];
    return called.keys.map((lock, at) => leaseOf(keyOf(lock), called.args[at]));
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
    const { keys } = this.#server.scripts;
    const record = keys.region(regionRecordName(region));
    return { region: record, tagOf: (name) => record && keys.tag(tagRecordName(region, name), record) };
  }

  evict(chance: Chance): readonly Meaning[] {
    const { keys } = this.#server.scripts;
    if (chance.hits(0.1)) {
      this.#server.known.clear();
      return [];
    }
    if (chance.hits(this.#options.spoils ?? 0.2)) return this.#spoil(chance);
    const kind = chance.weighted({ entry: 5, [LOCK]: 2, _region: 1, _tag: 3 });
    const isOfKind = (name: string) => (kind === 'entry' ? !name.startsWith('_') : name.startsWith(kind));
    const names = keys.names.filter(isOfKind);
    if (names.length === 0) return [];
    const name = chance.pick(names);
    keys.delete(name);
    if (kind === 'entry') return [{ kind: 'evicted entry', key: name }];
    if (kind === LOCK) return [{ kind: 'evicted lease', key: keyOf(name) }];
    return [lost(name)];
  }

  /** Another program writes over a record. */
  #spoil(chance: Chance): readonly Meaning[] {
    const { keys } = this.#server.scripts;
    const records = keys.names.filter((name) => isRecordName(name) && keys.read(name));
    if (records.length === 0) return [];
    const name = chance.pick(records);
    const text = spoiled(String(keys.read(name)), chance);
    if (text === undefined) keys.writeStrange(name);
    else keys.write(name, text);
    return [lost(name)];
  }

  describe(command: Command, reply?: Reply): string {
    const called = calledBy(command);
    const words = called ? [called.script.name, ...called.keys, ...called.args] : command;
    const text = `${words.map(shortened).join(' ')}${command[0] === 'EVAL' ? ' (text)' : ''}`;
    return reply === undefined ? text : `${text} → ${'error' in reply ? reply.error : shown(reply.value)}`;
  }
}

/** A record counts as none from here on. */
function lost(name: string): Meaning {
  const tags = name.startsWith('_tag') ? [name] : undefined;
  return { kind: 'invalidated', region: REGION, tags, hard: true, lost: true };
}

/** A token is one for all keys of an acquire; a lease is one key's. */
function leaseOf(key: string, token: unknown): string {
  return `${String(token)} ${key}`;
}

function keyOf(lock: string): string {
  return lock.slice(LOCK.length);
}

function ttlOf(ttl: unknown): number | undefined {
  return String(ttl) === '' ? undefined : Number(ttl);
}

/** What Python does. */
function plainMeaningOf(command: Command, answer: unknown): readonly Meaning[] {
  const [verb, name, value = '', ...options] = command;
  const key = String(name);
  if (verb === 'DEL') return [{ kind: 'deleted elsewhere', key }];
  if (verb === 'EVALSHA' && name === PYTHON_RELEASE) {
    const of = keyOf(String(command[3]));
    return [{ kind: 'released', key: of, token: leaseOf(of, command[4]) }];
  }
  if (verb !== 'SET') return [];
  if (!options.includes('NX')) return [{ kind: 'written elsewhere', key, bytes: Buffer.from(value), ttl: undefined }];
  const px = options.indexOf('PX');
  const ms = px < 0 ? Number.POSITIVE_INFINITY : Number(options[px + 1]);
  if (answer !== 'OK') return [];
  return [{ kind: 'granted', key: keyOf(key), token: leaseOf(keyOf(key), value), ms, isForeign: true }];
}

function shortened(word: unknown): string {
  const text = String(word);
  return /^[0-9a-f]{32}$/.test(text) ? `#${text.slice(0, 4)}` : text || "''";
}

function shown(answer: unknown): string {
  return Array.isArray(answer) ? `[${answer.map(shown).join(', ')}]` : String(answer);
}
