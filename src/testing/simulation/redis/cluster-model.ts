/**
 * A cluster as a simulation has it: the real backend over simulated nodes, and in what it is weaker than one server (protocol, Cluster).
 * Each excuse says why; a test takes them away one by one, and sees that some seed needs it.
 */
import type { CacheBackend } from '../../../api.js';
import { isRecordName, regionRecordName } from '../../../backends/records.js';
import type { RedisClient } from '../../../backends/redis/client.js';
import { RedisClusterBackend } from '../../../backends/redis/cluster-backend.js';
import { clusterLayout, type Layout } from '../../../backends/redis/layout.js';
import * as scripts from '../../../backends/redis/scripts.js';
import { slotOf } from '../../../backends/redis/slots.js';
import type { RedisSettings } from '../../../backends/redis-arguments.js';
import type { Chance } from '../chance.js';
import type { Meaning, RecordsKnown, StoreModel, Stranger, StrangerSetting, Won } from '../model.js';
import type { Link } from '../network.js';
import { Python } from '../python.js';
import { SimulatedClient } from './client.js';
import { type ClusterRequest, namesIn, SimulatedCluster } from './cluster.js';
import { routed } from './cluster-client.js';
import { type LossesOptions, lose, lossOf } from './losses.js';
import { Meanings } from './meanings.js';
import { described, LOCK, type RedisModelOptions, recordsIn, settingsOf } from './model.js';
import { PythonClient } from './python.js';
import { calledBy, type Reply } from './server.js';

/** Alike once their braces are thought away; some in the slot of another. */
const KEYS = ['a', '{a}', 'b', 'a{b}c', '{', '}', '{}'];
/** For so long records are held, in milliseconds. */
const BOUND = 1000;

export interface ClusterModelOptions extends Omit<RedisModelOptions, 'scripts'> {
  /** Some of those that are called for. Default: an order of all, drawn. */
  readonly keys?: readonly string[] | undefined;
  /** How keys and locks are laid out, where it is not to be as it should. */
  readonly layout?: Layout | undefined;
  /** A backend of your own, for the same reason. */
  readonly connect?: ((settings: RedisSettings, open: () => Promise<RedisClient>) => CacheBackend) | undefined;
  /** Which of the excuses does not count, to see that it is needed. */
  readonly without?: ClusterExcuse | undefined;
}

export type ClusterExcuse =
  | 'seen within a second'
  | 'judged by what is held'
  | 'refused by a node'
  | 'asked of several nodes'
  | 'asked one by one';

export class ClusterModel implements StoreModel<ClusterRequest, Reply> {
  readonly wire = { isOrdered: true, rejects: false, laneOf: ({ node }: ClusterRequest) => node };
  readonly keys: readonly string[];
  readonly #options: ClusterModelOptions;
  readonly #layout: Layout;
  readonly #cluster = new SimulatedCluster();
  readonly #meanings: Meanings;
  readonly #losses: LossesOptions;

