/**
 * The client packages of memcached as a simulation has them: the real backend, locks and adapters over simulated packages, and what each
 * command has meant.
 */
import type { MemcachedClient } from '../../../backends/memcached/client.js';
import type { MemcachedClientBackend } from '../../../backends/memcached/client-backend.js';
import { isCarried, memcachedKeyMangler } from '../../../backends/memcached/keys.js';
import { Link as ClientLink, type Connection } from '../../../backends/memcached/link.js';
import { MemcacheClientClient } from '../../../backends/memcached/memcache-client.js';
import { MemjsClient } from '../../../backends/memcached/memjs.js';
import {
  isCarriedByNodeMemcached,
  NodeMemcachedClient,
  nodeMemcachedKeyMangler,
} from '../../../backends/memcached/node-memcached.js';
import type { FencedBackendOptions } from '../fenced-backend.js';
import type { Meaning, RecordsKnown, StoreModel, Won } from '../model.js';
import type { Link } from '../network.js';
import type { SimulatedProcess } from '../process.js';
import { Asked } from './asked.js';
import { SimulatedLine } from './client.js';
import type { Excuse } from './excuses.js';
import { Intents } from './intents.js';
import { SimulatedMemcacheClient, SimulatedMemjs, SimulatedNodeMemcached } from './packages.js';
import type { MetaReply, MetaRequest } from './server.js';
import { MemcachedStoreModel, python } from './store-model.js';
import { TokenAccount } from './token-account.js';
import { ToldBackend } from './told-backend.js';

/** Those with CAS, and the one without. */
export type PackageName = 'memcache_client' | 'node_memcached' | 'memjs';

export interface PackageModelOptions extends Omit<FencedBackendOptions, 'keepsGenerations'> {
  /** Milliseconds. */
  readonly deadline: number;
  readonly name: PackageName;
  /** How long the server keeps what is stored, in milliseconds; `undefined`: as each write says. */
  readonly expirationTime: number | undefined;
  /** Which promise is held against it although it is excused. */
  readonly unexcused?: Excuse | undefined;
}

export class PackageModel extends MemcachedStoreModel implements StoreModel<MetaRequest, MetaReply> {
  readonly stranger = python;
  won = (_key: string, _token: string): void => {};
  violated = (_what: string): void => {};
  readonly #options: PackageModelOptions;
  readonly #account: TokenAccount;
  readonly #asked = new Asked();
  readonly #read = new WeakMap<MetaRequest, Buffer>();

  constructor(options: PackageModelOptions) {
    super({ isBatched: true });
    this.#options = options;
    const { name, lockMaxHold, unexcused } = options;
    this.#account = new TokenAccount({
      server: this.server,
      hasCas: name !== 'memjs',
      lockMaxHold,
      asked: this.#asked,
      isExcused: (excuse) => excuse !== unexcused,
      readBefore: (request) => this.#read.get(request),
    });
  }

  connect(link: Link<MetaRequest, MetaReply>, process: SimulatedProcess): MemcachedClientBackend {
    const { name, lockTimeout, lockMaxHold, lockSleep, deadline, expirationTime } = this.#options;
    const { clock } = process;
    // It gives up before its region does.
    const timeout = 0.9 * deadline;
    const leases = { distributedLock: true, lockTimeout, lockMaxHold, lockSleep, lease: 'key' } as const;
    const intents = new Intents();
    const told: Link<MetaRequest, MetaReply> = {
      ...link,
      send: (request) => {
        const read = intents.of(request);
        if (read) this.#read.set(request, read);
        this.#asked.sent(request, this.server.now);
        return link.send(request);
      },
    };
    const linkTo = <Client>(packageOver: (line: SimulatedLine) => Client) => {
      let opened = 0;
      const open = async (lost: (why: unknown) => void): Promise<Connection<Client>> => {
        opened++;
        const ended = new Error('It has ended.');
        const line = new SimulatedLine({ link: told, process, timeout }, `${process.name}#${opened}`, () =>
          lost(ended),
        );
        // Known to be late before who waits for it is told.
        await line.open(clock.now() + timeout - 1);
        return { client: packageOver(line), hold: () => {}, end: () => line.close(ended) };
      };
      return new ClientLink({ place: 'simulated', open, timeout, clock: () => clock });
    };
    const adapters: Readonly<Record<PackageName, () => MemcachedClient>> = {
      memcache_client: () => new MemcacheClientClient(linkTo((line) => new SimulatedMemcacheClient(line, clock))),
      node_memcached: () => new NodeMemcachedClient(linkTo((line) => new SimulatedNodeMemcached(line, clock))),
      memjs: () => new MemjsClient(linkTo((line) => new SimulatedMemjs(line, clock))),
    };
    const open = () => intents.heardBy(adapters[name]());
    const settings = { name, ...leases, timeout, expirationTime, tls: undefined };
    const keys =
      name === 'node_memcached'
        ? { isCarried: isCarriedByNodeMemcached, keyMangler: nodeMemcachedKeyMangler }
        : { isCarried, keyMangler: memcachedKeyMangler };
    return new ToldBackend(
      { settings, ...keys, open },
      {
        process,
        deadline,
        won: (key, lease) => this.won(key, lease.token),
        commits: (bytes, lease) => this.#account.commits(bytes, lease.token),
        committed: (key, bytes, isStored) => {
          const wrong = this.#account.committed(key, bytes, isStored);
          if (wrong) this.violated(wrong);
        },
        violated: (what) => this.violated(what),
      },
    );
  }

  protected meaning(request: MetaRequest, reply: MetaReply): readonly Meaning[] {
    return this.#account.meaningOf(request, reply);
  }

  protected lost(name: string): readonly Meaning[] {
    return this.#account.lost(name);
  }

  isStuck({ name }: SimulatedProcess, key: string): boolean | undefined {
    return this.#account.isStuck(name, key);
  }

  leasesReleased(request: MetaRequest): readonly string[] {
    return this.#account.released(request);
  }

  /** That a lease was won, its backend says: a lock that was added is not one yet. */
  leasesAsked(): undefined {
    return undefined;
  }

  leasesWon(): ReadonlyMap<string, Won> {
    return new Map();
  }

  recordsOf(): RecordsKnown {
    return { region: undefined, tagOf: () => undefined };
  }
}
