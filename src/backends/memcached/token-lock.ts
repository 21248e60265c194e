/**
 * The lock of the client packages: `_lock<key>` with a token, added by the winner, renewed, released, voided, waited for. Other
 * programs' locks under these names are respected and never touched. What a lease is good for is the backend's.
 */
import type { AcquireOptions, BackendHost, CacheMutex } from '../../api.js';
import { BackendUnavailableError, LockTimeoutError } from '../../errors.js';
import { KeptLease, newToken, waitUntil } from '../../lock/lease.js';
import { ForeignLocks } from '../foreign-locks.js';
import type { Found, MemcachedClient } from './client.js';
import { secondsOf } from './expiry.js';
import { lockNameOf } from './keys.js';

export interface TokenLocksOptions {
  /** Of the server that keeps the key: the lock is there, too. */
  readonly clientOf: (key: string) => Pick<MemcachedClient, 'add' | 'find' | 'extend' | 'remove'>;
  readonly host: () => BackendHost;
  /** Throws for keys that can't be sent. */
  readonly check: (key: string) => void;
  /** Milliseconds. */
  readonly lockTimeout: number;
  readonly lockMaxHold: number;
  readonly lockSleep: number;
}

/** A lease, and the entry of its key when it was won: what a commit must not find changed. */
export interface Won {
  readonly lease: KeptLease;
  readonly found: Found | undefined;
}

/** What our locks begin with: anything else is another program's (Python's is `1`). */
const OURS = 'dp1:';
/** A lock that changes under the hand is renewed by its holder, every few seconds at most. */
const TRIES = 10;

export class TokenLocks {
  readonly #options: TokenLocksOptions;
  readonly #foreign: ForeignLocks;
  readonly #won = new WeakMap<KeptLease, Won>();

  constructor(options: TokenLocksOptions) {
    this.#options = options;
    this.#foreign = new ForeignLocks(options.lockMaxHold);
  }

  mutex(key: string): CacheMutex {
    return {
      acquire: (options) => this.#acquire(key, options),
      locked: async () => {
        this.#options.check(key);
        return this.#noted(key, await this.#options.clientOf(key).find(lockNameOf(key))) !== undefined;
      },
    };
  }

  /** One try. */
  tryAcquire(key: string): Promise<KeptLease | undefined> {
    return this.#acquire(key, { wait: false });
  }

  /** What a lease of these locks was won with; `undefined`: it is none. */
  wonWith(lease: object): Won | undefined {
    return lease instanceof KeptLease ? this.#won.get(lease) : undefined;
  }

  /** The lock, if it is still this token's. */
  async held(key: string, token: string): Promise<Found | undefined> {
    const found = this.#noted(key, await this.#options.clientOf(key).find(lockNameOf(key)));
    return found && textOf(found) === OURS + token ? found : undefined;
  }

  /** Removes the lock if it is this token's. `false`: it isn't, any more. `seen`: as it was found held last. */
  release(key: string, token: string, seen?: Found): Promise<boolean> {
    return this.#removeWhile(key, (held) => held === OURS + token, seen);
  }

  /** Removes whichever lock of our kind there is: its holder's commit is refused. */
  async void(key: string): Promise<void> {
    await this.#removeWhile(key, (held) => held.startsWith(OURS));
  }

  /** After a call that failed: nobody waits for it, and nobody is told. */
  releaseBehind(key: string, token: string): void {
    this.release(key, token).catch(() => {});
  }

  async #acquire(key: string, { wait = true, signal }: AcquireOptions = {}): Promise<KeptLease | undefined> {
    const { lockSleep, host, check } = this.#options;
    check(key);
    const { clock, random } = host();
    // One for all tries: a request that was answered too late has won all the same, and is recognised.
    const token = newToken();
    return waitUntil(() => this.#try(key, token, wait !== false), {
      wait,
      signal,
      poll: lockSleep,
      cap: Math.max(1000, lockSleep),
      clock,
      random,
      giveBack: (lease) => void lease.release().catch((error: unknown) => host().report('release', error, key)),
    });
  }

  async #try(key: string, token: string, waits: boolean): Promise<KeptLease | undefined> {
    const { clientOf, lockTimeout } = this.#options;
    const client = clientOf(key);
    const name = lockNameOf(key);
    try {
      const isAdded = await client.add(name, Buffer.from(OURS + token), secondsOf(lockTimeout));
      if (isAdded || (await this.#isMine(key, token, waits))) {
        this.#foreign.forget(name);
        return this.#lease(key, token, await client.find(key));
      }
      return undefined;
    } catch (error) {
      this.releaseBehind(key, token);
      throw error;
    }
  }

  /** A package may have sent the request twice, and tell of the second. Throws for a lock that nobody will release. */
  async #isMine(key: string, token: string, waits: boolean): Promise<boolean> {
    const name = lockNameOf(key);
    const found = this.#noted(key, await this.#options.clientOf(key).find(name));
    if (!found) return false;
    const text = textOf(found);
    if (text.startsWith(OURS)) return text === OURS + token;
    const seen = { by: found.cas ?? text, hasTtl: false };
    if (waits && this.#foreign.isStuck(name, seen, this.#options.host().clock.now()))
      throw stuck(name, this.#options.lockMaxHold);
    return false;
  }

  /** Without a CAS number, a lock of another program is known only by having been there at every look. */
  #noted(key: string, found: Found | undefined): Found | undefined {
    if (!found || textOf(found).startsWith(OURS)) this.#foreign.forget(lockNameOf(key));
    return found;
  }

  #lease(key: string, token: string, found: Found | undefined): KeptLease {
    const { lockTimeout, lockMaxHold, host } = this.#options;
    const lease = new KeptLease({
      token,
      stored: found?.bytes,
      timeout: lockTimeout,
      maxHold: lockMaxHold,
      clock: host().clock,
      renew: () => this.#renew(key, token),
      release: async () => void (await this.release(key, token)),
      report: (verb, error) => host().report(verb, error, key),
    });
    this.#won.set(lease, { lease, found });
    return lease;
  }

  async #renew(key: string, token: string): Promise<boolean> {
    const held = await this.held(key, token);
    if (!held) return false;
    return this.#options.clientOf(key).extend(lockNameOf(key), secondsOf(this.#options.lockTimeout), held);
  }

  async #removeWhile(key: string, isMeant: (held: string) => boolean, seen?: Found): Promise<boolean> {
    const client = this.#options.clientOf(key);
    const name = lockNameOf(key);
    // By its CAS number it needs no second look.
    if (seen?.cas !== undefined && (await client.remove(name, seen))) return true;
    for (let tries = 0; tries < TRIES; tries++) {
      const found = this.#noted(key, await client.find(name));
      if (!found || !isMeant(textOf(found))) return false;
      if (await client.remove(name, found)) return true;
    }
    throw new BackendUnavailableError(`The lock "${name}" changes faster than it can be removed.`);
  }
}

function textOf({ bytes }: Found): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function stuck(lock: string, maxHold: number): LockTimeoutError {
  return new LockTimeoutError(
    `The lock "${lock}" belongs to another program, and has not changed for ${maxHold} ms: whoever held it is gone. Delete it, or give that program's locks a timeout.`,
  );
}
