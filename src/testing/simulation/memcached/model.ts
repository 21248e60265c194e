/** memcached as a simulation has it: the real backend over a simulated server, and what each of its commands has meant. */
import { lockNameOf } from '../../../backends/memcached/keys.js';
import { MetaBackend } from '../../../backends/memcached/meta-backend.js';
import type { FencedBackendOptions } from '../fenced-backend.js';
import type { Meaning, RecordsKnown, StoreModel, Stranger, StrangerSetting, Won } from '../model.js';
import type { Link } from '../network.js';
import type { SimulatedProcess } from '../process.js';
import { Account } from './account.js';
import { type MetaPortOptions, SimulatedPeers } from './client.js';
import { KnownRecords, REGION } from './records.js';
import type { MetaReply, MetaRequest, SimulatedMemcached } from './server.js';
import { MemcachedStoreModel, python } from './store-model.js';

export interface MemcachedModelOptions extends FencedBackendOptions {
  /** Milliseconds. */
  readonly deadline: number;
  readonly lease: 'server' | 'key';
  /** A server of your own: a broken one, to see that it is found out. */
  readonly server?: SimulatedMemcached | undefined;
  /** The same for its client. */
  readonly peers?: ((options: MetaPortOptions) => SimulatedPeers) | undefined;
}

export class MemcachedModel extends MemcachedStoreModel implements StoreModel<MetaRequest, MetaReply> {
  readonly isPiecemeal = true;
  readonly stranger: ((link: Link<MetaRequest, MetaReply>, setting: StrangerSetting) => Stranger) | undefined;
  readonly #options: MemcachedModelOptions;
  readonly #account: Account;
  readonly #records: KnownRecords;
  readonly #peers: SimulatedPeers[] = [];
  readonly #won = new WeakMap<MetaReply, ReadonlyMap<string, Won>>();

  constructor(options: MemcachedModelOptions) {
    const { lease } = options;
    // By key what is asked in one write is not taken as one step: a server with several threads serves others in between. Of the
    // server's own leases the account knows no other way.
    super({ ...(options.server ? { server: options.server } : {}), isBatched: lease === 'server' });
    const { server } = this;
    this.#options = options;
    this.#records = new KnownRecords(server);
    const regionOf = () => this.#records.lastRegion;
    const records = options.keepsGenerations ? REGION : undefined;
    this.#account = new Account({ isLockedByKey: lease === 'key', server, records, regionOf });
    if (lease === 'key') this.stranger = python;
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

  protected meaning(request: MetaRequest, reply: MetaReply): readonly Meaning[] {
    const meanings = this.#meaning(request, reply);
    const won = meanings.filter((meaning) => meaning.kind === 'granted');
    this.#won.set(reply, new Map(won.map(({ key, token }) => [key, { token }])));
    return meanings;
  }

  #meaning(request: MetaRequest, reply: MetaReply): readonly Meaning[] {
    const [name = ''] = request.keys;
    if (!this.#records.isRecord(name)) return this.#account.meaningOf(request, reply);
    const isWritten = request.verb === 'ms' && reply.replies[0]?.code === 'HD';
    return isWritten && request.value ? this.#records.written(name, request.value) : [];
  }

  isLeaseLost(token: string): boolean {
    const connection = this.#account.connectionOf(token);
    return !this.#peers.some(({ ready }) => ready?.name === connection);
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

  recordsOf(): RecordsKnown {
    return this.#records.known;
  }

  protected lost(name: string): readonly Meaning[] {
    return this.#records.isRecord(name) ? [this.#records.lost(name)] : this.#account.lost(name);
  }
}
