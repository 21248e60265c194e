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
import { lockOfChannel, WAKE, wakeChannel } from './names.js';

/** The slice of ioredis that is used here. */
interface IoLike {
  callBuffer(command: string, ...args: Word[]): Promise<unknown>;
  readonly options?: { readonly keyPrefix?: string | undefined };
  readonly status?: string;
  readonly stream?: { unref?(): void } | undefined;
  on(event: string, run: (...args: unknown[]) => void): unknown;
  off(event: string, run: (...args: unknown[]) => void): unknown;
  readonly isCluster?: boolean;
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
    // A cluster has a connection of its own for this.
    if (this.#client.isCluster) return new IoClusterEar(this.#client, events);
    const listening = this.#client.duplicate({
      lazyConnect: true,
      // Done here instead, so that it is known when it is done.
      autoResubscribe: false,
      enableOfflineQueue: true,
      maxRetriesPerRequest: null,
      socketTimeout: undefined,
      retryStrategy: reconnectDelay,
    });
    return new IoEar(listening, this.#client.options?.keyPrefix ?? '', events);
  }

  async close(): Promise<void> {
    if (!this.#first) return;
    this.#first.isClosed = true;
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

class IoEar implements RedisEar {
  readonly #client: IoLike;
  /** ioredis puts it before keys, also those of scripts, whose locks name the channels; never before channels. */
  readonly #prefix: string;
  /** Channels asked for. Written by `subscribe` and `unsubscribe`. */
  readonly #channels = new Set<string>();

  constructor(client: IoLike, prefix: string, events: EarEvents) {
    this.#client = client;
    this.#prefix = prefix;
    client.on('error', (error) => events.failed(error));
    client.on('message', (channel) => events.heard(lockOfChannel(String(channel)).slice(prefix.length)));
    // It serves waiters only: it keeps no process alive.
    client.on('connect', () => client.stream?.unref?.());
    client.on('ready', () => {
      const subscribed = this.#channels.size > 0 ? client.subscribe(...this.#channels) : Promise.resolve();
      subscribed.then(
        () => events.connected(),
        (error: unknown) => events.failed(error),
      );
    });
    // It goes on trying by itself; what keeps it from connecting is told to the listener.
    client.connect().catch(() => {});
  }

  async subscribe(lock: string): Promise<unknown> {
    const channel = wakeChannel(this.#prefix + lock);
    this.#channels.add(channel);
    try {
      return await this.#client.subscribe(channel);
    } catch (error) {
      // Who still waits asks again.
      this.#channels.delete(channel);
      throw error;
    }
  }

  unsubscribe(lock: string): Promise<unknown> {
    const channel = wakeChannel(this.#prefix + lock);
    this.#channels.delete(channel);
    return this.#client.unsubscribe(channel);
  }

  close(): void {
    this.#client.disconnect();
  }
}

/** Of cluster clients, who listens to which channel: a client leaves one for all who share it. Written by `IoClusterEar`. */
const listening = new WeakMap<IoLike, Map<string, Set<IoClusterEar>>>();

/** Of a cluster, which sees to its subscriptions itself when a node is lost. */
class IoClusterEar implements RedisEar {
  readonly #client: IoLike;
  readonly #hear: (channel: unknown) => void;
  readonly #moved: () => void;

  constructor(client: IoLike, events: EarEvents) {
    this.#client = client;
    this.#hear = (channel) => {
      if (String(channel).startsWith(WAKE)) events.heard(lockOfChannel(String(channel)));
    };
    this.#moved = () => events.connected();
    client.on('message', this.#hear);
    client.on('+subscriber', this.#moved);
  }

  async subscribe(lock: string): Promise<void> {
    const channel = wakeChannel(lock);
    const channels = listening.get(this.#client) ?? new Map<string, Set<IoClusterEar>>();
    listening.set(this.#client, channels);
    channels.set(channel, (channels.get(channel) ?? new Set()).add(this));
    try {
      await this.#client.subscribe(channel);
    } catch (error) {
      this.#leave(channel);
      throw error;
    }
  }

  async unsubscribe(lock: string): Promise<void> {
    const channel = wakeChannel(lock);
    if (this.#leave(channel)) await this.#client.unsubscribe(channel);
  }

  /** Answers whether nobody listens to it any more. */
  #leave(channel: string): boolean {
    const channels = listening.get(this.#client);
    const ears = channels?.get(channel);
    ears?.delete(this);
    if (ears && ears.size > 0) return false;
    channels?.delete(channel);
    return true;
  }

  close(): void {
    this.#client.off('message', this.#hear);
    this.#client.off('+subscriber', this.#moved);
  }
}
