/** The package `redis` (node-redis): its client, pool, cluster and sentinel, told apart by shape, and clients made of an address. */
import { randomBytes } from 'node:crypto';
import { errorMonitor } from 'node:events';
import { systemClock } from '../../clock.js';
import { BackendUnavailableError } from '../../errors.js';
import type { ClusterTarget, SentinelTarget } from '../redis-arguments.js';
import type { RedisServer } from './address.js';
import {
  type EarEvents,
  FirstConnection,
  placesOf,
  type RedisClient,
  type RedisEar,
  reconnectDelay,
  SENTINEL_TIMEOUT,
  SILENCE_TIMEOUT,
  type Word,
} from './client.js';
import { lockOfChannel, wakeChannel } from './names.js';
import { NodeSockets } from './node-sockets.js';

/** Blob strings as Buffers (the type has the byte `$`); no timer of node-redis, the deadline is ours. */
const OPTIONS = { typeMapping: { 36: Buffer }, timeout: 0 };
const OPTIONS_4 = { returnBuffers: true };

export type NodeShape = 'node' | 'node-cluster' | 'node-sentinel' | 'node4';

/** The slice of node-redis that is used here. */
interface NodeLike {
  sendCommand(...args: unknown[]): Promise<unknown>;
  readonly isOpen?: boolean;
  readonly isReady?: boolean;
  on(event: string | symbol, run: (...args: unknown[]) => void): unknown;
  off(event: string | symbol, run: (...args: unknown[]) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): unknown;
  unref?(): void;
  duplicate?(overrides?: object): NodeLike;
  /** Of a pool. */
  execute?<T>(run: (client: NodeLike) => T): Promise<Awaited<T>>;
  subscribe(channel: string, listener: (message: string, channel: string) => void): Promise<void>;
  unsubscribe(channel: string, listener: (message: string, channel: string) => void): Promise<void>;
}

/** The slice of the module. */
export interface NodeModule {
  createClient(options: object): NodeLike;
  createSentinel(options: object): NodeLike;
  createCluster(options: object): NodeLike;
}

const PATIENT = {
  // Keeps an idle connection from being taken for a dead one, and finds out a dead one.
  pingInterval: SILENCE_TIMEOUT / 3,
  maintNotifications: 'disabled',
};

/** The timer of its next ping outlives a sentinel's connection that is lost, and keeps the process alive. */
const SENTINEL_PING = SENTINEL_TIMEOUT / 5;

/** Of a client that we made. */
interface Own {
  readonly first: FirstConnection;
  readonly sockets: NodeSockets;
}

function nodeOptions({
  username,
  password,
  database,
}: Pick<RedisServer, 'username' | 'password' | 'database'>): object {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    ...PATIENT,
    // A command that outlives its caller would take effect behind his back.
    disableOfflineQueue: true,
  };
}

export class NodeClient implements RedisClient {
  readonly place: string;
  readonly #client: NodeLike;
  readonly #shape: NodeShape;
  readonly #own: Own | undefined;

  private constructor(client: NodeLike, shape: NodeShape, place: string, own?: Own) {
    this.#client = client;
    this.#shape = shape;
    this.place = place;
    this.#own = own;
  }

  /** One that was handed in: its shape vouches for its members. */
  static handedIn(client: object, shape: NodeShape): NodeClient {
    return new NodeClient(client as NodeLike, shape, 'the client handed in');
  }

  static made(module: NodeModule, server: RedisServer): NodeClient {
    const { host, port, path, tls } = server;
    const own = newOwn();
    const { first, sockets } = own;
    const client = module.createClient({
      ...nodeOptions(server),
      socket: sockets.options(path === undefined ? { host, port, ...(tls ? { tls } : {}) } : { path }),
      commandOptions: { timeout: 0 },
    });
    client.on('ready', () => first.stands());
    client.on('error', (error) => first.failed(error));
    // It goes on trying by itself; what kept it from connecting was told to the listener.
    client.connect().catch((error: unknown) => first.failed(error));
    return new NodeClient(client, 'node', path ?? `${host}:${port}`, own);
  }

