/** The packages `ioredis` and `iovalkey`: their client and cluster, and clients made of an address. */
import { systemClock } from '../../clock.js';
import type { ClusterTarget, SentinelTarget } from '../redis-arguments.js';
import type { RedisServer } from './address.js';
import {
  CONNECT_TIMEOUT,
  type EarEvents,
  FirstConnection,
  PARTING_TIMEOUT,
  placesOf,
  type RedisClient,
  type RedisEar,
  reconnectDelay,
  SILENCE_TIMEOUT,
  type Word,
} from './client.js';
import { quietConnector, type SentinelModule } from './io-sentinels.js';
import { lockOfChannel, wakeChannel } from './names.js';

/** The slice of ioredis that is used here. */
interface IoLike {
  callBuffer(command: string, ...args: Word[]): Promise<unknown>;
  readonly options?: {
    readonly keyPrefix?: string | undefined;
    readonly host?: string | undefined;
    readonly port?: number | undefined;
  };
  readonly status?: string;
  readonly stream?: { unref?(): void } | undefined;
  on(event: string, run: (...args: unknown[]) => void): unknown;
  off(event: string, run: (...args: unknown[]) => void): unknown;
  readonly isCluster?: boolean;
  /** Of a cluster, as far as they are known. */
  nodes?(): IoLike[];
  connect(): Promise<unknown>;
  disconnect(): void;
  duplicate(overrides?: object): IoLike;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
}

/** The slice of the module. */
export interface IoModule extends SentinelModule {
  Redis: new (options: object) => IoLike;
  Cluster: new (nodes: { host: string; port: number }[], options: object) => IoLike;
}

function ioOptions(
  { username, password, database }: Pick<RedisServer, 'username' | 'password' | 'database'>,
  first: FirstConnection,
) {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    db: database,
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT,
    socketTimeout: SILENCE_TIMEOUT,
    disconnectTimeout: PARTING_TIMEOUT,
    retryStrategy: reconnectDelay,
    // Nothing is kept for later: a command that outlives its caller would take effect behind his back.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // A primary that has become a replica: its name may lead to the new primary by now.
    reconnectOnError: (error: Error) => {
      const isReplica = error.message.startsWith('READONLY');
      if (isReplica) first.trouble = error;
      return isReplica;
    },
  };
}

export class IoClient implements RedisClient {
  readonly place: string;
  readonly #client: IoLike;
  /** Of a client that we made. */
  readonly #first: FirstConnection | undefined;

  private constructor(client: IoLike, place: string, first?: FirstConnection) {
    this.#client = client;
    this.place = place;
    this.#first = first;
  }

  /** One that was handed in: its shape vouches for its members. */
  static handedIn(client: object): IoClient {
    return new IoClient(client as IoLike, 'the client handed in');
  }

  static made(module: IoModule, server: RedisServer): IoClient {
    const { host, port, path, tls } = server;
    const first = new FirstConnection();
    const options = {
      ...(path === undefined ? { host, port, ...(tls ? { tls: {} } : {}) } : { path }),
      ...ioOptions(server, first),
      enableAutoPipelining: true,
      // A server that is still loading says so to each command, at once; and INFO is not every user's to ask.
      enableReadyCheck: false,
    };
    return IoClient.#made(new module.Redis(options), path ?? `${host}:${port}`, first);
  }

  static madeOfSentinels(module: IoModule, { sentinels, serviceName, server }: SentinelTarget): IoClient {
    const first = new FirstConnection();
    const options = {
      name: serviceName,
      sentinels: sentinels.map(({ host, port }) => ({ host, port })),
      sentinelRetryStrategy: reconnectDelay,
      sentinelReconnectStrategy: reconnectDelay,
      failoverDetector: true,
      Connector: quietConnector(module),
      ...ioOptions(server, first),
      enableAutoPipelining: true,
    };
    return IoClient.#made(new module.Redis(options), `the primary of "${serviceName}"`, first);
  }

  static madeOfCluster(module: IoModule, { nodes, server }: ClusterTarget): IoClient {
    const first = new FirstConnection();
    const { lazyConnect, enableOfflineQueue, retryStrategy, ...redisOptions } = ioOptions(
      { ...server, database: 0 },
      first,
    );
    const client = new module.Cluster(
      nodes.map(({ host, port }) => ({ host, port })),
      {
        lazyConnect,
        enableOfflineQueue,
        clusterRetryStrategy: retryStrategy,
        slotsRefreshTimeout: CONNECT_TIMEOUT,
        redisOptions: { ...redisOptions, ...(server.tls ? { tls: {} } : {}) },
      },
    );
    return IoClient.#made(client, `the cluster at ${placesOf(nodes)}`, first);
  }

