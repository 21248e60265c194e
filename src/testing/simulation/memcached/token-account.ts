/**
 * What each command of a client package has meant: whose lock was added, renewed, removed, and under which a value was written. From
 * requests, replies, and what the region asked its backend for. Where a package can't do in one step what the protocol wants in one, the
 * account says so, by an excuse (`excuses.ts`).
 */
import { lockNameOf } from '../../../backends/memcached/keys.js';
import type { Reply } from '../../../backends/memcached/meta/reply-parser.js';
import type { Meaning } from '../model.js';
import type { Asked } from './asked.js';
import type { Excuse } from './excuses.js';
import { flagOf, isGoneAtOnce, type MetaReply, type MetaRequest } from './server.js';
import { isStranger, keyOf } from './store-model.js';

/** What a lock of ours begins with. */
const OURS = 'dp1:';

interface Lock {
  readonly token: string;
  readonly owner: string;
  readonly isForeign: boolean;
}

interface Entry {
  readonly bytes: Buffer;
  readonly cas: string | undefined;
  /** In the seconds of the server. */
  readonly until: number;
}

interface Commit {
  readonly token: string;
  /** Its lock was read since the commit began, and was there. */
  isRead: boolean;
  /** What became of the write; `ended`: its lock was another's by then, or nobody's. */
  outcome: 'none' | 'stored' | 'ended';
}

interface Look {
  readonly request: MetaRequest;
  readonly at: number;
  /** There was another program's lock. */
  readonly isForeign: boolean;
}

export interface TokenAccountOptions {
  readonly server: { readonly term: number; readonly now: number; secondsUntil(seconds: number): number };
  /** What changed since it was read is left alone by the server. */
  readonly hasCas: boolean;
  /** Milliseconds. */
  readonly lockMaxHold: number;
  readonly asked: Asked;
  isExcused(excuse: Excuse): boolean;
  /** What a removal or a renewal is about, as its process had read it; `undefined`: whatever is there. */
  readBefore(request: MetaRequest): Buffer | undefined;
}

export class TokenAccount {
  readonly #options: TokenAccountOptions;
  /** What is there, by its name; and what was there under a CAS number, by the server's term. */
  readonly #locks = new Map<string, Lock>();
  readonly #entries = new Map<string, Entry>();
  readonly #numbered = new Map<string, Lock | Entry>();
  /** By what is to be stored. */
  readonly #commits = new Map<string, Commit>();
  /** By process and name: its looks at the lock. */
  readonly #looks = new Map<string, Look[]>();

  constructor(options: TokenAccountOptions) {
    this.#options = options;
  }

  /** A region asks its backend to store this under a lease. */
  commits(bytes: Uint8Array, token: string): void {
    this.#commits.set(Buffer.from(bytes).toString(), { token, isRead: false, outcome: 'none' });
  }

  /** What is wrong with what a commit has said of itself. */
  committed(key: string, bytes: Uint8Array, isStored: boolean): string | undefined {
    const text = Buffer.from(bytes).toString();
    const { outcome = 'none' } = this.#commits.get(text) ?? {};
    if (isStored && outcome === 'none') return `a commit of ${key} was told as stored, and was not: ${text}`;
    if (isStored && outcome === 'ended')
      return `a commit of ${key} was told as stored, under a lease that had ended: ${text}`;
    const isThere = this.#entryOf(key)?.bytes.toString() === text;
    return !isStored && isThere ? `a commit of ${key} was told as refused, and is there: ${text}` : undefined;
  }

  meaningOf(request: MetaRequest, { replies }: MetaReply): readonly Meaning[] {
    const [reply] = replies;
    const [name = ''] = request.keys;
    if (!reply || request.verb === 'many') return [];
    const key = keyOf(name);
    if (isStranger(request.owner)) return this.#strangers(request, name, reply);
    if (name === key) return this.#ofEntry(request, key, reply);
    return this.#ofLock(request, name, reply);
  }

