/**
 * What each command has meant: who won a lease, renewed, committed or released it, by the CAS numbers that were told and said. From
 * requests and replies alone: a server that is broken does not know that it is.
 */

import type { RegionRecord } from '../../../api.js';
import { lockNameOf } from '../../../backends/memcached/keys.js';
import { isCut, isMark } from '../../../backends/memcached/marks.js';
import type { Reply } from '../../../backends/memcached/meta/reply-parser.js';
import type { Fence, Meaning } from '../model.js';
import { flagOf, type MetaReply, type MetaRequest } from './server.js';
import { isStranger, keyOf, placeOf } from './store-model.js';

/** A lease as it was last written. */
interface Lease {
  readonly token: string;
  readonly key: string;
  readonly owner: string;
  /** Of the item that stands for it. */
  readonly name: string;
  readonly fence: Fence;
  readonly mark: Buffer;
}

/** A lock that was added, and its entry as it was read next. */
interface Added {
  readonly lease: Lease;
  isLost: boolean;
}

export interface AccountOptions {
  /** `_lock<key>` is the lock of every key. */
  readonly isLockedByKey: boolean;
  /** The server's: how often it was restarted, the time, and when an item ends that is written now. */
  readonly server: { readonly term: number; readonly now: number; secondsUntil(seconds: number): number };
  readonly records: string | undefined;
  /** As it was written last. */
  regionOf(): RegionRecord | undefined;
}

export class Account {
  readonly #options: AccountOptions;
  /** By term, item and CAS number. */
  readonly #leases = new Map<string, Lease>();
  /** By item: the lease that it stands for, and until when. */
  readonly #held = new Map<string, { readonly token: string; readonly isForeign: boolean; readonly until: number }>();
  /** Locks that were added and may yet turn out to be good for nothing, by connection and key. */
  readonly #added = new Map<string, Added>();
  /** The CAS number of a lock as a connection has read it last by itself: so does who commits. */
  readonly #checked = new Map<string, string | undefined>();
  /** By token: what a lease was won on. */
  readonly #connections = new Map<string, string>();
  /** By token, of a lock: the CAS number of what was stored then. */
  readonly #entries = new Map<string, string | undefined>();
  /** The same as a connection has read it last, by connection and key; and as it is. */
  readonly #seen = new Map<string, string | undefined>();
  readonly #current = new Map<string, string>();
  /** Until when what is stored under a key stays there, in milliseconds. */
  readonly #storedUntil = new Map<string, number>();

  constructor(options: AccountOptions) {
    this.#options = options;
  }

  /** Of entries and locks. */
  meaningOf(request: MetaRequest, { replies }: MetaReply): readonly Meaning[] {
    const [reply] = replies;
    const [name = ''] = request.keys;
    if (!reply) return [];
    const key = keyOf(name);
    if (isStranger(request.owner)) return this.#strangers(request, key, name, reply);
    if (request.verb === 'mg') return this.#read(request, name, reply);
    if (request.verb === 'md') return this.#removed(request, name, reply);
    if (request.verb === 'ms' && request.value) return this.#stored(request, name, request.value, reply);
    return [];
  }

  /** The connection that a lease was won on. */
  connectionOf(token: string): string | undefined {
    return this.#connections.get(token);
  }

  /** What a request gives back. */
  released({ owner, verb, keys: [name = ''], flags }: MetaRequest): readonly string[] {
    const held = this.#held.get(name);
    if (verb === 'md' && isStranger(owner)) return held?.isForeign ? [held.token] : [];
    const lease = verb === 'md' ? this.#leaseOf(name, flagOf(flags, 'C')) : undefined;
    return lease ? [lease.token] : [];
  }

