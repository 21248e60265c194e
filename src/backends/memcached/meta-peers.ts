/** What the backend needs of its client: servers, and a connection to each. `meta/` has them; whatever answers as they do will serve. */
import type { MetaConnection } from './meta/connection.js';

/** CAS numbers that were learnt over one are good over no other. */
export type MetaLine = Pick<MetaConnection, 'isOpen' | 'send' | 'store' | 'getMany'>;

export interface MetaPeer {
  /** If there is one at once. */
  readonly ready: MetaLine | undefined;
  /** Until a deadline, on the clock of who asks. */
  connection(deadline: number): Promise<MetaLine>;
}

export interface MetaPeers {
  readonly servers: readonly MetaPeer[];
  serverOf(key: string): MetaPeer;
  /** Whatever is under way fails with this. */
  close(why: Error): void;
}
