/** What processes have asked of a memcached, and whether they were answered: who was cut off has tried all the same, as far as he could. */
import { lockNameOf } from '../../../backends/memcached/keys.js';
import { flagOf, isGoneAtOnce, type MetaRequest } from './server.js';
import { keyOf } from './store-model.js';

export class Asked {
  readonly #sent: { readonly request: MetaRequest; readonly at: number }[] = [];

  /** `at`: no later than now, and no earlier than what the server did last. */
  sent(request: MetaRequest, at: number): void {
    this.#sent.push({ request, at });
  }

  /** A process has asked for the key, its lock or a connection since then, and was not answered. */
  hasFailed(owner: string, key: string, since: number): boolean {
    return this.#sent.some(({ request, at }) => {
      const [name] = request.keys;
      const isAbout = name === undefined || keyOf(name) === key;
      return at >= since && request.owner === owner && request.isGivenUp && isAbout;
    });
  }

  /**
   * Behind the last of its writes that has failed, from the one on that added a lock, a process has looked for that, or for a connection.
   * Renewals aside: one may be under way when the lock is let go of, and needs nobody to look behind it.
   */
  hasTriedToRelease(adding: MetaRequest, key: string): boolean {
    const from = this.#sent.findLastIndex(({ request }) => request === adding);
    const sent = this.#sent.slice(from).map(({ request }) => request);
    const own = sent.filter(({ owner }) => owner === adding.owner);
    const failed = own.findLastIndex(({ isGivenUp, verb, keys: [name = ''], flags }) => {
      const isRenewal = name === lockNameOf(key) && flagOf(flags, 'C') !== undefined;
      return isGivenUp && verb === 'ms' && keyOf(name) === key && !isGoneAtOnce(flags) && !isRenewal;
    });
    const isTry = ({ verb, keys: [name = ''] }: MetaRequest) => verb === 'open' || name === lockNameOf(key);
    return failed < 0 || own.slice(failed + 1).some(isTry);
  }
}
