/** memcached as a simulation has it: the real backend over a simulated server, and what each of its commands has meant. */
import { lockNameOf } from '../../../backends/memcached/keys.js';
import { MetaBackend } from '../../../backends/memcached/meta-backend.js';
import type { Chance } from '../chance.js';
import type { FencedBackendOptions } from '../fenced-backend.js';
import type { Meaning, RecordsKnown, StoreModel, Stranger, StrangerSetting, Won } from '../model.js';
import type { Link } from '../network.js';
import type { SimulatedProcess } from '../process.js';
import { Python } from '../python.js';
import { Account } from './account.js';
import { type MetaPortOptions, SimulatedPeers } from './client.js';
import { PythonClient } from './python.js';
import { KnownRecords, REGION } from './records.js';
import { type MetaReply, type MetaRequest, SimulatedMemcached } from './server.js';

export interface MemcachedModelOptions extends FencedBackendOptions {
  /** Milliseconds. */
  readonly deadline: number;
  readonly lease: 'server' | 'key';
  /** A server of your own: a broken one, to see that it is found out. */
  readonly server?: SimulatedMemcached | undefined;
  /** The same for its client. */
  readonly peers?: ((options: MetaPortOptions) => SimulatedPeers) | undefined;
}

export class MemcachedModel implements StoreModel<MetaRequest, MetaReply> {
  /**
   * A connection keeps order; the client has deadlines of its own. By key what is asked in one write is not taken as one step: a server with
   * several threads serves others in between. Of the server's own leases the account knows no other way.
   */
  readonly wire: { readonly isOrdered: true; readonly isBatched: boolean; readonly rejects: false };
  readonly isPiecemeal = true;
  /** Nobody is woken: who waits asks again. */
  publish = (): void => {};
  readonly stranger: ((link: Link<MetaRequest, MetaReply>, setting: StrangerSetting) => Stranger) | undefined;
  readonly #options: MemcachedModelOptions;
  readonly #server: SimulatedMemcached;
  readonly #account: Account;
  readonly #records: KnownRecords;
  readonly #peers: SimulatedPeers[] = [];
  /** What a reply has meant that was not told yet. */
  readonly #meanings = new WeakMap<MetaReply, readonly Meaning[]>();
  readonly #won = new WeakMap<MetaReply, ReadonlyMap<string, Won>>();

  constructor(options: MemcachedModelOptions) {
    const { lease, server = new SimulatedMemcached() } = options;
    this.#options = options;
    this.wire = { isOrdered: true, isBatched: lease === 'server', rejects: false };
    this.#server = server;
    this.#records = new KnownRecords(server);
    const regionOf = () => this.#records.lastRegion;
    const records = options.keepsGenerations ? REGION : undefined;
    this.#account = new Account({ isLockedByKey: lease === 'key', server, records, regionOf });
    if (lease === 'key') this.stranger = (link, setting) => new Python(new PythonClient(link, setting), setting);
  }

  handle(request: MetaRequest, now: number): MetaReply {
    const reply = this.#server.handle(request, now);
    if (this.#won.has(reply) || reply.isLost) return reply;
    const meanings = this.#meaningOf(request, reply);
    this.#meanings.set(reply, meanings);
    const won = meanings.filter((meaning) => meaning.kind === 'granted');
    this.#won.set(reply, new Map(won.map(({ key, token }) => [key, { token }])));
    return reply;
  }

  connect(link: Link<MetaRequest, MetaReply>, process: SimulatedProcess): MetaBackend {
    const { lockTimeout, lockMaxHold, lockSleep, deadline, lease, peers } = this.#options;
    // It gives up before its region does.
    const timeout = 0.9 * deadline;
    const settings = { lockTimeout, lockMaxHold, lockSleep, lease, timeout };
    const options = { link, process, timeout };
    const client = peers?.(options) ?? new SimulatedPeers(options);
    this.#peers.push(client);
    return new MetaBackend({ ...settings, distributedLock: true, expirationTime: undefined }, client, () =>
      process.clock.now(),
    );
  }

  #meaningOf(request: MetaRequest, reply: MetaReply): readonly Meaning[] {
    const [name = ''] = request.keys;
    if (!this.#records.isRecord(name)) return this.#account.meaningOf(request, reply);
    const isWritten = request.verb === 'ms' && reply.replies[0]?.code === 'HD';
    return isWritten && request.value ? this.#records.written(name, request.value) : [];
  }

  /** Once: a request that comes twice is answered as it was. */
  meaningOf(_request: MetaRequest, reply: MetaReply): readonly Meaning[] {
    const meanings = this.#meanings.get(reply) ?? [];
    this.#meanings.delete(reply);
    return meanings;
  }

  isLeaseLost(token: string): boolean {
    const connection = this.#account.connectionOf(token);
    return !this.#peers.some(({ ready }) => ready?.name === connection);
  }

  isGivenUp({ isGivenUp }: MetaRequest): boolean {
    return isGivenUp;
  }

  leasesAsked({ verb, keys: [name = ''], flags }: MetaRequest): ReadonlyMap<string, string> | undefined {
    const isAsked = verb === 'mg' ? flags.some((flag) => flag.startsWith('N')) : verb === 'ms' && flags.includes('ME');
    return isAsked ? new Map([[name.replace(lockNameOf(''), ''), '']]) : undefined;
  }

  /** Of what nobody waits for any more the client learns only to let go of it. */
  leasesWon({ isGivenUp }: MetaRequest, reply: MetaReply): ReadonlyMap<string, Won> {
    return (isGivenUp ? undefined : this.#won.get(reply)) ?? new Map();
  }

  leasesReleased(request: MetaRequest): readonly string[] {
    return this.#account.released(request);
  }

  isRepeated({ isLost }: MetaReply): boolean {
    return isLost;
  }

  /** A verb is several commands, and those that follow are let through whatever the breaker has become. */
  isGuarded(): boolean {
    return false;
  }

  recordsOf(): RecordsKnown {
    return this.#records.known;
  }

  evict(chance: Chance): readonly Meaning[] {
    const names = [...this.#server.items.keys()];
    if (chance.hits(0.15)) {
      this.#server.restart();
      return names.flatMap((name) => this.#lost(name));
    }
    const kind = chance.weighted({ entry: 5, _lock: 2, _region: 1, _tag: 3 });
    const ofKind = names.filter((name) => (kind === 'entry' ? !name.startsWith('_') : name.startsWith(kind)));
    if (ofKind.length === 0) return [];
    const name = chance.pick(ofKind);
    this.#server.items.delete(name);
    return this.#lost(name);
  }

  #lost(name: string): readonly Meaning[] {
    return this.#records.isRecord(name) ? [this.#records.lost(name)] : this.#account.lost(name);
  }

  describe({ verb, keys, flags, value, connection }: MetaRequest, reply?: MetaReply): string {
    const text = [connection, verb, ...keys, ...flags, value ? `"${value}"` : ''].join(' ').trim();
    if (!reply) return text;
    if (reply.isLost) return `${text} → lost`;
    const replies = reply.replies.map((one) =>
      one
        ? [one.code, one.value && `"${one.value}"`, one.cas && `c${one.cas}`, one.isWon && 'W', one.isTaken && 'Z']
            .filter((part) => part !== undefined && part !== false)
            .join(' ')
        : '-',
    );
    return `${text} → ${replies.join(', ')}`;
  }
}
