/**
 * How `ioredis` and `iovalkey` are told of a failover: by their own connector, whose detector listens to every sentinel and leaves a
 * primary that hangs as soon as they name another. Which primary that is, and when to try again, is the packages' to decide.
 */

/** The slice of the module. */
export interface SentinelModule {
  SentinelConnector: new (options: object) => object;
}

interface Connector {
  connectToSentinel(...args: readonly unknown[]): { on(event: 'error', run: () => void): unknown };
}

/**
 * The connector, to be given as the option `Connector`. The detector's connections have nobody who listens to their errors, and the
 * package writes such errors to stderr; a sentinel that is away is no trouble while another answers, and if none does, the client says so.
 */
export function quietConnector({ SentinelConnector }: SentinelModule): new (options: object) => object {
  // Private in the packages' types. Were it called otherwise one day, all would be as without this but the silence.
  const Base = SentinelConnector as new (options: object) => Connector;
  return class extends Base {
    override connectToSentinel(...args: readonly unknown[]) {
      const sentinel = super.connectToSentinel(...args);
      sentinel.on('error', () => {});
      return sentinel;
    }
  };
}