  static #made(client: IoLike, place: string, first: FirstConnection): IoClient {
    client.on('ready', () => first.stands());
    client.on('error', (error) => first.failed(troubleOf(error)));
    // "Connection is closed" says less than the error before it.
    const connect = () => client.connect().catch((error: unknown) => first.failed(first.trouble ?? error));
    // It ends for good when it is told of a failover while it asks the sentinels.
    client.on('end', () => {
      if (!first.isClosed) systemClock.setTimeout(() => !first.isClosed && connect(), reconnectDelay(0));
    });
    connect();
    return new IoClient(client, place, first);
  }

  get opening(): Promise<void> | undefined {
    return this.#first?.opening;
  }

  /**
   * By the command's own method: `callBuffer` loses the command's name where `enableAutoPipelining` is set. All words in one array: tens
   * of thousands of arguments overflow the stack, and such a pipeline then gives its other callers each other's replies.
   */
  send([command, ...words]: readonly [string, ...Word[]]): Promise<unknown> {
    const client = this.#client;
    const method: unknown = Reflect.get(client, methodOf(command));
    return typeof method === 'function' ? Reflect.apply(method, client, [words]) : client.callBuffer(command, ...words);
  }

  causeOf(error: unknown): unknown {
    const isReply = error instanceof Error && error.name === 'ReplyError';
    return (!isReply && this.#first?.trouble) || error;
  }

  async openEar(events: EarEvents): Promise<RedisEar | undefined> {
    return new IoEar(this.#client, events);
  }

  async close(): Promise<void> {
    if (!this.#first) return;
    this.#first.close();
    this.#client.disconnect();
  }
}

/** A cluster's "Failed to refresh slots cache." says less than what the last node said. */
function troubleOf(error: unknown): unknown {
  return (error instanceof Error && Reflect.get(error, 'lastNodeError')) || error;
}

/** Of each command that we send, its name is made once. */
const METHODS = new Map<string, string>();

function methodOf(command: string): string {
  const known = METHODS.get(command);
  if (known !== undefined) return known;
  const name = `${command.toLowerCase()}Buffer`;
  METHODS.set(command, name);
  return name;
}

/** Over a connection of its own; of a cluster, to any node, for each hears what is published anywhere. */
class IoEar implements RedisEar {
  readonly #client: IoLike;
  readonly #events: EarEvents;
  /** ioredis puts it before keys, also those of scripts, whose locks name the channels; never before channels. */
  readonly #prefix: string;
  /** Channels asked for. Written by `subscribe` and `unsubscribe`. */
  readonly #channels = new Set<string>();
  /** A node that is no longer of the cluster hears nothing. */
  readonly #removed: (node: unknown) => void;
  /** Written by `#listen`. */
  #listening: IoLike | undefined;
  #tries = 0;
  #isClosed = false;

  constructor(client: IoLike, events: EarEvents) {
    this.#client = client;
    this.#events = events;
    this.#prefix = (!client.isCluster && client.options?.keyPrefix) || '';
    this.#removed = (node) => {
      const listening = this.#listening;
      if (listening && placeOf(node) === placeOf(listening)) listening.disconnect();
    };
    if (client.isCluster) client.on('-node', this.#removed);
    this.#listen();
  }

  #listen(): void {
    if (this.#isClosed) return;
    const listening = this.#duplicate();
    this.#listening = listening;
    if (!listening) return this.#listenLater();
    const { failed, connected } = this.#events;
    listening.on('error', failed);
    listening.on('message', (channel) => this.#events.heard(lockOfChannel(String(channel)).slice(this.#prefix.length)));
    // It serves waiters only: it keeps no process alive.
    listening.on('connect', () => listening.stream?.unref?.());
    listening.on('ready', () => {
      this.#tries = 0;
      const subscribed = this.#channels.size > 0 ? listening.subscribe(...this.#channels) : Promise.resolve();
      subscribed.then(connected, failed);
    });
    // Of a cluster: the next may be another node's.
    listening.on('end', () => this.#listenLater());
    // It goes on trying by itself; what keeps it from connecting is told to the listener.
    listening.connect().catch(() => {});
  }

  #listenLater(): void {
    if (!this.#isClosed) systemClock.setTimeout(() => this.#listen(), reconnectDelay(this.#tries++));
  }

  /** `undefined`: no node of the cluster is known. */
  #duplicate(): IoLike | undefined {
    const nodes = this.#client.isCluster ? (this.#client.nodes?.() ?? []) : [this.#client];
    return nodes[Math.floor(Math.random() * nodes.length)]?.duplicate({
      lazyConnect: true,
      // Done here instead, so that it is known when it is done.
      autoResubscribe: false,
      enableOfflineQueue: true,
      // A subscription that was under way when its connection was lost would never be heard of again.
      autoResendUnfulfilledCommands: true,
      maxRetriesPerRequest: null,
      connectTimeout: CONNECT_TIMEOUT,
      socketTimeout: undefined,
      retryStrategy: this.#client.isCluster ? null : reconnectDelay,
    });
  }

  async subscribe(lock: string): Promise<unknown> {
    const channel = wakeChannel(this.#prefix + lock);
    this.#channels.add(channel);
    try {
      return await this.#connected().subscribe(channel);
    } catch (error) {
      // Who still waits asks again.
      this.#channels.delete(channel);
      throw error;
    }
  }

  async unsubscribe(lock: string): Promise<unknown> {
    const channel = wakeChannel(this.#prefix + lock);
    this.#channels.delete(channel);
    return this.#listening?.unsubscribe(channel);
  }

  #connected(): IoLike {
    if (this.#listening) return this.#listening;
    throw new Error('No node of the cluster is known.');
  }

  close(): void {
    this.#isClosed = true;
    this.#client.off('-node', this.#removed);
    this.#listening?.disconnect();
  }
}

function placeOf(node: unknown): string {
  const { host, port } = (node as IoLike).options ?? {};
  return `${host}:${port}`;
}
