/** What is simulated: the regions over one of the stores that there are models of, sound unless it is said otherwise. */
import { Chance } from './chance.js';
import { FencedModel, type FencedModelOptions } from './fenced-model.js';
import type { Excuse } from './memcached/excuses.js';
import { MemcachedModel, type MemcachedModelOptions } from './memcached/model.js';
import { PackageModel, type PackageName } from './memcached/package-model.js';
import { ClusterModel, type ClusterModelOptions } from './redis/cluster-model.js';
import { RedisModel, type RedisModelOptions } from './redis/model.js';
import { type CommonOptions, DEADLINE, LEASES, Simulation, type SimulationReport } from './simulation.js';

export type { SimulationReport } from './simulation.js';

export interface SimulationOptions extends CommonOptions {
  /** Store and client, where they are not to be the sound ones. */
  readonly store?: Pick<FencedModelOptions, 'store' | 'connect'> | undefined;
}

export type RedisSimulationOptions = CommonOptions & Pick<RedisModelOptions, 'scripts' | 'spoils'>;

export type ClusterSimulationOptions = CommonOptions &
  Pick<ClusterModelOptions, 'keys' | 'layout' | 'connect' | 'without' | 'spoils'>;

export interface MemcachedSimulationOptions extends CommonOptions {
  /** The server's own leases, or `_lock<key>`. Default: drawn. */
  readonly lease?: 'server' | 'key' | undefined;
  /** Server and client, where they are not to be the sound ones. */
  readonly memcached?: Pick<MemcachedModelOptions, 'server' | 'peers'> | undefined;
}

export interface PackageSimulationOptions extends CommonOptions {
  /** A package with CAS, or the one without. Default: drawn. */
  readonly name?: PackageName | undefined;
  /** A promise that is held against it although it is excused: to see that the excuse is needed. */
  readonly unexcused?: Excuse | undefined;
  /** What happens to a process as soon as it has stored something that it is to take back. Default: nothing. */
  readonly strike?: 'kill' | 'silence' | undefined;
}

/** Over the store of the protocol itself. */
export function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const chance = new Chance(options.seed);
  const keepsGenerations = options.generations ?? chance.hits(0.5);
  const model = new FencedModel({ ...LEASES, keepsGenerations, ...options.store });
  return new Simulation(model, chance, options, keepsGenerations).run();
}

/** Over a simulated Redis, with the real backend, and Python programs beside it. */
export function simulateRedis({ scripts, spoils, ...options }: RedisSimulationOptions): Promise<SimulationReport> {
  const chance = new Chance(options.seed);
  const keepsGenerations = options.generations ?? chance.hits(0.7);
  const model = new RedisModel({ ...LEASES, keepsGenerations, deadline: DEADLINE, scripts, spoils });
  return new Simulation(model, chance, options, keepsGenerations).run();
}

/** Over a simulated cluster of Redis, with the real backend, and Python programs beside it. */
export function simulateCluster({
  keys,
  layout,
  connect,
  without,
  spoils,
  ...options
}: ClusterSimulationOptions): Promise<SimulationReport> {
  const chance = new Chance(options.seed);
  const keepsGenerations = options.generations ?? chance.hits(0.7);
  const own = { keys, layout, connect, without, spoils };
  const model = new ClusterModel({ ...LEASES, keepsGenerations, deadline: DEADLINE, ...own }, chance);
  return new Simulation(model, chance, options, keepsGenerations).run();
}

/** Over a simulated memcached, with the real backend, and Python programs beside it where locks are by key. */
export function simulateMemcached({ memcached, ...options }: MemcachedSimulationOptions): Promise<SimulationReport> {
  const chance = new Chance(options.seed);
  const keepsGenerations = options.generations ?? chance.hits(0.7);
  const lease = options.lease ?? (chance.hits(0.6) ? 'server' : 'key');
  const model = new MemcachedModel({ ...LEASES, keepsGenerations, deadline: DEADLINE, lease, ...memcached });
  return new Simulation(model, chance, options, keepsGenerations).run();
}

/** Over a simulated memcached behind a client package, with the real backend and adapter, and Python programs beside it. */
export function simulatePackage({
  unexcused,
  strike,
  ...options
}: PackageSimulationOptions): Promise<SimulationReport> {
  const chance = new Chance(options.seed);
  const name = options.name ?? chance.weighted({ memcache_client: 1, node_memcached: 1, memjs: 2 });
  // Else entries outlive the simulation.
  const expirationTime = chance.hits(0.3) ? 1000 : undefined;
  const model = new PackageModel({ ...LEASES, deadline: DEADLINE, name, expirationTime, unexcused });
  return new Simulation(model, chance, options, false, strike).run();
}
