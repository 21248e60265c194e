/** Tells clients of Redis apart, by their members: package and class names say nothing reliable. */

/**
 * A client of yours: ioredis and iovalkey (also Cluster), node-redis (client, pool, cluster, sentinel). Told apart by shape at run
 * time; node-redis's four `sendCommand` differ in their parameters, so the type only names the verb.
 */
export type RedisLike =
  | { callBuffer(command: string, ...args: (string | Uint8Array | number)[]): Promise<unknown> }
  // biome-ignore lint/suspicious/noExplicitAny: the parameters differ from one client of node-redis to the next
  | { sendCommand(...args: any[]): Promise<unknown> };

/** `io`: ioredis and iovalkey. `node`: node-redis. `node4`: its version 4. */
export type ClientShape = 'io' | 'io-cluster' | 'node' | 'node-cluster' | 'node-sentinel' | 'node4';

/** `undefined`: none that we know. */
export function shapeOf(client: unknown): ClientShape | undefined {
  if (typeof client !== 'object' || client === null) return undefined;
  const has = (member: string) => typeof Reflect.get(client, member) === 'function';
  if (has('callBuffer')) return Reflect.get(client, 'isCluster') === true ? 'io-cluster' : 'io';
  if (!has('sendCommand')) return undefined;
  if (!has('withTypeMapping')) return has('executeIsolated') ? 'node4' : undefined;
  if (has('getMasterNode')) return 'node-sentinel';
  return Reflect.get(client, 'slots') !== undefined ? 'node-cluster' : 'node';
}

export function isCluster(shape: ClientShape): boolean {
  return shape === 'io-cluster' || shape === 'node-cluster';
}

/**
 * Whether its own `keyPrefix` would go wrong: node-redis leaves it out of commands that are spelled out, and in a cluster a prefix
 * takes a key and its lock to different slots.
 */
export function hasLostPrefix(client: object, shape: ClientShape): boolean {
  if (shape === 'io' || shape === 'node4') return false;
  return Boolean(optionOf(client, 'keyPrefix') ?? Reflect.get(client, '_keyPrefix'));
}

/**
 * Whether it asks replicas, which may not know yet of what was deleted: clusters of ioredis can't be told to spare a command of ours that;
 * node-redis asks no replica for commands that are spelled out.
 */
export function readsReplicas(client: object, shape: ClientShape): boolean {
  return shape === 'io-cluster' && (optionOf(client, 'scaleReads') ?? 'master') !== 'master';
}

function optionOf(client: object, name: string): unknown {
  const options: unknown = Reflect.get(client, 'options');
  return typeof options === 'object' && options !== null ? Reflect.get(options, name) : undefined;
}