  static madeOfSentinels(module: NodeModule, { sentinels, serviceName, server }: SentinelTarget): NodeClient {
    const own = newOwn();
    const { sockets } = own;
    const client = module.createSentinel({
      name: serviceName,
      sentinelRootNodes: sentinels.map(({ host, port }) => ({ host, port })),
      sentinelClientOptions: {
        ...PATIENT,
        pingInterval: SENTINEL_PING,
        socket: sockets.options({ socketTimeout: SENTINEL_TIMEOUT }),
      },
      nodeClientOptions: { ...nodeOptions(server), socket: sockets.options() },
      commandOptions: { timeout: 0 },
    });
    return NodeClient.#persistent(client, 'node-sentinel', `the primary of "${serviceName}"`, own);
  }

  static madeOfCluster(module: NodeModule, { nodes, server }: ClusterTarget): NodeClient {
    const own = newOwn();
    const client = module.createCluster({
      rootNodes: nodes.map(({ host, port }) => ({ socket: { host, port } })),
      defaults: {
        ...nodeOptions({ ...server, database: 0 }),
        socket: own.sockets.options(server.tls ? { tls: true } : {}),
      },
      commandOptions: { timeout: 0 },
    });
    return NodeClient.#persistent(client, 'node-cluster', `the cluster at ${placesOf(nodes)}`, own);
  }