  /** The tokens that a request gives back. */
  released(request: MetaRequest): readonly string[] {
    const {
      owner,
      verb,
      keys: [name = ''],
      flags,
    } = request;
    if (name === keyOf(name)) return [];
    if (isStranger(owner)) {
      const lock = this.#locks.get(name);
      return verb === 'md' && lock?.isForeign ? [lock.token] : [];
    }
    const cas = flagOf(flags, 'C');
    if (verb === 'ms' && isGoneAtOnce(flags)) return tokensOf(this.#numbered.get(this.#numberOf(name, cas)));
    const read = verb === 'md' ? String(this.#options.readBefore(request) ?? '') : '';
    return read.startsWith(OURS) ? [read.slice(OURS.length)] : [];
  }

  /** The item is gone, by itself. */
  lost(name: string): readonly Meaning[] {
    const key = keyOf(name);
    const lock = this.#locks.get(name);
    this.#locks.delete(name);
    this.#entries.delete(name);
    if (lock) return [{ kind: 'evicted lease', key, of: lock.token }];
    return name === key ? [{ kind: 'evicted entry', key }] : [];
  }

  /** Whether a process has seen a lock of another program at both ends of the time that such a lock is waited for. */
  isStuck(owner: string, key: string): boolean | undefined {
    if (this.#options.hasCas || !this.#options.isExcused('lockKnownByText')) return undefined;
    // What it was not told of says nothing to it.
    const looks = this.#looks.get(`${owner} ${lockNameOf(key)}`)?.filter(({ request }) => !request.isGivenUp) ?? [];
    const other = looks.findLastIndex(({ isForeign }) => !isForeign);
    const first = looks[other + 1];
    return first !== undefined && this.#options.server.now - first.at >= this.#options.lockMaxHold;
  }

  // ----------------------------------------------------------------------------------------------------------- locks

  #ofLock(request: MetaRequest, name: string, reply: Reply): readonly Meaning[] {
    const { verb, flags } = request;
    if (isLook(verb, flags)) return this.#lockIsRead(request, name, reply);
    if (reply.code !== 'HD') return [];
    if (verb === 'mg') return this.#touched(request, name);
    const cas = flagOf(flags, 'C');
    const numbered = this.#numbered.get(this.#numberOf(name, cas));
    const lock = numbered && 'token' in numbered ? numbered : undefined;
    if (verb === 'md') return this.#removedAsRead(request, name);
    if (isGoneAtOnce(flags)) return this.#removed(name, lock);
    return cas === undefined ? this.#added(request, name, reply) : this.#renewed(request, name, lock, reply);
  }

  #lockIsRead(request: MetaRequest, name: string, { value }: Reply): readonly Meaning[] {
    const text = value?.toString() ?? '';
    for (const commit of this.#commits.values()) if (text === OURS + commit.token) commit.isRead = true;
    const isForeign = text !== '' && !text.startsWith(OURS);
    const looker = `${request.owner} ${name}`;
    const look = { request, at: this.#options.server.now, isForeign };
    this.#looks.set(looker, [...(this.#looks.get(looker) ?? []), look]);
    return [{ kind: 'looked', key: keyOf(name) }];
  }

  #added(request: MetaRequest, name: string, { cas }: Reply): readonly Meaning[] {
    const { owner, value, flags } = request;
    const lock = { token: String(value).slice(OURS.length), owner, isForeign: false };
    this.#locks.set(name, lock);
    this.#numbered.set(this.#numberOf(name, cas), lock);
    const key = keyOf(name);
    const isTriedFor = () => this.#options.asked.hasTriedToRelease(request, key);
    return [{ kind: 'granted', key, token: lock.token, ms: this.#msOf(flags), fence: 'steps', isTriedFor }];
  }

  #renewed({ flags }: MetaRequest, name: string, lock: Lock | undefined, { cas }: Reply): readonly Meaning[] {
    if (!lock) return [];
    this.#numbered.set(this.#numberOf(name, cas), lock);
    return [{ kind: 'renewed', key: keyOf(name), token: lock.token, ms: this.#msOf(flags) }];
  }

  /** Whatever is there. */
  #touched(request: MetaRequest, name: string): readonly Meaning[] {
    const lock = this.#locks.get(name);
    if (!lock) return [];
    const key = keyOf(name);
    const ms = this.#msOf(request.flags);
    return this.#isAnother(request, lock, 'otherLockRenewed')
      ? [{ kind: 'touched', key, of: lock.token, ms }]
      : [{ kind: 'renewed', key, token: lock.token, ms }];
  }

  /** Whatever is there. */
  #removedAsRead(request: MetaRequest, name: string): readonly Meaning[] {
    const lock = this.#locks.get(name);
    if (!lock || !this.#isAnother(request, lock, 'otherLockRemoved')) return this.#removed(name, lock);
    this.#locks.delete(name);
    return [{ kind: 'evicted lease', key: keyOf(name), of: lock.token }];
  }

  #removed(name: string, lock: Lock | undefined): readonly Meaning[] {
    this.#locks.delete(name);
    const key = keyOf(name);
    if (!lock) return [];
    // Another program's: nobody but that may, so this is a violation.
    if (lock.isForeign) return [{ kind: 'released', key, token: lock.token }];
    return [{ kind: 'ended', key, of: lock.token }];
  }

  /** Without CAS: what is there is not what was read, and that was a lock of ours. */
  #isAnother(request: MetaRequest, { token, isForeign }: Lock, excuse: Excuse): boolean {
    const read = String(this.#options.readBefore(request) ?? '');
    const isOurs = read.startsWith(OURS);
    return isOurs && (isForeign || read !== OURS + token) && this.#options.isExcused(excuse);
  }

  // --------------------------------------------------------------------------------------------------------- entries

  #ofEntry(request: MetaRequest, key: string, reply: Reply): readonly Meaning[] {
    const { verb, flags, value } = request;
    if (verb === 'mg') return [];
    if (verb === 'ms' && !isGoneAtOnce(flags)) return value ? this.#written(request, key, value, reply) : [];
    const read = this.#options.readBefore(request);
    if (reply.code === 'HD') this.#entries.delete(key);
    if (!read) return [{ kind: 'removed', key }];
    const isBlind = verb === 'md' && this.#options.isExcused('otherValueRemoved');
    return reply.code === 'HD' ? [{ kind: 'taken back', key, read, isBlind }] : [];
  }

  #written(
    { owner, flags, isGivenUp }: MetaRequest,
    key: string,
    bytes: Buffer,
    { code, cas }: Reply,
  ): readonly Meaning[] {
    const { asked, isExcused, server } = this.#options;
    const since = server.now;
    const said = flagOf(flags, 'C');
    const there = this.#entryOf(key);
    const isFree = said === undefined ? flags.includes('MR') === (there !== undefined) : said === there?.cas;
    const commit = this.#commits.get(bytes.toString());
    const isCommit = said !== undefined || flags.includes('ME') || flags.includes('MR');
    const unknown = `unknown ${key}`;
    if (code !== 'HD') return isFree ? [{ kind: 'refused', key, token: commit?.token ?? unknown, fenced: false }] : [];
    const ttl = this.#msOf(flags);
    this.#enter(key, bytes, flags, cas);
    if (!isCommit) return [{ kind: 'said', key, bytes, ttl }];
    if (commit) commit.outcome = this.#locks.get(lockNameOf(key))?.token === commit.token ? 'stored' : 'ended';
    const how = {
      isRead: commit?.isRead === true && isExcused('endedBeforeWrite'),
      isLate: isGivenUp && isExcused('lateWrite'),
      mayDie: isExcused('creatorKilled'),
      isCutOff: () => isExcused('creatorCutOff') && asked.hasFailed(owner, key, since),
    };
    return [{ kind: 'committed', key, token: isFree && commit ? commit.token : unknown, bytes, ttl, how }];
  }

  #enter(key: string, bytes: Buffer, flags: readonly string[], cas: string | undefined): void {
    const seconds = Number(flagOf(flags, 'T') ?? 0);
    const until = seconds === 0 ? Number.POSITIVE_INFINITY : this.#options.server.secondsUntil(seconds);
    const entry = { bytes, cas, until };
    this.#entries.set(key, entry);
    this.#numbered.set(this.#numberOf(key, cas), entry);
  }

