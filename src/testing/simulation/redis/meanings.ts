/** What each command of Redis has meant, from what was asked and answered alone, in the words that the checks know. */
import * as scripts from '../../../backends/redis/scripts.js';
import type { Meaning, Won } from '../model.js';
import { type Called, type Command, calledBy, PYTHON_RELEASE, type Reply } from './server.js';

/** Of the region that all programs share. */
export const REGION = 'simulated';

export interface MeaningsOptions {
  /** Whose lock it is. Several share one only where names are broken. */
  keysOf(lock: string): readonly string[];
  /** Whether the records speak of what is stored although no script reads them along with it. */
  readonly isApart?: boolean;
}

export class Meanings {
  readonly #options: MeaningsOptions;
  /** Leases that were granted. */
  readonly #granted = new Set<string>();

  constructor(options: MeaningsOptions) {
    this.#options = options;
  }

  /** `isForeign`: of a program that is not ours. */
  of(command: Command, reply: Reply, isForeign: boolean): readonly Meaning[] {
    if ('error' in reply) return [];
    const called = calledBy(command);
    const answer = reply.value;
    if (!called) return isForeign ? this.#foreign(command, answer) : plain(command);
    const { script, keys, args } = called;
    const n = Number(args[0]);
    const answers = Array.isArray(answer) ? answer : [];
    switch (script) {
      case scripts.ACQUIRE:
        return this.#acquires(called, answers);
      case scripts.COMMIT:
        return commits(called, answers);
      case scripts.RENEW:
        return keys.slice(0, n).flatMap((lock, at): Meaning[] => {
          if (answers[at] !== 1) return [];
          const ms = Number(args[1]);
          return this.#leasesOf(lock, args[at + 2]).map(({ key, token }) => ({ kind: 'renewed', key, token, ms }));
        });
      case scripts.RELEASE:
        return keys.flatMap((lock, at) =>
          this.#leasesOf(lock, args[at]).map((lease): Meaning => ({ kind: 'released', ...lease })),
        );
      case scripts.DELETE:
        return keys.slice(0, n).map((key) => ({ kind: 'removed', key }));
      case scripts.VOID:
        return keys.flatMap((lock) => this.#options.keysOf(lock).map((key): Meaning => ({ kind: 'voided', key })));
      case scripts.SET:
        return answer === 1 ? said(called) : [];
      case scripts.INVALIDATE:
        return [{ kind: 'invalidated', region: REGION, hard: String(args[1]) === '1' }];
      case scripts.INVALIDATE_TAGS:
        return [{ kind: 'invalidated', region: REGION, hard: String(args[1]) === '1', tags: keys.slice(1) }];
      default:
        return [];
    }
  }

  #acquires({ keys, args }: Called, answers: readonly unknown[]): Meaning[] {
    const n = Number(args[0]);
    const region = keys.length > 2 * n ? REGION : undefined;
    const records = this.#options.isApart ? REGION : region;
    return keys.slice(0, n).map((key, at) => {
      const token = leaseOf(key, args[1]);
      if (answers[1 + 3 * at] !== 1) return { kind: 'denied', key, token };
      this.#granted.add(token);
      return { kind: 'granted', key, token, ms: Number(args[2]), region, records };
    });
  }

  /** What Python does. */
  #foreign(command: Command, answer: unknown): readonly Meaning[] {
    const [verb, name, value = '', ...options] = command;
    const key = String(name);
    if (verb === 'DEL') return [{ kind: 'deleted elsewhere', key }];
    if (verb === 'EVALSHA' && name === PYTHON_RELEASE) {
      return this.#leasesOf(String(command[3]), command[4]).map((lease) => ({ kind: 'released', ...lease }));
    }
    if (verb !== 'SET') return [];
    if (!options.includes('NX')) return [{ kind: 'written elsewhere', key, bytes: Buffer.from(value), ttl: undefined }];
    const px = options.indexOf('PX');
    const ms = px < 0 ? Number.POSITIVE_INFINITY : Number(options[px + 1]);
    return this.#options.keysOf(key).map((of) => {
      const token = leaseOf(of, value);
      if (answer !== 'OK') return { kind: 'denied', key: of, token };
      this.#granted.add(token);
      return { kind: 'granted', key: of, token, ms, isForeign: true };
    });
  }

  leasesAsked(command: Command): ReadonlyMap<string, string> | undefined {
    const called = calledBy(command);
    if (called?.script !== scripts.ACQUIRE) return undefined;
    const { keys, args } = called;
    return new Map(keys.slice(0, Number(args[0])).map((key) => [key, leaseOf(key, args[1])]));
  }

  leasesWon(command: Command, reply: Reply): ReadonlyMap<string, Won> {
    const called = calledBy(command);
    if (called?.script !== scripts.ACQUIRE || 'error' in reply || !Array.isArray(reply.value)) return new Map();
    const won = this.#acquires(called, reply.value).flatMap((meaning): [string, Won][] =>
      meaning.kind === 'granted' ? [[meaning.key, { token: meaning.token }]] : [],
    );
    return new Map(won);
  }

  leasesReleased(command: Command): readonly string[] {
    const tokens = (lock: string, token: unknown) => this.#leasesOf(lock, token).map((lease) => lease.token);
    if (command[1] === PYTHON_RELEASE) return tokens(String(command[3]), command[4]);
    const called = calledBy(command);
    if (called?.script !== scripts.RELEASE) return [];
    return called.keys.flatMap((lock, at) => tokens(lock, called.args[at]));
  }

  /** Of a lock; those that were granted, if any were. */
  #leasesOf(lock: string, token: unknown): readonly { readonly key: string; readonly token: string }[] {
    const leases = this.#options.keysOf(lock).map((key) => ({ key, token: leaseOf(key, token) }));
    const granted = leases.filter((lease) => this.#granted.has(lease.token));
    return granted.length > 0 ? granted : leases;
  }
}

/** A record counts as none from here on. */
export function recordLost(name: string): Meaning {
  const tags = name.startsWith('_tag') ? [name] : undefined;
  return { kind: 'invalidated', region: REGION, tags, hard: true, lost: true };
}

/** A token is one for all keys of an acquire; a lease is one key's. */
function leaseOf(key: string, token: unknown): string {
  return `${String(token)} ${key}`;
}

function commits({ keys, args }: Called, answers: readonly unknown[]): Meaning[] {
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

function said({ keys, args }: Called): Meaning[] {
  const region = String(args[1]) === '' ? undefined : REGION;
  return keys.slice(0, Number(args[0])).map((key, at) => ({
    kind: 'said',
    key,
    region,
    bytes: Buffer.from(args[4 + 2 * at] ?? ''),
    ttl: ttlOf(args[5 + 2 * at]),
  }));
}

/** What ours does without a script, where keys can't go together. */
function plain([verb, name, value = '', , ttl]: Command): readonly Meaning[] {
  const key = String(name);
  if (verb === 'DEL') return [{ kind: 'removed', key, leavesLease: true }];
  if (verb !== 'SET') return [];
  return [{ kind: 'said', key, bytes: Buffer.from(value), ttl: ttlOf(ttl ?? ''), leavesLease: true }];
}

function ttlOf(ttl: unknown): number | undefined {
  return String(ttl) === '' ? undefined : Number(ttl);
}