  /** The item is gone, by itself. */
  lost(name: string): readonly Meaning[] {
    const held = this.#held.get(name);
    this.#held.delete(name);
    const key = keyOf(name);
    for (const added of this.#added.values()) if (added.lease.name === name) added.isLost = true;
    this.#current.delete(name);
    if (held) return [{ kind: 'evicted lease', key, of: held.token }];
    return name === key ? [{ kind: 'evicted entry', key }] : [];
  }

  #read(request: MetaRequest, name: string, reply: Reply): Meaning[] {
    const seconds = flagOf(request.flags, 'N');
    if (reply.isWon && reply.cas !== undefined && seconds !== undefined) {
      this.#current.set(name, reply.cas);
      const lease = this.#lease(request, name, reply.cas, Buffer.alloc(0), 'lease');
      return [this.#grant(lease, Number(seconds))];
    }
    if (name !== keyOf(name) && request.flags.join(' ') === 'c')
      this.#checked.set(placeOf(request, keyOf(name)), reply.cas);
    const added = this.#added.get(placeOf(request, name));
    this.#added.delete(placeOf(request, name));
    if (request.flags.includes('c')) this.#seen.set(placeOf(request, name), reply.cas);
    if (!added) return [];
    const { lease, isLost } = added;
    this.#entries.set(lease.token, reply.cas);
    if (lease.fence === 'reread' || !reply.value || reply.isTaken || isMark(reply.value)) return [];
    return [this.#grant(lease, Number(seconds), isLost)];
  }

  #stored(request: MetaRequest, name: string, value: Buffer, { code, cas }: Reply): Meaning[] {
    const { flags } = request;
    const seconds = Number(flagOf(flags, 'T') ?? 0);
    const said = flagOf(flags, 'C');
    const isStored = code === 'HD' && cas !== undefined;
    if (!isMark(value)) return this.#entry(request, { name, value, seconds, said, cas: isStored ? cas : undefined });
    if (!isStored) return [];
    const { isLockedByKey } = this.#options;
    if (name === keyOf(name)) this.#current.set(name, cas);
    const before = this.#leaseOf(name, said);
    if (before && before.owner === request.owner && isSameMark(before.mark, value)) {
      this.#leases.set(this.#numberOf(name, cas), { ...before, mark: value });
      const granted = this.#grant(before, seconds);
      return [{ kind: 'renewed', key: before.key, token: before.token, ms: granted.ms }];
    }
    const lease = this.#lease(
      request,
      name,
      cas,
      value,
      name === keyOf(name) ? 'lease' : isLockedByKey ? 'reread' : 'value',
    );
    if (said === undefined) this.#added.set(placeOf(request, lease.key), { lease, isLost: false });
    if (said === undefined && lease.fence === 'value') return [];
    const seen = this.#seen.get(placeOf(request, lease.key));
    this.#entries.set(lease.token, seen);
    const isVoid = lease.fence === 'value' && seen !== this.#current.get(lease.key);
    const granted = this.#grant(lease, seconds, isVoid);
    // Cut off by a hard invalidation it could not have been committed.
    return before && isCut(before.mark, this.#options.regionOf())
      ? [{ kind: 'evicted lease', key: lease.key, of: before.token }, granted]
      : [granted];
  }

  #entry(
    request: MetaRequest,
    {
      name: key,
      value: bytes,
      seconds,
      said,
      cas,
    }: {
      readonly name: string;
      readonly value: Buffer;
      readonly seconds: number;
      /** The CAS number that it was to have. */
      readonly said: string | undefined;
      /** The one that it was given; `undefined`: it was not stored. */
      readonly cas: string | undefined;
    },
  ): Meaning[] {
    const isCommit = said !== undefined || request.flags.includes('ME');
    const stub = this.#leaseOf(key, said);
    const lock = this.#lockOf(request, key, said);
    const token = (stub ?? lock)?.token ?? `unknown ${key}`;
    if (cas === undefined) return isCommit && stub ? [{ kind: 'refused', key, token, fenced: false }] : [];
    const ttl = this.#untilOf(seconds) - this.#options.server.now;
    this.#held.delete(key);
    this.#current.set(key, cas);
    this.#storedUntil.set(key, this.#untilOf(seconds));
    return isCommit ? [{ kind: 'committed', key, token, bytes, ttl }] : [{ kind: 'said', key, bytes, ttl }];
  }