  #entryOf(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry && this.#options.server.secondsUntil(0) < entry.until ? entry : undefined;
  }

  // -------------------------------------------------------------------------------------------------- other programs

  #strangers({ verb, owner, value, flags }: MetaRequest, name: string, { code, cas }: Reply): readonly Meaning[] {
    if (code !== 'HD') return [];
    const key = keyOf(name);
    if (name === key) {
      if (verb === 'ms' && value) {
        this.#enter(key, value, flags, cas);
        return [{ kind: 'written elsewhere', key, bytes: value, ttl: undefined }];
      }
      if (verb === 'md') this.#entries.delete(key);
      return verb === 'md' ? [{ kind: 'deleted elsewhere', key }] : [];
    }
    if (verb === 'ms') {
      const lock = { token: `python ${this.#options.server.now} ${key}`, owner, isForeign: true };
      this.#locks.set(name, lock);
      this.#numbered.set(this.#numberOf(name, cas), lock);
      return [{ kind: 'granted', key, token: lock.token, ms: this.#msOf(flags), isForeign: true }];
    }
    const held = this.#locks.get(name);
    if (verb !== 'md' || !held) return [];
    // Whatever is there.
    this.#locks.delete(name);
    const { token } = held;
    return held.isForeign ? [{ kind: 'released', key, token }] : [{ kind: 'evicted lease', key, of: token }];
  }

  #numberOf(name: string, cas: string | undefined): string {
    return `${this.#options.server.term} ${name} ${cas}`;
  }

  /** From now on. */
  #msOf(flags: readonly string[]): number {
    const { server } = this.#options;
    const seconds = Number(flagOf(flags, 'T') ?? 0);
    return seconds === 0 ? Number.POSITIVE_INFINITY : server.secondsUntil(seconds) * 1000 - server.now;
  }
}

function isLook(verb: MetaRequest['verb'], flags: readonly string[]): boolean {
  return verb === 'mg' && flagOf(flags, 'T') === undefined;
}

function tokensOf(found: Lock | Entry | undefined): readonly string[] {
  return found && 'token' in found ? [found.token] : [];
}