  /** Sentinels and clusters give up when they know nobody to talk to. */
  static #persistent(client: NodeLike, shape: NodeShape, place: string, own: Own): NodeClient {
    const { first, sockets } = own;
    // Of one node: the next may be there.
    client.on('error', (error) => {
      first.trouble = error;
    });
    const connect = () => {
      // Nobody would end a connection that is made after it was closed.
      if (sockets.isClosed) return;
      client.connect().then(
        () => {
          first.stands();
          if (sockets.isClosed) void end(client);
        },
        (error: unknown) => {
          // "All the root nodes are unavailable" says less than the error of one of them before it.
          first.failed(first.trouble ?? error);
          systemClock.setTimeout(connect, reconnectDelay(10));
        },
      );
    };
    connect();
    return new NodeClient(client, shape, place, own);
  }

  get opening(): Promise<void> | undefined {
    return this.#own?.first.opening;
  }

  send(words: readonly [string, ...Word[]], key: string): Promise<unknown> {
    const client = this.#client;
    if (!this.#own && client.isOpen === false) throw notConnected();
    switch (this.#shape) {
      case 'node-cluster':
        return client.sendCommand(key, false, words, OPTIONS);
      case 'node-sentinel':
        return client.sendCommand(false, words, OPTIONS);
      case 'node4':
        return client.sendCommand(words, OPTIONS_4);
      case 'node':
        return client.sendCommand(words, OPTIONS);
    }
  }

  causeOf(error: unknown): unknown {
    return (this.#client.isReady === false && this.#own?.first.trouble) || error;
  }

  async openEar(events: EarEvents): Promise<RedisEar | undefined> {
    if (this.#shape === 'node-cluster' || this.#shape === 'node-sentinel')
      return new NodeSharedEar(this.#client, events);
    const listening = await this.#duplicate();
    return listening && new NodeEar(listening, events);
  }

  /** A pool has no `duplicate`, its clients have. */
  async #duplicate(): Promise<NodeLike | undefined> {
    const client = this.#client;
    const waits = { disableOfflineQueue: false };
    if (client.duplicate) return client.duplicate(waits);
    return client.execute?.((one) => one.duplicate?.(waits));
  }

  async close(): Promise<void> {
    this.#own?.first.close();
    this.#own?.sockets.close(end(this.#client));
  }
}

/** Over a connection of its own, which has subscribed again to everything by the time it is ready. */
class NodeEar implements RedisEar {
  readonly #client: NodeLike;
  readonly #hear: (message: string, channel: string) => void;

  constructor(client: NodeLike, events: EarEvents) {
    this.#client = client;
    this.#hear = hearer(events);
    client.on('error', (error) => events.failed(error));
    client.on('ready', () => events.connected());
    // It serves waiters only: it keeps no process alive.
    client.unref?.();
    client.connect().catch((error: unknown) => events.failed(error));
  }

  subscribe(lock: string): Promise<void> {
    return this.#client.subscribe(wakeChannel(lock), this.#hear);
  }

  unsubscribe(lock: string): Promise<void> {
    return this.#client.unsubscribe(wakeChannel(lock), this.#hear);
  }

  close(): void {
    end(this.#client);
  }
}

/** What clusters and sentinels say when their listening connection may have been lost, or made anew. A cluster is told by `node-ready`. */
const SHAKEN = ['node-ready', 'topology-change', errorMonitor] as const;

/**
 * Over the listening connection of a cluster or of sentinels, which tell nobody when it is back: so a channel that nobody publishes to
 * is subscribed to, which comes after all that there was.
 */
class NodeSharedEar implements RedisEar {
  readonly #client: NodeLike;
  readonly #events: EarEvents;
  readonly #hear: (message: string, channel: string) => void;
  readonly #probe = wakeChannel(`:${randomBytes(8).toString('hex')}`);
  /** Locks subscribed to, or about to be. */
  readonly #locks = new Set<string>();
  /** Some subscription was refused: who asked for it is to be told when he may ask again. */
  #hasRefused = false;
  #state: 'quiet' | 'probing' | 'shaken' = 'quiet';
  #isClosed = false;
  readonly #shaken = () => void this.#look();

  constructor(client: NodeLike, events: EarEvents) {
    this.#client = client;
    this.#events = events;
    this.#hear = hearer(events);
    for (const event of SHAKEN) client.on(event, this.#shaken);
  }

  async subscribe(lock: string): Promise<void> {
    this.#locks.add(lock);
    try {
      await this.#client.subscribe(wakeChannel(lock), this.#hear);
    } catch (error) {
      this.#locks.delete(lock);
      this.#hasRefused = true;
      this.#shaken();
      throw error;
    }
  }

  unsubscribe(lock: string): Promise<void> {
    this.#locks.delete(lock);
    return this.#client.unsubscribe(wakeChannel(lock), this.#hear);
  }

  close(): void {
    this.#isClosed = true;
    for (const event of SHAKEN) this.#client.off(event, this.#shaken);
  }

  /** Until it has got through since it was shaken last. */
  async #look(): Promise<void> {
    const isLooking = this.#state !== 'quiet';
    this.#state = 'shaken';
    if (isLooking) return;
    for (let tries = 0; this.#state === 'shaken' && this.#isWanted; tries++) {
      this.#state = 'probing';
      if (await this.#getsThrough()) continue;
      this.#state = 'shaken';
      await new Promise<void>((resolve) => void systemClock.setTimeout(resolve, reconnectDelay(tries)));
    }
    this.#state = 'quiet';
  }

  get #isWanted(): boolean {
    return !this.#isClosed && (this.#locks.size > 0 || this.#hasRefused);
  }

  async #getsThrough(): Promise<boolean> {
    try {
      await this.#client.subscribe(this.#probe, this.#hear);
      this.#hasRefused = false;
      this.#events.connected();
      await this.#client.unsubscribe(this.#probe, this.#hear);
      return true;
    } catch {
      return false;
    }
  }
}

function hearer(events: EarEvents): (message: string, channel: string) => void {
  return (_, channel) => events.heard(lockOfChannel(channel));
}

async function end(client: NodeLike): Promise<void> {
  try {
    await client.destroy();
  } catch {
    // It may have been closed already.
  }
}

function newOwn(): Own {
  return { first: new FirstConnection(), sockets: new NodeSockets() };
}

function notConnected(): BackendUnavailableError {
  return new BackendUnavailableError('The client handed in is not connected. Call `await client.connect()` first.');
}