  #removed(request: MetaRequest, name: string, { code }: Reply): Meaning[] {
    const cas = flagOf(request.flags, 'C');
    const key = keyOf(name);
    const isLock = name !== key;
    if (cas === undefined || code === 'HD') this.#current.delete(name);
    if (cas === undefined && !isLock) this.#held.delete(name);
    if (cas === undefined) return isLock ? [] : [{ kind: 'removed', key }];
    if (code !== 'HD') return [];
    const lease = this.#leaseOf(name, cas);
    this.#held.delete(name);
    if (!lease) return isLock ? [] : [{ kind: 'evicted entry', key }];
    this.#added.delete(placeOf(request, key));
    if (lease.owner !== request.owner) return [{ kind: 'evicted lease', key, of: lease.token }];
    return [{ kind: 'released', key, token: lease.token }];
  }

  /** What Python does. */
  #strangers({ verb, value, flags }: MetaRequest, key: string, name: string, { code }: Reply): Meaning[] {
    if (code !== 'HD') return [];
    const seconds = Number(flagOf(flags, 'T') ?? 0);
    if (name === key) {
      if (verb === 'md') return [{ kind: 'deleted elsewhere', key }];
      if (verb === 'ms' && value) return [{ kind: 'written elsewhere', key, bytes: value, ttl: undefined }];
      return [];
    }
    if (verb === 'ms') {
      const token = `python ${this.#options.server.now} ${key}`;
      const until = this.#untilOf(seconds);
      this.#held.set(name, { token, isForeign: true, until });
      return [{ kind: 'granted', key, token, ms: until - this.#options.server.now, isForeign: true }];
    }
    if (verb !== 'md') return [];
    const held = this.#held.get(name);
    this.#held.delete(name);
    // It removes whatever is there.
    if (!held) return [];
    return held.isForeign
      ? [{ kind: 'released', key, token: held.token }]
      : [{ kind: 'evicted lease', key, of: held.token }];
  }

  #lease(request: MetaRequest, name: string, cas: string, mark: Buffer, fence: Fence): Lease {
    const { term } = this.#options.server;
    const token = `${cas}.${term} ${name}`;
    const { owner, connection } = request;
    const lease = { token, key: keyOf(name), owner, name, fence, mark };
    this.#connections.set(token, connection);
    this.#leases.set(this.#numberOf(name, cas), lease);
    return lease;
  }

  /** From now on, for so many seconds; a lock over a value no longer than that is there. */
  #grant({ token, key, name, fence }: Lease, seconds: number, isVoid = false): Meaning & { readonly kind: 'granted' } {
    const stored =
      fence === 'value' ? (this.#storedUntil.get(key) ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
    const until = Math.min(this.#untilOf(seconds), stored);
    this.#held.set(name, { token, isForeign: false, until });
    return {
      kind: 'granted',
      key,
      token,
      ms: until - this.#options.server.now,
      records: this.#options.records,
      fence,
      isVoid,
    };
  }

  /** The lock under which a program commits over what was stored when it won that. */
  #lockOf(request: MetaRequest, key: string, entry: string | undefined): Lease | undefined {
    const { owner } = request;
    const name = lockNameOf(key);
    const checked = this.#leaseOf(name, this.#checked.get(placeOf(request, key)));
    if (checked && this.#options.isLockedByKey && checked.owner === owner) return checked;
    const isIts = (lease: Lease) =>
      lease.owner === owner && lease.name === name && this.#entries.get(lease.token) === entry;
    const own = [...this.#leases.values()].filter(isIts);
    return own.find(({ token }) => token === this.#held.get(name)?.token) ?? own.at(-1);
  }

  #leaseOf(name: string, cas: string | undefined): Lease | undefined {
    return cas === undefined ? undefined : this.#leases.get(this.#numberOf(name, cas));
  }

  #numberOf(name: string, cas: string): string {
    return `${this.#options.server.term} ${name} ${cas}`;
  }

  #untilOf(seconds: number): number {
    return seconds === 0 ? Number.POSITIVE_INFINITY : this.#options.server.secondsUntil(seconds) * 1000;
  }
}

/** The same lease, whatever it says of its generation. */
function isSameMark(before: Buffer, now: Buffer): boolean {
  const tokenOf = (mark: Buffer) => mark.toString('latin1').split(':')[1];
  return before.length === 0 || tokenOf(before) === tokenOf(now);
}