  constructor(options: ClusterModelOptions, chance: Chance) {
    this.#options = options;
    this.#layout = options.layout ?? clusterLayout(LOCK);
    this.keys = options.keys ?? shuffled(KEYS, chance);
    const keysOf = (lock: string) => this.keys.filter((key) => this.#layout.lockOf(key) === lock);
    this.#losses = { lockPrefix: LOCK, keysOf, spoils: options.spoils ?? 0.2 };
    this.#meanings = new Meanings({ keysOf, isApart: options.keepsGenerations });
  }

  set publish(publish: (channel: string) => void) {
    this.#cluster.publish = publish;
  }

  handle(request: ClusterRequest, now: number): Reply {
    return this.#cluster.handle(request, now);
  }

  connect(link: Link<ClusterRequest, Reply>): CacheBackend {
    const send = routed(link, { cluster: this.#cluster, isForeign: false });
    const client = new SimulatedClient({ send, subscribe: link.subscribe });
    const [settings, open] = [settingsOf(this.#options), async () => client];
    return this.#options.connect?.(settings, open) ?? new RedisClusterBackend(settings, open, this.#layout);
  }

  /** Python calls every lock `_lock{key}`: keys with a closing brace are not for sharing. */
  stranger(link: Link<ClusterRequest, Reply>, setting: StrangerSetting): Stranger {
    const send = routed(link, { cluster: this.#cluster, isForeign: true });
    const keys = setting.keys.filter((key) => !key.includes('}'));
    const wire = {
      ask: (command: ClusterRequest['command']) => send(command, namesIn(command)[0] ?? ''),
      lockOf: (key: string) => `${LOCK}{${key}}`,
    };
    const python = new Python(new PythonClient(wire, setting), { ...setting, keys });
    return keys.length > 0 ? python : { run: async () => {} };
  }

  meaningOf({ command, isForeign }: ClusterRequest, reply: Reply): readonly Meaning[] {
    return this.#meanings.of(command, reply, isForeign);
  }

  leasesAsked({ command }: ClusterRequest): ReadonlyMap<string, string> | undefined {
    return this.#meanings.leasesAsked(command);
  }

  leasesWon({ command }: ClusterRequest, reply: Reply): ReadonlyMap<string, Won> {
    return this.#meanings.leasesWon(command, reply);
  }

  leasesReleased({ command }: ClusterRequest): readonly string[] {
    return this.#meanings.leasesReleased(command);
  }

  isGuarded({ command, isForeign, isRedirected }: ClusterRequest): boolean {
    if (isForeign || isRedirected) return false;
    const called = calledBy(command);
    if (!called) return command[0] === 'MGET' && !isRecordName(String(command[1]));
    const isLease = [scripts.ACQUIRE, scripts.RENEW, scripts.RELEASE].includes(called.script);
    return command[0] === 'EVALSHA' && !isLease;
  }

  isRepeated(reply: Reply): boolean {
    return 'error' in reply && /^(NOSCRIPT|MOVED)/.test(reply.error);
  }

  // -------------------------------------------------------------------------------------------------------- excuses

  /**
   * An invalidation by another process is seen within a second: records are in another slot than values, so that no command reads them
   * together, and are held for so long.
   */
  get bound(): number {
    return this.#counts('seen within a second') ? BOUND : 0;
  }

  /** A record that was lost and made anew is of another incarnation: by the one that is held, what was stored under it is missing. */
  get heldFor(): number {
    return this.#counts('judged by what is held') ? BOUND : 0;
  }

  /** A slot on the move takes commands of one key only, a node that is restarted takes none: to who asked, the store is out of reach. */
  isRefused(reply: Reply): boolean {
    return this.#counts('refused by a node') && 'error' in reply && /^(TRYAGAIN|CLUSTERDOWN)/.test(reply.error);
  }

  /** Keys of several slots are several commands, which are sent together. */
  get asksInParts(): boolean {
    return this.#counts('asked of several nodes');
  }

  /** What is read under a lease is another command, with a deadline of its own; the region's is one for both. */
  get asksOneByOne(): boolean {
    return this.#counts('asked one by one');
  }

  #counts(excuse: ClusterExcuse): boolean {
    return this.#options.without !== excuse;
  }

  // ------------------------------------------------------------------------------------------------------- the nodes

  recordsOf(region: string): RecordsKnown {
    return recordsIn(this.#cluster.at(regionRecordName(region)), region);
  }

  /** A slot begins or ends to move, a node is restarted empty, or one of them loses something. */
  evict(chance: Chance): readonly Meaning[] {
    const cluster = this.#cluster;
    const [moving] = cluster.slotsOnTheMove;
    if (moving !== undefined && chance.hits(0.6)) {
      cluster.endMove(moving);
      return [];
    }
    if (chance.hits(0.25) && cluster.names.length > 0) {
      cluster.beginMove(slotOf(chance.pick(cluster.names)));
      return [];
    }
    const node = chance.between(0, cluster.nodes.length - 1);
    const server = cluster.nodes[node];
    if (!server) return [];
    if (!chance.hits(0.15)) return lose(server, chance, this.#losses);
    const names = cluster.restart(node, chance.between(0, 1500));
    return names.flatMap((name) => lossOf(name, this.#losses));
  }

  describe({ node, command }: ClusterRequest, reply?: Reply): string {
    return `${node}: ${described(command, reply)}`;
  }
}

/** In an order drawn by lot. */
function shuffled<T>(list: readonly T[], chance: Chance): readonly T[] {
  return list
    .map((item) => ({ item, lot: chance.next() }))
    .sort((one, other) => one.lot - other.lot)
    .map(({ item }) => item);
}
