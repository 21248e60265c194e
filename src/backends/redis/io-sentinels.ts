/**
 * How `ioredis` and `iovalkey` are told of a failover: by their own connector, whose detector listens to every sentinel and leaves a
 * primary that hangs as soon as they name another. Which primary that is, and when to try again, is the packages' to decide.
 */
import { PARTING_TIMEOUT, SENTINEL_TIMEOUT } from './client.js';

/** The slice of the module. */
export interface SentinelModule {
  SentinelConnector: new (options: object) => object;
}

interface Connector {
  /** From `connect` to `disconnect`. */
  readonly connecting?: boolean;
  connectToSentinel(endpoint: unknown, options?: object): Sentinel;
  disconnect(): void;
}

/** A client of the package. */
interface Sentinel {
  on(event: 'error' | 'end', run: () => void): unknown;
  disconnect(): void;
}

/**
 * The connector, to be given as the option `Connector`. The detector's connections have nobody who listens to their errors, and the
 * package writes such errors to stderr; a sentinel that is away is no trouble while another answers, and if none does, the client says so.
 * Sentinels that are asked when it is disconnected would be waited for, some for ever: it leaves them, too.
 */
export function quietConnector({ SentinelConnector }: SentinelModule): new (options: object) => object {
  // Private in the packages' types. Were it called otherwise one day, all would be as without this but the silence and the leaving.
  const Base = SentinelConnector as new (options: object) => Connector;
  return class extends Base {
    readonly #sentinels = new Set<Sentinel>();

    override connectToSentinel(endpoint: unknown, options?: object) {
      // The detector's have options; what is left of a deadline of theirs would keep the process alive.
      const commandTimeout = options ? undefined : SENTINEL_TIMEOUT;
      const sentinel = super.connectToSentinel(endpoint, {
        ...options,
        commandTimeout,
        disconnectTimeout: PARTING_TIMEOUT,
      });
      sentinel.on('error', () => {});
      this.#sentinels.add(sentinel);
      sentinel.on('end', () => this.#sentinels.delete(sentinel));
      // A primary that is reached, or a pause that is over, after it was disconnected.
      if (this.connecting === false) sentinel.disconnect();
      return sentinel;
    }

    override disconnect() {
      super.disconnect();
      for (const sentinel of this.#sentinels) sentinel.disconnect();
    }
  };
}
